/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds the unwinding table of an ELF file from all that describes its code: .eh_frame, by section
 * or through PT_GNU_EH_FRAME; .debug_frame, its own or that of a separate debug file; Go's
 * pclntab; and what is known of undescribed code (table_synthetic.c).
 *
 * A pure function of the files' bytes, which may be hostile: time and memory are bounded by their
 * size, damage is counted in the table's statistics. It is meant to run in a process without
 * rights.
 */
#pragma once

#include "unwind/table.h"

struct elf_image;

/*
 * @debug_fd is a separate debug file of the same program, or -1. A file that describes nothing
 * gives a table without rows. Fails with -ENOEXEC if it is not ELF for x86-64, -EFBIG if it is
 * beyond the limits, -ENOMEM, or what reading failed with. Caller frees with free().
 */
int unwind_table_build(int fd, int debug_fd, struct unwind_table **ret);

/* The same of images that are open; @debug may be NULL. The vdso comes this way. */
int unwind_table_build_image(const struct elf_image *image, const struct elf_image *debug,
			     struct unwind_table **ret);
