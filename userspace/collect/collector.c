/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/collector.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "collect/collector_files.h"
#include "collect/collector_learn.h"
#include "collect/collector_load.h"
#include "collect/collector_perf.h"
#include "collect/collector_tables.h"
#include "collect/collector_waits.h"
#include "collect/selftest.h"
#include "collect/stream.h"
#include "collect/wait_rate.h"
#include "profd.skel.h"

#define DEFAULT_RING_SIZE     (4U << 20)
#define MAX_RING_SIZE	      (1U << 30)
#define DEFAULT_SIDEBAND_SIZE (512U << 10)
#define DEFAULT_MAX_FILES     16384
/* Bits of a file id in a frame. */
#define MAX_FILES (ABI_FRAME_FILE_MASK / 2)

struct collector {
	struct collector_options options; /* defaults filled in */
	struct profd_bpf *bpf;
	struct ring_buffer *ring;
	int epoll_fd;
	struct collector_perf perf;
	struct stream *stream; /* only during collector_drain() */
	uint64_t (
		*per_cpu)[ABI_COUNTERS_COUNT]; /* counters as the map gives them: by possible CPU */
	int n_possible;
	uint64_t map_bytes; /* of maps that were made with the skeleton */
	uint32_t verified_instructions;
	struct collector_files files;
	struct collector_tables tables;
	struct collector_waits waits;
	struct wait_rate wait_rate; /* unless a rate was asked for */
	struct error selftest;
};

DEFINE_CLEANUP(struct collector *, collector_free);

static int on_record(void *userdata, void *data, size_t size)
{
	struct collector *c = userdata;

	stream_put_ring(c->stream, data, size); /* counts what it refuses */
	return 0;
}

static void on_sideband(void *userdata, const void *record, size_t size)
{
	struct collector *c = userdata;

	stream_put_sideband(c->stream, record, size);
}

static int fill_defaults(struct collector_options *o, struct error *e)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), size = page;

	if (!o->sample_frequency)
		o->sample_frequency = COLLECTOR_DEFAULT_FREQUENCY;
	if (!o->ring_size)
		o->ring_size = DEFAULT_RING_SIZE;
	if (!o->sideband_size)
		o->sideband_size = DEFAULT_SIDEBAND_SIZE;
	if (!o->max_files)
		o->max_files = DEFAULT_MAX_FILES;
	if (!o->slice_bytes)
		o->slice_bytes = ABI_SLICE_MAX_BYTES;
	if (o->block_rate > COLLECTOR_MAX_BLOCK_RATE)
		return error_set(e, ERANGE, "block_rate %" PRIu64 ": allowed is 1 to %u ns",
				 o->block_rate, COLLECTOR_MAX_BLOCK_RATE);
	if (o->wait_hook >= ABI_WAIT_HOOKS_COUNT)
		return error_set(e, EINVAL, "no wait hook has the number %u", o->wait_hook);
	if (o->sample_frequency > COLLECTOR_MAX_FREQUENCY)
		return error_set(e, ERANGE, "sample_frequency %u: allowed is 1 to %u",
				 o->sample_frequency, COLLECTOR_MAX_FREQUENCY);
	if (o->ring_size > MAX_RING_SIZE || o->max_files > MAX_FILES)
		return error_set(e, ERANGE, "ring buffer or file table too large");
	if (o->slice_bytes > ABI_SLICE_MAX_BYTES || o->slice_bytes % 8)
		return error_set(e, ERANGE, "slices of %u bytes: allowed are multiples of 8 to %u",
				 o->slice_bytes, ABI_SLICE_MAX_BYTES);
	if (o->sideband_size < page || o->sideband_size & (o->sideband_size - 1))
		return error_set(e, EINVAL, "side-band buffer: %zu bytes is no power of two",
				 o->sideband_size);
	while (size < o->ring_size)
		size *= 2;
	o->ring_size = size;
	return 0;
}

