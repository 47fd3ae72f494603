/* SPDX-License-Identifier: Apache-2.0 */
/* In what order executables get their tables: those that a stack waits for before all others. */
#include <elf.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fileio.h"
#include "process/executable.h"
#include "unwind/table_manager.h"
#include "worker/worker.h"

#define FILES 6

struct world {
	struct executable_table *executables;
	struct worker *worker, *idle_worker;
	struct table_manager *manager;
	struct unwind_file *files;
	struct unwind_page *pages;
	struct unwind_rule *rules;
	struct executable *x[FILES];
	char order[FILES + 1]; /* "b" is the second file */
	size_t n;
};

/* All files are refused: what is tested is only when. */
static int refuse(const int *fds, size_t n_fds, const void *args, size_t args_size, void **ret_data,
		  size_t *ret_size)
{
	(void)fds, (void)n_fds, (void)args, (void)args_size, (void)ret_data, (void)ret_size;
	return -ENOEXEC;
}

static const struct worker_job jobs[] = { { "refuse", refuse } };

static void settled(void *userdata, struct executable *x)
{
	struct world *w = userdata;

	for (size_t i = 0; i < FILES; i++) {
		if (w->x[i] == x && w->n < FILES)
			w->order[w->n++] = (char)('a' + i);
	}
}

static int no_segments(void *userdata, uint32_t first, uint32_t n, struct unwind_segment **ret)
{
	(void)userdata, (void)first, (void)n, (void)ret;
	return -ENOMEM;
}

static void wait_for_readers(void *userdata)
{
	(void)userdata;
}

/* An executable that is itself, by its build id. */
static struct executable *new_executable(struct world *w, uint32_t number)
{
	struct {
		Elf64_Ehdr header;
		Elf64_Phdr note;
		Elf64_Nhdr id;
		char name[4];
		uint32_t value[5];
	} file = {
		.header = {
			.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
				     EV_CURRENT },
			.e_type = ET_DYN,
			.e_machine = EM_X86_64,
			.e_version = EV_CURRENT,
			.e_phoff = sizeof(Elf64_Ehdr),
			.e_ehsize = sizeof(Elf64_Ehdr),
			.e_phentsize = sizeof(Elf64_Phdr),
			.e_phnum = 1,
		},
		.note = { .p_type = PT_NOTE, .p_flags = PF_R, .p_align = 4 },
		.id = { .n_namesz = 4, .n_descsz = 20, .n_type = NT_GNU_BUILD_ID },
		.name = "GNU",
		.value = { number, 1, 2, 3, 4 },
	};
	_cleanup_close_ int fd = memfd_create("executable", MFD_CLOEXEC);
	struct executable *x = NULL;
	char path[32];

	file.note.p_offset = offsetof(typeof(file), id);
	file.note.p_filesz = file.note.p_memsz = sizeof(file) - file.note.p_offset;
	snprintf(path, sizeof(path), "/x%u", number);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_full(fd, &file, sizeof(file)), 0);
	assert_int_equal(executable_table_add(w->executables, number, fd, path, &x), 0);
	return x;
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	const struct executable_table_options executables = { .without_proc = true };
	const struct worker_options worker = { .jobs = jobs, .n_jobs = ARRAY_SIZE(jobs) };
	struct table_manager_options o = {
		.store = { .memory = { .add_segments = no_segments,
				       .wait_for_readers = wait_for_readers },
			   .budget = 1 << 20 },
		.cache_dirfd = -1,
		.settled = settled,
		.userdata = w,
	};

	*state = w;
	w->files = o.store.memory.files = calloc(UNWIND_FILE_SLOTS, sizeof(*w->files));
	w->pages = o.store.memory.pages = calloc(UNWIND_MAX_PAGES, sizeof(*w->pages));
	w->rules = o.store.memory.rules = calloc(UNWIND_MAX_RULES, sizeof(*w->rules));
	assert_int_equal(executable_table_new(&executables, &w->executables), 0);
	assert_int_equal(worker_new(&worker, &w->worker, NULL), 0);
	assert_int_equal(worker_new(&worker, &w->idle_worker, NULL), 0);
	o.executables = w->executables;
	o.worker = w->worker;
	o.background_worker = w->idle_worker;
	assert_int_equal(table_manager_new(&o, &w->manager), 0);
	for (uint32_t i = 0; i < FILES; i++)
		w->x[i] = new_executable(w, 100 + i);
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	worker_free(w->worker);
	worker_free(w->idle_worker);
	table_manager_free(w->manager);
	executable_table_free(w->executables);
	free(w->files);
	free(w->pages);
	free(w->rules);
	free(w);
	return 0;
}

