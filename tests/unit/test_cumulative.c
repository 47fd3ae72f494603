/* SPDX-License-Identifier: Apache-2.0 */
/* The waits since the start, within a budget. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "process/process_object.h"
#include "profile/cumulative.h"
#include "profile/cumulative_merge.h"
#include "profile_world.h"

#define N_PROCESSES 600

struct sums {
	int64_t count, value, folded_value;
	uint64_t samples;
	size_t entries, folded, names;
	int64_t value_of_last; /* of the process that ended last, not folded */
	uint32_t tids;
};

static struct process *processes[N_PROCESSES];

static int set_up(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < N_PROCESSES; i++) {
		char comm[16];

		snprintf(comm, sizeof(comm), "p%u", i % 300);
		processes[i] = process_new(1000 + i, comm);
		if (!processes[i])
			return -1;
	}
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < N_PROCESSES; i++)
		process_unref(processes[i]);
	return 0;
}

/* Those of the first half have ended. */
static bool has_ended(void *userdata, const struct process *p)
{
	(void)userdata;
	assert_int_not_equal(p->tgid, 0);
	return p->tgid < 1000 + N_PROCESSES / 2;
}

static struct cumulative *make(uint64_t start_time, size_t budget,
			       bool (*ended)(void *userdata, const struct process *p))
{
	const struct cumulative_options o = {
		.start_time = start_time,
		.budget = budget,
		.has_ended = ended,
	};

	return cumulative_new(&o);
}

static int sum(const struct window_entry *e, void *userdata)
{
	struct sums *s = userdata;

	s->entries++;
	s->folded += e->folded;
	s->samples += e->samples;
	s->count += e->count;
	s->value += e->value;
	s->folded_value += e->folded ? e->value : 0;
	s->tids |= e->tid;
	if (e->folded) {
		assert_int_equal(e->n_frames, 0);
		assert_int_equal(e->process->tgid, 0);
		assert_int_equal(e->wait.system_call, -1);
	} else if (e->process == processes[N_PROCESSES - 1]) {
		s->value_of_last += e->value;
	}
	return 0;
}

/* Waits of each process on several stacks; one after the other they end. */
static void fill(struct cumulative *c, struct sums *expected)
{
	for (uint32_t i = 0; i < N_PROCESSES; i++) {
		for (uint32_t k = 0; k < 20; k++) {
			struct frame frames[30];
			struct sample s = {
				.kind = k % 4 ? ABI_KIND_BLOCK : ABI_KIND_MUTEX,
				.user_end = ABI_STACK_complete,
				.tid = 1 + k,
				.count = ABI_COUNT_ONE,
				.value = 1000 + k,
				.wait = { WAIT_lock, WAIT_LOCK_mutex, .system_call = 202 },
				.process = processes[i],
				.n_frames = ARRAY_SIZE(frames),
				.frames = frames,
			};

			for (size_t f = 0; f < ARRAY_SIZE(frames); f++)
				frames[f] = (struct frame){ .kind = FRAME_ADDRESS,
							    .address = i * 1000 + k * 40 + f };
			assert_int_equal(cumulative_add(c, &s), 0);
			expected->samples++;
			expected->count += s.count;
			expected->value += s.value;
		}
		processes[i]->exit_time = 1 + i;
	}
}

static void nothing_is_folded_while_there_is_room(void **state)
{
	struct cumulative *c = make(5, 64 << 20, NULL);
	struct sums s = {}, expected = {};

	(void)state;
	fill(c, &expected);
	window_each(cumulative_window(c), sum, &s);
	assert_int_equal(window_start(cumulative_window(c)), 5);
	assert_int_equal(s.entries, N_PROCESSES * 20);
	assert_int_equal(s.value, expected.value);
	assert_int_equal(s.tids, 0);
	assert_int_equal(cumulative_folded(c), 0);
	cumulative_free(c);
}

static void totals_never_shrink(void **state)
{
	const size_t budget = 2 << 20;
	struct cumulative *c = make(0, budget, NULL);
	struct sums s = {}, expected = {};
	struct quality *q;

	(void)state;
	fill(c, &expected);
	window_each(cumulative_window(c), sum, &s);
	assert_int_equal(s.samples, expected.samples);
	assert_int_equal(s.count, expected.count);
	assert_int_equal(s.value, expected.value);
	assert_true(cumulative_memory(c) <= budget + budget / 4);
	assert_true(s.folded > 0 && cumulative_folded(c) >= N_PROCESSES);
	/* 300 names: those that there is no room for are others together; of two kinds each. */
	assert_true(s.folded <= 2 * (CUMULATIVE_MAX_NAMES + 1));
	/* Who ended last is the last to go. */
	assert_int_equal(s.value_of_last, 20 * 1000 + 190);
	q = window_quality(cumulative_window(c), ABI_KIND_BLOCK);
	assert_int_equal(q->samples_attempted, N_PROCESSES * 15);
	assert_int_equal(q->user_stacks[ABI_STACK_complete], N_PROCESSES * 15);
	cumulative_free(c);
}

