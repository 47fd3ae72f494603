/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/collector_tables.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "base/cleanup.h"
#include "unwind/table_store.h"

#define FILES_SIZE   (UNWIND_FILE_SLOTS * sizeof(struct unwind_file))
#define PAGES_SIZE   (UNWIND_MAX_PAGES * sizeof(struct unwind_page))
#define RULES_SIZE   (UNWIND_MAX_RULES * sizeof(struct unwind_rule))
#define SEGMENT_SIZE sizeof(struct unwind_segment)

static void unmap(void *memory, size_t size)
{
	if (memory)
		munmap(memory, size);
}

void collector_tables_done(struct collector_tables *t)
{
	uint32_t i;

	unmap(t->files, FILES_SIZE);
	unmap(t->pages, PAGES_SIZE);
	unmap(t->rules, RULES_SIZE);
	for (i = 0; i < UNWIND_MAX_SEGMENTS; i++)
		unmap(t->segments[i], SEGMENT_SIZE);
	if (t->first_segment_fd >= 0)
		close(t->first_segment_fd);
	*t = (struct collector_tables){ .first_segment_fd = -1 };
}

static int map_memory(int fd, size_t size, void **ret)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (memory == MAP_FAILED)
		return -errno;
	*ret = memory;
	return 0;
}

/* The map must be exactly like struct unwind_segment_map of bpf/maps.h, or the kernel refuses it.
 */
static int make_segment(int *ret_fd, struct unwind_segment **ret)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);
	_cleanup_close_ int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "unwind_segment",
						sizeof(uint32_t), SEGMENT_SIZE, 1, &options);
	void *memory = NULL;
	int err;

	if (fd < 0)
		return -errno;
	err = map_memory(fd, SEGMENT_SIZE, &memory);
	if (err)
		return err;
	*ret_fd = TAKE_FD(fd);
	*ret = memory;
	return 0;
}

/*
 * The kernel waits for an RCU grace period at the end of an update, and for one only at the end of
 * a batch (since 6.8; before that some versions wait for each). A kernel that has no batches for
 * this kind of map gets them one by one.
 */
static int put_segments(const struct collector_tables *t, uint32_t first, uint32_t n,
			const int *fds)
{
	uint32_t keys[TABLE_STORE_SEGMENTS], done = n;

	for (uint32_t i = 0; i < n; i++)
		keys[i] = first + i;
	if (n > 1 && !bpf_map_update_batch(t->segments_fd, keys, fds, &done, NULL))
		return 0;
	for (uint32_t i = 0; i < n; i++) {
		if (bpf_map_update_elem(t->segments_fd, &keys[i], &fds[i], BPF_ANY))
			return -errno;
	}
	return 0;
}

static int add_segments(void *userdata, uint32_t first, uint32_t n, struct unwind_segment **ret)
{
	struct unwind_segment *made[TABLE_STORE_SEGMENTS] = { NULL };
	int fds[TABLE_STORE_SEGMENTS], err = 0;
	struct collector_tables *t = userdata;
	uint32_t n_made = 0;

	if (!n || n > TABLE_STORE_SEGMENTS || first != t->n_segments ||
	    n > UNWIND_MAX_SEGMENTS - first)
		return -EINVAL;
	while (!err && n_made < n) {
		err = make_segment(&fds[n_made], &made[n_made]);
		n_made += !err;
	}
	if (!err)
		err = put_segments(t, first, n, fds);
	for (uint32_t i = 0; i < n_made; i++) {
		if (err)
			unmap(made[i], SEGMENT_SIZE);
		else
			t->segments[first + i] = ret[i] = made[i];
		if (!err && t->first_segment_fd < 0)
			t->first_segment_fd = fds[i];
		else
			close(fds[i]);
	}
	t->n_segments += err ? 0 : n;
	return err;
}

/*
 * Updating a map of maps returns only after an RCU grace period, so that no program still uses what
 * was replaced (kernel/bpf/syscall.c, maybe_wait_bpf_programs()); perf event and tracing programs
 * run under rcu_read_lock(). The map is replaced by itself. membarrier(MEMBARRIER_CMD_GLOBAL) would
 * do less: with nohz_full it fails, and with one CPU it does nothing, which is too little where
 * RCU readers can be preempted (kernel/sched/membarrier.c).
 */
static void wait_for_readers(void *userdata)
{
	const struct collector_tables *t = userdata;
	const uint32_t first = 0;

	if (t->first_segment_fd < 0) /* without segments there are no rows to be read */
		return;
	while (bpf_map_update_elem(t->segments_fd, &first, &t->first_segment_fd, BPF_ANY) &&
	       errno == EINTR)
		;
}

int collector_tables_memory(struct collector_tables *t, struct table_store_memory *ret)
{
	int err = 0;

	if (!t->files)
		err = map_memory(t->files_fd, FILES_SIZE, (void **)&t->files);
	if (!err && !t->pages)
		err = map_memory(t->pages_fd, PAGES_SIZE, (void **)&t->pages);
	if (!err && !t->rules)
		err = map_memory(t->rules_fd, RULES_SIZE, (void **)&t->rules);
	if (err)
		return err;
	*ret = (struct table_store_memory){
		.files = t->files,
		.pages = t->pages,
		.rules = t->rules,
		.add_segments = add_segments,
		.wait_for_readers = wait_for_readers,
		.userdata = t,
	};
	return 0;
}
