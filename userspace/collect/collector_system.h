/* SPDX-License-Identifier: Apache-2.0 */
/* What the machine allows: sysctls, capabilities, BTF, lockdown. For errors and for the doctor. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COLLECTOR_BTF_PATH "/sys/kernel/btf/vmlinux"

/* The number in a file of one line (a sysctl). 0, -errno, or -EINVAL. */
int collector_system_number(const char *path, long *ret);

/* Is the capability effective? CAP_SYS_ADMIN stands for CAP_BPF and CAP_PERFMON too. */
bool collector_system_has_capability(int capability);

/* Writes the names of those of CAP_BPF and CAP_PERFMON that are missing, joined by " and ". */
void collector_system_missing(char *text, size_t size);

/* Does lockdown forbid BPF to read kernel memory? */
bool collector_system_is_confidential(void);

/* Do the kernel's types say that it has this tracepoint? One of BPF's; many are in no tracefs. */
bool collector_system_has_tracepoint(const char *name);

/*
 * What /proc/kallsyms calls a function, which may be its name and a suffix of the compiler's
 * (.isra.0). 0, -ENOENT, or what reading failed with.
 */
int collector_system_kernel_function(const char *name, char *ret, size_t size);

/* Are process numbers in here others than the kernel's own? 1, 0, or -errno if that is not known.
 */
int collector_system_is_container(void);

/* How many threads the machine has, those of the kernel included; 0 = not known. */
uint64_t collector_system_threads(void);
