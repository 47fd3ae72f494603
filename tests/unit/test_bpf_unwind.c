/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The unwinder in the kernel against the truth: this process samples itself in a chain of calls
 * compiled without frame pointers. Each function of the chain notes where it returns to, so the
 * whole stack is known to the byte. The same stacks once more as slices, unwound here.
 *
 * Only this process is sampled: the events are opened for it alone. The records are looked at as
 * they come from the ring, by stream_put_ring() below instead of the library's.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/perf_event.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fileio.h"
#include "collect/collector.h"
#include "collect/collector_system.h"
#include "collect/collector_tables.h"
#include "collect/stream.h"
#include "deep_chain.h"
#include "own_maps.h"
#include "switched_test.skel.h"
#include "unwind/table_store.h"
#include "unwind/unwinder.h"
#include "rights.h"

#define MAX_VERIFIED 300000
#define SPIN_NS	     (NS_PER_S / 2)
#define MIN_SAMPLES  50
#define RING_SIZE    (32U << 20) /* half of it takes all slices */

/* --- what comes out of the ring --- */

struct stream {
	struct maps *maps;
	bool checking; /* the chain is what is running */
	unsigned int samples, slices, in_chain, right, complete, in_kernel, in_vdso;
	uint32_t missing; /* the file that the last slice was sent for */
	uint64_t frames;
	uint64_t ends[ABI_STACK_ENDS_COUNT];
};

struct slice_source {
	struct maps *maps;
	const struct abi_slice *slice;
};

static int slice_read(void *userdata, uint64_t address, void *buffer, size_t size)
{
	const struct slice_source *s = userdata;
	uint64_t at = address - s->slice->regs[UNWIND_RSP];

	if (at > s->slice->size || size > s->slice->size - at)
		return -EFAULT;
	memcpy(buffer, (const char *)(s->slice + 1) + at, size);
	return 0;
}

static bool slice_find(void *userdata, uint64_t address, struct unwinder_mapping *ret)
{
	const struct slice_source *s = userdata;
	const struct map *m = find_map(s->maps, address);

	if (!m)
		return false;
	*ret = (struct unwinder_mapping){ .start = m->start,
					  .end = m->end,
					  .offset = m->offset,
					  .file_id = m->file_id,
					  .executable = true,
					  .table = m->table };
	return true;
}

static enum abi_stack_end unwind_slice(struct maps *maps, const struct abi_slice *slice,
				       uint64_t *frames, size_t *ret_n)
{
	struct slice_source userdata = { maps, slice };
	const struct unwinder_source source = { .userdata = &userdata,
						.read = slice_read,
						.find = slice_find };
	struct unwinder_registers registers = { .pc = slice->pc, .after_call = slice->after_call };

	memcpy(registers.regs, slice->regs, sizeof(registers.regs));
	return unwinder_run(&source, &registers, frames, ABI_MAX_USER_FRAMES, ret_n);
}

/* Is the chain in there as a whole, no frame guessed? *@ret_in: at least its innermost function. */
static bool has_chain(struct maps *maps, const uint64_t *frames, size_t n, bool *ret_in)
{
	size_t at = 0, i;

	while (at < n && frames[at] != word_of(maps, chain[0]))
		at++;
	*ret_in = at < n;
	for (i = 0; i < chain_length && at + i < n; i++)
		if (frames[at + i] != word_of(maps, chain[i]))
			return false;
	return i == chain_length;
}

static void check_stack(struct stream *s, const uint64_t *frames, size_t n, unsigned int end)
{
	bool in;

	assert_in_range(end, 0, ABI_STACK_ENDS_COUNT - 1);
	s->ends[end]++;
	s->frames += n;
	if (n && (frames[0] >> ABI_FRAME_FILE_SHIFT) == ABI_FILE_ID_VDSO)
		s->in_vdso++;
	s->right += has_chain(s->maps, frames, n, &in) && end == ABI_STACK_complete;
	s->in_chain += in;
	s->complete += end == ABI_STACK_complete;
}

