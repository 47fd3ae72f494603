/* SPDX-License-Identifier: Apache-2.0 */
/* Private to demangle.c: languages whose demanglers return their text in one piece. */
#pragma once

#include <stdbool.h>

/* Names in D: "_D4main3fooFiZv", "_Dmain". */
bool demangle_is_d(const char *name);
/* Names in Ada that are not possible, or not likely, in C: "_ada_main", "system__img_int__image".
 */
bool demangle_is_ada(const char *name);

/* The readable form, malloced; NULL if there is none. @parameters: with those of functions. */
char *demangle_d(const char *mangled, bool parameters);
char *demangle_ada(const char *mangled);
