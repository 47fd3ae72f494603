/* SPDX-License-Identifier: Apache-2.0 */
/* Windows in memory and on their way to files, with a disk that fails in between. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../daemon/rotation.h"
#include "../../daemon/store.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fileio.h"
#include "process/executable.h"
#include "process/process.h"
#include "profile/pprof.h"
#include "profile/window.h"
#include "symbolize/symbolizer.h"
#include "scratch.h"

#define WALL 1772366400000000000LL /* 2026-03-01 12:00:00 UTC */

static struct process processes[] = {
	{ .refs = 1,
	  .tgid = 10,
	  .comm = (char[]){ "one" },
	  .executable = (char[]){ "" },
	  .cgroup = (char[]){ "" } },
	{ .refs = 1,
	  .tgid = 20,
	  .comm = (char[]){ "two" },
	  .executable = (char[]){ "" },
	  .cgroup = (char[]){ "" } },
};

/* A window of 10 s that holds @count samples of each process. */
static struct window *make_window(unsigned int number, int64_t count)
{
	const struct frame frame = { .kind = FRAME_ADDRESS, .address = 0x1000 };
	struct window *w = window_new(number * 10 * NS_PER_S);

	assert_non_null(w);
	for (size_t i = 0; i < ARRAY_SIZE(processes); i++) {
		const struct sample sample = {
			.kind = ABI_KIND_CPU,
			.user_end = ABI_STACK_complete,
			.tid = processes[i].tgid,
			.time = number * 10 * NS_PER_S + 1,
			.value = count * (int64_t)NS_PER_MS,
			.count = count,
			.process = &processes[i],
			.n_frames = 1,
			.frames = &frame,
		};

		assert_int_equal(window_add(w, &sample), 0);
	}
	window_close(w, (number + 1) * 10 * NS_PER_S);
	return w;
}

static void bounds(void **state)
{
	struct store *s = store_new(SIZE_MAX);
	struct window *const *windows;
	struct store_stats stats;
	size_t each;

	(void)state;
	for (unsigned int i = 0; i < 4; i++)
		store_add(s, make_window(i, 1));
	store_get_stats(s, &stats);
	assert_int_equal(stats.windows, 4);
	each = stats.bytes / 4;
	assert_int_equal(store_unwritten(s, &windows), 4);
	assert_int_equal(store_since(s, 20 * NS_PER_S, &windows), 2);
	assert_int_equal(window_start(windows[0]), 20 * NS_PER_S);

	/* Written ones go first, and uncounted. */
	store_mark_written(s, 2);
	assert_int_equal(store_unwritten(s, &windows), 2);
	store_get_stats(s, &stats);
	assert_true(stats.bytes < each * 4);
	store_trim(s, stats.bytes - 1);
	store_get_stats(s, &stats);
	assert_int_equal(stats.windows, 3);
	assert_int_equal(stats.dropped_unwritten, 0);

	/* Under pressure the oldest of all goes, the newest never. */
	assert_true(store_is_pressed(s));
	store_trim(s, 1);
	store_get_stats(s, &stats);
	assert_int_equal(stats.windows, 1);
	assert_int_equal(stats.dropped_unwritten, 1);
	assert_int_equal(store_unwritten(s, &windows), 1);
	assert_int_equal(window_start(windows[0]), 30 * NS_PER_S);
	store_free(s);
}

struct seen {
	size_t entries;
	int64_t count, value;
};

static int see(const struct window_entry *e, void *userdata)
{
	struct seen *seen = userdata;

	assert_int_equal(e->kind, ABI_KIND_CPU);
	assert_int_equal(e->tid, 0);
	assert_int_equal(e->n_frames, 0);
	seen->entries++;
	seen->count += e->count;
	seen->value += e->value;
	return 0;
}

/* A window of a process with many threads, stacks and waits. */
static struct window *make_rich_window(unsigned int n)
{
	struct window *w = window_new(0);