static void on_file(struct stream *s, const struct abi_file_announcement *a)
{
	for (size_t i = 0; i < s->maps->n; i++)
		if (a->vm_start == s->maps->at[i].start)
			s->maps->at[i].file_id = a->file_id;
}

static void on_slice(struct stream *s, const struct abi_sample *sample, size_t size)
{
	const struct abi_slice *slice = (const void *)(sample->frames + sample->kernel_frames);
	uint64_t frames[ABI_MAX_USER_FRAMES];
	size_t n;

	assert_int_equal(sample->user_frames, 0);
	assert_int_equal(sample->user_end, ABI_STACK_no_table);
	assert_int_equal(slice->size % 8, 0);
	assert_in_range(slice->size, 0, ABI_SLICE_MAX_BYTES);
	assert_int_equal((const char *)(slice + 1) + slice->size, (const char *)sample + size);
	s->slices++;
	s->missing = sample->missing_file;
	if (s->checking) {
		enum abi_stack_end end = unwind_slice(s->maps, slice, frames, &n);

		check_stack(s, frames, n, end);
	}
}

int stream_put_ring(struct stream *s, const void *record, size_t size)
{
	const struct abi_sample *sample = record;

	assert_int_equal(sample->record.size, size);
	if (sample->record.type == ABI_RECORD_FILE) {
		on_file(s, record);
		return 0;
	}
	assert_int_equal(sample->tgid, getpid());
	s->in_kernel += sample->kernel_frames > 0;
	if (sample->record.type == ABI_RECORD_SLICE) {
		on_slice(s, sample, size);
	} else {
		assert_int_equal(sample->record.type, ABI_RECORD_SAMPLE);
		s->samples++;
		if (s->checking)
			check_stack(s, (const uint64_t *)sample->frames + sample->kernel_frames,
				    sample->user_frames, sample->user_end);
	}
	return 0;
}

int stream_put_sideband(struct stream *s, const void *record, size_t size)
{
	(void)s;
	(void)record;
	(void)size;
	return 0;
}

/* --- the tests --- */

struct fixture {
	struct collector *collector;
	struct table_store *store;
	struct maps maps;
	struct stream stream;
};

static int open_for_self(void *userdata, const struct perf_event_attr *attr, int cpu)
{
	struct perf_event_attr copy = *attr;
	long fd;

	(void)userdata;
	fd = syscall(SYS_perf_event_open, &copy, getpid(), cpu, -1, PERF_FLAG_FD_CLOEXEC);
	return fd < 0 ? -errno : (int)fd;
}

static uint32_t frequency(void)
{
	_cleanup_free_ char *text = NULL;
	unsigned long highest = 999;

	if (!file_read(AT_FDCWD, "/proc/sys/kernel/perf_event_max_sample_rate", 64, &text, NULL))
		highest = strtoul(text, NULL, 10);
	return (uint32_t)MIN(highest, 999UL);
}

/* Runs the chain, or with @shallow only its last functions. */
static void fill_chain(struct fixture *f, uint64_t ns, bool shallow)
{
	uint64_t until = clock_ns(CLOCK_PROCESS_CPUTIME_ID) + ns;

	collector_drain(f->collector, &f->stream);
	f->stream = (struct stream){ .maps = &f->maps, .checking = true };
	chain_length = shallow ? SHALLOW : DEPTH;
	if (shallow)
		level_2(until, 1, 2);
	else
		level_25(until, 1, 2);
	collector_drain(f->collector, &f->stream);
}

/* What the sampling program costs on the average stack. */
struct cost {
	double ns, frames;
};

static struct cost measure(struct fixture *f, bool shallow)
{
	struct collector_state before, after;

	collector_get_state(f->collector, &before);
	fill_chain(f, SPIN_NS, shallow);
	collector_get_state(f->collector, &after);
	if (after.run_count == before.run_count)
		return (struct cost){ 0 };
	return (struct cost){
		.ns = (double)(after.run_ns - before.run_ns) /
		      (double)(after.run_count - before.run_count),
		.frames = (double)f->stream.frames / (f->stream.samples + !f->stream.samples),
	};
}

