/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The collector. Its parsers are tested as anybody; the tests that load BPF and sample this very
 * process are skipped, with the reason, where that is not allowed.
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
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <bpf/bpf.h>
#include <linux/perf_event.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "collect/collector.h"
#include "collect/collector_cpus.h"
#include "collect/collector_files.h"
#include "collect/collector_sideband.h"
#include "collect/collector_system.h"
#include "collect/preflight.h"
#include "collect/stream.h"
#include "rights.h"
#include "scratch.h"

#define MAX_VERIFIED 300000
#define DEPTH	     20

static void cpu_lists(void **state)
{
	struct collector_cpus set;
	unsigned int i, n = 0;

	(void)state;
	assert_int_equal(collector_cpus_parse("0-3,8,10-11\n", &set), 0);
	for (i = 0; i < COLLECTOR_MAX_CPUS; i++)
		n += collector_cpus_has(&set, i);
	assert_int_equal(n, 7);
	assert_true(collector_cpus_has(&set, 3) && collector_cpus_has(&set, 8));
	assert_false(collector_cpus_has(&set, 4) || collector_cpus_has(&set, 9));
	assert_int_equal(collector_cpus_end(&set), 12);
	assert_int_equal(collector_cpus_parse("8191\n", &set), 0);
	assert_int_equal(collector_cpus_end(&set), 8192);
	assert_true(collector_cpus_has(&set, 8191));
	assert_false(collector_cpus_has(&set, 8192));
	assert_int_equal(collector_cpus_parse("", &set), 0);
	assert_int_equal(collector_cpus_end(&set), 0);
	assert_int_equal(collector_cpus_parse("8192", &set), -EINVAL);
	assert_int_equal(collector_cpus_parse("3-1", &set), -EINVAL);
	assert_int_equal(collector_cpus_parse("1;2", &set), -EINVAL);
	assert_int_equal(collector_cpus_parse("-1", &set), -EINVAL);
	assert_int_equal(collector_cpus_parse("99999999999999999999", &set), -EINVAL);
}

/* A side-band buffer that this test fills as the kernel would. */
struct fake_buffer {
	struct perf_event_mmap_page page;
	unsigned char data[4096];
	unsigned char wrap[65536];
};

static void write_bytes(struct fake_buffer *f, const void *bytes, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++)
		f->data[f->page.data_head++ % sizeof(f->data)] = ((const unsigned char *)bytes)[i];
}

static void write_record(struct fake_buffer *f, uint16_t size, unsigned char fill)
{
	unsigned char record[1024];
	struct perf_event_header header = { .type = PERF_RECORD_COMM, .size = size };

	memset(record, fill, sizeof(record));
	memcpy(record, &header, sizeof(header));
	write_bytes(f, record, size);
}

struct seen {
	unsigned int n;
	unsigned char last;
	size_t bytes;
};

static void see(void *userdata, const void *record, size_t size)
{
	const struct perf_event_header *header = record;
	const unsigned char *bytes = record;
	struct seen *seen = userdata;
	size_t i;

	assert_int_equal(header->size, size);
	for (i = sizeof(*header); i < size; i++)
		assert_int_equal(bytes[i], bytes[size - 1]);
	seen->last = bytes[size - 1];
	seen->bytes += size;
	seen->n++;
}

static struct collector_sideband sideband_of(struct fake_buffer *f)
{
	return (struct collector_sideband){
		.page = &f->page, .data = f->data, .size = sizeof(f->data), .wrap = f->wrap
	};
}

static void sideband_wraps(void **state)
{
	struct fake_buffer *f = calloc(1, sizeof(*f));
	struct collector_sideband b = sideband_of(f);
	struct seen seen = { 0 };
	int i;

	(void)state;
	assert_int_equal(collector_sideband_drain(&b, see, &seen), 0);
	/* 1000 bytes do not divide 4096: in time, every byte of a record meets the end. */
	for (i = 0; i < 1000; i++) {
		write_record(f, 1000, (unsigned char)i);
		write_record(f, 24, (unsigned char)(i + 1));
		write_record(f, 8, 0);
		assert_int_equal(collector_sideband_drain(&b, see, &seen), 3);
		assert_int_equal(f->page.data_tail, f->page.data_head);
	}
	assert_int_equal(seen.n, 3000);
	assert_int_equal(seen.bytes, 1032 * 1000);
	free(f);
}

