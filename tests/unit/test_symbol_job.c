/* SPDX-License-Identifier: Apache-2.0 */
/* Symbol tables built in the parser process: the same as here, and only the hostile file suffers.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "elf/elf_symbols.h"
#include "process/executable.h"
#include "process/process.h"
#include "profile/sample.h"
#include "scratch.h"
#include "skip.h"
#include "symbol_image.h"
#include "process/debug_file.h"
#include "symbolize/symbol_job.h"
#include "symbolize/symbol_request.h"
#include "symbolize/symbolizer.h"
#include "worker/worker.h"

#define FOR_EVER UINT64_MAX /* the limit of the worker ends it */

static const uint8_t build_id[] = { 0xab, 0xcd, 0xef, 0x01 };

/* What a parser with a hole would do: the files say by their first symbol what they exploit. */
static int run_with_holes(const int *fds, size_t n_fds, const void *args, size_t args_size,
			  void **ret_data, size_t *ret_size)
{
	const struct symbol_question *q = args;
	char bytes[IMAGE_MAX_BYTES];
	ssize_t n = pread(fds[q->has_debug_file ? 1 : 0], bytes, sizeof(bytes), 0);

	if (n > 0 && memmem(bytes, (size_t)n, "kill_parser", 11))
		raise(SIGKILL);
	for (volatile bool hang = n > 0 && memmem(bytes, (size_t)n, "hang_parser", 11); hang;)
		;
	while (n > 0 && memmem(bytes, (size_t)n, "slow_parser", 11))
		n = pread(fds[q->has_debug_file ? 1 : 0], bytes, sizeof(bytes), 0);
	if (n > 0 && memmem(bytes, (size_t)n, "own_parser", 10)) {
		*ret_data = calloc(1, 4096);
		*ret_size = 4096;
		return 0;
	}
	return symbol_job_run(fds, n_fds, args, args_size, ret_data, ret_size);
}

static int run_nothing(const int *fds, size_t n_fds, const void *args, size_t args_size,
		       void **ret_data, size_t *ret_size)
{
	(void)fds, (void)n_fds, (void)args, (void)args_size, (void)ret_data, (void)ret_size;
	return -ENOSYS;
}

enum { NOTHING, SYMBOLS };

static const struct worker_job jobs[] = {
	[NOTHING] = { "nothing", run_nothing },
	[SYMBOLS] = { "symbols", run_with_holes },
};

/* The process room as far as the symbolizer uses it. */
struct executable_table {
	int fd;
	int opened;
};

int executable_table_open(struct executable_table *t, struct executable *x)
{
	(void)x;
	t->opened++;
	return t->fd;
}

uint64_t executable_address(const struct executable *x, uint64_t offset)
{
	(void)x;
	return offset;
}

struct process *process_ref(struct process *p)
{
	return p;
}

struct process *process_unref(struct process *p)
{
	(void)p;
	return NULL;
}

int process_table_each_mapping(struct process_table *t, const struct process *p,
			       int (*visit)(const struct process_mapping *m, void *userdata),
			       void *userdata)
{
	(void)t;
	(void)p;
	(void)visit;
	(void)userdata;
	return 0;
}

static int setup_with(void **state, uint64_t time_limit)
{
	const struct worker_options o = { .jobs = jobs,
					  .n_jobs = ARRAY_SIZE(jobs),
					  .time_limit = time_limit };

	return worker_new(&o, (struct worker **)state, NULL);
}

/* Large files take their time under a sanitizer, and any file on a busy machine. */
static int setup(void **state)
{
	return setup_with(state, 60 * NS_PER_S);
}

/* For what hangs; small files are read in that time. */
static int setup_impatient(void **state)
{
	return setup_with(state, NS_PER_S);
}

static int teardown(void **state)
{
	worker_free(*state);
	return 0;
}

static void take_reading(void *userdata, int status, const struct symbol_reading *reading)
{
	assert_int_equal(status, 0);
	*(struct symbol_reading *)userdata = *reading;
}

/* Waits for the answer, which has to be one. */
static struct symbol_reading read_wish(struct worker *worker, const struct symbol_wish *wish)
{
	const struct symbol_reader reader = { .worker = worker, .job = SYMBOLS };
	struct symbol_reading reading = {};
	struct symbol_request *request;

	assert_int_equal(symbol_request_start(&reader, wish, take_reading, &reading, &request), 0);
	while (!reading.table) {
		struct pollfd p = { .fd = worker_fd(worker), .events = POLLIN };

		poll(&p, 1, 100);
		worker_process(worker, clock_monotonic_ns());
	}
	return reading;
}

static struct elf_symbols *read_with(struct worker *worker, int fd)
{
	const struct symbol_reading reading = read_wish(worker, &(struct symbol_wish){ .fd = fd });

