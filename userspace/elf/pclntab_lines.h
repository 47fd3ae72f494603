/* SPDX-License-Identifier: Apache-2.0 */
/* The source lines of a Go program for those who ask about many addresses of one file. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct line_builder;

/*
 * Sets the chains of those of the @n virtual addresses that lie in Go code of the file. 0, also if
 * the file is no program in Go (@ret_is_go) or its table is damaged: then nothing is known. -ENOMEM
 * or -errno if the file could not be read.
 */
int pclntab_lines(int fd, const uint64_t *addresses, uint32_t n, struct line_builder *b,
		  bool *ret_is_go);