	for (unsigned int i = 0; i < n; i++) {
		const struct frame frame = { .kind = FRAME_ADDRESS, .address = i / 2 };
		struct sample s = {
			.kind = ABI_KIND_CPU,
			.user_end = ABI_STACK_complete,
			.tid = 10 + i,
			.value = 5,
			.count = 2,
			.process = &processes[0],
			.n_frames = 1,
			.frames = &frame,
		};

		assert_int_equal(window_add(w, &s), 0);
		s.kind = ABI_KIND_BLOCK;
		assert_int_equal(window_add(w, &s), 0);
	}
	window_close(w, 10 * NS_PER_S);
	return w;
}

static void what_is_written_is_summed_up(void **state)
{
	struct store *s = store_new(SIZE_MAX);
	struct window *const *windows;
	struct seen seen = { 0 };
	struct store_stats stats;

	(void)state;
	store_add(s, make_rich_window(1000));
	store_get_stats(s, &stats);
	assert_true(stats.bytes > 2000 * 32);
	store_mark_written(s, 1);
	store_get_stats(s, &stats);
	assert_int_equal(stats.windows, 1);
	assert_true(stats.bytes < 2000);
	assert_int_equal(store_since(s, 0, &windows), 1);
	assert_int_equal(window_start(windows[0]), 0);
	assert_int_equal(window_end(windows[0]), 10 * NS_PER_S);
	assert_int_equal(window_memory(windows[0]), stats.bytes);
	assert_int_equal(window_each(windows[0], see, &seen), 0);
	assert_int_equal(seen.entries, 1);
	assert_int_equal(seen.count, 2000);
	assert_int_equal(seen.value, 5000);
	store_free(s);
	assert_int_equal(processes[0].refs, 1);
}

static void no_more_than_it_can_hold(void **state)
{
	struct store *s = store_new(SIZE_MAX);
	struct store_stats stats;

	(void)state;
	for (unsigned int i = 0; i < STORE_MAX_WINDOWS + 3; i++)
		store_add(s, make_window(i, 1));
	store_get_stats(s, &stats);
	assert_int_equal(stats.windows, STORE_MAX_WINDOWS);
	assert_int_equal(stats.dropped_unwritten, 3);
	store_mark_written(s, SIZE_MAX);
	store_trim(s, SIZE_MAX);
	store_get_stats(s, &stats);
	assert_int_equal(stats.windows, STORE_MAX_WRITTEN);
	store_free(s);
}

struct fixture {
	char path[SCRATCH_SIZE];
	struct executable_table *executables;
	struct rotation_source source;
	struct rotation *rotation;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const struct executable_table_options table = { .without_proc = true };
	const struct symbolizer_options names = { .without_proc = true, .kallsyms = "" };
	const struct rotation_policy policy = { .retain_bytes = UINT64_MAX,
						.retain_age = UINT64_MAX };
	struct error e;

	f->source.store = store_new(SIZE_MAX);
	f->source.period = 10 * NS_PER_MS;
	f->source.wall_offset = WALL;
	if (scratch_make(f->path) < 0 || executable_table_new(&table, &f->executables) < 0 ||
	    symbolizer_new(&names, f->executables, &f->source.symbolizer) < 0 ||
	    rotation_new(f->path, &policy, &f->rotation, &e) < 0)
		return -1;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	rotation_free(f->rotation);
	store_free(f->source.store);
	symbolizer_free(f->source.symbolizer);
	executable_table_free(f->executables);
	scratch_remove(f->path);
	free(f);
	return 0;
}

/* The sum of the first column of a file. */
static int64_t samples_in(const struct fixture *f, const char *name)
{
	char path[256];
	struct pprof_profile *p;
	int64_t sum = 0;
	char *data;
	size_t size;

	snprintf(path, sizeof(path), "%s/%s", f->path, name);
	if (file_read(AT_FDCWD, path, SIZE_MAX, &data, &size) < 0)
		return -1;
	assert_int_equal(pprof_decode(data, size, &p), 0);
	for (uint32_t i = 0; i < p->n_samples; i++)
		sum += p->samples[i].values[0];
	pprof_profile_free(p);
	free(data);
	return sum;
}

