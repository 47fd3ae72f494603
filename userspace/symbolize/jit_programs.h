/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which programs have compiled code without names in profiles: a short list, so that somebody can
 * be told how to make them tell.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Programs that are remembered; of those beyond it frames are only counted in the sum. */
#define JIT_PROGRAMS_MAX 32

struct jit_program {
	char *path;
	uint64_t frames;
};

/* All zero at first. */
struct jit_programs {
	struct jit_program list[JIT_PROGRAMS_MAX];
	size_t n;
};

/* A frame of code of the program at @path has no name. */
void jit_programs_count(struct jit_programs *p, const char *path);
void jit_programs_done(struct jit_programs *p);
