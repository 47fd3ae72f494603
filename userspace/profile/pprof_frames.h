/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From frames to locations of a profile: which mapping a frame belongs to, at which address, and
 * what its functions are called. Every distinct frame is looked up once.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profile/pprof_tables.h"
#include "symbolize/unnamed.h"

struct frame;
struct process;
struct symbolizer;
struct wanted_frame;

struct frame_location {
	uint32_t location;
	bool unnamed;
	enum unnamed_reason why;
};

/* Where the frames of an executable are. Mappings: 0 = none was needed yet. */
struct file_place {
	struct mapping_key segments; /* all of them as one range; an empty one if there is none */
	uint32_t mapping;
	uint32_t outside; /* the mapping of what is in no segment */
};

/* Frames have numbers, from 1 on. */
struct pprof_frames {
	struct pprof_tables *tables;
	struct symbolizer *symbolizer;
	struct intern *known;		  /* number -> what tells it from others */
	struct wanted_frame *frames;	  /* of number - 1 */
	struct frame_location *locations; /* of number - 1; 0 = not looked up yet */
	size_t frames_allocated, locations_allocated;
	struct intern *executables; /* pointers */
	struct file_place *files;   /* of executable id - 1 */
	size_t files_allocated;
	uint64_t kernel_start, kernel_end;
};

int pprof_frames_init(struct pprof_frames *f, struct pprof_tables *tables,
		      struct symbolizer *symbolizer);
void pprof_frames_done(struct pprof_frames *f);

/* The number of a frame, 0 = out of memory. It stays borrowed. */
uint32_t pprof_frames_number(struct pprof_frames *f, const struct frame *frame,
			     struct process *process);
/* Names are found faster together: has those looked up that are not there yet. */
void pprof_frames_prepare(struct pprof_frames *f);
/* 0, or -ENOMEM. */
int pprof_frames_get(struct pprof_frames *f, uint32_t number, struct frame_location *ret);

/*
 * The location that stands for what is missing: outermost in a stack that ended with @end before
 * its end, or alone in one of which nothing is known. 0 = out of memory.
 */
uint32_t pprof_frames_truncated(struct pprof_frames *f, unsigned int end);
uint32_t pprof_frames_no_stack(struct pprof_frames *f);
/* A location that is no code but says something, as "[ended processes]". 0 = out of memory. */
uint32_t pprof_frames_note(struct pprof_frames *f, const char *text);

/*
 * The mapping that readers are to take for the program: that of the file @path, made if there is
 * none; or, if @path is NULL because there are several programs, one that says so. 0 = out of
 * memory.
 */
uint32_t pprof_frames_main_mapping(struct pprof_frames *f, const char *path);
