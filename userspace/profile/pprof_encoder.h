/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A profile that is being encoded, between its two steps: pprof_gather.c fills the tables from
 * windows, where entries that are equal by name meet; pprof_encode.c writes them. What is in memory
 * between the two is numbers: a sample of 30 frames is about 150 bytes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profile/pprof.h"
#include "profile/pprof_frames.h"
#include "profile/pprof_tables.h"
#include "profile/quality.h"
#include "profile/sample.h"

/* Who a sample belongs to, as its labels will say. */
struct owner {
	uint32_t pid;			/* 0 if the profile has none */
	uint32_t comm, unit, container; /* strings; that of "" = no label */
};

/* A stack and what may be missing of it; who woke it, and the marker between the two. */
#define ENCODER_MAX_LOCATIONS (2 * SAMPLE_MAX_FRAMES + 2)

/* In the table it is cut off after the last location. */
struct sample_key {
	uint32_t owner, tid;
	struct wait wait; /* kind cpu: zero */
	uint16_t zero;
	uint32_t locations[ENCODER_MAX_LOCATIONS];
};

struct sample_value {
	int64_t count, value; /* block and mutex: count in 1/ABI_COUNT_ONE */
};

/*
 * Which program the profile is of: the executable that all processes share, or of a single process
 * that went through several the one with most samples (found by majority vote, so exact only when
 * one has more than half).
 */
struct program {
	bool any, other_process, other_path;
	uint32_t tgid;
	uint64_t start_boottime;
	uint32_t first_path, path; /* strings */
	int64_t votes;
};

/* Made by encoder_init() even if that fails. */
struct encoder {
	const struct pprof_options *options;
	struct wait_filter filter;
	struct pprof_tables tables;
	struct pprof_frames frames;
	uint32_t *all_numbers;	/* in frames, of the frames of all windows; 0 = not wanted */
	uint32_t *numbers;	/* of these, of frame id - 1 of the window at hand */
	struct intern *owners;	/* struct owner */
	struct intern *samples; /* struct sample_key */
	struct sample_value *values;
	size_t values_allocated;
	struct sample_value folded; /* what is told in comments instead of samples */
	struct program program;
	struct quality quality;
};

/* 0 or -ENOMEM; encoder_done() undoes it in any case. */
int encoder_init(struct encoder *e, const struct pprof_options *o, struct symbolizer *symbolizer);
void encoder_done(struct encoder *e);

/*
 * Adds the entries of windows that are of the profile's kind and selection; once. Their names are
 * looked up together before. 0 or -ENOMEM.
 */
int encoder_gather(struct encoder *e, struct window *const *windows, size_t n);

/* The count of a sample as it is written: whole, and not 0 for what there is. */
int64_t encoder_count(const struct encoder *e, const struct sample_value *value);

/* Tells, as comments, what was folded and is in no sample; nothing if nothing was. */
void encoder_folded_lines(const struct encoder *e, void (*line)(const char *text, void *userdata),
			  void *userdata);

/* The executable that the profile is of, NULL if there is no single one. Valid until a string is
 * added. */
const char *encoder_program(const struct encoder *e);