static void setup(struct fixture *f, const struct collector_options *o)
{
	struct table_store_options store = { 0 };
	struct error e = { 0 };

	memset(f, 0, sizeof(*f));
	f->stream.maps = &f->maps;
	read_maps(&f->maps);
	if (collector_new(o, &f->collector, &e))
		fail_msg("%s", e.text);
	assert_int_equal(collector_table_memory(f->collector, &store.memory), 0);
	assert_int_equal(table_store_new(&store, &f->store), 0);
	/* Gives the files their ids. */
	spin(clock_ns(CLOCK_PROCESS_CPUTIME_ID) + NS_PER_S / 20);
	collector_drain(f->collector, &f->stream);
}

static void teardown(struct fixture *f)
{
	table_store_free(f->store);
	collector_free(f->collector);
	free_maps(&f->maps);
}

static void bind_map(struct fixture *f, struct map *m)
{
	if (!m->table || !m->file_id || table_store_knows(f->store, m->file_id))
		return;
	assert_int_equal(table_store_put(f->store, m->table, m, 0, &m->stored), 0);
	table_store_bind(f->store, m->stored, m->file_id);
}

/* A file becomes known when the files before it on the stack have tables. */
static void learn_files(struct fixture *f)
{
	int rounds = 0;

	do {
		for (size_t i = 0; i < f->maps.n; i++)
			bind_map(f, &f->maps.at[i]);
		fill_chain(f, SPIN_NS / 10, false);
	} while (f->stream.slices && ++rounds < 10);
}

static void report(const struct fixture *f, const char *what)
{
	const struct stream *s = &f->stream;

	print_message("%s: %u samples, %u slices; of these complete %u, with the chain %u, as it "
		      "was %u, entered the kernel %u, vdso %u; %.1f frames\n",
		      what, s->samples, s->slices, s->complete, s->in_chain, s->right, s->in_kernel,
		      s->in_vdso, (double)s->frames / (s->samples + s->slices + !s->samples));
	for (int i = 0; i < ABI_STACK_ENDS_COUNT; i++)
		if (s->ends[i] && i != ABI_STACK_complete)
			print_message("  ending %d: %lu\n", i, (unsigned long)s->ends[i]);
}

static void expect_chain(const struct stream *s)
{
	unsigned int n = s->samples + s->slices;

	assert_in_range(n, MIN_SAMPLES, 1000000);
	assert_in_range(s->complete * 100, n * 99, n * 100);
	/* Some samples are outside, before and after: more of them where a machine is slow. */
	assert_in_range(s->in_chain * 100, n * 90, n * 100);
	assert_in_range(s->right * 100, s->in_chain * 99, s->in_chain * 100);
}

/* What is taken out is no longer used when table_store_remove() returns; its room is used again. */
static void withdraw_and_put_back(struct fixture *f)
{
	struct map *program = find_map(&f->maps, (uint64_t)(uintptr_t)spin);

	table_store_remove(f->store, program->stored);
	fill_chain(f, SPIN_NS / 10, false);
	assert_true(f->stream.slices > 0);
	assert_int_equal(f->stream.samples, 0);
	assert_int_equal(f->stream.missing, program->file_id);
	bind_map(f, program);
	fill_chain(f, SPIN_NS / 5, false);
	assert_true(f->stream.samples > 0);
	assert_in_range(f->stream.right * 100, f->stream.in_chain * 99, f->stream.in_chain * 100);
}

