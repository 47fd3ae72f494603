/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/collector_load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "abi.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fileio.h"
#include "collect/collector_cpus.h"
#include "collect/collector_system.h"
#include "profd.skel.h"

#define LOG_LINE_SIZE 256

DEFINE_CLEANUP(struct profd_bpf *, profd_bpf__destroy);

/*
 * libbpf's only way to speak is a callback of the whole process without an argument. While a
 * thread loads, this is where its first complaint (the cause; later ones repeat it) goes.
 */
static _Thread_local char *log_line;

__attribute__((format(printf, 2, 0))) static int keep_first_warning(enum libbpf_print_level level,
								    const char *format,
								    va_list args)
{
	if (log_line && !*log_line && level == LIBBPF_WARN) {
		vsnprintf(log_line, LOG_LINE_SIZE, format, args);
		log_line[strcspn(log_line, "\n")] = '\0';
	}
	return 0;
}

static int explain(int number, const char *said, struct error *e)
{
	char missing[64];

	collector_system_missing(missing, sizeof(missing));
	/* Which error it is depends on what is tried first: programs without CAP_PERFMON get
	 * EINVAL. */
	if (*missing && (number == EPERM || number == EACCES || number == EINVAL))
		return error_set(e, EPERM, "loading BPF needs %s: run as root or grant them",
				 missing);
	if (access(COLLECTOR_BTF_PATH, R_OK))
		return error_set(e, ENOTSUP,
				 COLLECTOR_BTF_PATH ": %s: profd needs a kernel with "
						    "CONFIG_DEBUG_INFO_BTF (Linux 6.1 or later)",
				 strerror(errno));
	if (collector_system_is_confidential())
		return error_set(
			e, number,
			"loading BPF: kernel lockdown is \"confidentiality\", which forbids "
			"it to read memory: boot with lockdown=integrity");
	if (number == ENOMEM)
		return error_set(e, number,
				 "loading BPF: out of memory: a smaller ring buffer, or a higher "
				 "limit of the cgroup");
	return error_set(e, number, "loading BPF: %s%s%s (needs Linux 6.1 or later)",
			 strerror(number), *said ? ": " : "", said);
}

/* What a program or map is needed for. */
static void choose(struct profd_bpf *bpf, enum abi_wait_hook hook)
{
	bool waits = hook != ABI_WAIT_HOOK_none;

	bpf_program__set_autoload(bpf->progs.wait_switch, waits);
	bpf_program__set_autoload(bpf->progs.wait_waking, waits);
	bpf_program__set_autoload(bpf->progs.wait_new_task, waits);
	bpf_program__set_autoload(bpf->progs.wait_lock_begin, waits);
	bpf_program__set_autoload(bpf->progs.wait_lock_end, waits);
	bpf_program__set_autoload(bpf->progs.wait_adopt, waits);
	bpf_program__set_autoload(bpf->progs.wait_ongoing, waits);
	bpf_program__set_autoload(bpf->progs.wait_exit_tp, hook == ABI_WAIT_HOOK_exit_tp);
	bpf_program__set_autoload(bpf->progs.wait_kprobe, hook == ABI_WAIT_HOOK_kprobe);
	bpf_map__set_autocreate(bpf->maps.wait_tasks, waits);
	bpf_map__set_autocreate(bpf->maps.wait_cpus, waits);
	bpf_map__set_autocreate(bpf->maps.locks, waits);
	bpf_map__set_autocreate(bpf->maps.lock_scratch, waits);
	bpf_map__set_autocreate(bpf->maps.stashes, hook == ABI_WAIT_HOOK_switch_out);
	bpf_map__set_autocreate(bpf->maps.wait_scratch, waits);
	bpf_map__set_autocreate(bpf->maps.waker_scratch, waits);
	bpf_map__set_autocreate(bpf->maps.ongoing_scratch, waits);
}

int collector_load(const struct collector_load_options *o, struct profd_bpf **ret, struct error *e)
{
	_cleanup_(profd_bpf__destroyp)
	struct profd_bpf *bpf = NULL;
	char said[LOG_LINE_SIZE] = "";
	struct collector_cpus possible;
	int err;

	libbpf_set_print(keep_first_warning);
	log_line = said;
	bpf = profd_bpf__open();
	err = bpf ? 0 : -errno;
	if (!err) {
		bpf->rodata->sample_period_ns = NS_PER_S / o->frequency;
		bpf->rodata->ring_high_water = o->ring_size / 8;
		bpf->rodata->slice_bytes = o->slice_bytes;
		bpf->data->block_rate = o->block_rate;
		bpf->rodata->wait_wakers = !o->without_wakers;
		bpf->rodata->wait_hook = o->wait_hook;
		choose(bpf, o->wait_hook);
		err = bpf_map__set_max_entries(bpf->maps.ring, (uint32_t)o->ring_size);
	}
	if (!err)
		err = bpf_map__set_max_entries(bpf->maps.files, o->max_files);
	if (!err)
		err = collector_cpus_possible(&possible);
	if (!err)
		err = bpf_map__set_max_entries(bpf->maps.wait_cpus, collector_cpus_end(&possible));
	if (!err)
		err = profd_bpf__load(bpf);
	log_line = NULL;
	if (err)
		return explain(-err, said, e);
	*ret = TAKE_PTR(bpf);
	return 0;
}

static uint64_t map_bytes(const struct bpf_map *map)
{
	_cleanup_free_ char *text = NULL;
	unsigned long long bytes = 0;
	char path[64];
	const char *line;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", bpf_map__fd(map));
	if (file_read(AT_FDCWD, path, 65536, &text, NULL))
		return 0;
	line = strstr(text, "memlock:");
	if (line)
		sscanf(line, "memlock: %llu", &bytes);
	/* Before 6.4 a ring is not in there: what it has are bytes, not entries of some size. */
	if (bpf_map__type(map) == BPF_MAP_TYPE_RINGBUF)
		bytes = MAX(bytes, (unsigned long long)bpf_map__max_entries(map));
	return bytes;
}

uint64_t collector_load_map_bytes(const struct profd_bpf *bpf)
{
	const struct bpf_map *map;
	uint64_t sum = 0;

	bpf_object__for_each_map(map, bpf->obj) sum += map_bytes(map);
	return sum;
}

uint32_t collector_load_verified(const struct profd_bpf *bpf)
{
	struct bpf_program *program;
	uint32_t most = 0;

	bpf_object__for_each_program(program, bpf->obj)
	{
		struct bpf_prog_info info = { 0 };
		uint32_t size = sizeof(info);

		if (!bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size))
			most = MAX(most, info.verified_insns);
	}
	return most;
}
