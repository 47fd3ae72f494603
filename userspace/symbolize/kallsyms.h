/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/kallsyms as a compact table: 8 bytes a function, and the names. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Code that comes and goes, in the order of the file: BPF programs, trampolines, kprobe pages. */
typedef void (*kallsyms_dynamic_fn)(void *userdata, uint64_t address, const char *name);

struct kallsyms_entry {
	uint32_t offset; /* from base */
	uint32_t name;	 /* in names; KALLSYMS_NO_TEXT = no code from here on */
};

#define KALLSYMS_NO_TEXT UINT32_MAX

struct kallsyms {
	uint64_t base;
	uint32_t n, n_text;
	struct kallsyms_entry *entries; /* by rising offset */
	char *names;
	size_t names_size;
	uint64_t text_start, text_end;		 /* of the kernel proper; 0 = hidden */
	uint64_t scheduler_start, scheduler_end; /* its section .sched.text; 0 = not known */
};

/*
 * Reads the file. Addresses that are all zero (kernel.kptr_restrict, no CAP_SYSLOG) give an empty
 * table. Names of code that comes and goes go to @dynamic and not into the table.
 */
int kallsyms_read(const char *path, kallsyms_dynamic_fn dynamic, void *userdata,
		  struct kallsyms *ret);
void kallsyms_done(struct kallsyms *k);

/* The function that @address lies in, NULL if in none. */
const char *kallsyms_find(const struct kallsyms *k, uint64_t address);
