/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/collector_events.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "collect/collector_system.h"
#include "process/sideband.h"

static int open_event(const struct collector_opener *opener, struct perf_event_attr *attr, int cpu)
{
	long fd;

	attr->size = sizeof(*attr);
	if (opener->open)
		return opener->open(opener->userdata, attr, cpu);
	fd = syscall(SYS_perf_event_open, attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	return fd < 0 ? -errno : (int)fd;
}

/* This CPU has no counter for cycles: none at all, or a virtual machine without a PMU. */
static bool is_unsupported(int err)
{
	return err == -ENOENT || err == -EOPNOTSUPP || err == -EINVAL;
}

static int open_clock_or_cycles(const struct collector_opener *opener, int cpu, uint32_t frequency,
				bool *ret_hardware)
{
	struct perf_event_attr cycles = {
		.type = PERF_TYPE_HARDWARE,
		.config = PERF_COUNT_HW_CPU_CYCLES,
		.freq = 1,
		.sample_freq = frequency,
		.disabled = 1,
		.exclude_guest = 1,
	};
	struct perf_event_attr clock = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.freq = 1,
		.sample_freq = frequency,
		.disabled = 1,
		.exclude_idle = 1,
	};
	int fd = open_event(opener, &cycles, cpu);

	*ret_hardware = true;
	if (is_unsupported(fd)) {
		*ret_hardware = false;
		fd = open_event(opener, &clock, cpu);
	}
	return fd;
}

int collector_events_open_sampling(const struct collector_opener *opener, int cpu,
				   uint32_t frequency, int program, bool *ret_hardware, int *ret_fd)
{
	_cleanup_close_ int fd = -1;
	bool hardware;

	fd = open_clock_or_cycles(opener, cpu, frequency, &hardware);
	if (fd < 0)
		return fd;
	/* Not a link: those need rights that the daemon has dropped when a CPU comes late. */
	if (ioctl(fd, PERF_EVENT_IOC_SET_BPF, program) || ioctl(fd, PERF_EVENT_IOC_ENABLE, 0))
		return -errno;
	*ret_hardware = hardware;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int collector_events_open_sideband(const struct collector_opener *opener, int cpu, size_t size,
				   int *ret_fd)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_DUMMY,
		.sample_type = SIDEBAND_SAMPLE_TYPE,
		.sample_id_all = 1,
		.mmap = 1,
		.mmap2 = 1,
		.build_id = 1,
		.comm = 1,
		.comm_exec = 1,
		.task = 1,
		.ksymbol = 1,
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
		.watermark = 1,
		.wakeup_watermark = (uint32_t)(size / 2),
	};
	int fd = open_event(opener, &attr, cpu);

	if (fd < 0)
		return fd;
	*ret_fd = fd;
	return 0;
}

int collector_events_check_frequency(uint32_t frequency, struct error *e)
{
	long max;

	if (collector_system_number("/proc/sys/kernel/perf_event_max_sample_rate", &max) ||
	    (long)frequency <= max)
		return 0;
	return error_set(e, ERANGE,
			 "sample_frequency %u is above kernel.perf_event_max_sample_rate (%ld): "
			 "lower it, or raise the limit with sysctl",
			 frequency, max);
}

static int explain_rights(int number, int cpu, struct error *e)
{
	long paranoid = 0;

	collector_system_number("/proc/sys/kernel/perf_event_paranoid", &paranoid);
	if (paranoid >= 3)
		return error_set(
			e, number,
			"perf_event_open on CPU %d: %s: with kernel.perf_event_paranoid=%ld "
			"it needs CAP_SYS_ADMIN: grant it, or set the sysctl to 2 and grant "
			"CAP_PERFMON",
			cpu, strerror(number), paranoid);
	return error_set(e, number,
			 "perf_event_open on CPU %d: %s: it needs CAP_PERFMON "
			 "(kernel.perf_event_paranoid=%ld): run as root or grant the capability",
			 cpu, strerror(number), paranoid);
}

int collector_events_explain(int number, int cpu, struct error *e)
{
	switch (number) {
	case EACCES:
	case EPERM:
		return explain_rights(number, cpu, e);
	case EMFILE:
		return error_set(e, number,
				 "perf_event_open on CPU %d: too many open files: profd needs two "
				 "for each CPU, raise LimitNOFILE= or ulimit -n",
				 cpu);
	case ENOMEM:
		return error_set(e, number, "perf_event_open on CPU %d: out of memory", cpu);
	default:
		return error_set(e, number, "perf_event_open on CPU %d: %s", cpu, strerror(number));
	}
}
