/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small world for tests of profiles: two programs, a library, a file that could not be read, four
 * processes; and a symbolizer that knows them all by rule. To be included by one file of a test
 * program: it defines what symbolize/symbolizer.h declares and profiles need.
 */
#pragma once

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "process/executable.h"
#include "process/process.h"
#include "profile/pprof.h"
#include "profile/sample.h"
#include "profile/window.h"
#include "symbolize/symbolizer.h"

#define WORLD_KERNEL_START 0xffffffff81000000ULL
/* In the library, where functions are called as those that wait for locks. */
#define WORLD_NAMES	 0x30000
#define WORLD_KERNEL_END 0xffffffff82000000ULL

/* Two executable segments, as a linker that splits text makes them. */
static struct executable_segment world_app_segments[] = {
	{ .offset = 0x1040, .size = 0x2000, .address = 0x401040 },
	{ .offset = 0x5000, .size = 0x800, .address = 0x406000 },
};
static struct executable_segment world_library_segments[] = {
	{ .offset = 0x26000, .size = 0x155000, .address = 0x26000 },
};

static struct executable world_app = {
	.refs = 1,
	.path = (char *)"/usr/bin/app",
	.build_id = { 0xde, 0xad, 0xbe, 0xef },
	.build_id_size = 4,
	.readable = true,
	.n_segments = 2,
	.segments = world_app_segments,
};
static struct executable world_library = {
	.refs = 1,
	.path = (char *)"/usr/lib/libdemo.so.1",
	.build_id = { 0x01, 0x02, 0xfe },
	.build_id_size = 3,
	.readable = true,
	.n_segments = 1,
	.segments = world_library_segments,
};
static struct executable world_gone = {
	.refs = 1,
	.path = (char *)"/tmp/gone",
};

static struct process world_processes[] = {
	{ .refs = 1,
	  .tgid = 100,
	  .start_boottime = 1000,
	  .comm = (char *)"app",
	  .executable = (char *)"/usr/bin/app",
	  .cgroup = (char *)"",
	  .unit = (char *)"app.service" },
	{ .refs = 1,
	  .tgid = 200,
	  .start_boottime = 2000,
	  .comm = (char *)"app",
	  .executable = (char *)"/usr/bin/app",
	  .cgroup = (char *)"",
	  .unit = (char *)"app.service",
	  .container = (char *)"0123456789abcdef" },
	{ .refs = 1,
	  .tgid = 300,
	  .start_boottime = 3000,
	  .comm = (char *)"f\xc3\xbcnf",
	  .executable = (char *)"/tmp/gone",
	  .cgroup = (char *)"" },
	{ .refs = 1,
	  .tgid = 2,
	  .start_boottime = 1,
	  .comm = (char *)"kthreadd",
	  .executable = (char *)"",
	  .cgroup = (char *)"" },
};

struct symbolizer {
	size_t calls;
	size_t wanted, prepared; /* frames */
	uint64_t kernel_start, kernel_end;
	char name[64], system_name[64]; /* of the last answer: callers must copy */
};

void symbolizer_kernel_range(struct symbolizer *s, uint64_t *ret_start, uint64_t *ret_end)
{
	*ret_start = s->kernel_start;
	*ret_end = s->kernel_end;
}

void symbolizer_want(struct symbolizer *s, const struct wanted_frame *wanted, size_t n)
{
	(void)wanted;
	s->wanted += n;
}

void symbolizer_prepare(struct symbolizer *s, const struct wanted_frame *wanted, size_t n,
			uint64_t weight)
{
	(void)wanted;
	(void)weight;
	s->prepared += n;
}

/* Of files every other 16 bytes are known before the end. */
bool symbolizer_knows(const struct symbolizer *s, const struct frame *frame)
{
	(void)s;
	return frame->kind == FRAME_FILE && !(frame->address & 0x10);
}

/*
 * Files: one function per 256 bytes, demangled; an address that ends in 0xf is a function inlined
 * into it, with lines; one that ends in 0xe has no name. JIT code: a function per process.
 */
size_t symbolizer_frame(struct symbolizer *s, const struct frame *f, struct process *process,
			struct symbol *ret, size_t max)
{
	const char *base = f->kind == FRAME_FILE ? strrchr(f->executable->path, '/') + 1 : "";
	struct symbol symbol = { .name = s->name, .system_name = s->system_name };
	size_t n = 0;

