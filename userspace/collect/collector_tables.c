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
static int make_segment(void *userdata, uint32_t index, struct unwind_segment **ret)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);
	struct collector_tables *t = userdata;
	_cleanup_close_ int fd = -1;
	void *memory = NULL;
	int err;

	if (index >= UNWIND_MAX_SEGMENTS || t->segments[index])
		return -EINVAL;
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "unwind_segment", sizeof(uint32_t), SEGMENT_SIZE, 1,
			    &options);
	if (fd < 0)
		return -errno;
	err = map_memory(fd, SEGMENT_SIZE, &memory);
	if (err)
		return err;
	if (bpf_map_update_elem(t->segments_fd, &index, &fd, BPF_ANY)) {
		err = -errno;
		munmap(memory, SEGMENT_SIZE);
		return err;
	}
	t->segments[index] = memory;
	t->n_segments++;
	if (t->first_segment_fd < 0) {
		t->first_segment_fd = TAKE_FD(fd);
		t->first_segment = index;
	}
	*ret = memory;
	return 0;
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

	if (t->first_segment_fd < 0) /* without segments there are no rows to be read */
		return;
	while (bpf_map_update_elem(t->segments_fd, &t->first_segment, &t->first_segment_fd,
				   BPF_ANY) &&
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
		.add_segment = make_segment,
		.wait_for_readers = wait_for_readers,
		.userdata = t,
	};
	return 0;
}