/* What a process waits for that looks like all others of its name. */
static struct sample common_wait(uint32_t i, const struct frame frames[2])
{
	return (struct sample){
		.kind = ABI_KIND_BLOCK,
		.user_end = ABI_STACK_complete,
		.tid = 7,
		.time = 100 * CUMULATIVE_GRACE_NS,
		.count = ABI_COUNT_ONE,
		.value = 10,
		.wait = { WAIT_poll, WAIT_LOCK_none, .system_call = 0 },
		.process = processes[i],
		.n_frames = 2,
		.frames = frames,
		.waker = processes[i],
		.n_waker_frames = 1,
		.waker_frames = frames,
	};
}

struct merged {
	size_t entries, groups, of_groups;
	int64_t value, of_living, of_young, jitted;
};

static int see_merged(const struct window_entry *e, void *userdata)
{
	struct merged *m = userdata;
	bool jitted = window_frame(e->window, e->frames[1], NULL).kind == FRAME_ADDRESS;

	assert_false(e->folded);
	assert_int_equal(e->n_frames, 2);
	m->entries++;
	m->value += e->value;
	m->groups += e->process->tgid == 0;
	m->of_groups += e->process->tgid == 0 ? e->samples : 0;
	m->of_living += e->process->tgid >= 1000 + N_PROCESSES / 2 ? e->value : 0;
	m->of_young += e->process->tgid == 1000 ? e->value : 0;
	m->jitted += jitted ? e->value : 0;
	if (e->process->tgid == 0) {
		assert_false(jitted);
		assert_int_equal(e->waker->tgid, 0);
		assert_string_equal(e->waker->comm, e->process->comm);
		assert_int_equal(e->process->comm[0], 'p');
	}
	return 0;
}

static void ended_processes_are_merged(void **state)
{
	struct frame frames[2] = {
		{ .kind = FRAME_KERNEL, .address = WORLD_KERNEL_START },
		{ .kind = FRAME_FILE, .executable = &world_app, .address = 0x1050 }
	};
	const size_t budget = 4 << 20;
	struct cumulative *c = make(0, budget, has_ended);
	struct merged seen = { 0 };
	int64_t value = 0;

	(void)state;
	processes[0]->exit_time = 100 * CUMULATIVE_GRACE_NS - 1; /* just now */
	for (uint32_t i = 0; i < N_PROCESSES; i++) {
		for (uint32_t k = 0; k < 40; k++) {
			struct sample s;

			frames[1].kind = k == 39 ? FRAME_ADDRESS : FRAME_FILE;
			frames[1].address = 0x1000 + k;
			process_set_comm(processes[i], i % 2 ? "podd" : "peven");
			s = common_wait(i, frames);
			assert_int_equal(cumulative_add(c, &s), 0);
			value += s.value;
		}
	}
	window_each(cumulative_window(c), see_merged, &seen);
	/* Nothing is lost, and who may still be asked about is as before. */
	assert_int_equal(seen.value, value);
	assert_int_equal(seen.of_living, N_PROCESSES / 2 * 400);
	assert_int_equal(seen.of_young, 400);
	assert_int_equal(seen.jitted, N_PROCESSES * 10);
	/* Two names, 39 stacks. */
	assert_int_equal(seen.groups, 2 * 39);
	assert_true(seen.of_groups > seen.groups);
	assert_int_equal(cumulative_merged(c), N_PROCESSES * 40 - seen.entries);
	assert_int_equal(cumulative_folded(c), 0);
	cumulative_free(c);
	for (uint32_t i = 0; i < N_PROCESSES; i++)
		assert_int_equal(processes[i]->refs, 1);
}

/* A budget that nothing fits into: it folds what it can and goes on. */
static void a_budget_of_nothing(void **state)
{
	struct cumulative *c = make(0, 1, NULL);
	struct sums s = {}, expected = {};

	(void)state;
	fill(c, &expected);
	window_each(cumulative_window(c), sum, &s);
	assert_int_equal(s.value, expected.value);
	assert_null(cumulative_free(c));
	assert_null(cumulative_free(NULL));
}

/* A profile of all time, as a scraper takes differences: samples by stack and labels. */
struct known_sample {
	char *key;
	int64_t count, value;
};

