/* SPDX-License-Identifier: Apache-2.0 */
/* Files of compiled code read by a parser process: nobody waits, and only the hostile one suffers.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fileio.h"
#include "jit_world.h"
#include "process/process.h"
#include "scratch.h"
#include "symbol_image.h"
#include "symbolize/jit_names.h"

/* What a parser with a hole would do: the files say by their first word what they exploit. */
static int run_with_holes(const int *fds, size_t n_fds, const void *args, size_t args_size,
			  void **ret_data, size_t *ret_size)
{
	char word[8] = {};
	ssize_t n = pread(fds[0], word, 4, 0);

	if (n > 0 && strcmp(word, "kill") == 0)
		raise(SIGKILL);
	for (volatile bool hang = strcmp(word, "hang") == 0; hang;)
		;
	if (strcmp(word, "own ") == 0) {
		*ret_data = calloc(1, 4096);
		*ret_size = 4096;
		return 0;
	}
	return jit_job_run(fds, n_fds, args, args_size, ret_data, ret_size);
}

static const struct worker_job jobs[] = { { "nothing", NULL }, { "jit", run_with_holes } };

static int setup_with(void **state, uint64_t time_limit)
{
	const struct worker_options o = { .jobs = jobs,
					  .n_jobs = ARRAY_SIZE(jobs),
					  .time_limit = time_limit };
	struct worker *worker;

	if (worker_new(&o, &worker, NULL) < 0)
		return -1;
	return world_new(worker, (struct jit_reader){ .job = 1, .max_memory = 32 << 20 }, state);
}

/* Nothing that has to be read is too slow for it. */
static int setup(void **state)
{
	return setup_with(state, 60 * NS_PER_S);
}

static int setup_impatient(void **state)
{
	return setup_with(state, 300 * NS_PER_MS);
}

/* Until the parser has answered all. */
static void wait_for_all(struct world *w)
{
	while (w->reader.readings) {
		struct pollfd p = { .fd = worker_fd(w->worker), .events = POLLIN };

		poll(&p, 1, 10);
		worker_process(w->worker, clock_monotonic_ns());
	}
}

static void assert_name(const struct world *w, uint64_t address, const char *name)
{
	struct jit_symbol s = { .name = "nothing" };

	jit_file_find(w->file, address, &s);
	assert_string_equal(s.name, name);
}

static void test_answer_comes_later(void **state)
{
	struct world *w = *state;

	append(w, "1000 10 f\n");
	jit_file_read(w->file, w->fd);
	assert_true(jit_file_is_being_read(w->file));
	assert_name(w, 0x1000, "nothing");
	wait_for_all(w);
	assert_false(jit_file_is_being_read(w->file));
	assert_name(w, 0x1000, "f");
	/* Nothing new: nobody is asked. */
	jit_file_read(w->file, w->fd);
	assert_false(jit_file_is_being_read(w->file));
	/* It grows while it is being read. */
	append(w, "2000 10 g\n");
	jit_file_read(w->file, w->fd);
	append(w, "3000 10 h\n");
	jit_file_read(w->file, w->fd);
	wait_for_all(w);
	assert_name(w, 0x1000, "f");
	assert_name(w, 0x2000, "g");
	assert_name(w, 0x3000, "h");
	assert_int_equal(w->reader.bad, 0);
}

static void test_written_anew(void **state)
{
	struct world *w = *state;

	append(w, "1000 10 f\n2000 10 g\n");
	jit_file_read(w->file, w->fd);
	wait_for_all(w);
	assert_int_equal(ftruncate(w->fd, 0), 0);
	append(w, "2000 10 new g, and longer than it was\n");
	jit_file_read(w->file, w->fd);
	/* What is known stays until there is something better. */
	assert_name(w, 0x1000, "f");
	wait_for_all(w);
	assert_name(w, 0x1000, "nothing");
	assert_name(w, 0x2000, "new g, and longer than it was");
}