static void test_chain(void **state)
{
	struct collector_options o = { .sample_frequency = frequency(),
				       .open_event = open_for_self,
				       .ring_size = RING_SIZE,
				       .without_waits = true };
	struct collector_state after;
	struct cost shallow, deep;
	static struct fixture f; /* large, and not to be a part of the stack */
	int stats, rounds = 0;

	(void)state;
	needs_bpf();
	setup(&f, &o);
	/* All but this program: what is in it, is in every stack. */
	for (size_t i = 0; i < f.maps.n; i++)
		if (&f.maps.at[i] != find_map(&f.maps, (uint64_t)(uintptr_t)spin))
			bind_map(&f, &f.maps.at[i]);
	fill_chain(&f, SPIN_NS, false);
	report(&f, "without this program's rules");
	assert_int_equal(f.stream.samples, 0);
	expect_chain(&f.stream);

	stats = bpf_enable_stats(BPF_STATS_RUN_TIME);
	/* A file that is seldom met may be met for the first time while this is measured. */
	do {
		learn_files(&f);
		shallow = measure(&f, true);
		deep = measure(&f, false);
	} while (f.stream.slices * 100 > f.stream.samples && ++rounds < 5);
	collector_get_state(f.collector, &after);
	report(&f, "with all rules");
	/* Outside of the chain, a few. */
	assert_in_range(f.stream.slices * 100, 0, f.stream.samples);
	expect_chain(&f.stream);
	if (deep.ns > 0 && deep.frames > shallow.frames)
		print_message("%.0f ns for a sample of %.1f frames, %.0f for each more of them\n",
			      deep.ns, deep.frames,
			      (deep.ns - shallow.ns) / (deep.frames - shallow.frames));
	print_message("%u instructions verified, %lu bytes of maps, %lu of rows\n",
		      after.verified_instructions, (unsigned long)after.map_bytes,
		      (unsigned long)after.segment_bytes);
	assert_in_range(after.verified_instructions, 1, MAX_VERIFIED);
	assert_int_equal(after.segment_bytes % sizeof(struct unwind_segment), 0);
	assert_true(after.segment_bytes > 0);
	if (stats >= 0)
		close(stats);
	withdraw_and_put_back(&f);
	teardown(&f);
}

static int on_traced(void *userdata, void *data, size_t size)
{
	return stream_put_ring(userdata, data, size);
}

static void nap(struct fixture *f, struct ring_buffer *ring)
{
	f->stream = (struct stream){ .maps = &f->maps, .checking = true };
	level_25(0, 1, 2);
	assert_true(ring_buffer__consume(ring) >= 0);
}

/* The tables of a tracing program, with the same maps and a scratch of its own. */
static void test_tracing_program(void **state)
{
	struct table_store_options store = { 0 };
	struct collector_tables tables = { .first_segment_fd = -1 };
	struct switched_test *bpf;
	struct ring_buffer *ring;
	static struct fixture f;
	int rounds = 0;

	(void)state;
	needs_bpf();
	memset(&f, 0, sizeof(f));
	read_maps(&f.maps);
	bpf = switched_test__open();
	assert_non_null(bpf);
	bpf->rodata->traced_tgid = (uint32_t)getpid();
	assert_int_equal(bpf_map__set_max_entries(bpf->maps.ring, RING_SIZE), 0);
	assert_int_equal(switched_test__load(bpf), 0);
	tables.files_fd = bpf_map__fd(bpf->maps.unwind_files);
	tables.pages_fd = bpf_map__fd(bpf->maps.unwind_pages);
	tables.rules_fd = bpf_map__fd(bpf->maps.unwind_rules);
	tables.segments_fd = bpf_map__fd(bpf->maps.unwind_segments);
	assert_int_equal(collector_tables_memory(&tables, &store.memory), 0);
	assert_int_equal(table_store_new(&store, &f.store), 0);
	ring = ring_buffer__new(bpf_map__fd(bpf->maps.ring), on_traced, &f.stream, NULL);
	assert_non_null(ring);
	assert_int_equal(switched_test__attach(bpf), 0);
	do {
		nap(&f, ring);
		for (size_t i = 0; i < f.maps.n; i++)
			bind_map(&f, &f.maps.at[i]);
	} while (f.stream.slices && ++rounds < 10);
	report(&f, "a tracing program");
	assert_int_equal(f.stream.in_kernel, f.stream.samples);
	assert_in_range(f.stream.samples, NAPS, 100 * NAPS);
	assert_in_range(f.stream.in_chain, NAPS, f.stream.samples);
	assert_int_equal(f.stream.right, f.stream.in_chain);
	table_store_free(f.store);
	switched_test__destroy(bpf);
	ring_buffer__free(ring);
	collector_tables_done(&tables);
	free_maps(&f.maps);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chain),
		cmocka_unit_test(test_tracing_program),
	};

	return cmocka_run_group_tests_name("bpf_unwind", tests, NULL, NULL);
}