static void one_file(void **state)
{
	struct fixture *f = *state;
	struct window *const *windows;
	struct rotation_stats stats;

	store_add(f->source.store, make_window(0, 3));
	store_add(f->source.store, make_window(1, 4));
	assert_int_equal(rotation_run(f->rotation, &f->source, 20 * NS_PER_S), 0);
	assert_int_equal(samples_in(f, "2026-03-01/120000Z-cpu.pb.gz"), 14);
	assert_int_equal(store_unwritten(f->source.store, &windows), 0);

	/* Nothing new: no file. */
	assert_int_equal(rotation_run(f->rotation, &f->source, 21 * NS_PER_S), 0);
	rotation_get_stats(f->rotation, &stats);
	assert_int_equal(stats.history.written, 1);
}

static void split_files(void **state)
{
	struct fixture *f = *state;
	const struct rotation_policy policy = { .retain_bytes = UINT64_MAX,
						.retain_age = UINT64_MAX,
						.split = true };

	rotation_set_policy(f->rotation, &policy);
	store_add(f->source.store, make_window(0, 3));
	store_add(f->source.store, make_window(1, 4));
	assert_int_equal(rotation_run(f->rotation, &f->source, 20 * NS_PER_S), 0);
	assert_int_equal(samples_in(f, "2026-03-01/120000Z-cpu-one-10.pb.gz"), 7);
	assert_int_equal(samples_in(f, "2026-03-01/120000Z-cpu-two-20.pb.gz"), 7);
}

/* What could not be written is in the next file. */
static void nothing_is_lost_by_a_full_disk(void **state)
{
	struct fixture *f = *state;
	const struct rlimit none = { 0, RLIM_INFINITY };
	struct rotation_stats stats;
	struct rlimit before;

	signal(SIGXFSZ, SIG_IGN);
	store_add(f->source.store, make_window(0, 3));
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	assert_int_equal(rotation_run(f->rotation, &f->source, 10 * NS_PER_S), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	rotation_get_stats(f->rotation, &stats);
	assert_int_equal(stats.failures, 1);
	assert_int_equal(stats.history.files, 0);

	store_add(f->source.store, make_window(1, 4));
	assert_int_equal(rotation_run(f->rotation, &f->source, 20 * NS_PER_S), 0);
	assert_int_equal(samples_in(f, "2026-03-01/120000Z-cpu.pb.gz"), 14);
	rotation_get_stats(f->rotation, &stats);
	assert_int_equal(stats.lost, 0);
}

/* The CPU profile does not fit, that of waits would: all wait for room. */
static void nothing_is_lost_by_a_small_disk(void **state)
{
	struct fixture *f = *state;
	const struct rlimit little = { 600, RLIM_INFINITY };
	struct window *w = window_new(0);
	struct rotation_stats stats;
	struct rlimit before;

	signal(SIGXFSZ, SIG_IGN);
	for (unsigned int i = 0; i <= 200; i++) {
		const struct frame frame = { .kind = FRAME_ADDRESS, .address = i * i * 7919 };
		const struct sample sample = {
			.kind = i ? ABI_KIND_CPU : ABI_KIND_BLOCK,
			.user_end = ABI_STACK_complete,
			.tid = i,
			.value = 1 + i * i * i,
			.count = 1024,
			.process = &processes[0],
			.n_frames = 1,
			.frames = &frame,
		};

		assert_int_equal(window_add(w, &sample), 0);
	}
	window_close(w, 10 * NS_PER_S);
	store_add(f->source.store, w);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
	assert_int_equal(rotation_run(f->rotation, &f->source, 10 * NS_PER_S), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	rotation_get_stats(f->rotation, &stats);
	assert_int_equal(stats.history.files, 0);
	assert_int_equal(rotation_run(f->rotation, &f->source, 20 * NS_PER_S), 0);
	rotation_get_stats(f->rotation, &stats);
	assert_int_equal(stats.history.files, 2);
	assert_int_equal(stats.lost, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bounds),
		cmocka_unit_test(what_is_written_is_summed_up),
		cmocka_unit_test(no_more_than_it_can_hold),
		cmocka_unit_test_setup_teardown(one_file, setup, teardown),
		cmocka_unit_test_setup_teardown(split_files, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_is_lost_by_a_full_disk, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_is_lost_by_a_small_disk, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
