/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loaded kernel modules as executables whose source lines can be looked up. A module is a
 * relocatable file: the loader puts each of its sections somewhere and tells in
 * /sys/module/NAME/sections where. Its file with DWARF is looked for like the kernel's
 * (symbolize/vmlinux.h), by the path that modules.dep has for it, or by its build id, which it has
 * to have.
 *
 * How it can be wrong: the list of modules is read every KERNEL_MODULES_REREAD_NS, so one that was
 * loaded since has no lines yet, and where it took an old one's addresses, that one's; another
 * build of the same module at the same address is not noticed. Code that a module runs while it is
 * loaded
 * (.init.text) has none.
 */
#pragma once

#include <stdint.h>

#include "symbolize/vmlinux.h"

#define KERNEL_MODULES_REREAD_NS 10000000000ULL

struct executable;
struct kernel_modules;

/*
 * @list: "/proc/modules", borrowed, as is all of @search; @retry_ns: when a file that was not there
 * is looked for again. -ENOMEM.
 */
int kernel_modules_new(const struct vmlinux_search *search, const char *list, uint64_t retry_ns,
		       struct kernel_modules **ret);
/* Takes their lines with it. Returns NULL; accepts NULL. */
struct kernel_modules *kernel_modules_free(struct kernel_modules *k);

/* Reads the list of modules if that is due; @now is monotonic ns. */
void kernel_modules_look(struct kernel_modules *k, uint64_t now);

/*
 * The module that holds an address in memory, which @ret_address is in its file
 * (RELOCATABLE_ADDRESS of elf/relocations.h); NULL if none with a file does. With @now not 0 its
 * file is looked for, if that is due. Borrowed, until the next look.
 */
struct executable *kernel_modules_of(struct kernel_modules *k, uint64_t address, uint64_t now,
				     uint64_t *ret_address);

/* A descriptor of its file if @x is a module, else -ENOENT. Borrowed. */
int kernel_modules_open(const struct kernel_modules *k, const struct executable *x);

/* A debug file has arrived, which may be a module's. */
void kernel_modules_look_again(struct kernel_modules *k);
