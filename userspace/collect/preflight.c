/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/preflight.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <linux/magic.h>
#include <sys/capability.h>
#include <sys/vfs.h>

#include "base/cleanup.h"
#include "base/fileio.h"
#include "collect/collector.h"
#include "collect/collector_system.h"

#define PARANOID_PATH "/proc/sys/kernel/perf_event_paranoid"
#define RATE_PATH     "/proc/sys/kernel/perf_event_max_sample_rate"

/* The first kernel whose mappings are in a maple tree. */
#define OLDEST_MAJOR 6
#define OLDEST_MINOR 1

__attribute__((format(printf, 3, 4))) static void set(struct preflight_result *r,
						      enum preflight_status status,
						      const char *format, ...)
{
	va_list args;

	r->status = status;
	va_start(args, format);
	vsnprintf(r->found, sizeof(r->found), format, args);
	va_end(args);
}

static void set_remedy(struct preflight_result *r, const char *text)
{
	snprintf(r->remedy, sizeof(r->remedy), "%s", text);
}

static void check_kernel(struct preflight_result *r)
{
	struct utsname u;
	int major = 0, minor = 0;

	r->name = "kernel";
	uname(&u);
	sscanf(u.release, "%d.%d", &major, &minor);
	if (major > OLDEST_MAJOR || (major == OLDEST_MAJOR && minor >= OLDEST_MINOR)) {
		set(r, PREFLIGHT_OK, "Linux %s", u.release);
		return;
	}
	set(r, PREFLIGHT_FAIL, "Linux %s", u.release);
	set_remedy(r, "profd needs Linux 6.1 or later");
}

static void check_btf(struct preflight_result *r)
{
	r->name = "BTF";
	if (!access(COLLECTOR_BTF_PATH, R_OK)) {
		set(r, PREFLIGHT_OK, "%s", COLLECTOR_BTF_PATH);
		return;
	}
	set(r, PREFLIGHT_FAIL, "%s: %s", COLLECTOR_BTF_PATH, strerror(errno));
	set_remedy(r, "use a kernel with CONFIG_DEBUG_INFO_BTF=y (all current Debian, Ubuntu, "
		      "Fedora and SUSE kernels), and mount sysfs on /sys");
}

static const struct {
	int number;
	const char *name, *use;
	bool essential;
} capabilities[] = {
	{ CAP_BPF, "CAP_BPF", "to load BPF", true },
	{ CAP_PERFMON, "CAP_PERFMON", "to sample and to read kernel memory", true },
	{ CAP_SYSLOG, "CAP_SYSLOG", "for the names of kernel functions", false },
	{ CAP_SYS_PTRACE, "CAP_SYS_PTRACE", "for the files of other users' processes", false },
	{ CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH", "for programs that are not world-readable",
	  false },
	{ CAP_CHECKPOINT_RESTORE, "CAP_CHECKPOINT_RESTORE", "for deleted programs", false },
};

static void check_capabilities(struct preflight_result *r)
{
	size_t i, used = 0;
	int n;

	r->name = "capabilities";
	r->status = PREFLIGHT_OK;
	for (i = 0; i < ARRAY_SIZE(capabilities); i++) {
		if (collector_system_has_capability(capabilities[i].number))
			continue;
		if (capabilities[i].essential)
			r->status = PREFLIGHT_FAIL;
		else if (r->status == PREFLIGHT_OK)
			r->status = PREFLIGHT_WARN;
		n = snprintf(r->remedy + used, sizeof(r->remedy) - used, "%s%s %s",
			     used ? ", " : "run as root or grant ", capabilities[i].name,
			     capabilities[i].use);
		used = MIN(used + (size_t)n, sizeof(r->remedy) - 1);
	}
	set(r, r->status, "%s", used ? "some are missing" : "all that profd uses are effective");
}

static void check_paranoid(struct preflight_result *r)
{
	long paranoid;
	int err;

	r->name = "perf_event_paranoid";
	err = collector_system_number(PARANOID_PATH, &paranoid);
	if (err) {
		set(r, PREFLIGHT_FAIL, "%s: %s", PARANOID_PATH, strerror(-err));
		set_remedy(r, "use a kernel with CONFIG_PERF_EVENTS=y");
		return;
	}
	set(r, PREFLIGHT_OK, "%ld", paranoid);
	if (paranoid < 3)
		return;
	/* Debian's patch: from 3 on, CAP_PERFMON is not enough. */
	if (collector_system_has_capability(CAP_SYS_ADMIN)) {
		set(r, PREFLIGHT_OK, "%ld (CAP_SYS_ADMIN is needed, and there)", paranoid);
		return;
	}
	set(r, PREFLIGHT_FAIL, "%ld, which asks for CAP_SYS_ADMIN to open perf events", paranoid);
	set_remedy(r, "run as root, or: sysctl kernel.perf_event_paranoid=2");
}

static void check_rate(struct preflight_result *r)
{
	long rate = 0;
	int err;

	r->name = "sample rate";
	err = collector_system_number(RATE_PATH, &rate);
	if (err)
		set(r, PREFLIGHT_WARN, "%s: %s", RATE_PATH, strerror(-err));
	else
		set(r, rate < COLLECTOR_DEFAULT_FREQUENCY ? PREFLIGHT_FAIL : PREFLIGHT_OK,
		    "at most %ld Hz are allowed", rate);
	if (r->status == PREFLIGHT_FAIL)
		set_remedy(r, "sysctl kernel.perf_event_max_sample_rate=100000");
}