static void bind(struct world *w, size_t i, enum table_priority priority)
{
	assert_int_equal(table_manager_bind(w->manager, w->x[i], 100 + (uint32_t)i, priority), 0);
}

/* Goes on until so many files are settled. */
static void settle(struct world *w, size_t n)
{
	struct pollfd fds[] = { { .fd = worker_fd(w->worker), .events = POLLIN },
				{ .fd = worker_fd(w->idle_worker), .events = POLLIN } };

	while (w->n < n) {
		uint64_t now = clock_monotonic_ns();

		assert_true(poll(fds, 2, 60000) >= 0);
		worker_process(w->worker, now);
		worker_process(w->idle_worker, now);
		table_manager_process(w->manager, now);
	}
}

static void expect_order(struct world *w, const char *order)
{
	settle(w, strlen(order));
	assert_string_equal(w->order, order);
}

static void test_awaited_first(void **state)
{
	struct world *w = *state;

	for (size_t i = 0; i < FILES; i++)
		bind(w, i, TABLE_URGENT);
	table_manager_want(w->manager, w->x[4]);
	table_manager_want(w->manager, w->x[2]);
	table_manager_want(w->manager, w->x[4]);
	table_manager_process(w->manager, clock_monotonic_ns());
	/* In the order in which they were wanted; then in that in which they came. */
	expect_order(w, "ecabdf");
	assert_false(table_manager_is_awaited(w->manager));
}

/* Whatever has been begun: only so much is with the parser that it has something to do. */
static void test_awaited_later(void **state)
{
	struct world *w = *state;

	for (size_t i = 0; i < FILES; i++)
		bind(w, i, TABLE_URGENT);
	table_manager_process(w->manager, clock_monotonic_ns());
	table_manager_want(w->manager, w->x[5]);
	assert_true(table_manager_is_awaited(w->manager));
	table_manager_process(w->manager, clock_monotonic_ns());
	expect_order(w, "abfcde");
}

static void test_background(void **state)
{
	struct world *w = *state;
	struct table_manager_stats stats;

	bind(w, 0, TABLE_BACKGROUND);
	bind(w, 1, TABLE_BACKGROUND);
	bind(w, 2, TABLE_BACKGROUND);
	assert_false(table_manager_is_awaited(w->manager));
	/* Met by a stack: it is another worker's now, and nobody's twice. */
	bind(w, 2, TABLE_AWAITED);
	assert_true(table_manager_is_awaited(w->manager));
	table_manager_get_stats(w->manager, &stats);
	assert_int_equal(stats.waiting, 3);
	table_manager_process(w->manager, clock_monotonic_ns());
	settle(w, 3);
	assert_true(strchr(w->order, 'a') && strchr(w->order, 'b') && strchr(w->order, 'c'));
	table_manager_get_stats(w->manager, &stats);
	assert_int_equal(stats.waiting, 0);
	assert_int_equal(stats.refused, 3);
}

/* One that the idle worker has begun is begun once more; the first answer counts. */
static void test_begun_in_the_background(void **state)
{
	struct world *w = *state;
	struct table_manager_stats stats;

	bind(w, 0, TABLE_BACKGROUND);
	table_manager_process(w->manager, clock_monotonic_ns());
	table_manager_want(w->manager, w->x[0]);
	table_manager_process(w->manager, clock_monotonic_ns());
	table_manager_get_stats(w->manager, &stats);
	assert_int_equal(stats.waiting, 2);
	expect_order(w, "a");
	while (stats.waiting) {
		worker_process(w->worker, clock_monotonic_ns());
		worker_process(w->idle_worker, clock_monotonic_ns());
		table_manager_get_stats(w->manager, &stats);
	}
	assert_int_equal(stats.refused, 1);
	assert_int_equal(w->n, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_awaited_first, setup, teardown),
		cmocka_unit_test_setup_teardown(test_awaited_later, setup, teardown),
		cmocka_unit_test_setup_teardown(test_background, setup, teardown),
		cmocka_unit_test_setup_teardown(test_begun_in_the_background, setup, teardown),
	};

	return cmocka_run_group_tests_name("table_manager", tests, NULL, NULL);
}
