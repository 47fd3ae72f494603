/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of C++ (Itanium) and Rust (legacy and v0) as people know them: without return type,
 * parameters, qualifiers and Rust's hash, but with template arguments. The mangled name goes along
 * in profiles as system_name, from which pprof makes the full form.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Longer names are left as they are: the demangler itself refuses most of them. */
#define DEMANGLE_INPUT_MAX 1024
#define DEMANGLE_MAX_LEAKS 64

/*
 * Writes the demangled form to @ret, cut with "..." if it does not fit; false if the name is not
 * mangled or cannot be demangled. A clone's suffix is kept as " [clone .cold]"; symbol versions and
 * what LLVM adds to local names are dropped, "@plt" is kept. The work is bounded by the output: a
 * name made to expand without end is cut like any other. Where such a name may have been a Rust one
 * with a Punycode identifier, up to 4 KiB of memory are lost and *@leaks, which begins at 0, is
 * counted up; at DEMANGLE_MAX_LEAKS names of that kind are left as they are.
 */
bool demangle(const char *name, char *ret, size_t ret_size, unsigned int *leaks);
