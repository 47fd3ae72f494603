/* SPDX-License-Identifier: Apache-2.0 */
/*
 * .gnu_debugdata, "mini debug info": an ELF file compressed by xz that has the symbols of those
 * functions which .dynsym does not have. Fedora, RHEL and their like ship it in every program.
 */
#pragma once

#include <stddef.h>

#include "elf/elf_image.h"

/* Bytes, of the section and of what it becomes; Fedora's largest become 20 MiB. */
#define ELF_DEBUGDATA_MAX_PACKED ((size_t)32 << 20)
#define ELF_DEBUGDATA_MAX	 ((size_t)128 << 20)
/* Of the dictionary and what else xz wants; xz -9 takes 65 MiB. */
#define ELF_DEBUGDATA_MAX_MEMORY ((size_t)96 << 20)

/*
 * The file in the section, uncompressed. -EFBIG if it is over one of the limits, -EBADMSG if it is
 * damaged, -ENOMEM or -errno. Caller frees.
 */
int elf_debugdata_copy(const struct elf_image *image, const Elf64_Shdr *section, void **ret_data,
		       size_t *ret_size);
