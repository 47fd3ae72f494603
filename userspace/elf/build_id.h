/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The build id that linkers put into a note. Looks at no more than 256 KiB of notes of a file; what
 * is too large is passed over, notes that contradict themselves end the search in their place.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define ELF_BUILD_ID_MAX 64

struct elf_image;

/* In hexadecimal digits, as in paths. @ret has room for 2 * size + 1. */
void build_id_format(const uint8_t *build_id, size_t size, char *ret);

/*
 * What the kernel sees, also in files without section headers. @ret_size is 0 if there is none.
 * -ENODATA if notes are not in the file, -ENOMEM or -errno.
 */
int build_id_of_segments(const struct elf_image *image, uint8_t ret[ELF_BUILD_ID_MAX],
			 size_t *ret_size);
/* The same of note sections; debug files keep the segments of their program, but not the bytes. */
int build_id_of_sections(const struct elf_image *image, uint8_t ret[ELF_BUILD_ID_MAX],
			 size_t *ret_size);
/* The same of notes alone, as in /sys/kernel/notes. Returns the size, 0 if there is none. */
size_t build_id_of_notes(const void *notes, size_t size, uint8_t ret[ELF_BUILD_ID_MAX]);