static void sideband_gives_up_on_nonsense(void **state)
{
	static const uint16_t sizes[] = { 0, 1, 7, 41, 5000 };
	struct fake_buffer *f = calloc(1, sizeof(*f));
	struct collector_sideband b = sideband_of(f);
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct perf_event_header header = { .size = sizes[i] };
		unsigned char rest[32] = { 0 };
		struct seen seen = { 0 };

		write_record(f, 24, 1);
		write_bytes(f, &header, sizeof(header));
		write_bytes(f, rest, sizeof(rest));
		assert_int_equal(collector_sideband_drain(&b, see, &seen), -EBADMSG);
		assert_int_equal(seen.n, 1);
		assert_int_equal(f->page.data_tail, f->page.data_head);
	}
	f->page.data_head += sizeof(f->data) + 8;
	assert_int_equal(collector_sideband_drain(&b, see, NULL), -EBADMSG);
	free(f);
}

static void counters_have_names(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 0; i < ABI_COUNTERS_COUNT; i++) {
		assert_non_null(collector_counter_name(i));
		assert_true(strlen(collector_counter_help(i)) > 10);
	}
	assert_null(collector_counter_name(ABI_COUNTERS_COUNT));
	assert_null(collector_counter_help(ABI_COUNTERS_COUNT));
}

static void frequencies_are_checked(void **state)
{
	struct collector_options o = { .sample_frequency = COLLECTOR_MAX_FREQUENCY + 1 };
	struct collector *c = NULL;
	struct error e = { 0 };

	(void)state;
	assert_int_equal(collector_new(&o, &c, &e), -ERANGE);
	assert_non_null(strstr(e.text, "10000"));
	assert_null(c);
}

static void evicts_what_is_unused_for_longest(void **state)
{
	struct collector_files files = { .capacity = 16 };
	struct abi_file_key key = { 0 };
	struct abi_file file = { 0 };
	uint32_t ids[16], i;

	(void)state;
	needs_bpf();
	files.map = bpf_map_create(BPF_MAP_TYPE_HASH, "test_files", sizeof(key), sizeof(file), 16,
				   NULL);
	assert_true(files.map >= 0);
	for (i = 0; i < 14; i++) {
		key.inode = i;
		file.file_id = 100 + i;
		file.last_used = 1000 - i;
		assert_int_equal(bpf_map_update_elem(files.map, &key, &file, BPF_NOEXIST), 0);
	}
	/* Ids that met an error are no entries: 20 were given, 12 would be no reason. */
	assert_int_equal(collector_files_evict(&files, 12, ids, 16), 0);
	assert_int_equal(collector_files_evict(&files, 20, ids, 4), 4);
	for (i = 0; i < 4; i++)
		assert_int_equal(ids[i], 113 - i);
	assert_int_equal(collector_files_evict(&files, 20, ids, 16), 0); /* 10 are left */
	assert_int_equal(files.gone, 10);
	close(files.map);
}

/* What the stream was given. */
struct samples {
	unsigned int n, with_depth, spinning, in_kernel, files;
	uint64_t value;
	uint32_t tgid;
	uint64_t spin_offset; /* of the spinning function in its file */
};

static void on_sample(void *userdata, const struct abi_sample *s)
{
	struct samples *all = userdata;
	const __u64 *user = s->frames + s->kernel_frames;
	uint64_t offset;

	if (s->tgid != all->tgid)
		return;
	all->n++;
	all->value += (uint64_t)s->value;
	assert_int_equal(s->kind, ABI_KIND_CPU);
	assert_int_equal(s->count, 1);
	assert_true(s->start_boottime > 0);
	/* Kernel addresses only: user_frames has the rest. */
	if (s->kernel_frames)
		assert_true(s->frames[0] >> 63 && s->frames[s->kernel_frames - 1] >> 63);
	if (!s->user_frames)
		return;
	all->in_kernel += s->kernel_frames > 2;
	offset = user[0] & ABI_FRAME_OFFSET_MASK;
	if (user[0] >> ABI_FRAME_KIND_SHIFT == ABI_FRAME_FILE && offset - all->spin_offset < 4096) {
		all->spinning++;
		all->with_depth += s->user_frames > DEPTH;
	}
}

static void on_sideband(void *userdata, const struct sideband_event *event)
{
	(void)userdata;
	(void)event;
}

