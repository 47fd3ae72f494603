/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A descriptor to read the image of the running kernel's 64-bit vdso from, which every process has
 * mapped and no file system holds. -ENOENT if there is none. Caller closes.
 */
int vdso_open(void);