static void test_several_answers(void **state)
{
	struct world *w = *state;
	char line[64];

	for (unsigned int i = 0; i < 2 * JIT_DEFAULT_CODES; i++) {
		snprintf(line, sizeof(line), "%x 10 f%u\n", 0x1000 + 16 * i, i);
		append(w, line);
	}
	jit_file_read(w->file, w->fd);
	wait_for_all(w);
	assert_name(w, 0x1000, "f0");
	snprintf(line, sizeof(line), "f%u", 2 * JIT_DEFAULT_CODES - 1);
	assert_name(w, 0x1000 + 16 * (2 * JIT_DEFAULT_CODES - 1), line);
	assert_int_equal(jit_file_error(w->file), 0);
}

static void fails_with(struct world *w, const char *text, int error)
{
	append(w, text);
	jit_file_read(w->file, w->fd);
	wait_for_all(w);
	assert_int_equal(jit_file_error(w->file), error);
	assert_int_equal(w->reader.failed, 1);
	/* It is not tried again, however it grows. */
	append(w, "1000 10 f\n");
	jit_file_read(w->file, w->fd);
	assert_false(jit_file_is_being_read(w->file));
}

/* Another one in its place is not believed either. */
static void test_crash(void **state)
{
	struct world *w = *state;
	_cleanup_close_ int other = memfd_create("other", MFD_CLOEXEC);

	fails_with(w, "kill\n", -ECHILD);
	assert_int_equal(fd_write_full(other, "1000 10 f\n", 10), 0);
	jit_file_read(w->file, other);
	assert_false(jit_file_is_being_read(w->file));
}

static void test_hang(void **state)
{
	fails_with(*state, "hang\n", -ETIME);
}

static void test_answer_of_nonsense(void **state)
{
	struct world *w = *state;
	_cleanup_close_ int other = memfd_create("other", MFD_CLOEXEC);

	fails_with(w, "own \n", -EBADMSG);
	/* Another file is another chance. */
	assert_int_equal(fd_write_full(other, "1000 10 f\n", 10), 0);
	jit_file_read(w->file, other);
	wait_for_all(w);
	assert_int_equal(jit_file_error(w->file), 0);
	assert_name(w, 0x1000, "f");
}

/* What was known before stays. */
static void test_crash_later(void **state)
{
	struct world *w = *state;
	_cleanup_close_ int other = memfd_create("other", MFD_CLOEXEC);

	append(w, "1000 10 f\n");
	jit_file_read(w->file, w->fd);
	wait_for_all(w);
	assert_int_equal(fd_write_full(other, "kill 1000 10 f\n", 15), 0);
	jit_file_read(w->file, other);
	wait_for_all(w);
	assert_int_equal(jit_file_error(w->file), -ECHILD);
	assert_name(w, 0x1000, "f");
}

/* It goes while it is being read, with an answer that still comes and one that never does. */
static void test_gone(void **state)
{
	struct world *w = *state;

	append(w, "1000 10 f\n");
	jit_file_read(w->file, w->fd);
	w->file = jit_file_free(w->file);
	wait_for_all(w);
	assert_int_equal(w->reader.memory, 0);
	w->file = jit_file_new(&w->reader);
	jit_file_read(w->file, w->fd);
	assert_true(jit_file_is_being_read(w->file));
	w->file = jit_file_free(w->file);
	jit_reader_done(&w->reader);
	assert_null(w->reader.readings);
	w->worker = worker_free(w->worker);
}

/* The process room as far as names of compiled code use it. */
struct process *process_ref(struct process *p)
{
	p->refs++;
	return p;
}

struct process *process_unref(struct process *p)
{
	p->refs--;
	return NULL;
}

int process_table_each_mapping(struct process_table *t, const struct process *p,
			       int (*visit)(const struct process_mapping *m, void *userdata),
			       void *userdata)
{
	(void)t, (void)p, (void)visit, (void)userdata;
	return 0;
}

static bool has_name(struct jit_names *names, struct process *p, const char *name)
{
	struct jit_symbol s;

	return jit_names_find(names, p, 0x1000, 1, &s) && strcmp(s.name, name) == 0;
}

