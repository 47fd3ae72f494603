/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the loader writes into a position-independent program in Go. Most linkers write it into the
 * file as well, but not all.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "elf/elf_image.h"

/* The addresses at which @value is written, at most @max; returns how many. */
size_t go_relocations_of(const struct elf_image *image, uint64_t value, uint64_t *ret, size_t max);

/* Fills in those of the @n words from @address on that the loader writes. */
void go_relocations_apply(const struct elf_image *image, uint64_t address, uint64_t *words,
			  size_t n);
