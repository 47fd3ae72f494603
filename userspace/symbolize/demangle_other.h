/* SPDX-License-Identifier: Apache-2.0 */
/* Private to demangle.c: languages whose names are short enough to be made in one piece. */
#pragma once

#include <stdbool.h>

/* Names in D: "_D4main3fooFiZv", "_Dmain". */
bool demangle_is_d(const char *name);
/*
 * Names in Ada that are not possible, or not likely, in C: "_ada_main", "system__img_int__image",
 * and functions in others, "main__shapes__area.10".
 */
bool demangle_is_ada(const char *name);
/* Names in OCaml: "camlStdlib__List__iter_261", since 5.1 "camlStdlib__List.iter_261". */
bool demangle_is_ocaml(const char *name);
/* Names in Fortran modules, as gfortran makes them: "__things_MOD_twice". */
bool demangle_is_fortran(const char *name);

/* The readable form, malloced; NULL if there is none. @parameters: with those of functions. */
char *demangle_d(const char *mangled, bool parameters);
char *demangle_ada(const char *mangled);
char *demangle_ocaml(const char *mangled);
char *demangle_fortran(const char *mangled);