static void on_file(void *userdata, const struct abi_file_announcement *file)
{
	struct samples *all = userdata;

	assert_true(file->file_id >= ABI_FILE_ID_FIRST);
	assert_true(file->vm_start < file->vm_end);
	all->files += file->tgid == all->tgid;
}

/* The address of its frame makes the compiler keep a frame pointer in this function. */
__attribute__((noinline)) static uint64_t spin(unsigned int depth, uint64_t cpu_ns)
{
	volatile uint64_t frame = (uint64_t)(uintptr_t)__builtin_frame_address(0);
	uint64_t n = 0;

	if (depth)
		return spin(depth - 1, cpu_ns) + frame;
	while (n % 1000000 || clock_ns(CLOCK_PROCESS_CPUTIME_ID) < cpu_ns)
		n += frame != 0;
	return n;
}

/* Time in the kernel, entered by a system call. */
static void read_zeros(uint64_t cpu_ns)
{
	const size_t size = 1 << 20;
	FILE *f = fopen("/dev/zero", "re");
	char *buffer = malloc(size);

	assert_true(f && buffer);
	while (clock_ns(CLOCK_PROCESS_CPUTIME_ID) < cpu_ns)
		assert_int_equal(read(fileno(f), buffer, size), size);
	free(buffer);
	fclose(f);
}

/* Where in its file the code at @addr is. */
static uint64_t file_offset_of(uint64_t addr)
{
	FILE *f = fopen("/proc/self/maps", "re");
	unsigned long start, end, offset;
	char line[512];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx %*s %lx", &start, &end, &offset) == 3 && addr >= start &&
		    addr < end)
			break;
	}
	fclose(f);
	return addr - start + offset;
}

static void check_state(struct collector *c)
{
	struct collector_state s;

	collector_get_state(c, &s);
	print_message("%s on %u CPUs, %u instructions verified, %lu bytes of maps\n", s.event,
		      s.cpus, s.verified_instructions, (unsigned long)s.map_bytes);
	assert_in_range(s.verified_instructions, 1, MAX_VERIFIED);
	if (!s.vma_walk_works)
		print_message("%s\n", collector_selftest_text(c));
	assert_true(s.vma_walk_works);
	assert_string_equal(collector_selftest_text(c), "");
	assert_true(s.cpus > 0);
	assert_true(s.map_bytes > 1 << 20);
	assert_int_equal(s.counters[ABI_COUNTER_samples_lost_ring_full], 0);
	assert_int_equal(s.counters[ABI_COUNTER_samples_lost_nested], 0);
	assert_true(s.counters[ABI_COUNTER_samples_attempted] > 0);
}

static void samples_this_process(void **state)
{
	struct samples all = { .tgid = (uint32_t)getpid() };
	struct stream_handler handler = {
		.sample = on_sample, .sideband = on_sideband, .file = on_file, .userdata = &all
	};
	struct collector_options o = { .sample_frequency = 499,
				       .without_slices = true,
				       .without_waits = true };
	uint64_t begin, spent;
	struct collector *c = NULL;
	struct stream *stream = NULL;
	struct error e = { 0 };

	(void)state;
	needs_bpf();
	all.spin_offset = file_offset_of((uint64_t)(uintptr_t)spin);
	assert_int_equal(stream_new(&handler, &stream), 0);
	if (collector_new(&o, &c, &e))
		fail_msg("%s", e.text);
	begin = clock_ns(CLOCK_PROCESS_CPUTIME_ID); /* loading can take a second by itself */
	spin(DEPTH, begin + NS_PER_S / 2);
	read_zeros(begin + NS_PER_S / 4 * 3);
	assert_true(collector_drain(c, stream) > 30);
	stream_flush(stream, UINT64_MAX);
	spent = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - begin;
	check_state(c);
	assert_int_equal(collector_follow_cpus(c), 0);
	assert_int_equal(collector_evict_files(c, NULL, 0), 0);
	/* Never more than there was. Less, where a virtual machine is not run: its timer is late.
	 */
	assert_in_range(all.value, spent / 8, spent + spent / 4);
	assert_true(all.files >= 1);
	assert_true(all.spinning > all.n / 3);
	assert_true(all.in_kernel > all.n / 10);
	assert_true(all.with_depth >= all.spinning - all.spinning / 10);
	collector_free(c);
	stream_free(stream);
}

/* --- keys of files --- */

#define MAX_FILES 4000

