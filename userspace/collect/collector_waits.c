/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/collector_waits.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "collect/collector.h"
#include "collect/collector_load.h"
#include "collect/collector_system.h"
#include "profd.skel.h"

/* A reader's buffer: twice the kernel's (PAGE_SIZE << 3, kernel/bpf/bpf_iter.c). */
#define READ_SIZE 65536

#define KPROBE_PATH "/sys/bus/event_source/devices/kprobe"

/*
 * Kernel memory of a thread's struct wait_task, with what it hangs on: struct
 * bpf_local_storage_elem and struct bpf_local_storage, as rounded up by the allocator.
 */
#define THREAD_BYTES 448

DEFINE_CLEANUP(struct profd_bpf *, profd_bpf__destroy);

static const char *const hook_names[] = {
#define X(name, help) #name,
	ABI_WAIT_HOOKS(X)
#undef X
};

__attribute__((format(printf, 3, 4))) static void note(struct collector_waits *w,
						       enum abi_wait_hook hook, const char *format,
						       ...)
{
	size_t length = strlen(w->text), left = sizeof(w->text) - length;
	va_list args;
	int n;

	n = snprintf(w->text + length, left, "%s%s: ", length ? "; " : "", hook_names[hook]);
	if (n < 0 || (size_t)n >= left)
		return;
	va_start(args, format);
	vsnprintf(w->text + length + n, left - (size_t)n, format, args);
	va_end(args);
}

void collector_waits_done(struct collector_waits *w)
{
	while (w->n_links)
		bpf_link__destroy(w->links[--w->n_links]);
	bpf_link__destroy(w->reader);
	w->reader = NULL;
	if (w->cpus)
		munmap((void *)w->cpus, w->n_cpus * sizeof(*w->cpus));
	w->cpus = NULL;
	w->n_cpus = 0;
	w->hook = ABI_WAIT_HOOK_none;
}

/* Takes over the link that an attach returned, or its error. */
static int keep(struct collector_waits *w, struct bpf_link *link)
{
	if (!link)
		return -errno;
	w->links[w->n_links++] = link;
	return 0;
}

static int attach(struct collector_waits *w, struct bpf_program *program)
{
	return keep(w, bpf_program__attach(program));
}

static int attach_kprobe(struct collector_waits *w, struct bpf_program *program)
{
	char symbol[128];
	int err;

	err = collector_system_kernel_function("finish_task_switch", symbol, sizeof(symbol));
	return err ? err : keep(w, bpf_program__attach_kprobe(program, false, symbol));
}

static int attach_hook(struct collector_waits *w, struct profd_bpf *bpf, enum abi_wait_hook hook)
{
	switch (hook) {
	case ABI_WAIT_HOOK_exit_tp:
		return attach(w, bpf->progs.wait_exit_tp);
	case ABI_WAIT_HOOK_kprobe:
		return attach_kprobe(w, bpf->progs.wait_kprobe);
	default:
		return 0;
	}
}

/* Runs an iterator that tells nothing. */
static int run_iterator(struct bpf_program *program)
{
	struct bpf_link *link = bpf_program__attach_iter(program, NULL);
	_cleanup_close_ int fd = -1;
	ssize_t n = 0;
	char c;
	int err = 0;

	if (!link)
		return -errno;
	fd = bpf_iter_create(bpf_link__fd(link));
	do {
		n = fd < 0 ? -1 : read(fd, &c, sizeof(c));
	} while (n < 0 && (errno == EINTR || errno == EAGAIN));
	if (n < 0)
		err = -errno;
	bpf_link__destroy(link);
	return err;
}

/* What is counted by CPU can be read here. */
static int map_cpus(struct collector_waits *w, const struct bpf_map *map)
{
	uint32_t n = bpf_map__max_entries(map);
	void *memory;

	memory = mmap(NULL, n * sizeof(*w->cpus), PROT_READ, MAP_SHARED, bpf_map__fd(map), 0);
	if (memory == MAP_FAILED)
		return -errno;
	w->cpus = memory;
	w->n_cpus = n;
	return 0;
}

/* Threads get their memory last: from then on, all that happens to them is seen. */
static int attach_all(struct collector_waits *w, struct profd_bpf *bpf)
{
	int err;

	err = attach(w, bpf->progs.wait_switch);
	if (!err)
		err = attach(w, bpf->progs.wait_waking);
	if (!err)
		err = attach(w, bpf->progs.wait_lock_end);
	if (!err)
		err = attach(w, bpf->progs.wait_lock_begin);
	if (!err)
		err = attach(w, bpf->progs.wait_new_task);
	if (!err)
		err = run_iterator(bpf->progs.wait_adopt);
	if (err)
		return err;
	w->reader = bpf_program__attach_iter(bpf->progs.wait_ongoing, NULL);
	return w->reader ? 0 : -errno;
}

/* Notes what can be known to be missing. */
static bool is_possible(enum abi_wait_hook hook, struct collector_waits *w)
{
	if (hook == ABI_WAIT_HOOK_exit_tp && !collector_system_has_tracepoint("sched_exit_tp")) {
		note(w, hook, "this kernel has no sched_exit_tp (6.15)");
		return false;
	}
	if (hook == ABI_WAIT_HOOK_kprobe && access(KPROBE_PATH, F_OK)) {
		note(w, hook, "this kernel has no kprobes");
		return false;
	}
	return true;
}

