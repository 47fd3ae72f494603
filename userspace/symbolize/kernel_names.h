/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of kernel code: /proc/kallsyms, read when the first name is wanted, and code that comes
 * and goes (BPF programs, trampolines), kept current by PERF_RECORD_KSYMBOL. Code that went keeps
 * its name until its addresses are given to other code, because its samples are named later.
 *
 * Modules are not announced. kallsyms is read again when /proc/modules shows others than before, or
 * when records of the side-band were lost; looked at no more often than every
 * KERNEL_NAMES_REREAD_NS. It is always read whole: the kernel makes all that lies before an offset
 * to seek to it, which was 86 of 92 ms for 122,000 symbols.
 *
 * How it can be wrong: kallsyms has no sizes, so the last function of a module may seem to reach
 * into what follows it. Until the next look at /proc/modules a new module is unnamed or, where it
 * has an old one's addresses, wrongly named.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KERNEL_NAMES_REREAD_NS 10000000000ULL

struct kernel_names;

/*
 * Paths; @kallsyms "" = there is none. @modules may be of a file that is not there, as in a kernel
 * without modules. -ENOMEM.
 */
int kernel_names_new(const char *kallsyms, const char *modules, struct kernel_names **ret);
/* Returns NULL; accepts NULL. */
struct kernel_names *kernel_names_free(struct kernel_names *k);

/*
 * The function at @address: "name", or "name [module]"; NULL if there is none. Valid until the next
 * call. @now: monotonic ns.
 */
const char *kernel_names_find(struct kernel_names *k, uint64_t address, uint64_t now);

/*
 * _stext and _etext, or the lowest and the highest text symbol if these are not there; 0 and 0 if
 * addresses are hidden (kernel.kptr_restrict).
 */
void kernel_names_range(struct kernel_names *k, uint64_t now, uint64_t *ret_start,
			uint64_t *ret_end);
/* The same of the functions by which a task gives up its CPU (.sched.text); 0 and 0 if not known.
 */
void kernel_names_scheduler(struct kernel_names *k, uint64_t now, uint64_t *ret_start,
			    uint64_t *ret_end);

/* Code was registered. When memory runs out it stays unnamed. */
void kernel_names_add(struct kernel_names *k, uint64_t address, uint64_t size, const char *name);
void kernel_names_remove(struct kernel_names *k, uint64_t address);

/* Records were lost: code may have come or gone unseen. */
void kernel_names_lost(struct kernel_names *k);

uint32_t kernel_names_count(const struct kernel_names *k);
size_t kernel_names_memory(const struct kernel_names *k);