	assert_int_equal(reading.debug_error, 0);
	return reading.table;
}

static void assert_same_tables(struct worker *worker, const char *path, uint32_t least)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct elf_symbols *there, *here;

	assert_true(fd >= 0);
	there = read_with(worker, fd);
	here = read_with(NULL, fd);
	assert_true(elf_symbols_count(here) >= least);
	assert_int_equal(elf_symbols_memory(here), elf_symbols_memory(there));
	assert_memory_equal(here, there, elf_symbols_memory(here));
	elf_symbols_free(there);
	elf_symbols_free(here);
}

static void test_same_as_here(void **state)
{
	struct worker_stats stats;
	Dl_info libc;

	assert_true(dladdr(dlsym(RTLD_DEFAULT, "getaddrinfo"), &libc) != 0);
	assert_same_tables(*state, libc.dli_fname, 1000);
	assert_same_tables(*state, "/proc/self/exe", 100);
	worker_get_stats(*state, &stats);
	assert_int_equal(stats.jobs, 2);
	assert_int_equal(stats.starts, 1);
}

static void test_same_as_here_of_a_large_file(void **state)
{
	const char *path = "/usr/lib/x86_64-linux-gnu/libLLVM-14.so.1"; /* clang's */

	if (access(path, R_OK) < 0)
		skip_because("%s is not there", path);
	assert_same_tables(*state, path, 10000);
}

static int image_with(const char *name)
{
	const struct image_symbol symbols[] = { { name, 0x1000, 16, STT_FUNC, STB_GLOBAL, 0 }, {} };

	return image_open(&(struct image){ .symtab = symbols });
}

struct world {
	struct executable_table table;
	struct executable hostile, good;
	struct symbolizer *symbolizer;
};

static void world_init(struct world *w, struct worker *worker, uint64_t patience_ns,
		       uint64_t retry_ns)
{
	static char path[] = "/bin/prog";
	const struct executable x = { .path = path, .readable = true };
	const struct symbolizer_options o = {
		.kallsyms = "",
		.worker = worker,
		.symbol_job = SYMBOLS,
		.without_lines = true,
		.patience_ns = patience_ns,
		.retry_ns = retry_ns,
	};

	*w = (struct world){ .table = { .fd = -1 }, .hostile = x, .good = x };
	assert_int_equal(symbolizer_new(&o, &w->table, &w->symbolizer), 0);
}

/* The name of the first function of @x, whose file is @fd. */
static const char *name_in(struct world *w, struct executable *x, int fd)
{
	const struct frame frame = { .kind = FRAME_FILE, .address = 0x1000, .executable = x };
	struct wanted_frame wanted = { .frame = frame };
	struct symbol s;

	w->table.fd = fd;
	symbolizer_prepare(w->symbolizer, &wanted, 1, 0);
	symbolizer_frame(w->symbolizer, &frame, NULL, &s, 1);
	return s.unnamed ? NULL : s.name;
}

/* Whatever it does, it costs the file its names and nobody else anything. */
static void assert_costs_one_file(struct worker *worker, const char *exploit, uint64_t crashed,
				  uint64_t timed_out)
{
	_cleanup_close_ int hostile = image_with(exploit), good = image_with("fine");
	struct symbolizer_stats stats;
	struct worker_stats before, after;
	struct world w;

	world_init(&w, worker, FOR_EVER, 0);
	worker_get_stats(worker, &before);
	for (int i = 0; i < 3; i++)
		assert_null(name_in(&w, &w.hostile, hostile));
	assert_string_equal(name_in(&w, &w.good, good), "fine");
	worker_get_stats(worker, &after);
	assert_int_equal(after.jobs - before.jobs, 2);
	assert_int_equal(w.table.opened, 2);
	symbolizer_get_stats(w.symbolizer, &stats);
	assert_int_equal(stats.tables_failed, 1);
	assert_int_equal(stats.tables_crashed, crashed);
	assert_int_equal(stats.tables_timed_out, timed_out);
	assert_int_equal(stats.tables_loaded, 1);
	symbolizer_free(w.symbolizer);
}

static void test_crash_costs_one_file(void **state)
{
	assert_costs_one_file(*state, "kill_parser", 1, 0);
}

static void test_hang_costs_one_file(void **state)
{
	assert_costs_one_file(*state, "hang_parser", 0, 1);
}

/* The parser was taken over and answers nonsense. */
static void test_nonsense_costs_one_file(void **state)
{
	assert_costs_one_file(*state, "own_parser", 0, 0);
}

