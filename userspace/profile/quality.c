/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/quality.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/cleanup.h"

void quality_add(struct quality *sum, const struct quality *q)
{
	sum->samples_attempted += q->samples_attempted;
	sum->samples_lost += q->samples_lost;
	sum->sideband_lost += q->sideband_lost;
	for (size_t i = 0; i < ARRAY_SIZE(sum->user_stacks); i++)
		sum->user_stacks[i] += q->user_stacks[i];
	sum->user_frames += q->user_frames;
	sum->user_frames_guessed += q->user_frames_guessed;
	sum->user_stacks_from_slices += q->user_stacks_from_slices;
	sum->frames += q->frames;
	sum->frames_unnamed += q->frames_unnamed;
	for (size_t i = 0; i < ARRAY_SIZE(sum->unnamed); i++)
		sum->unnamed[i] += q->unnamed[i];
}

const char *quality_end_name(unsigned int end)
{
	static const char *const names[] = {
#define X(name, help) #name,
		ABI_STACK_ENDS(X)
#undef X
	};

	return end < ARRAY_SIZE(names) ? names[end] : "unknown";
}

struct output {
	void (*line)(const char *text, void *userdata);
	void *userdata;
};

static void put(const struct output *o, const char *key, const char *suffix, uint64_t value)
{
	char text[128];

	snprintf(text, sizeof(text), "profd: %s%s=%" PRIu64, key, suffix, value);
	o->line(text, o->userdata);
}

void quality_lines(const struct quality *q, void (*line)(const char *text, void *userdata),
		   void *userdata)
{
	const struct output o = { line, userdata };
	uint64_t attempted = 0;

	for (unsigned int end = 0; end < ABI_STACK_ENDS_COUNT; end++)
		if (abi_stack_was_attempted(end))
			attempted += q->user_stacks[end];

	put(&o, "samples_attempted", "", q->samples_attempted);
	put(&o, "samples_lost", "", q->samples_lost);
	put(&o, "sideband_lost", "", q->sideband_lost);
	put(&o, "user_stacks_attempted", "", attempted);
	put(&o, "user_stacks_complete", "", q->user_stacks[ABI_STACK_complete]);
	for (unsigned int end = 0; end < ABI_STACK_ENDS_COUNT; end++)
		if (abi_stack_is_truncated(end) && q->user_stacks[end])
			put(&o, "user_stacks_truncated_", quality_end_name(end),
			    q->user_stacks[end]);
	if (q->user_stacks[ABI_STACK_exec])
		put(&o, "user_stacks_in_exec", "", q->user_stacks[ABI_STACK_exec]);
	put(&o, "user_frames_guessed", "", q->user_frames_guessed);
	put(&o, "user_stacks_from_slices", "", q->user_stacks_from_slices);
	put(&o, "frames", "", q->frames);
	put(&o, "frames_unnamed", "", q->frames_unnamed);
	for (unsigned int i = UNNAMED_NOT + 1; i < UNNAMED_COUNT; i++)
		if (q->unnamed[i])
			put(&o, "frames_unnamed_", unnamed_reason_name(i), q->unnamed[i]);
}
