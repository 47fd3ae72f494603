/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The manager: the one object that owns the process. Every descriptor and timer is a member, or a
 * member of a member; manager_free() ends them all, also when it was only half built.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <systemd/sd-event.h>

#include "base/error.h"
#include "command.h"
#include "listener.h"
#include "log.h"
#include "options.h"
#include "profile/quality.h"
#include "profile/window.h"
#include "profiler.h"
#include "rotation.h"

struct http;
struct opener;
struct store;

struct manager {
	const struct command *command; /* SIGHUP reads the same file and flags again */
	struct options options;

	sd_event *event;
	sd_event_source *drain_timer, *profiler_io, *rotation_timer;

	struct listeners listeners;
	struct opener *opener;
	struct profiler *profiler;
	struct store *store;
	struct rotation *rotation; /* NULL = no files */
	struct http *http;

	char kernel[64];
	uint64_t started;    /* monotonic ns */
	uint64_t last_drain; /* monotonic ns */
	bool window_closed;  /* since the last drain */
	uint64_t rotate_at;  /* monotonic ns; files are written then; 0 = not now */
	struct quality quality[WINDOW_KINDS]; /* of all windows since the start, by kind */
	struct log_cause draining;
	uint64_t reloads;
};

/*
 * Opens all that needs rights, gives up the rights, and is ready to run. *@ret_code says how the
 * process should end if it fails; @e says why. Takes @options.
 */
int manager_new(const struct command *command, struct options *options, struct manager **ret,
		int *ret_code, struct error *e);
/* Runs until a signal ends it: 0, or -errno. Writes what there is before it returns. */
int manager_run(struct manager *m);
struct manager *manager_free(struct manager *m);

/* Tells a person, or the journal, what profd does now and where to look. */
void manager_announce(struct manager *m);
/* Reads the configuration again (SIGHUP). */
void manager_reload(struct manager *m);
struct rotation_policy manager_rotation_policy(const struct manager *m);
/* Bytes of rows that unwinding tables may take in the kernel. */
uint64_t manager_unwind_budget(const struct manager *m);
/* ns from the start until the tables of all that ran were in the kernel; 0 = not yet. */
uint64_t manager_tables_after(const struct manager *m);
/* Bytes that the waits since the start take now. */
size_t manager_cumulative_memory(struct manager *m);
/* Bytes that windows may take now: what symbol tables and BPF maps leave of the budget. */
size_t manager_windows_budget(struct manager *m);