/* Loads with one hook; notes why not. */
static int try_hook(struct collector_load_options *load, enum abi_wait_hook hook,
		    struct collector_waits *w, struct profd_bpf **ret)
{
	_cleanup_(profd_bpf__destroyp)
	struct profd_bpf *bpf = NULL;
	struct error e;
	int err;

	if (!is_possible(hook, w))
		return -ENOTSUP;
	load->wait_hook = hook;
	err = collector_load(load, &bpf, &e);
	if (err) {
		note(w, hook, "%s", e.text);
		return err;
	}
	/* It does nothing before it is told to by the other programs. */
	err = map_cpus(w, bpf->maps.wait_cpus);
	if (!err)
		err = attach_hook(w, bpf, hook);
	if (err) {
		collector_waits_done(w);
		note(w, hook, "attaching: %s", strerror(-err));
		return err;
	}
	w->hook = hook;
	*ret = TAKE_PTR(bpf);
	return 0;
}

int collector_waits_load(struct collector_load_options *load, const struct collector_options *o,
			 struct collector_waits *w, struct profd_bpf **ret, struct error *e)
{
	int hook, err;

	for (hook = ABI_WAIT_HOOK_exit_tp; hook < ABI_WAIT_HOOKS_COUNT && !o->without_waits;
	     hook++) {
		if (o->wait_hook && o->wait_hook != hook)
			continue;
		err = try_hook(load, hook, w, ret);
		if (!err)
			return 0;
		if (o->wait_hook)
			return error_set(e, -err, "waits cannot be sampled by the hook %s",
					 w->text);
	}
	load->wait_hook = ABI_WAIT_HOOK_none;
	return collector_load(load, ret, e);
}

int collector_waits_start(struct collector_waits *w, struct profd_bpf *bpf)
{
	enum abi_wait_hook hook = w->hook;
	int err;

	if (hook == ABI_WAIT_HOOK_none)
		return 0;
	err = attach_all(w, bpf);
	if (err) {
		collector_waits_done(w);
		note(w, hook, "attaching: %s", strerror(-err));
	}
	return err;
}

/* Calls @record for each of @size bytes; they come whole. */
static int split(const unsigned char *bytes, size_t size,
		 void (*record)(void *userdata, const void *record, size_t size), void *userdata)
{
	struct abi_record head;
	size_t at;

	for (at = 0; at < size; at += head.size) {
		if (size - at < sizeof(head))
			return -EBADMSG;
		memcpy(&head, bytes + at, sizeof(head));
		if (head.size < sizeof(head) || head.size % 8 || head.size > size - at)
			return -EBADMSG;
		record(userdata, bytes + at, head.size);
	}
	return 0;
}

int collector_waits_read(struct collector_waits *w, struct profd_bpf *bpf, uint32_t tgid,
			 void (*record)(void *userdata, const void *record, size_t size),
			 void *userdata)
{
	_cleanup_free_ unsigned char *buffer = NULL;
	_cleanup_close_ int fd = -1;
	ssize_t n;
	int err = 0;

	if (!w->reader)
		return -ENOTSUP;
	buffer = malloc(READ_SIZE);
	if (!buffer)
		return -ENOMEM;
	bpf->bss->ongoing_tgid = tgid;
	fd = bpf_iter_create(bpf_link__fd(w->reader));
	if (fd < 0)
		return -errno;
	while (!err) {
		n = read(fd, buffer, READ_SIZE);
		if (!n)
			break;
		if (n > 0)
			err = split(buffer, (size_t)n, record, userdata);
		else if (errno != EINTR && errno != EAGAIN)
			err = -errno;
	}
	return err;
}

static void add_program(const struct bpf_program *program, struct collector_state *s)
{
	struct bpf_prog_info info = { 0 };
	uint32_t size = sizeof(info);

	if (bpf_program__fd(program) < 0 ||
	    bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size))
		return;
	s->wait_run_ns += info.run_time_ns;
	s->wait_run_count += info.run_cnt;
	s->wait_missed += info.recursion_misses;
}

uint64_t collector_waits_count(const struct collector_waits *w)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < w->n_cpus; i++)
		sum += __atomic_load_n(&w->cpus[i].waits, __ATOMIC_RELAXED);
	return sum;
}

void collector_waits_state(const struct collector_waits *w, const struct profd_bpf *bpf,
			   struct collector_state *s)
{
	s->wait_hook = w->hook;
	snprintf(s->wait_hook_text, sizeof(s->wait_hook_text), "%s", w->text);
	if (!w->hook)
		return;
	s->block_rate = bpf->data->block_rate;
	s->map_bytes += collector_system_threads() * THREAD_BYTES;
	add_program(bpf->progs.wait_switch, s);
	add_program(bpf->progs.wait_waking, s);
	add_program(bpf->progs.wait_lock_begin, s);
	add_program(bpf->progs.wait_lock_end, s);
	add_program(bpf->progs.wait_new_task, s);
	add_program(bpf->progs.wait_exit_tp, s);
	add_program(bpf->progs.wait_kprobe, s);
}