static void wait_for_names(struct world *w, const struct jit_names *names)
{
	while (jit_names_is_busy(names)) {
		struct pollfd p = { .fd = worker_fd(w->worker), .events = POLLIN };

		poll(&p, 1, 10);
		worker_process(w->worker, clock_monotonic_ns());
	}
}

/* A process whose names are asked for: late, there, and there still when it has gone. */
static void test_names_of_a_process(void **state)
{
	struct world *w = *state;
	char proc[SCRATCH_SIZE], path[SCRATCH_SIZE + 64];
	struct process good = { .tgid = 42 }, bad = { .tgid = 43 };
	struct jit_names_options o = {
		.proc = proc, .worker = w->worker, .job = 1, .max_map = 1 << 20
	};
	struct jit_names_stats stats;
	struct jit_names *names;

	assert_int_equal(scratch_make(proc), 0);
	snprintf(path, sizeof(path), "%s/42/root/tmp/perf-42.map", proc);
	image_write_file(path, "1000 10 f\n", 10);
	assert_int_equal(jit_names_new(&o, &names), 0);
	assert_int_equal(jit_names_why(names, &good), UNNAMED_NOT);
	assert_true(jit_names_want(names, &good, 0x1000, 1));
	assert_true(jit_names_has(names, &good));
	assert_true(jit_names_is_busy(names));
	assert_int_equal(jit_names_why(names, &good), UNNAMED_late);
	assert_false(has_name(names, &good, "f"));
	wait_for_names(w, names);
	assert_true(has_name(names, &good, "f"));
	assert_int_equal(jit_names_why(names, &good), UNNAMED_NOT);
	image_write_file(path, "1000 10 f\n1000 10 later\n", 24);
	jit_names_refresh(names, &good, 1);
	wait_for_names(w, names);
	assert_true(has_name(names, &good, "later"));
	snprintf(path, sizeof(path), "%s/43/root/tmp/perf-43.map", proc);
	image_write_file(path, "kill\n", 5);
	jit_names_refresh(names, &bad, 1);
	wait_for_names(w, names);
	assert_int_equal(jit_names_why(names, &bad), UNNAMED_parser_failed);
	assert_false(jit_names_want(names, &bad, 0x1000, 1));
	jit_names_get_stats(names, &stats);
	assert_int_equal(stats.loaded, 2);
	assert_int_equal(stats.failed, 1);
	jit_names_forget(names, &good);
	assert_false(jit_names_has(names, &good));
	assert_int_equal(good.refs, 0);
	jit_names_free(names);
	assert_int_equal(bad.refs, 0);
	scratch_remove(proc);
}

/* A perf map that its process has removed and goes on writing, until after its end. */
static void test_file_of_the_dead(void **state)
{
	struct world *w = *state;
	char proc[SCRATCH_SIZE], path[SCRATCH_SIZE + 64];
	struct process p = { .tgid = 42 };
	struct jit_names_options o = { .proc = proc, .max_map = 1 << 20 };
	struct jit_names *names;
	FILE *f;

	(void)w;
	assert_int_equal(scratch_make(proc), 0);
	snprintf(path, sizeof(path), "%s/42/root/tmp/perf-42.map", proc);
	image_write_file(path, "1000 10 f\n", 10);
	assert_int_equal(jit_names_new(&o, &names), 0);
	jit_names_refresh(names, &p, 1);
	assert_true(has_name(names, &p, "f"));
	f = fopen(path, "a");
	assert_non_null(f);
	assert_int_equal(unlink(path), 0);
	p.exit_time = 1;
	fputs("1000 10 last\n", f);
	fclose(f);
	jit_names_refresh(names, &p, 1);
	assert_true(has_name(names, &p, "last"));
	jit_names_free(names);
	assert_int_equal(p.refs, 0);
	scratch_remove(proc);
}

#define with_world(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_world(test_answer_comes_later),
		with_world(test_written_anew),
		with_world(test_several_answers),
		with_world(test_crash),
		cmocka_unit_test_setup_teardown(test_hang, setup_impatient, teardown),
		with_world(test_answer_of_nonsense),
		with_world(test_crash_later),
		with_world(test_gone),
		with_world(test_names_of_a_process),
		with_world(test_file_of_the_dead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