/* The ring's reader, the epoll descriptor, and space for the counters. */
static int open_readers(struct collector *c)
{
	int ring = bpf_map__fd(c->bpf->maps.ring);
	int n = libbpf_num_possible_cpus();

	if (n < 0)
		return n;
	c->n_possible = n;
	c->per_cpu = calloc((size_t)n, sizeof(*c->per_cpu));
	c->ring = ring_buffer__new(ring, on_record, c, NULL);
	if (!c->per_cpu || !c->ring)
		return -ENOMEM;
	c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (c->epoll_fd < 0)
		return -errno;
	return collector_perf_watch(c->epoll_fd, ring);
}

static int load(struct collector *c, struct error *e)
{
	const struct collector_options *o = &c->options;
	struct collector_load_options load = {
		.frequency = o->sample_frequency,
		.ring_size = o->ring_size,
		.max_files = o->max_files,
		.slice_bytes = o->without_slices ? 0 : o->slice_bytes,
		.block_rate = (uint32_t)(o->block_rate ? o->block_rate : WAIT_RATE_FINEST_NS),
		.without_wakers = o->without_wakers,
	};

	return collector_waits_load(&load, o, &c->waits, &c->bpf, e);
}

static int open_perf(struct collector *c, struct error *e)
{
	const struct collector_options *o = &c->options;
	const struct collector_perf_options perf = {
		.opener = { o->open_event, o->open_userdata },
		.frequency = o->sample_frequency,
		.program = bpf_program__fd(c->bpf->progs.sample_cpu),
		.sideband_size = o->sideband_size,
		.epoll_fd = c->epoll_fd,
	};

	return collector_perf_open(&c->perf, &perf, e);
}

int collector_start(struct collector *c, struct error *e)
{
	int err = collector_waits_start(&c->waits, c->bpf);

	if (err && c->options.wait_hook)
		return error_set(e, -err, "waits cannot be sampled by the hook %s", c->waits.text);
	return c->options.without_sampling ? 0 : collector_perf_sample(&c->perf, e);
}

int collector_new(const struct collector_options *o, struct collector **ret, struct error *e)
{
	_cleanup_(collector_freep)
	struct collector *c = NULL;
	int err;

	c = calloc(1, sizeof(*c));
	if (!c)
		return error_set(e, ENOMEM, "out of memory");
	c->epoll_fd = -1;
	c->tables.first_segment_fd = -1;
	c->options = *o;
	err = fill_defaults(&c->options, e);
	if (err)
		return err;
	err = load(c, e);
	if (err)
		return err;
	err = open_readers(c);
	if (err)
		return error_set(e, -err, "ring buffer: %s", strerror(-err));
	selftest_vma_walk(bpf_program__fd(c->bpf->progs.selftest_vma), &c->selftest);
	c->files.map = bpf_map__fd(c->bpf->maps.files);
	c->files.capacity = c->options.max_files;
	c->tables = (struct collector_tables){
		.files_fd = bpf_map__fd(c->bpf->maps.unwind_files),
		.pages_fd = bpf_map__fd(c->bpf->maps.unwind_pages),
		.rules_fd = bpf_map__fd(c->bpf->maps.unwind_rules),
		.segments_fd = bpf_map__fd(c->bpf->maps.unwind_segments),
		.first_segment_fd = -1,
	};
	c->map_bytes = collector_load_map_bytes(c->bpf);
	c->verified_instructions = collector_load_verified(c->bpf);
	wait_rate_init(&c->wait_rate, clock_monotonic_ns());
	err = open_perf(c, e);
	if (!err && !c->options.start_later)
		err = collector_start(c, e);
	if (err)
		return err;
	*ret = TAKE_PTR(c);
	return 0;
}

struct collector *collector_free(struct collector *c)
{
	if (!c)
		return NULL;
	collector_perf_done(&c->perf);
	ring_buffer__free(c->ring);
	if (c->epoll_fd >= 0)
		close(c->epoll_fd);
	collector_tables_done(&c->tables);
	collector_waits_done(&c->waits);
	profd_bpf__destroy(c->bpf);
	free(c->per_cpu);
	free(c);
	return NULL;
}

