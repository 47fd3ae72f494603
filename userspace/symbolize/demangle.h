/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names as people know them: C++ (Itanium), Rust (legacy and v0), D, OCaml, those of Fortran's
 * modules, and of Ada what cannot be mistaken for C: the main program, functions in functions, and
 * the run-time library. Swift's are left as they are, because libiberty does not know them. The
 * mangled name goes along in profiles as system_name.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Longer names are left as they are: the demangler itself refuses most of them. */
#define DEMANGLE_INPUT_MAX 1024
#define DEMANGLE_MAX_LEAKS 64

/* What of a name is wanted; the words are those of pprof's -symbolize=demangle=. */
enum demangle_form {
	DEMANGLE_TEMPLATES, /* arguments of templates, but no return type and no parameters */
	DEMANGLE_FULL,	    /* all of it, but for Rust's hash */
	DEMANGLE_NONE,	    /* names stay as they are */
};

/* The form of a word, "templates", "full" or "none"; the first of them if it is another one. */
enum demangle_form demangle_form_of(const char *word);

/*
 * Writes the readable form to @ret, cut with "..." if it does not fit; false if there is none but
 * the name itself.
 *
 * A clone of a function keeps its suffix, as " [clone .cold]" if the name was mangled, since it is
 * code of its own. What only makes a local name unique is dropped from any name: symbol versions,
 * ".llvm.N", ".lto_priv.N". "@plt" is kept.
 *
 * The work is bounded by the output: a name made to expand without end is cut like any other. Where
 * such a name may have been a Rust one with a Punycode identifier, up to 4 KiB of memory are lost
 * and *@leaks, which begins at 0, is counted up; at DEMANGLE_MAX_LEAKS names of that kind are left
 * as they are. Names in D that could cost too much are left as they are too.
 */
bool demangle(const char *name, enum demangle_form form, char *ret, size_t ret_size,
	      unsigned int *leaks);
