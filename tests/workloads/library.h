/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

void library_work(double seconds);