struct scrape {
	struct known_sample *samples;
	size_t n;
	int64_t folded; /* ns, of the comments */
	bool has_notes;
};

static char *key_of(const struct pprof_profile *p, const struct pprof_sample *s)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	for (uint32_t i = 0; i < s->n_locations; i++) {
		const struct pprof_location *l = &p->locations[s->locations[i]];

		fprintf(f, "%" PRIx64 " %s %s\n", l->address, p->mappings[l->mapping].file,
			p->functions[l->lines[0].function].name);
	}
	for (uint32_t i = 0; i < s->n_labels; i++)
		fprintf(f, "%s=%s%" PRId64 "\n", s->labels[i].key,
			s->labels[i].string ? s->labels[i].string : "", s->labels[i].number);
	fclose(f);
	return TAKE_PTR(text);
}

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct known_sample *)a)->key, ((const struct known_sample *)b)->key);
}

static struct scrape scrape(struct cumulative *c, const struct pprof_options *o)
{
	struct symbolizer symbolizer = { .kernel_start = WORLD_KERNEL_START,
					 .kernel_end = WORLD_KERNEL_END };
	struct window *w = cumulative_window(c);
	struct pprof_profile *p;
	struct scrape ret = {};
	void *data;
	size_t size;

	assert_int_equal(pprof_encode(&w, 1, o, &symbolizer, &data, &size, NULL), 0);
	assert_int_equal(pprof_decode(data, size, &p), 0);
	ret.samples = calloc(p->n_samples + 1, sizeof(*ret.samples));
	assert_non_null(ret.samples);
	for (; ret.n < p->n_samples; ret.n++) {
		const struct pprof_sample *s = &p->samples[ret.n];

		ret.samples[ret.n] =
			(struct known_sample){ key_of(p, s), s->values[0], s->values[1] };
		ret.has_notes |= strstr(ret.samples[ret.n].key, "[older waits]") != NULL;
	}
	qsort(ret.samples, ret.n, sizeof(*ret.samples), by_key);
	for (size_t i = 1; i < ret.n; i++)
		assert_string_not_equal(ret.samples[i - 1].key, ret.samples[i].key);
	for (uint32_t i = 0; i < p->n_comments; i++)
		sscanf(p->comments[i], "profd: folded_delay_ns=%" SCNd64, &ret.folded);
	pprof_profile_free(p);
	free(data);
	return ret;
}

static void scrape_done(struct scrape *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->samples[i].key);
	free(s->samples);
}

struct difference {
	int64_t count, value;
	size_t fewer, gone; /* samples that became less, or are not there any more */
};

static struct difference subtract(const struct scrape *after, const struct scrape *before)
{
	struct difference d = {};

	for (size_t i = 0; i < after->n; i++) {
		const struct known_sample *s = &after->samples[i], none = {};
		const struct known_sample *old =
			bsearch(s, before->samples, before->n, sizeof(*s), by_key);

		old = old ? old : &none;
		d.count += s->count - old->count;
		d.value += s->value - old->value;
		d.fewer += s->count < old->count || s->value < old->value;
	}
	for (size_t i = 0; i < before->n; i++)
		d.gone += !bsearch(&before->samples[i], after->samples, after->n,
				   sizeof(*after->samples), by_key);
	return d;
}

/* A wait of every process from @first on, on each of @n_stacks stacks, some of them JIT code. */
static struct difference everybody_waits(struct cumulative *c, uint32_t first, uint32_t n_stacks,
					 uint64_t time)
{
	struct frame frames[2] = {
		{ .kind = FRAME_FILE, .executable = &world_library, .address = WORLD_NAMES },
		{ .kind = FRAME_FILE, .executable = &world_app },
	};
	struct difference added = {};

	for (uint32_t i = first; i < N_PROCESSES; i++) {
		for (uint32_t k = 0; k < n_stacks; k++) {
			struct sample s = common_wait(i, frames);

			frames[1].address = 0x1040 + k;
			frames[1].kind = k % 8 == 7 ? FRAME_ADDRESS : FRAME_FILE;
			s.time = time;
			s.kind = k % 4 == 3 ? ABI_KIND_MUTEX : ABI_KIND_BLOCK;
			s.wait = wait_of_lock(s.wait, WAIT_LOCK_mutex);
			assert_int_equal(cumulative_add(c, &s), 0);
			if (s.kind == ABI_KIND_BLOCK) {
				added.count++;
				added.value += s.value;
			}
		}
	}
	return added;
}

static bool has_exited(void *userdata, const struct process *p)
{
	(void)userdata;
	return p->exit_time;
}

