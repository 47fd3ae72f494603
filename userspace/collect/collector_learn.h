/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

/* collector_learn_file() of collector.h, by the program learn_file. */
int collector_learn(int program, int fd, uint32_t *ret_file_id);
