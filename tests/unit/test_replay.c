/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole pipeline without root: a capture that the test writes itself, of a process that ran
 * this very program, is replayed and encoded.
 */
#include <errno.h>
#include <inttypes.h>
#include <link.h>
#include <setjmp.h>
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
#include "collect/capture.h"
#include "profile/pprof.h"
#include "profiler.h"
#include "scratch.h"
#include "skip.h"

#define START	   1000000
#define PERIOD	   10101010
#define FILE_ID	   17
#define PID	   4242
#define ADDRESS_OF 0x555500000000ULL /* where the captured process had the program */

void replay_marker_outer(void);
void replay_marker_inner(void);

__attribute__((noinline)) void replay_marker_inner(void)
{
	__asm__ volatile("nop\nnop\nnop\nnop");
}

__attribute__((noinline)) void replay_marker_outer(void)
{
	replay_marker_inner();
	__asm__ volatile("nop\nnop\nnop\nnop");
}

/* This program: its file, its build id, and its segment that holds the markers. */
static struct {
	char path[4096];
	uint8_t build_id[20];
	uint64_t base, offset, size, address;
} self;

static void read_build_id(const char *notes, size_t size)
{
	while (size >= sizeof(ElfW(Nhdr))) {
		const ElfW(Nhdr) *n = (const void *)notes;
		const char *name = notes + sizeof(*n);
		const char *value = name + ((n->n_namesz + 3) & ~3U);
		size_t all = (size_t)(value - notes) + ((n->n_descsz + 3) & ~3U);

		if (n->n_type == NT_GNU_BUILD_ID && n->n_descsz == sizeof(self.build_id) &&
		    strcmp(name, "GNU") == 0)
			memcpy(self.build_id, value, sizeof(self.build_id));
		if (all > size)
			break;
		notes += all;
		size -= all;
	}
}

/* The program itself is the first object. */
static int read_self(struct dl_phdr_info *info, size_t size, void *userdata)
{
	uint64_t marker = (uintptr_t)replay_marker_outer - info->dlpi_addr;

	(void)size;
	(void)userdata;
	self.base = info->dlpi_addr;
	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];

		if (p->p_type == PT_NOTE)
			read_build_id((const char *)(info->dlpi_addr + p->p_vaddr), p->p_filesz);
		if (p->p_type == PT_LOAD && marker >= p->p_vaddr &&
		    marker - p->p_vaddr < p->p_filesz) {
			self.offset = p->p_offset;
			self.size = p->p_filesz;
			self.address = p->p_vaddr;
		}
	}
	return 1;
}

static uint64_t file_offset(void (*function)(void), size_t into)
{
	return (uintptr_t)function - self.base - self.address + self.offset + into;
}

static uint64_t file_frame(uint64_t id, uint64_t offset)
{
	return id << ABI_FRAME_FILE_SHIFT | offset;
}

static char directory[SCRATCH_SIZE], path[SCRATCH_SIZE + 16];