/* Two names; the first half ends at @end, 0 = not yet. */
static void name_and_end(uint64_t end)
{
	for (uint32_t i = 0; i < N_PROCESSES; i++) {
		process_set_comm(processes[i], i % 3 ? "podd" : "peven");
		processes[i]->exit_time = i < N_PROCESSES / 2 ? end : 0;
	}
}

static void check_differences(const struct pprof_options *o, bool as_it_should_be)
{
	struct cumulative *c = make(0, 4 << 20, has_exited);
	struct scrape before, after;
	struct difference added, seen;
	uint64_t merged;

	name_and_end(0);
	everybody_waits(c, 0, 24, CUMULATIVE_GRACE_NS);
	before = scrape(c, o);
	name_and_end(CUMULATIVE_GRACE_NS + 1);
	merged = cumulative_merged(c);
	added = everybody_waits(c, N_PROCESSES / 2, 100, 3 * CUMULATIVE_GRACE_NS);
	assert_true(cumulative_merged(c) > merged);
	assert_int_equal(cumulative_folded(c), 0);
	after = scrape(c, o);
	seen = subtract(&after, &before);
	assert_int_equal(seen.fewer == 0 && seen.gone == 0, as_it_should_be);
	if (as_it_should_be) {
		assert_int_equal(seen.count, added.count);
		assert_int_equal(seen.value, added.value);
	} else {
		assert_true(seen.value > added.value);
	}
	scrape_done(&before);
	scrape_done(&after);
	cumulative_free(c);
}

static void differences_are_what_was_added(void **state)
{
	struct pprof_options o = { .kind = ABI_KIND_BLOCK, .time = 1, .subtractable = true };

	(void)state;
	check_differences(&o, true);
	o.wakers = PPROF_WAKERS_ALL;
	check_differences(&o, true);
	/* With pids the waits of those that ended are there once more, under no pid. */
	o.subtractable = false;
	check_differences(&o, false);
}

/* What is folded is not in another sample then: it would be subtracted there, and counted twice. */
static void folding_adds_to_no_sample(void **state)
{
	struct pprof_options o = { .kind = ABI_KIND_BLOCK, .time = 1, .subtractable = true };
	struct cumulative *c = make(0, 1 << 20, NULL);
	struct scrape before, after, whole;
	struct difference first, added, seen, all;
	const struct scrape nothing = {};

	(void)state;
	name_and_end(1);
	first = everybody_waits(c, 0, 8, 2);
	before = scrape(c, &o);
	assert_int_equal(before.folded, 0);
	added = everybody_waits(c, N_PROCESSES / 2, 100, 3);
	assert_true(cumulative_folded(c) > 0);
	after = scrape(c, &o);
	seen = subtract(&after, &before);
	all = subtract(&after, &nothing);
	assert_false(after.has_notes);
	assert_true(after.folded > 0);
	assert_true(seen.value <= added.value && seen.count <= added.count);
	assert_int_equal(all.value + after.folded, first.value + added.value);
	/* Who wants all of it gets it, under its own name. */
	o.subtractable = false;
	whole = scrape(c, &o);
	all = subtract(&whole, &nothing);
	assert_true(whole.has_notes);
	assert_int_equal(whole.folded, 0);
	assert_int_equal(all.value, first.value + added.value);
	scrape_done(&before);
	scrape_done(&after);
	scrape_done(&whole);
	cumulative_free(c);
}

/* Over the budget those that ended just now are merged too, before a stack is given up. */
static void pids_go_before_stacks(void **state)
{
	struct cumulative *c = make(0, 1 << 18, has_exited);

	(void)state;
	name_and_end(CUMULATIVE_GRACE_NS);
	everybody_waits(c, 0, 1, CUMULATIVE_GRACE_NS);
	assert_int_equal(cumulative_merged(c), 0);
	cumulative_free(c);
	c = make(0, 1 << 18, has_exited);
	everybody_waits(c, 0, 5, CUMULATIVE_GRACE_NS);
	assert_true(cumulative_merged(c) > 0);
	assert_int_equal(cumulative_folded(c), 0);
	cumulative_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_is_folded_while_there_is_room, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(totals_never_shrink, set_up, tear_down),
		cmocka_unit_test_setup_teardown(ended_processes_are_merged, set_up, tear_down),
		cmocka_unit_test_setup_teardown(differences_are_what_was_added, set_up, tear_down),
		cmocka_unit_test_setup_teardown(folding_adds_to_no_sample, set_up, tear_down),
		cmocka_unit_test_setup_teardown(pids_go_before_stacks, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_budget_of_nothing, set_up, tear_down),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
