/* SPDX-License-Identifier: Apache-2.0 */
/* A process table without /proc, and the side-band events that the kernel would send it. */
#pragma once

#include <stdint.h>

#include "process/process.h"
#include "process/sideband.h"

/* After <cmocka.h>. */

static inline int set_up(void **state)
{
	struct process_table_options o = { .without_proc = true };

	return process_table_new(&o, (struct process_table **)state);
}

static inline int tear_down(void **state)
{
	process_table_free(*state);
	return 0;
}

static inline void apply(struct process_table *t, struct sideband_event e)
{
	assert_int_equal(process_table_apply(t, &e), 0);
}

static inline void fork_process(struct process_table *t, uint64_t time, uint32_t pid, uint32_t ppid)
{
	apply(t,
	      (struct sideband_event){
		      .type = SIDEBAND_FORK, .pid = pid, .tid = pid, .ppid = ppid, .time = time });
}

static inline void fork_thread(struct process_table *t, uint64_t time, uint32_t pid, uint32_t tid)
{
	apply(t,
	      (struct sideband_event){
		      .type = SIDEBAND_FORK, .pid = pid, .tid = tid, .ppid = pid, .time = time });
}

static inline void exit_thread(struct process_table *t, uint64_t time, uint32_t pid, uint32_t tid)
{
	apply(t, (struct sideband_event){
			 .type = SIDEBAND_EXIT, .pid = pid, .tid = tid, .ppid = 1, .time = time });
}

static inline void rename_thread(struct process_table *t, uint64_t time, uint32_t pid, uint32_t tid,
				 const char *comm)
{
	apply(t,
	      (struct sideband_event){
		      .type = SIDEBAND_COMM, .pid = pid, .tid = tid, .time = time, .name = comm });
}

static inline void exec(struct process_table *t, uint64_t time, uint32_t pid, const char *comm)
{
	apply(t, (struct sideband_event){ .type = SIDEBAND_COMM,
					  .pid = pid,
					  .tid = pid,
					  .time = time,
					  .exec = true,
					  .name = comm });
}

static inline void map(struct process_table *t, uint64_t time, uint32_t pid, uint64_t address,
		       const char *path)
{
	apply(t, (struct sideband_event){ .type = SIDEBAND_MMAP,
					  .pid = pid,
					  .tid = pid,
					  .time = time,
					  .address = address,
					  .size = 0x1000,
					  .offset = 0x2000,
					  .build_id_size = 20,
					  .build_id = { 0xab },
					  .name = path });
}

/* What a shell does for "true". */
static inline void run(struct process_table *t, uint64_t time, uint32_t pid, const char *name,
		       const char *path)
{
	fork_process(t, time, pid, 1);
	exec(t, time + 1, pid, name);
	map(t, time + 2, pid, 0x1000, path);
	map(t, time + 3, pid, 0x10000, "/lib/ld.so");
	map(t, time + 4, pid, 0x20000, "[vdso]");
}

static inline struct process *look(struct process_table *t, uint32_t pid, uint64_t time)
{
	struct process *p = process_table_lookup(t, pid, time, 0, 0, "sampled");

	assert_non_null(p);
	return p;
}

static inline struct process_table_stats stats(struct process_table *t)
{
	struct process_table_stats s;

	process_table_get_stats(t, &s);
	return s;
}
