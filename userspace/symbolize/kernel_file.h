/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The running kernel as more executables whose source lines can be looked up: its vmlinux, if one
 * is installed (symbolize/vmlinux.h), and its modules. BPF programs are not in it.
 *
 * How it can be wrong: that there is no file is believed for retry_ns, unless a debug file
 * arrives.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "symbolize/vmlinux.h"

struct executable;
struct kernel_file;

/*
 * @search: strings are copied, the rest borrowed; @modules: "/proc/modules"; @retry_ns: when a file
 * that was not there is looked for again.
 */
int kernel_file_new(const struct vmlinux_search *search, const char *modules, uint64_t retry_ns,
		    struct kernel_file **ret);
/* Takes its lines with it. Returns NULL; accepts NULL. */
struct kernel_file *kernel_file_free(struct kernel_file *k);

/*
 * Looks for the vmlinux, and for which modules there are, if that is due; @start and @end are
 * kernel_names_range(), @now is monotonic ns.
 */
void kernel_file_look(struct kernel_file *k, uint64_t start, uint64_t end, uint64_t now);

/*
 * What holds an address, which @ret_address is in its file; NULL if no file is known. With @now not
 * 0 that of a module is looked for, if that is due. Borrowed, until the next look.
 */
struct executable *kernel_file_of(struct kernel_file *k, uint64_t address, uint64_t now,
				  uint64_t *ret_address);

/* A descriptor of it if @x is of the kernel, else -ENOENT. Borrowed. */
int kernel_file_open(const struct kernel_file *k, const struct executable *x);

/* A debug file has arrived, which may be the kernel's. */
void kernel_file_look_again(struct kernel_file *k);
