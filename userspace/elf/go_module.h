/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the Go runtime knows of a program (moduledata in src/runtime/symtab.go, which has no version
 * and grows with each release): found by the pointer to the function table that it begins with.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "elf/elf_image.h"

/*
 * Calls @take for each place that may be moduledata of the table at an address, until it says true;
 * false if it never does.
 */
bool go_module_find(const struct elf_image *image, uint64_t table,
		    bool (*take)(void *userdata, uint64_t address), void *userdata);

/*
 * The words at an address as they are when the loader is done, at most @max of them; the rest of
 * @ret is 0. How many: the file may end with them. 0 if it has fewer than @min.
 */
size_t go_module_words(const struct elf_image *image, uint64_t address, uint64_t *ret, size_t min,
		       size_t max);

/* Content of a segment, as it is in the file; false if there is none, or not so much. */
bool go_module_read(const struct elf_image *image, uint64_t address, void *buffer, size_t size);