	s->calls++;
	if (f->kind == FRAME_FILE && f->executable == &world_library && f->address >= WORLD_NAMES) {
		static const char *const names[] = { "pthread_mutex_lock", "pthread_cond_wait",
						     "ObjectMonitor::enter(JavaThread*)" };

		snprintf(s->name, sizeof(s->name), "%s",
			 names[(f->address - WORLD_NAMES) % ARRAY_SIZE(names)]);
		symbol.system_name = s->name;
	} else if (f->kind == FRAME_KERNEL) {
		snprintf(s->name, sizeof(s->name), "kernel_%" PRIx64, f->address >> 8);
		symbol.system_name = s->name;
	} else if (f->kind == FRAME_ADDRESS) {
		snprintf(s->name, sizeof(s->name), "jit_%u_%" PRIx64, process->tgid,
			 f->address >> 8);
		symbol.system_name = s->name;
	} else if ((f->address & 15) == 14) {
		snprintf(s->name, sizeof(s->name), "%s+0x%" PRIx64, base, f->address);
		symbol.system_name = s->name;
		symbol.unnamed = true;
		symbol.why = UNNAMED_stripped;
	} else {
		snprintf(s->name, sizeof(s->name), "%s::f%" PRIx64 "()", base, f->address >> 8);
		snprintf(s->system_name, sizeof(s->system_name), "_Z%s%" PRIx64, base,
			 f->address >> 8);
	}
	if ((f->address & 15) == 15 && f->kind == FRAME_FILE && max > 1)
		ret[n++] = (struct symbol){ .name = "inlined",
					    .system_name = "inlined",
					    .file = "/src/a.c",
					    .line = 7,
					    .start_line = 5 };
	ret[n++] = symbol;
	return n;
}

/* A deterministic generator (xorshift64), so that a failure can be had again. */
static inline uint64_t world_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static inline struct frame world_frame(uint64_t *state)
{
	uint64_t r = world_random(state);
	uint64_t small = (r >> 8) % 64 * 0x33;

	switch (r % 6) {
	case 0:
	case 1:
		return (struct frame){ .kind = FRAME_FILE,
				       .executable = &world_app,
				       .address = 0x1040 + small,
				       .guessed = r & (1 << 20) };
	case 2:
	case 3:
		return (struct frame){ .kind = FRAME_FILE,
				       .executable = &world_library,
				       .address = 0x26000 + small };
	case 4:
		return (struct frame){ .kind = FRAME_FILE,
				       .executable = &world_gone,
				       .address = small };
	default:
		return (struct frame){ .kind = FRAME_ADDRESS, .address = 0x7f0000001000 + small };
	}
}

/* A sample of the first process with these frames. */
static inline struct sample world_plain_sample(const struct frame *frames, size_t n)
{
	return (struct sample){
		.kind = ABI_KIND_CPU,
		.user_end = ABI_STACK_complete,
		.tid = 7,
		.value = 10,
		.count = 1,
		.process = &world_processes[0],
		.n_frames = n,
		.frames = frames,
	};
}

/* A sample of up to @max frames, some of them the kernel's. @frames has room for @max. */
static inline struct sample world_sample(uint64_t *state, struct frame *frames, size_t max)
{
	uint64_t r = world_random(state);
	size_t n = r % (max + 1);
	size_t kernel = n ? (r >> 8) % n / 3 : 0;
	uint8_t ends[] = { ABI_STACK_complete, ABI_STACK_complete, ABI_STACK_complete,
			   ABI_STACK_too_deep, ABI_STACK_no_mapping };

	for (size_t i = 0; i < n; i++)
		frames[i] = i < kernel ? (struct frame){ .kind = FRAME_KERNEL,
							 .address = WORLD_KERNEL_START + i * 0x777 }
				       : world_frame(state);
	return (struct sample){
		.kind = ABI_KIND_CPU,
		.user_end = ends[(r >> 16) % ARRAY_SIZE(ends)],
		.tid = 1000 + (r >> 24) % 3,
		.time = r,
		.count = 1 + (int64_t)((r >> 32) % 3),
		.value = 10000000 + (int64_t)((r >> 36) % 1000),
		.process = &world_processes[(r >> 48) % ARRAY_SIZE(world_processes)],
		.n_frames = n,
		.frames = frames,
	};
}
