/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs that are known to compile at run time, and how each is made to tell the names of what it
 * compiles.
 *
 * How it can be wrong: they are told by the names of their files.
 */
#pragma once

struct jit_runtime {
	const char *program; /* base name; "java" is also of "java-17" and "java17" */
	const char *advice;
};

/* NULL if the program at @path, which may be "" or NULL, is not known to be one. */
const struct jit_runtime *jit_runtime_of(const char *path);