/* A file of a page in @directory, changed at @changed. */
static int make_file(const char *directory, int number, const struct timespec *changed)
{
	const struct timespec times[2] = { *changed, *changed };
	char path[SCRATCH_SIZE + 16];
	int fd;

	snprintf(path, sizeof(path), "%s/%d", directory, number);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 4096), 0);
	assert_int_equal(futimens(fd, times), 0);
	return fd;
}

static uint32_t id_of(struct collector *c, int fd)
{
	uint32_t id = ABI_FILE_ID_NONE;

	assert_int_equal(collector_learn_file(c, fd, &id), 0);
	assert_int_not_equal(id, ABI_FILE_ID_NONE);
	return id;
}

/* A file with the number of one that is gone, and its time of change, is not taken for it. */
static void look_for_inode_again(struct collector *c, const char *directory, ino_t inode,
				 uint32_t id, const struct timespec *changed)
{
	for (int i = 1; i < MAX_FILES; i++) {
		_cleanup_close_ int fd = make_file(directory, i, changed);
		struct stat st;

		assert_int_equal(fstat(fd, &st), 0);
		if (st.st_ino == inode) {
			assert_int_not_equal(id_of(c, fd), id);
			return;
		}
	}
	print_message("the number of the inode was not used again: only changes were tested\n");
}

static void files_have_ids_of_their_own(void **state)
{
	const struct collector_options o = {
		.sample_frequency = 49,
		.without_waits = true,
	};
	const struct timespec first = { .tv_sec = 1000 }, later = { .tv_sec = 1000, .tv_nsec = 1 };
	const struct timespec times[2] = { later, later };
	char directory[SCRATCH_SIZE], path[SCRATCH_SIZE + 16];
	struct collector *c = NULL;
	struct error e = { 0 };
	struct stat st;
	uint32_t id;
	int fd;

	(void)state;
	needs_bpf();
	if (collector_new(&o, &c, &e))
		fail_msg("%s", e.text);
	assert_int_equal(scratch_make(directory), 0);
	snprintf(path, sizeof(path), "%s/0", directory);
	fd = make_file(directory, 0, &first);
	assert_int_equal(fstat(fd, &st), 0);
	id = id_of(c, fd);
	assert_int_equal(id_of(c, fd), id);
	/* Written to since, as far as anybody can see. */
	assert_int_equal(futimens(fd, times), 0);
	assert_int_not_equal(id_of(c, fd), id);
	assert_int_equal(unlink(path), 0);
	close(fd);
	look_for_inode_again(c, directory, st.st_ino, id, &first);
	assert_int_equal(scratch_remove(directory), 0);
	collector_free(c);
}

static int refuse(void *userdata, const struct perf_event_attr *attr, int cpu)
{
	(void)attr;
	(void)cpu;
	return *(const int *)userdata;
}

static void errors_name_the_cause(void **state)
{
	int result = -EACCES;
	struct collector_options o = { .open_event = refuse, .open_userdata = &result };
	struct collector *c = NULL;
	struct error e = { 0 };

	(void)state;
	needs_bpf();
	assert_int_equal(collector_new(&o, &c, &e), -EACCES);
	assert_non_null(strstr(e.text, "perf_event_paranoid"));
	result = -EMFILE;
	assert_int_equal(collector_new(&o, &c, &e), -EMFILE);
	assert_non_null(strstr(e.text, "ulimit"));
	assert_null(c);
}

static void doctor_has_something_to_say(void **state)
{
	struct preflight_result results[PREFLIGHT_MAX_RESULTS];
	size_t n = preflight_run(results), i;

	(void)state;
	assert_in_range(n, 9, PREFLIGHT_MAX_RESULTS);
	for (i = 0; i < n; i++) {
		assert_non_null(results[i].name);
		assert_true(*results[i].found);
		if (results[i].status == PREFLIGHT_FAIL)
			assert_true(*results[i].remedy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cpu_lists),
		cmocka_unit_test(sideband_wraps),
		cmocka_unit_test(sideband_gives_up_on_nonsense),
		cmocka_unit_test(counters_have_names),
		cmocka_unit_test(frequencies_are_checked),
		cmocka_unit_test(evicts_what_is_unused_for_longest),
		cmocka_unit_test(samples_this_process),
		cmocka_unit_test(files_have_ids_of_their_own),
		cmocka_unit_test(errors_name_the_cause),
		cmocka_unit_test(doctor_has_something_to_say),
	};

	return cmocka_run_group_tests_name("collector", tests, NULL, NULL);
}
