/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The collector: the only owner of the BPF skeleton and of the perf events. It samples every online
 * CPU, follows CPUs that come and go, and hands out raw records; it does not know what they mean.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/perf_event.h>

#include "abi.h"
#include "base/error.h"

struct collector;
struct stream;
struct table_store_memory;

#define COLLECTOR_MAX_FREQUENCY	    10000
#define COLLECTOR_DEFAULT_FREQUENCY 99
#define COLLECTOR_MAX_BLOCK_RATE    UINT32_MAX /* ns */

/* Opens a perf event on a CPU: perf_event_open(attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC); -errno. */
typedef int (*collector_open_fn)(void *userdata, const struct perf_event_attr *attr, int cpu);

struct collector_options {
	uint32_t sample_frequency; /* Hz, 1..COLLECTOR_MAX_FREQUENCY; 0 = default */
	size_t ring_size;	   /* bytes, rounded up to a power of two; 0 = 4 MiB */
	size_t sideband_size;	   /* bytes per CPU, a power of two; 0 = 512 KiB */
	uint32_t max_files;	   /* files known to the kernel side at one time; 0 = 16384 */
	bool without_sampling;	   /* side-band only (tests) */
	bool start_later;	   /* nothing is sampled before collector_start() */
	uint32_t slice_bytes; /* of stack, where a file's rules are not loaded: a multiple of 8 up
				 to ABI_SLICE_MAX_BYTES; 0 = that */
	bool without_slices;  /* walk by frame pointers there */
	uint64_t block_rate;  /* ns of waiting per stack taken, 1 = all waits, at most
				 COLLECTOR_MAX_BLOCK_RATE; 0 = as the load asks for (wait_rate.h) */
	uint8_t wait_hook;    /* enum abi_wait_hook: this one or none; 0 = the best that there is */
	bool without_waits;   /* neither block nor mutex samples */
	bool without_wakers;  /* block samples without who ended the wait */
	/*
	 * NULL = perf_event_open(2) itself. A daemon that drops its rights gives one that asks a
	 * helper, so that CPUs that come online later can be sampled.
	 */
	collector_open_fn open_event;
	void *open_userdata;
};

struct collector_state {
	uint32_t sample_frequency;
	const char *event;   /* "cycles" or "cpu-clock" */
	uint32_t cpus;	     /* sampled now */
	bool vma_walk_works; /* the start-up self-test agreed with /proc/self/maps */
	uint64_t counters[ABI_COUNTERS_COUNT];
	uint64_t map_bytes;	/* kernel memory of BPF maps, unwinding tables and perf buffers */
	uint64_t segment_bytes; /* the part of it that is unwinding rows */
	uint64_t run_ns, run_count; /* of the sampling program; 0 unless kernel.bpf_stats_enabled */
	uint32_t verified_instructions;	      /* what the verifier looked at, largest program */
	uint8_t wait_hook;		      /* enum abi_wait_hook that is in use */
	char wait_hook_text[128];	      /* why no better one is, "" = it is the best */
	uint64_t block_rate;		      /* ns, in force now; 0 = waits are not sampled */
	uint64_t wait_run_ns, wait_run_count; /* of the programs of waits, as run_ns */
	uint64_t wait_missed; /* events that they did not see, as they had interrupted themselves */
	uint64_t sideband_bad; /* times a side-band buffer was given up as inconsistent */
};

/*
 * Loads BPF, runs the self-test, opens and, if not told to start later, starts everything. An error
 * says what is missing and what to do: no BTF (-ENOTSUP), no rights (-EPERM, -EACCES names
 * perf_event_paranoid), a frequency above kernel.perf_event_max_sample_rate (-ERANGE). Everything
 * is gone from the kernel when the process ends, however it ends: nothing is pinned.
 */
int collector_new(const struct collector_options *o, struct collector **ret, struct error *e);
struct collector *collector_free(struct collector *c);

/*
 * For who has much to do between the two: the side-band comes since collector_new(), samples from
 * here on. They wait in the ring, which holds some 10,000, for collector_drain(). Once only; errors
 * as those of collector_new().
 */
int collector_start(struct collector *c, struct error *e);

/* An epoll descriptor that is readable when the kernel side wants to be drained before its time. */
int collector_fd(const struct collector *c);

/*
 * Moves all that waits in the ring and in the side-band buffers to @stream. Returns how many
 * records, or -errno. Cheap when there is nothing.
 */
int collector_drain(struct collector *c, struct stream *stream);

/*
 * Looks for CPUs that came or went. About once a second. Returns how many changed, or -errno (the
 * rest was still done, and the next call tries again). A CPU that went and came back between two
 * looks is not noticed, and stays unsampled until it goes again.
 */
int collector_follow_cpus(struct collector *c);

/*
 * Removes the files unused for longest, @max at most, from the kernel's table when it is over 3/4
 * full; cheap when it is not. Writes their ids and returns how many, or -errno. Samples with those
 * ids may still be on their way; when the files are seen again, they get new ones.
 */
int collector_evict_files(struct collector *c, uint32_t *ret_ids, size_t max);

/*
 * Gives the file of an open descriptor its id before it is sampled. The file is mapped for a
 * moment, and not read. -EPERM where its file system does not allow executing, -ENOSPC if there is
 * no id left.
 */
int collector_learn_file(struct collector *c, int fd, uint32_t *ret_file_id);

/*
 * Where the unwinding tables go (unwind/table_store.h). The memory and what *@ret refers to is the
 * collector's, and gone with it. -ENOMEM, or what mmap() failed with. Segments are made by bpf(2):
 * in a process that has dropped CAP_BPF, add_segments() fails with -EPERM where
 * kernel.unprivileged_bpf_disabled is set.
 */
int collector_table_memory(struct collector *c, struct table_store_memory *ret);

/*
 * Reads the waits that go on now: calls @record for each thread that waits, with a block sample
 * whose wait has ABI_WAIT_ONGOING and whose user stack comes as a slice. Those that would not be
 * kept if they ended now are left out, by chance, as if they did. For threads of @tgid only if that
 * is not 0. Takes some us a thread, and is for when a profile is asked for. 0 or -errno; -ENOTSUP
 * if waits are not sampled, -EPERM in a process that has dropped CAP_BPF where
 * kernel.unprivileged_bpf_disabled is set.
 */
int collector_read_waits(struct collector *c, uint32_t tgid,
			 void (*record)(void *userdata, const void *record, size_t size),
			 void *userdata);

/*
 * Everything above. Asks the kernel of each program and how many threads there are: for when
 * somebody wants to see it.
 */
void collector_get_state(struct collector *c, struct collector_state *ret);
/* The counters alone: one system call, on a machine of any size. */
void collector_get_counters(struct collector *c, uint64_t ret[static ABI_COUNTERS_COUNT]);

/* The words of the last self-test that failed; "" when vma_walk_works. Borrowed. */
const char *collector_selftest_text(const struct collector *c);

/* What an ABI_COUNTER_ is called, and its help text; NULL if there is none of that number. */
const char *collector_counter_name(unsigned int counter);
const char *collector_counter_help(unsigned int counter);

/* What an enum abi_wait_hook is called: "exit_tp"; NULL if there is none of that number. */
const char *collector_wait_hook_name(unsigned int hook);
