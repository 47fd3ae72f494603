/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The running kernel as one more executable whose source lines can be looked up: its vmlinux, if
 * one is installed (symbolize/vmlinux.h). Modules and BPF programs are not in it.
 *
 * How it can be wrong: that there is no vmlinux is believed for retry_ns, unless a debug file
 * arrives.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "symbolize/vmlinux.h"

struct executable;
struct kernel_file;

/* @search: strings are copied, the rest borrowed; @retry_ns: when it is looked for again. */
int kernel_file_new(const struct vmlinux_search *search, uint64_t retry_ns,
		    struct kernel_file **ret);
/* Takes its lines with it. Returns NULL; accepts NULL. */
struct kernel_file *kernel_file_free(struct kernel_file *k);

/*
 * Looks for the vmlinux if that is due; @start and @end are kernel_names_range(), @now is monotonic
 * ns. Borrowed; NULL if there is none.
 */
struct executable *kernel_file_get(struct kernel_file *k, uint64_t start, uint64_t end,
				   uint64_t now);

/* The same, if it was found before, for an address in it, which @ret_address is in the file. */
struct executable *kernel_file_of(struct kernel_file *k, uint64_t address, uint64_t *ret_address);

/* A descriptor of it if @x is the kernel, else -ENOENT. Borrowed. */
int kernel_file_open(const struct kernel_file *k, const struct executable *x);

/* A debug file has arrived, which may be the kernel's. */
void kernel_file_look_again(struct kernel_file *k);
