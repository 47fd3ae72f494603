/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/collector_perf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "collect/collector_cpus.h"

/* One CPU, by its number. It is closed while both descriptors are -1. */
struct collector_perf_cpu {
	int sample_fd;
	int sideband_fd;
	bool hardware; /* cycles, not cpu-clock */
	bool gone;     /* is offline; what its buffer holds is still to be read */
	struct collector_sideband sideband;
};

static void cpu_stop_sampling(struct collector_perf_cpu *cpu)
{
	if (cpu->sample_fd >= 0)
		close(cpu->sample_fd);
	cpu->sample_fd = -1;
}

static void cpu_close(struct collector_perf_cpu *cpu)
{
	cpu_stop_sampling(cpu);
	collector_sideband_unmap(&cpu->sideband);
	if (cpu->sideband_fd >= 0)
		close(cpu->sideband_fd);
	cpu->sideband_fd = -1;
	cpu->gone = false;
}

int collector_perf_watch(int epoll_fd, int fd)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };

	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static int cpu_open_sideband(struct collector_perf *p, unsigned int number)
{
	const struct collector_perf_options *o = &p->options;
	struct collector_perf_cpu *cpu = &p->cpus[number];
	int err;

	if (cpu->sideband_fd >= 0)
		return 0;
	err = collector_events_open_sideband(&o->opener, (int)number, o->sideband_size,
					     &cpu->sideband_fd);
	if (!err)
		err = collector_sideband_map(cpu->sideband_fd, o->sideband_size, &cpu->sideband);
	if (!err)
		err = collector_perf_watch(o->epoll_fd, cpu->sideband_fd);
	if (err)
		cpu_close(cpu);
	return err;
}

static int cpu_open_sampling(struct collector_perf *p, unsigned int number)
{
	const struct collector_perf_options *o = &p->options;
	struct collector_perf_cpu *cpu = &p->cpus[number];

	if (cpu->sample_fd >= 0)
		return 0;
	return collector_events_open_sampling(&o->opener, (int)number, o->frequency, o->program,
					      &cpu->hardware, &cpu->sample_fd);
}

static int grow_cpus(struct collector_perf *p, size_t n)
{
	struct collector_perf_cpu *cpus;

	if (n <= p->n_cpus)
		return 0;
	cpus = reallocarray(p->cpus, n, sizeof(*cpus));
	if (!cpus)
		return -ENOMEM;
	p->cpus = cpus;
	for (; p->n_cpus < n; p->n_cpus++)
		cpus[p->n_cpus] = (struct collector_perf_cpu){ .sample_fd = -1, .sideband_fd = -1 };
	return 0;
}

/* Calls @open for every CPU of @online; one that went offline meanwhile is no error. */
static int open_cpus(struct collector_perf *p, const struct collector_cpus *online,
		     int (*open)(struct collector_perf *p, unsigned int cpu), int *ret_cpu)
{
	unsigned int cpu;
	int err, first = 0;

	for (cpu = 0; cpu < p->n_cpus; cpu++) {
		if (!collector_cpus_has(online, cpu))
			continue;
		err = open(p, cpu);
		if (err && err != -ENODEV && !first) {
			first = err;
			*ret_cpu = (int)cpu;
		}
	}
	return first;
}

/*
 * Opens what is not open. The side-band comes first on all CPUs: no process may be sampled whose
 * exec went unseen because it had moved to a CPU that was not listened to yet.
 */
static int open_events(struct collector_perf *p, const struct collector_cpus *online, int *ret_cpu)
{
	int err = grow_cpus(p, collector_cpus_end(online));

	if (!err)
		err = open_cpus(p, online, cpu_open_sideband, ret_cpu);
	if (!err && p->sampling)
		err = open_cpus(p, online, cpu_open_sampling, ret_cpu);
	return err;
}

static int open_online(struct collector_perf *p, struct error *e)
{
	struct collector_cpus online;
	int err, cpu = -1;

	err = collector_cpus_online(&online);
	if (err)
		return error_set(e, -err, "/sys/devices/system/cpu/online: %s", strerror(-err));
	err = open_events(p, &online, &cpu);
	return err ? collector_events_explain(-err, cpu, e) : 0;
}

int collector_perf_open(struct collector_perf *p, const struct collector_perf_options *o,
			struct error *e)
{
	int err = collector_events_check_frequency(o->frequency, e);

	p->options = *o;
	return err ? err : open_online(p, e);
}

int collector_perf_sample(struct collector_perf *p, struct error *e)
{
	p->sampling = true;
	return open_online(p, e);
}

void collector_perf_done(struct collector_perf *p)
{
	for (size_t i = 0; i < p->n_cpus; i++)
		cpu_close(&p->cpus[i]);
	free(p->cpus);
	*p = (struct collector_perf){ 0 };
}

static bool is_open(const struct collector_perf_cpu *cpu)
{
	return cpu->sideband_fd >= 0 && !cpu->gone;
}

int collector_perf_follow(struct collector_perf *p)
{
	struct collector_cpus online;
	int err, failed_cpu, changed = 0;
	unsigned int i;

	err = collector_cpus_online(&online);
	if (err)
		return err;
	for (i = 0; i < COLLECTOR_MAX_CPUS; i++) {
		bool open = i < p->n_cpus && is_open(&p->cpus[i]);

		changed += open != !!collector_cpus_has(&online, i);
		if (open && !collector_cpus_has(&online, i)) {
			cpu_stop_sampling(&p->cpus[i]);
			p->cpus[i].gone = true;
		} else if (!open && i < p->n_cpus && collector_cpus_has(&online, i)) {
			cpu_close(&p->cpus[i]); /* went and came: its event is dead */
		}
	}
	err = open_events(p, &online, &failed_cpu);
	return err ? err : changed;
}

int collector_perf_drain(struct collector_perf *p, collector_sideband_fn put, void *userdata)
{
	int total = 0;

	for (size_t i = 0; i < p->n_cpus; i++) {
		int n = collector_sideband_drain(&p->cpus[i].sideband, put, userdata);

		if (n < 0)
			p->sideband_bad++;
		else
			total += n;
		if (p->cpus[i].gone)
			cpu_close(&p->cpus[i]);
	}
	return total;
}

unsigned int collector_perf_cpus(const struct collector_perf *p)
{
	unsigned int n = 0;

	for (size_t i = 0; i < p->n_cpus; i++)
		n += is_open(&p->cpus[i]);
	return n;
}

void collector_perf_state(const struct collector_perf *p, struct collector_state *s)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	s->event = "cpu-clock";
	s->sideband_bad = p->sideband_bad;
	for (size_t i = 0; i < p->n_cpus; i++) {
		const struct collector_perf_cpu *cpu = &p->cpus[i];

		s->cpus += cpu->sample_fd >= 0;
		if (cpu->sample_fd >= 0 && cpu->hardware)
			s->event = "cycles";
		if (cpu->sideband.page)
			s->map_bytes += page + cpu->sideband.size;
	}
}