/* With kptr_restrict, or without rights, the file is readable but all addresses are 0. */
static void check_kallsyms(struct preflight_result *r)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/kallsyms", "re");
	unsigned long long address = 0;
	char line[256];
	long restrict_level = -1;
	int i;

	r->name = "kernel names";
	for (i = 0; f && !address && i < 1000 && fgets(line, sizeof(line), f); i++)
		sscanf(line, "%llx", &address);
	if (address) {
		set(r, PREFLIGHT_OK, "/proc/kallsyms shows addresses");
		return;
	}
	collector_system_number("/proc/sys/kernel/kptr_restrict", &restrict_level);
	set(r, PREFLIGHT_WARN, "/proc/kallsyms %s (kernel.kptr_restrict=%ld)",
	    f ? "hides the addresses" : "cannot be read", restrict_level);
	set_remedy(r, "kernel frames stay without names: grant CAP_SYSLOG, and: "
		      "sysctl kernel.kptr_restrict=1");
}

static void check_cgroup(struct preflight_result *r)
{
	static const char *const paths[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
	struct statfs fs;
	size_t i;

	r->name = "cgroup v2";
	for (i = 0; i < ARRAY_SIZE(paths); i++) {
		if (statfs(paths[i], &fs) || fs.f_type != CGROUP2_SUPER_MAGIC)
			continue;
		set(r, PREFLIGHT_OK, "mounted on %s", paths[i]);
		return;
	}
	set(r, PREFLIGHT_WARN, "not mounted");
	set_remedy(r, "units and containers are then told from cgroup v1 paths only: "
		      "boot with systemd.unified_cgroup_hierarchy=1");
}

static void check_pid_namespace(struct preflight_result *r)
{
	int nested = collector_system_is_container();

	r->name = "pid namespace";
	if (nested < 0) {
		set(r, PREFLIGHT_WARN, "/proc/self/ns/pid: %s", strerror(-nested));
		set_remedy(r, "mount proc on /proc");
	} else if (nested) {
		set(r, PREFLIGHT_FAIL, "this is a container with process numbers of its own");
		set_remedy(
			r,
			"samples carry the host's numbers, which mean nothing in here: run profd "
			"on the host, or the container with --pid=host");
	} else {
		set(r, PREFLIGHT_OK, "the initial one");
	}
}

static void report_event(const struct collector_state *s, struct preflight_result *r)
{
	set(r, PREFLIGHT_OK, "%s on %u CPUs%s", s->event, s->cpus,
	    strcmp(s->event, "cycles") ? " (the CPUs show no cycle counter: a virtual machine?)"
				       : "");
}

static void report_walk(const struct collector *c, const struct collector_state *s,
			struct preflight_result *r)
{
	if (s->vma_walk_works) {
		set(r, PREFLIGHT_OK, "agrees with /proc/self/maps");
		return;
	}
	set(r, PREFLIGHT_WARN, "%s", collector_selftest_text(c));
	set_remedy(r, "user stacks will be cut on this kernel: please report it with the output of "
		      "uname -r");
}

static void report_waits(const struct collector_state *s, struct preflight_result *r)
{
	static const char *const hooks[] = {
#define X(name, help) #name,
		ABI_WAIT_HOOKS(X)
#undef X
	};
	const char *why = s->wait_hook_text;

	set(r, s->wait_hook ? PREFLIGHT_OK : PREFLIGHT_WARN, "stacks are taken by %s%s%s%s",
	    hooks[s->wait_hook], *why ? " (" : "", why, *why ? ")" : "");
	if (!s->wait_hook)
		set_remedy(r,
			   "block and mutex profiles stay empty on this kernel: please report it "
			   "with the output of uname -r");
}

/* The trial: four results, of which the later ones need the first. */
static size_t try_collector(struct preflight_result *r)
{
	struct collector_options options = { 0 };
	struct collector_state state;
	struct collector *c = NULL;
	struct error e = { 0 };

	r[0].name = "sampling";
	if (collector_new(&options, &c, &e)) {
		set(&r[0], PREFLIGHT_FAIL, "a trial failed");
		set_remedy(&r[0], e.text);
		return 1;
	}
	collector_get_state(c, &state);
	set(&r[0], PREFLIGHT_OK, "BPF loads (%u instructions verified), %.1f MiB of kernel memory",
	    state.verified_instructions, (double)state.map_bytes / (1 << 20));
	r[1].name = "event";
	report_event(&state, &r[1]);
	r[2].name = "mappings";
	report_walk(c, &state, &r[2]);
	r[3].name = "waits";
	report_waits(&state, &r[3]);
	collector_free(c);
	return 4;
}

size_t preflight_run(struct preflight_result ret[PREFLIGHT_MAX_RESULTS])
{
	static void (*const checks[])(struct preflight_result * r) = {
		check_kernel, check_btf,      check_capabilities, check_paranoid,
		check_rate,   check_kallsyms, check_cgroup,	  check_pid_namespace,
	};
	size_t n;

	_Static_assert(ARRAY_SIZE(checks) + 4 <= PREFLIGHT_MAX_RESULTS, "room for all");
	memset(ret, 0, PREFLIGHT_MAX_RESULTS * sizeof(*ret));
	for (n = 0; n < ARRAY_SIZE(checks); n++)
		checks[n](&ret[n]);
	return n + try_collector(&ret[n]);
}