int collector_read_waits(struct collector *c, uint32_t tgid,
			 void (*record)(void *userdata, const void *record, size_t size),
			 void *userdata)
{
	return collector_waits_read(&c->waits, c->bpf, tgid, record, userdata);
}

int collector_fd(const struct collector *c)
{
	return c->epoll_fd;
}

/* Takes the wake-ups off the epoll descriptor, so that it is readable only after new ones. */
static void acknowledge(struct collector *c)
{
	struct epoll_event events[16];

	while (epoll_wait(c->epoll_fd, events, ARRAY_SIZE(events), 0) == (int)ARRAY_SIZE(events))
		;
}

/* The sum over all CPUs of each counter of BPF. */
void collector_get_counters(struct collector *c, uint64_t ret[static ABI_COUNTERS_COUNT])
{
	uint32_t zero = 0;
	int cpu, i;

	memset(ret, 0, ABI_COUNTERS_COUNT * sizeof(*ret));
	ret[ABI_COUNTER_waits] = collector_waits_count(&c->waits);
	if (bpf_map_lookup_elem(bpf_map__fd(c->bpf->maps.counters), &zero, c->per_cpu))
		return;
	for (cpu = 0; cpu < c->n_possible; cpu++) {
		for (i = 0; i < ABI_COUNTERS_COUNT; i++)
			ret[i] += c->per_cpu[cpu][i];
	}
}

static void adapt_wait_rate(struct collector *c)
{
	uint64_t counters[ABI_COUNTERS_COUNT];

	if (c->options.block_rate || !c->waits.hook)
		return;
	collector_get_counters(c, counters);
	wait_rate_adapt(&c->wait_rate, counters[ABI_COUNTER_wait_stacks_taken],
			collector_perf_cpus(&c->perf), clock_monotonic_ns());
	/* One store; programs that run beside it use either. */
	__atomic_store_n(&c->bpf->data->block_rate, c->wait_rate.ns, __ATOMIC_RELAXED);
}

int collector_drain(struct collector *c, struct stream *stream)
{
	int records, events;

	acknowledge(c);
	adapt_wait_rate(c);
	c->stream = stream;
	/* The ring first: then all that happened before the samples is in the side-band by now. */
	records = ring_buffer__consume(c->ring);
	events = collector_perf_drain(&c->perf, on_sideband, c);
	c->stream = NULL;
	return records < 0 ? records : records + events;
}

int collector_follow_cpus(struct collector *c)
{
	return collector_perf_follow(&c->perf);
}

int collector_evict_files(struct collector *c, uint32_t *ret_ids, size_t max)
{
	uint64_t given = __atomic_load_n(&c->bpf->data->next_file_id, __ATOMIC_RELAXED);

	return collector_files_evict(&c->files, given - ABI_FILE_ID_FIRST, ret_ids, max);
}

int collector_learn_file(struct collector *c, int fd, uint32_t *ret_file_id)
{
	return collector_learn(bpf_program__fd(c->bpf->progs.learn_file), fd, ret_file_id);
}

int collector_table_memory(struct collector *c, struct table_store_memory *ret)
{
	return collector_tables_memory(&c->tables, ret);
}

const char *collector_selftest_text(const struct collector *c)
{
	return c->selftest.number ? c->selftest.text : "";
}

void collector_get_state(struct collector *c, struct collector_state *ret)
{
	struct bpf_prog_info info = { 0 };
	uint32_t size = sizeof(info);
	struct collector_state s = {
		.sample_frequency = c->options.sample_frequency,
		.vma_walk_works = !c->selftest.number,
		.segment_bytes = c->tables.n_segments * sizeof(struct unwind_segment),
		.verified_instructions = c->verified_instructions,
	};

	s.map_bytes = c->map_bytes + s.segment_bytes;
	collector_perf_state(&c->perf, &s);
	collector_get_counters(c, s.counters);
	if (!bpf_obj_get_info_by_fd(bpf_program__fd(c->bpf->progs.sample_cpu), &info, &size)) {
		s.run_ns = info.run_time_ns;
		s.run_count = info.run_cnt;
	}
	collector_waits_state(&c->waits, c->bpf, &s);
	*ret = s;
}
