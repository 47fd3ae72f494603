/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many frames together, before a deadline: each executable is asked once for all that is wanted of
 * it, and what does not come in time is late.
 */
#include "symbolize/symbolizer_object.h"

#include <poll.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "profile/sample.h"
#include "worker/worker.h"

#define LEAST_PATIENCE (10 * NS_PER_MS)
/* Less than one in so many may be missing without all patience being used. */
#define NAMES_PART  32
#define LINES_PART  8
#define MAX_POLL_MS 1000 /* workers want to see now and then what takes too long */

/* By executable; those of processes that can still be looked into first. */
static int compare_wanted(const void *a, const void *b)
{
	const struct wanted_frame *x = *(const struct wanted_frame *const *)a;
	const struct wanted_frame *y = *(const struct wanted_frame *const *)b;
	uintptr_t p = (uintptr_t)x->frame.executable, q = (uintptr_t)y->frame.executable;

	if (p != q)
		return p < q ? -1 : 1;
	return (x->process && x->process->exit_time != 0) -
	       (y->process && y->process->exit_time != 0);
}

static struct wanted_address wanted_address(const struct wanted_frame *w, uint64_t address)
{
	return (struct wanted_address){ address, MAX(w->weight, (uint64_t)1) };
}

/* Asks for what is wanted of each executable. @addresses has room for all. */
static void want_files(struct symbolizer *s, const struct wanted_frame **wanted, size_t n,
		       struct wanted_address *addresses)
{
	size_t end;

	for (size_t first = 0; first < n; first = end) {
		struct executable *x = wanted[first]->frame.executable;
		uint32_t pid = symbolizer_pid_of(wanted[first]->process);

		for (end = first; end < n && wanted[end]->frame.executable == x; end++)
			addresses[end - first] = wanted_address(
				wanted[end], executable_address(x, wanted[end]->frame.address));
		if (s->lines)
			s->lines_missing += executable_lines_want(s->lines, x, addresses,
								  end - first, pid, s->clock);
		s->names_missing += executable_names_want(s->executables, x, addresses, end - first,
							  pid, s->clock);
	}
}

/* An address in the kernel's file, or in one of a module. */
struct kernel_place {
	struct executable *executable;
	struct wanted_address address;
};

static int compare_kernel_places(const void *a, const void *b)
{
	const struct kernel_place *x = a, *y = b;
	uintptr_t p = (uintptr_t)x->executable, q = (uintptr_t)y->executable;

	return (p > q) - (p < q);
}

static size_t find_kernel_places(struct symbolizer *s, const struct wanted_frame *wanted, size_t n,
				 struct kernel_place *ret)
{
	uint64_t now = clock_monotonic_ns(), start, end, address;
	size_t count = 0;

	kernel_names_range(s->kernel, now, &start, &end);
	kernel_file_look(s->kernel_file, start, end, now);
	for (size_t i = 0; i < n; i++) {
		struct executable *x;

		if (wanted[i].frame.kind != FRAME_KERNEL)
			continue;
		x = kernel_file_of(s->kernel_file, wanted[i].frame.address, now, &address);
		if (x)
			ret[count++] =
				(struct kernel_place){ x, wanted_address(&wanted[i], address) };
	}
	qsort(ret, count, sizeof(*ret), compare_kernel_places);
	return count;
}

static void want_kernel_lines(struct symbolizer *s, const struct wanted_frame *wanted, size_t n,
			      struct wanted_address *addresses)
{
	_cleanup_free_ struct kernel_place *places = calloc(n, sizeof(*places));
	size_t count, end;

	if (!places)
		return;
	count = find_kernel_places(s, wanted, n, places);
	for (size_t first = 0; first < count; first = end) {
		struct executable *x = places[first].executable;

		for (end = first; end < count && places[end].executable == x; end++)
			addresses[end - first] = places[end].address;
		s->lines_missing +=
			executable_lines_want(s->lines, x, addresses, end - first, 0, s->clock);
	}
}

