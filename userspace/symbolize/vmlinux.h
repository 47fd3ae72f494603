/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file that the running kernel was made as, with its DWARF, where one is installed: below the
 * debug directories as boot/vmlinux-RELEASE, as lib/modules/RELEASE/vmlinux or by build id; in
 * /boot, or where it was built; last, from debuginfod. It has to have the build id that the kernel
 * tells.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct debuginfod;

struct vmlinux_search {
	const char *root;	       /* "/" but in tests */
	const char *notes;	       /* "/sys/kernel/notes" */
	const char *release;	       /* of uname() */
	const char *directories;       /* as in debug_file.h */
	struct debuginfod *debuginfod; /* NULL = none */
};

struct vmlinux {
	int fd;		/* the caller's */
	uint64_t slide; /* an address in memory minus this is one of the file */
};

/*
 * Calls @try with the descriptor (borrowed) of each file that is there by one of the relative paths
 * @names, below the debug directories and then the root, until it returns something else than
 * -ENOENT. Returns that; -ENOENT if there is nothing more to try.
 */
int vmlinux_each(const struct vmlinux_search *s, const char *const *names, size_t n,
		 int (*try)(int fd, void *userdata), void *userdata);

/*
 * @stext is where _stext is in memory (kernel_names_range()); in the file it is the start of .text.
 * -ENOENT if there is none of this kernel, -EACCES if @stext is 0 because addresses are hidden, or
 * -errno.
 */
int vmlinux_open(const struct vmlinux_search *s, uint64_t stext, struct vmlinux *ret);