static int set_up(void **state)
{
	ssize_t n = readlink("/proc/self/exe", self.path, sizeof(self.path) - 1);

	(void)state;
	if (n < 0)
		return -1;
	self.path[n] = '\0';
	dl_iterate_phdr(read_self, NULL);
	if (scratch_make(directory) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/capture", directory);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(directory);
}

static struct capture_writer *begin_capture(void)
{
	const struct capture_info info = { .sample_frequency = 99,
					   .start_time = START,
					   .wall_minus_monotonic = 1700000000000000000 };
	const struct process p = { .tgid = PID, .parent = 1, .comm = (char *)"marker" };
	const struct process_mapping m = { .start = ADDRESS_OF,
					   .end = ADDRESS_OF + ((self.size + 4095) & ~4095ULL),
					   .offset = self.offset & ~4095ULL,
					   .path = self.path,
					   .build_id = self.build_id,
					   .build_id_size = sizeof(self.build_id) };
	struct capture_writer *w;

	assert_int_equal(capture_create(path, &info, &w, NULL), 0);
	capture_write_process(w, &p, START);
	capture_write_mapping(w, PID, &m, START);
	return w;
}

static void write_announcement(struct capture_writer *w)
{
	struct abi_file_announcement a = {
		.record = { ABI_RECORD_FILE, sizeof(a), START + 10 },
		.tgid = PID,
		.file_id = FILE_ID,
		.vm_start = ADDRESS_OF,
		.vm_end = ADDRESS_OF + ((self.size + 4095) & ~4095ULL),
		.offset = self.offset & ~4095ULL,
	};

	snprintf(a.name, sizeof(a.name), "%.63s", strrchr(self.path, '/') + 1);
	capture_write(w, CAPTURE_RING, &a, sizeof(a));
}

static void write_sample(struct capture_writer *w, uint64_t time, uint32_t tid, uint8_t end,
			 const uint64_t *frames, uint16_t kernel, uint16_t user)
{
	union {
		struct abi_sample sample;
		uint64_t words[64];
	} r = { .sample = {
			.record = { ABI_RECORD_SAMPLE, 0, time },
			.tgid = PID,
			.tid = tid,
			.start_boottime = 77,
			.kind = ABI_KIND_CPU,
			.user_end = end,
			.kernel_frames = kernel,
			.user_frames = user,
			.value = PERIOD,
			.count = 1,
			.comm = "thread",
		} };
	size_t n = (size_t)kernel + user;

	r.sample.record.size = (uint32_t)(sizeof(r.sample) + n * sizeof(*frames));
	memcpy(&r.words[sizeof(r.sample) / 8], frames, n * sizeof(*frames));
	capture_write(w, CAPTURE_RING, &r, r.sample.record.size);
}

static void write_number(struct capture_writer *w, enum capture_chunk type, uint64_t number)
{
	capture_write(w, type, &number, sizeof(number));
}

static struct replay *replay(void)
{
	struct error e = {};
	struct replay *r = NULL;

	if (replay_run(path, &r, &e) < 0)
		fail_msg("%s", e.text);
	return r;
}

static struct pprof_profile *encode(struct replay *r, const struct selection *s)
{
	struct window *w = replay_window(r);
	const struct pprof_options o = { .kind = ABI_KIND_CPU,
					 .selection = s,
					 .period = replay_period(r),
					 .time = replay_wall_offset(r) + (int64_t)window_start(w) };
	_cleanup_free_ void *data = NULL;
	struct pprof_profile *p;
	size_t size;

	assert_int_equal(pprof_encode(&w, 1, &o, replay_symbolizer(r), &data, &size, NULL), 0);
	assert_int_equal(pprof_decode(data, size, &p), 0);
	return p;
}

static const char *name(const struct pprof_profile *p, uint32_t sample, uint32_t i)
{
	const struct pprof_location *l = &p->locations[p->samples[sample].locations[i]];

	return p->functions[l->lines[l->n_lines - 1].function].name;
}

static const struct pprof_label *label(const struct pprof_sample *s, const char *key)
{
	for (uint32_t i = 0; i < s->n_labels; i++)
		if (strcmp(s->labels[i].key, key) == 0)
			return &s->labels[i];
	return NULL;
}

static bool has_comment(const struct pprof_profile *p, const char *text)
{
	for (uint32_t i = 0; i < p->n_comments; i++)
		if (strcmp(p->comments[i], text) == 0)
			return true;
	return false;
}

static void test_names_labels_and_quality(void **state)
{
	const uint64_t frames[] = {
		file_frame(FILE_ID, file_offset(replay_marker_inner, 1)),
		file_frame(FILE_ID, file_offset(replay_marker_outer, 5)),
	};
	const uint64_t unknown[] = { file_frame(999, 0x1234) };
	const struct selection selection = { .pids = { PID }, .n_pids = 1 };
	struct capture_writer *w = begin_capture();
	struct pprof_profile *p;
	struct replay *r;
	uint8_t none[20] = {};

	(void)state;
	if (memcmp(self.build_id, none, sizeof(none)) == 0)
		skip_because("linked without a build id: nothing to know the file by");
	write_announcement(w);
	/* Not in the order of their times, as the rings of several CPUs are. */
	write_sample(w, START + 300, PID + 1, ABI_STACK_no_mapping, frames, 0, 1);
	write_sample(w, START + 100, PID, ABI_STACK_complete, frames, 0, 2);
	write_sample(w, START + 200, PID, ABI_STACK_complete, frames, 0, 2);
	write_number(w, CAPTURE_DRAIN, START + 250);
	write_sample(w, START + 400, PID, ABI_STACK_complete, unknown, 0, 1);
	write_number(w, CAPTURE_LOST, 5);
	capture_write(w, CAPTURE_RING, "not a record", 12);
	capture_write(w, 4711, "of a later version", 18);
	write_number(w, CAPTURE_DRAIN, START + 1000);
	assert_int_equal(capture_close(w), 0);

	r = replay();
	assert_int_equal(replay_period(r), PERIOD);
	assert_int_equal(window_start(replay_window(r)), START);
	assert_int_equal(window_end(replay_window(r)), START + 1000);
	assert_int_equal(window_samples(replay_window(r)), 4);
	p = encode(r, &selection);
	assert_true(p->time == 1700000000000000000 + START);
	assert_int_equal(p->n_samples, 3);
	/* The two that are equal, first in time. */
	assert_int_equal(p->samples[0].values[0], 2);
	assert_int_equal(p->samples[0].values[1], 2 * PERIOD);
	assert_int_equal(p->samples[0].n_locations, 2);
	assert_string_equal(name(p, 0, 0), "replay_marker_inner");
	assert_string_equal(name(p, 0, 1), "replay_marker_outer");
	assert_int_equal(label(&p->samples[0], "pid")->number, PID);
	assert_int_equal(label(&p->samples[0], "tid")->number, PID);
	assert_string_equal(label(&p->samples[0], "comm")->string, "marker");
	assert_int_equal(label(&p->samples[1], "tid")->number, PID + 1);
	assert_string_equal(name(p, 1, 1), "[truncated: no_mapping]");
	assert_string_equal(p->mappings[0].file, self.path);
	for (size_t i = 0; i < sizeof(self.build_id); i++) {
		unsigned int byte;

		assert_int_equal(sscanf(p->mappings[0].build_id + 2 * i, "%2x", &byte), 1);
		assert_int_equal(byte, self.build_id[i]);
	}
	assert_int_equal(p->locations[p->samples[0].locations[0]].address,
			 (uintptr_t)replay_marker_inner + 1 - self.base);
	/* 4 samples, 5 that the kernel lost, and what was no record. */
	assert_true(has_comment(p, "profd: samples_attempted=10"));
	assert_true(has_comment(p, "profd: samples_lost=6"));
	assert_true(has_comment(p, "profd: user_stacks_complete=3"));
	assert_true(has_comment(p, "profd: user_stacks_truncated_no_mapping=1"));
	assert_true(has_comment(p, "profd: frames=6"));
	assert_true(has_comment(p, "profd: frames_unnamed=1"));
	pprof_profile_free(p);
	replay_free(r);
}

/* Another file is there by now: no names are better than wrong ones. */
static void test_other_build_id(void **state)
{
	const uint64_t frames[] = { file_frame(FILE_ID, file_offset(replay_marker_inner, 1)) };
	struct capture_writer *w;
	struct pprof_profile *p;
	struct replay *r;

	(void)state;
	self.build_id[3] ^= 1;
	w = begin_capture();
	self.build_id[3] ^= 1;
	write_announcement(w);
	write_sample(w, START + 100, PID, ABI_STACK_complete, frames, 0, 1);
	capture_close(w);
	r = replay();
	p = encode(r, NULL);
	assert_int_equal(p->n_samples, 1);
	assert_null(strstr(name(p, 0, 0), "replay_marker"));
	assert_true(has_comment(p, "profd: frames_unnamed=1"));
	pprof_profile_free(p);
	replay_free(r);
}

static void test_kernel_frames(void **state)
{
	const uint64_t frames[] = { 0xffffffff81000010, 0xffffffff81000020 };
	struct capture_writer *w = begin_capture();
	struct pprof_profile *p;
	struct replay *r;

	(void)state;
	write_sample(w, START + 100, PID, ABI_STACK_none, frames, 2, 0);
	capture_close(w);
	r = replay();
	p = encode(r, NULL);
	assert_int_equal(p->n_samples, 1);
	/* The first is where it stood, the second returns behind its call. */
	assert_true(p->locations[p->samples[0].locations[0]].address == frames[0]);
	assert_true(p->locations[p->samples[0].locations[1]].address == frames[1] - 1);
	assert_true(has_comment(p, "profd: user_stacks_attempted=0"));
	pprof_profile_free(p);
	replay_free(r);
}

static void test_nothing(void **state)
{
	struct pprof_profile *p;
	struct replay *r;

	(void)state;
	capture_close(begin_capture());
	r = replay();
	assert_int_equal(window_samples(replay_window(r)), 0);
	p = encode(r, NULL);
	assert_int_equal(p->n_samples, 0);
	pprof_profile_free(p);
	replay_free(r);
}

static void test_errors(void **state)
{
	struct capture_writer *w;
	struct replay *r;
	struct error e = {};
	struct stat st;

	(void)state;
	assert_int_equal(replay_run(path, &r, &e), -ENOENT);
	assert_non_null(strstr(e.text, path));
	w = begin_capture();
	capture_close(w);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(truncate(path, st.st_size - 3), 0);
	assert_int_equal(replay_run(path, &r, &e), -EBADMSG);
	assert_non_null(strstr(e.text, "cut at offset"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_names_labels_and_quality),
		TEST(test_other_build_id),
		TEST(test_kernel_frames),
		TEST(test_nothing),
		TEST(test_errors),
	};

	replay_marker_outer();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
