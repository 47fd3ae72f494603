/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Debug sections of relocatable files, which kernel modules are: what refers to code or to another
 * section is filled in by whoever links the file, from a list beside the section. Here it is done
 * as the bytes are read, with an address made up for each section of code.
 *
 * The list may be larger than memory. It is looked into by bisection, so it has to be in the order
 * of the section, as assemblers and linkers write it.
 */
#pragma once

#include <stdint.h>

#include "elf/elf_image.h"

/* Bytes of a section, at most, and where section number @index of a relocatable file is put. */
#define RELOCATABLE_SPACE		   ((uint64_t)1 << 32)
#define RELOCATABLE_ADDRESS(index, offset) ((index)*RELOCATABLE_SPACE + (offset))

struct relocations;

/*
 * What is to be done to a section of the image (borrowed). @ret is NULL if there is nothing.
 * -ENOTSUP for a machine that is not known, -EBADMSG, -EFBIG, -ENOMEM or another -errno.
 */
int relocations_open(const struct elf_image *image, const Elf64_Shdr *section,
		     struct relocations **ret);
/* Returns NULL; accepts NULL. */
struct relocations *relocations_free(struct relocations *r);

/*
 * Fills in what belongs into @size bytes that were read from @offset of the section. -EBADMSG if
 * the list is damaged or not in order, or another -errno.
 */
int relocations_apply(const struct relocations *r, uint64_t offset, uint64_t size, void *buffer);