static void test_tried_again_after_a_while(void **state)
{
	_cleanup_close_ int hostile = image_with("kill_parser"), good = image_with("fine");
	struct symbolizer_stats stats;
	const char *name = NULL;
	struct world w;

	world_init(&w, *state, FOR_EVER, 1);
	assert_null(name_in(&w, &w.hostile, hostile));
	assert_null(name_in(&w, &w.hostile, hostile));
	/* What was asked of the hostile one last may still be on its way. */
	for (int i = 0; i < 10 && !name; i++)
		name = name_in(&w, &w.hostile, good);
	assert_non_null(name);
	assert_string_equal(name, "fine");
	symbolizer_get_stats(w.symbolizer, &stats);
	assert_true(stats.tables_crashed >= 2);
	symbolizer_free(w.symbolizer);
}

/*
 * The parser does not get on before the test lets it, and would have a minute: a profile comes
 * without the names, says so, and the next one has them.
 */
static void test_late_names_come_with_the_next(void **state)
{
	_cleanup_close_ int slow = image_with("slow_parser"), good = image_with("fine");
	char bytes[IMAGE_MAX_BYTES], *at;
	ssize_t n = pread(slow, bytes, sizeof(bytes), 0);
	const char *name = NULL;
	struct symbolizer_stats stats;
	struct worker_stats worker;
	struct world w;

	world_init(&w, *state, NS_PER_MS, 0);
	assert_null(name_in(&w, &w.hostile, slow));
	assert_null(name_in(&w, &w.good, good));
	symbolizer_get_stats(w.symbolizer, &stats);
	assert_int_equal(stats.frames_unnamed, 2);
	assert_int_equal(stats.unnamed[UNNAMED_late], 2);
	worker_get_stats(*state, &worker);
	assert_int_equal(worker.jobs, 1);
	assert_int_equal(worker.jobs_failed, 0);
	at = memmem(bytes, (size_t)n, "slow", 4);
	assert_non_null(at);
	assert_int_equal(pwrite(slow, "last", 4, at - bytes), 4);
	while (!name)
		name = name_in(&w, &w.good, good);
	assert_string_equal(name, "fine");
	assert_string_equal(name_in(&w, &w.hostile, slow), "last_parser");
	worker_get_stats(*state, &worker);
	assert_int_equal(worker.jobs, 2);
	symbolizer_free(w.symbolizer);
}

/* Whatever else is in the file: one job for all that are wanted, and none for what is known. */
static void test_names_are_asked_for_together(void **state)
{
	enum { N = 300 };
	static char names[N][40];
	static struct image_symbol symbols[N + 1];
	const struct frame nowhere = { .kind = FRAME_FILE, .address = IMAGE_TEXT_END - 1 };
	struct wanted_frame wanted[N];
	struct worker_stats before, after;
	struct symbol s;
	struct world w;

	for (int i = 0; i < N; i++) {
		snprintf(names[i], sizeof(names[i]), "a_function_with_a_long_name_%d", i);
		symbols[i] = (struct image_symbol){ names[i],	0x1000 + 16 * (uint64_t)i,
						    16,		STT_FUNC,
						    STB_GLOBAL, 0 };
	}
	world_init(&w, *state, FOR_EVER, 0);
	w.table.fd = image_open(&(struct image){ .symtab = symbols });
	worker_get_stats(*state, &before);
	for (uint64_t i = 0; i < N / 2; i++)
		wanted[i] = (struct wanted_frame){
			.frame = { .kind = FRAME_FILE,
				   .address = symbols[2 * i].address + 1,
				   .executable = &w.good },
		};
	wanted[N / 2] = (struct wanted_frame){ .frame = nowhere };
	wanted[N / 2].frame.executable = &w.good;
	for (int again = 0; again < 2; again++) {
		symbolizer_prepare(w.symbolizer, wanted, N / 2 + 1, 0);
		for (int i = 0; i < N / 2 + 1; i++) {
			if (wanted[i].frame.address == nowhere.address)
				continue;
			symbolizer_frame(w.symbolizer, &wanted[i].frame, NULL, &s, 1);
			assert_string_equal(s.name,
					    symbols[(wanted[i].frame.address - 0x1000) / 16].name);
		}
		worker_get_stats(*state, &after);
		assert_int_equal(after.jobs - before.jobs, 1);
	}
	/* One that was forgotten is asked for all the same, and late. */
	wanted[0].frame.address = symbols[1].address;
	symbolizer_frame(w.symbolizer, &wanted[0].frame, NULL, &s, 1);
	assert_true(s.unnamed);
	assert_int_equal(s.why, UNNAMED_late);
	/* What is known to have none does not become late by that. */
	wanted[1].frame.address = nowhere.address;
	symbolizer_frame(w.symbolizer, &wanted[1].frame, NULL, &s, 1);
	assert_int_equal(s.why, UNNAMED_no_symbol);
	symbolizer_prepare(w.symbolizer, NULL, 0, 0);
	symbolizer_frame(w.symbolizer, &wanted[0].frame, NULL, &s, 1);
	assert_string_equal(s.name, names[1]);
	wanted[0].frame.address = symbols[2].address;
	symbolizer_frame(w.symbolizer, &wanted[0].frame, NULL, &s, 1);
	assert_string_equal(s.name, names[2]);
	worker_get_stats(*state, &after);
	assert_int_equal(after.jobs - before.jobs, 2);
	close(w.table.fd);
	symbolizer_free(w.symbolizer);
}