static void want_jit(struct symbolizer *s, const struct wanted_frame *wanted, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (wanted[i].frame.kind == FRAME_ADDRESS && wanted[i].process &&
		    jit_names_want(s->jit, wanted[i].process, wanted[i].frame.address, s->clock))
			s->names_missing += MAX(wanted[i].weight, (uint64_t)1);
}

/* @n > 0. */
static void want_all(struct symbolizer *s, const struct wanted_frame *wanted, size_t n)
{
	_cleanup_free_ const struct wanted_frame **files = calloc(n, sizeof(*files));
	_cleanup_free_ struct wanted_address *addresses = calloc(n, sizeof(*addresses));
	size_t n_files = 0;

	/* Without memory each is asked for when its name is wanted. */
	if (!files || !addresses)
		return;
	if (s->lines && s->kernel_file)
		want_kernel_lines(s, wanted, n, addresses);
	for (size_t i = 0; i < n; i++)
		if (wanted[i].frame.kind == FRAME_FILE)
			files[n_files++] = &wanted[i];
	qsort(files, n_files, sizeof(*files), compare_wanted);
	want_files(s, files, n_files, addresses);
}

void symbolizer_want(struct symbolizer *s, const struct wanted_frame *wanted, size_t n)
{
	s->clock++;
	s->names_missing = s->lines_missing = 0;
	want_jit(s, wanted, n);
	if (n > 0)
		want_all(s, wanted, n);
}

/* Takes what has come. */
static void process(struct symbolizer *s, uint64_t now)
{
	if (s->name_worker)
		worker_process(s->name_worker, now);
	if (s->line_worker)
		worker_process(s->line_worker, now);
}

/* How long to wait for what is not known yet; 0 = it is known. */
static uint64_t latest(const struct symbolizer *s, uint64_t names, uint64_t lines)
{
	bool busy = executable_names_is_busy(s->executables) || jit_names_is_busy(s->jit);
	uint64_t until = busy ? names : 0;

	if (s->lines && executable_lines_is_busy(s->lines))
		until = MAX(until, lines);
	return until;
}

static void wait_until(struct symbolizer *s, uint64_t names, uint64_t lines)
{
	struct pollfd fds[2];
	nfds_t n = 0;
	uint64_t now = clock_monotonic_ns(), until;

	if (s->name_worker)
		fds[n++] = (struct pollfd){ .fd = worker_fd(s->name_worker), .events = POLLIN };
	if (s->line_worker)
		fds[n++] = (struct pollfd){ .fd = worker_fd(s->line_worker), .events = POLLIN };
	process(s, now);
	while (now < (until = latest(s, names, lines))) {
		poll(fds, n, (int)MIN((until - now) / NS_PER_MS + 1, (uint64_t)MAX_POLL_MS));
		now = clock_monotonic_ns();
		process(s, now);
	}
}

/*
 * A profile that lacks nearly nothing is not held up for it: the full patience is for those that
 * lack a part in @part or more of their @all, by weight.
 */
static uint64_t patience_for(const struct symbolizer *s, uint64_t missing, uint64_t all,
			     uint64_t part)
{
	uint64_t until = s->patience;

	if (!s->all_patience && missing == 0)
		return 0;
	if (!s->all_patience && missing < all / part)
		until = MAX(
			(uint64_t)((double)until * (double)missing * (double)part / (double)all),
			LEAST_PATIENCE);
	return __builtin_add_overflow(clock_monotonic_ns(), until, &until) ? UINT64_MAX : until;
}

void symbolizer_prepare(struct symbolizer *s, const struct wanted_frame *wanted, size_t n,
			uint64_t weight)
{
	uint64_t all = 0;

	for (size_t i = 0; i < n; i++)
		all += wanted_address(&wanted[i], 0).weight;
	all = MAX(all, weight);
	symbolizer_want(s, wanted, n);
	wait_until(s, patience_for(s, s->names_missing, all, NAMES_PART),
		   patience_for(s, s->lines_missing, all, LINES_PART));
}
