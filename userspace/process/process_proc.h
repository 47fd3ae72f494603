/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One process as /proc shows it. Everything is read through one descriptor of /proc/TGID, which the
 * kernel ties to that life: if the number is given to another process meanwhile, reading fails.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "process/mappings.h"
#include "process/process_object.h"

struct proc_facts {
	uint32_t tgid, parent;
	uint64_t start_boottime; /* ns; rounded down to proc_tick_ns() */
	char comm[PROCESS_COMM_SIZE];
	bool leader_exited;	   /* its first thread is a zombie */
	uint32_t n_threads;	   /* living ones besides the first */
	uint32_t *threads;	   /* their ids, ascending */
	struct shared *executable; /* a struct mapped_file; NULL for kernel threads */
	struct mappings *mappings;
	char *cgroup; /* path; NULL if unknown */
};

/* What reading needs of its caller. */
struct proc_reader {
	int proc_fd;
	struct shared_set *names;
	struct mappings_account *account;
};

/* The resolution of start_boottime. */
uint64_t proc_tick_ns(void);

/*
 * Reads all about a process. -ESRCH if it is not there, or is a zombie without threads; -ENOMEM.
 * What cannot be read (another user's process, without the rights) stays empty.
 */
int proc_read(const struct proc_reader *reader, uint32_t tgid, struct proc_facts *ret);
void proc_facts_done(struct proc_facts *f);

/* Only the start (rounded down): -ESRCH if there is no such process. */
int proc_read_start(int proc_fd, uint32_t tgid, uint64_t *ret_boottime);
/* Only the path of the cgroup; caller frees. */
int proc_read_cgroup(int proc_fd, uint32_t tgid, char **ret_path);