/* The executable itself is harmless, and keeps the names that it has. */
static void test_hostile_debug_file(void **state)
{
	static const struct image_symbol exported[] = {
		{ "fine", 0x1000, 16, STT_FUNC, STB_GLOBAL, 0 }, {}
	};
	static const struct image_symbol hostile[] = {
		{ "kill_parser", 0x1000, 16, STT_FUNC, STB_GLOBAL, 0 }, {}
	};
	const struct image image = { .symtab = hostile, .build_id = build_id, .build_id_size = 4 };
	_cleanup_close_ int fd = image_open(
		&(struct image){ .dynsym = exported, .build_id = build_id, .build_id_size = 4 });
	char directory[SCRATCH_SIZE], path[128];
	static uint8_t bytes[IMAGE_MAX_BYTES];
	const struct debug_file_search search = { .directories = directory, .path = "/bin/prog" };
	const struct symbol_wish wish = { .fd = fd, .search = &search };
	struct symbol_reading reading;
	struct elf_symbol symbol;

	assert_int_equal(scratch_make(directory), 0);
	snprintf(path, sizeof(path), "%s/.build-id/ab/cdef01.debug", directory);
	image_write_file(path, bytes, image_build(&image, bytes));
	reading = read_wish(*state, &wish);
	assert_int_equal(reading.debug_error, -ECHILD);
	assert_true(elf_symbols_find(reading.table, 0x1000, &symbol));
	assert_string_equal(symbol.name, "fine");
	elf_symbols_free(reading.table);
	assert_int_equal(scratch_remove(directory), 0);
}

/* An answer, to be spoiled. */
struct answered {
	void *data;
	size_t size;
	struct symbol_answer *tail;
};

static struct answered answer(void)
{
	const struct symbol_question all = {};
	_cleanup_close_ int fd = image_with("fine");
	struct answered a;

	assert_int_equal(symbol_job_run(&fd, 1, &all, sizeof(all), &a.data, &a.size), 0);
	a.tail = malloc(sizeof(*a.tail));
	memcpy(a.tail, (char *)a.data + a.size - sizeof(*a.tail), sizeof(*a.tail));
	return a;
}

static int take(struct answered *a, size_t size)
{
	struct symbol_answer ret;
	struct elf_symbols *table;
	int r;

	memcpy((char *)a->data + a->size - sizeof(*a->tail), a->tail, sizeof(*a->tail));
	r = symbol_job_take(a->data, size, &table, &ret);
	free(a->data);
	free(a->tail);
	return r;
}

static void test_answers_are_checked(void **state)
{
	static const char *const bad_links[] = { "/etc/shadow", "..", ".", "a/b" };
	struct answered a = answer();

	(void)state;
	assert_int_equal(take(&a, a.size), 0);
	for (size_t cut = 1; cut < 600; cut += 7) {
		a = answer();
		assert_int_equal(take(&a, a.size > cut ? a.size - cut : 0), -EBADMSG);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad_links); i++) {
		a = answer();
		strcpy(a.tail->identity.link, bad_links[i]);
		assert_int_equal(take(&a, a.size), -EBADMSG);
	}
	a = answer();
	memset(a.tail->identity.link, 'x', sizeof(a.tail->identity.link));
	assert_int_equal(take(&a, a.size), -EBADMSG);
	a = answer();
	a.tail->identity.build_id_size = ELF_BUILD_ID_MAX + 1;
	assert_int_equal(take(&a, a.size), -EBADMSG);
}

#define with_worker(test)	    cmocka_unit_test_setup_teardown(test, setup, teardown)
#define with_impatient_worker(test) cmocka_unit_test_setup_teardown(test, setup_impatient, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_worker(test_same_as_here),
		with_worker(test_same_as_here_of_a_large_file),
		with_worker(test_crash_costs_one_file),
		with_impatient_worker(test_hang_costs_one_file),
		with_worker(test_nonsense_costs_one_file),
		with_worker(test_tried_again_after_a_while),
		with_worker(test_late_names_come_with_the_next),
		with_worker(test_names_are_asked_for_together),
		with_worker(test_hostile_debug_file),
		cmocka_unit_test(test_answers_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
