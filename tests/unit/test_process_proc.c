/* SPDX-License-Identifier: Apache-2.0 */
/* The process table reading a directory that looks like /proc. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fileio.h"
#include "process/process.h"
#include "process/sideband.h"
#include "scratch.h"
#include "skip.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

struct world {
	char proc[SCRATCH_SIZE];
	struct process_table *table;
};

static void write_file(const struct world *w, const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", w->proc, name);
	f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void make_directory(const struct world *w, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", w->proc, name);
	assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
}

static void make_link(const struct world *w, const char *name, const char *target)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", w->proc, name);
	unlink(path);
	assert_int_equal(symlink(target, path), 0);
}

static uint64_t tick_ns(void)
{
	return NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK);
}

/* @ticks: when it started, in ticks since boot. */
static void write_stat(const struct world *w, uint32_t pid, const char *comm, char state,
		       unsigned long ticks)
{
	char name[64], text[512];

	snprintf(name, sizeof(name), "%u", pid);
	make_directory(w, name);
	snprintf(name, sizeof(name), "%u/task", pid);
	make_directory(w, name);
	snprintf(name, sizeof(name), "%u/task/%u", pid, pid);
	make_directory(w, name);
	snprintf(name, sizeof(name), "%u/stat", pid);
	snprintf(
		text, sizeof(text),
		"%u (%s) %c 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 %lu 1000 100 18446744073\n",
		pid, comm, state, ticks);
	write_file(w, name, text);
}

static void write_process(const struct world *w, uint32_t pid, const char *comm, const char *exe,
			  const char *cgroup, unsigned long ticks)
{
	char name[64], text[512];

	write_stat(w, pid, comm, 'S', ticks);
	snprintf(name, sizeof(name), "%u/exe", pid);
	make_link(w, name, exe);
	snprintf(name, sizeof(name), "%u/cgroup", pid);
	snprintf(text, sizeof(text), "0::%s\n", cgroup);
	write_file(w, name, text);
	snprintf(name, sizeof(name), "%u/maps", pid);
	snprintf(text, sizeof(text),
		 "00400000-00401000 r--p 00000000 08:01 12 %s\n"
		 "00401000-00402000 r-xp 00001000 08:01 12         %s\n"
		 "00500000-00501000 r-xp 00000000 00:00 0 \n"
		 "00600000-00601000 r-xp 00003000 08:01 13   /lib/a\\012b.so (deleted)\n"
		 "7fff0000-7fff1000 r-xp 00000000 00:00 0          [vdso]\n"
		 "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0  [vsyscall]\n",
		 exe, exe);
	write_file(w, name, text);
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct process_table_options o;

	assert_int_equal(scratch_make(w->proc), 0);
	make_directory(w, "self");
	write_file(w, "self/cgroup", "0::/\n");
	o = (struct process_table_options){ .proc = w->proc };
	assert_int_equal(process_table_new(&o, &w->table), 0);
	*state = w;
	return 0;
}

static void remove_process(const struct world *w, uint32_t pid)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%u", w->proc, pid);
	assert_int_equal(scratch_remove(path), 0);
}

static int tear_down(void **state)
{
	struct world *w = *state;

	process_table_free(w->table);
	scratch_remove(w->proc);
	free(w);
	return 0;
}

static struct process_table_stats stats(const struct world *w)
{
	struct process_table_stats s;

	process_table_get_stats(w->table, &s);
	return s;
}

static void test_scan(void **state)
{
	struct world *w = *state;
	struct process_mapping m;
	struct process *p;

	write_process(w, 50, "na) (me", "/usr/bin/x", "/system.slice/x.service", 7);
	write_process(w, 51, "c\\nd\\\\", "/usr/bin/y (deleted)",
		      "/system.slice/docker-" ID ".scope", 8);
	write_stat(w, 52, "kworker/0:1-events_unbound", 'I', 1);
	write_stat(w, 53, "zombie", 'Z', 9);
	write_file(w, "54", "not a directory");
	make_directory(w, "55");
	make_directory(w, "fs");
	assert_int_equal(process_table_scan(w->table), 0);
	assert_int_equal(stats(w).processes, 3);
	p = process_table_find(w->table, 50);
	assert_string_equal(p->comm, "na) (me");
	assert_string_equal(p->executable, "/usr/bin/x");
	assert_string_equal(p->cgroup, "/system.slice/x.service");
	assert_string_equal(p->unit, "x.service");
	assert_null(p->container);
	assert_int_equal(p->parent, 1);
	assert_int_equal(p->start_boottime, 7 * tick_ns());
	p = process_table_find(w->table, 51);
	assert_string_equal(p->comm, "c\nd\\");
	assert_string_equal(p->executable, "/usr/bin/y");
	assert_string_equal(p->container, ID);
	p = process_table_find(w->table, 52);
	assert_string_equal(p->comm, "kworker/0:1");
	assert_string_equal(p->executable, "");
	assert_int_equal(process_table_mapping(w->table, 50, 0, 0x400000, &m), -ENOENT);
	assert_int_equal(process_table_mapping(w->table, 50, 0, 0x401fff, &m), 0);
	assert_string_equal(m.path, "/usr/bin/x");
	assert_int_equal(m.offset, 0x1000);
	assert_null(m.build_id);
	assert_int_equal(process_table_mapping(w->table, 50, 0, 0x500000, &m), -ENOENT);
	assert_int_equal(process_table_mapping(w->table, 50, 0, 0x600000, &m), 0);
	assert_string_equal(m.path, "/lib/a\nb.so");
	assert_true(m.deleted);
	assert_int_equal(process_table_mapping(w->table, 50, 0, 0x7fff0000, &m), 0);
	assert_string_equal(m.path, "[vdso]");
}

/* The exact start of a sample is the one that /proc rounds down. */
static void test_sample_of_scanned(void **state)
{
	struct world *w = *state;
	struct process *p;

	write_process(w, 50, "x", "/bin/x", "/", 7);
	assert_int_equal(process_table_scan(w->table), 0);
	p = process_table_find(w->table, 50);
	assert_ptr_equal(process_table_lookup(w->table, 50, clock_monotonic_ns(),
					      7 * tick_ns() + tick_ns() / 2, 0, "x"),
			 p);
	assert_int_equal(p->start_boottime, 7 * tick_ns() + tick_ns() / 2);
	assert_int_equal(stats(w).unknown_processes, 0);
	/* Another life of the number, of which there is no trace. */
	assert_ptr_not_equal(
		process_table_lookup(w->table, 50, clock_monotonic_ns(), 90 * tick_ns(), 0, "z"),
		p);
	assert_int_equal(stats(w).unknown_processes, 1);
}

/* The records that tell of a number's next owner are still on their way. */
static void test_table_behind(void **state)
{
	struct world *w = *state;
	struct process *p;

	write_process(w, 50, "x", "/bin/x", "/", 7);
	assert_int_equal(process_table_scan(w->table), 0);
	p = process_ref(process_table_find(w->table, 50));
	assert_true(process_table_still_runs(w->table, p));
	write_process(w, 50, "y", "/bin/y", "/", 90);
	assert_int_equal(p->exit_time, 0);
	assert_false(process_table_still_runs(w->table, p));
	remove_process(w, 50);
	assert_false(process_table_still_runs(w->table, p));
	process_unref(p);
}

static void test_exited_leader(void **state)
{
	struct world *w = *state;
	struct process *p;

	write_stat(w, 50, "leader", 'Z', 7);
	make_directory(w, "50/task/60");
	make_link(w, "50/task/60/exe", "/bin/threads");
	write_file(w, "50/task/60/cgroup", "0::/system.slice/t.service\n");
	write_file(w, "50/task/60/maps", "00401000-00402000 r-xp 0 08:01 12 /bin/threads\n");
	assert_int_equal(process_table_scan(w->table), 0);
	p = process_table_find(w->table, 50);
	assert_non_null(p);
	assert_string_equal(p->executable, "/bin/threads");
	assert_string_equal(p->unit, "t.service");
	assert_int_equal(stats(w).mappings, 1);
	process_table_apply(w->table, &(struct sideband_event){ .type = SIDEBAND_EXIT,
								.pid = 50,
								.tid = 60,
								.time = clock_monotonic_ns() });
	assert_null(process_table_find(w->table, 50));
}

/* Events from before the scan tell again what it found. */
static void test_events_from_before_the_scan(void **state)
{
	struct world *w = *state;
	uint64_t before = clock_monotonic_ns();
	struct process *p;

	write_process(w, 50, "now", "/bin/now", "/", (unsigned long)(before / tick_ns()));
	assert_int_equal(process_table_scan(w->table), 0);
	p = process_table_find(w->table, 50);
	process_table_apply(w->table, &(struct sideband_event){
					      .type = SIDEBAND_FORK,
					      .pid = 50,
					      .tid = 50,
					      .ppid = 1,
					      .time = before,
				      });
	assert_ptr_equal(process_table_find(w->table, 50), p);
	assert_string_equal(p->comm, "now");
	assert_int_equal(stats(w).processes, 1);
}

static void test_unknown_from_proc(void **state)
{
	struct world *w = *state;
	struct process *p;

	write_process(w, 50, "real", "/bin/real", "/system.slice/r.service", 7);
	p = process_table_lookup(w->table, 50, clock_monotonic_ns(), 7 * tick_ns() + 1, 0,
				 "thread");
	assert_string_equal(p->comm, "real");
	assert_string_equal(p->unit, "r.service");
	assert_int_equal(p->exit_time, 0);
	/* Not there any more: known by its sample alone, and over. */
	p = process_table_lookup(w->table, 51, clock_monotonic_ns(), 9 * tick_ns(), 0, "gone");
	assert_string_equal(p->comm, "gone");
	assert_int_not_equal(p->exit_time, 0);
	/* There, but another life. */
	write_process(w, 52, "later", "/bin/later", "/", 500);
	p = process_table_lookup(w->table, 52, clock_monotonic_ns(), 9 * tick_ns(), 0, "sooner");
	assert_string_equal(p->comm, "sooner");
	assert_int_equal(stats(w).unknown_processes, 3);
}

static void test_loss_is_repaired(void **state)
{
	struct world *w = *state;
	uint64_t now = clock_monotonic_ns();
	struct process *held;

	write_process(w, 50, "one", "/bin/one", "/", 7);
	write_process(w, 51, "two", "/bin/two", "/", 7);
	write_process(w, 52, "three", "/bin/three", "/", 7);
	assert_int_equal(process_table_scan(w->table), 0);
	held = process_ref(process_table_lookup(w->table, 50, now, 0, 0, "one"));
	process_table_apply(w->table, &(struct sideband_event){ .type = SIDEBAND_LOST, .lost = 9 });
	/* Meanwhile: one exec'd, two is gone, the number of three is another's. */
	write_process(w, 50, "exec", "/bin/exec", "/", 7);
	remove_process(w, 51);
	write_process(w, 52, "other", "/bin/other", "/", 700);
	assert_string_equal(process_table_lookup(w->table, 50, now + 1, 0, 0, "exec")->executable,
			    "/bin/exec");
	assert_int_equal(stats(w).proc_rescans, 1);
	process_table_lookup(w->table, 50, now + 2, 0, 0, "exec");
	assert_int_equal(stats(w).proc_rescans, 1);
	process_table_expire(w->table, now + 3);
	assert_int_equal(stats(w).proc_rescans, 3);
	assert_null(process_table_find(w->table, 51));
	assert_string_equal(process_table_find(w->table, 52)->comm, "other");
	process_table_expire(w->table, now + 4);
	assert_int_equal(stats(w).proc_rescans, 3);
	assert_string_equal(held->comm, "one");
	assert_string_equal(held->executable, "/bin/one");
	process_unref(held);
}

/* A service is moved into its cgroup after its fork; it may never be sampled. */
static void test_cgroup_of_the_young(void **state)
{
	struct world *w = *state;
	uint64_t now = clock_monotonic_ns();
	struct process *p;

	write_process(w, 1, "systemd", "/sbin/init", "/init.scope", 1);
	assert_int_equal(process_table_scan(w->table), 0);
	process_table_apply(
		w->table,
		&(struct sideband_event){
			.type = SIDEBAND_FORK, .pid = 50, .tid = 50, .ppid = 1, .time = now });
	write_process(w, 50, "nginx", "/bin/nginx", "/system.slice/nginx.service", 9999);
	p = process_ref(process_table_find(w->table, 50));
	assert_string_equal(p->unit, "init.scope");
	process_table_expire(w->table, now + NS_PER_S / 2);
	assert_ptr_equal(process_table_find(w->table, 50), p);
	process_table_expire(w->table, now + NS_PER_S);
	assert_string_equal(process_table_find(w->table, 50)->unit, "nginx.service");
	assert_string_equal(p->unit, "init.scope");
	process_unref(p);
}

/* Without the unified hierarchy at hand an id is resolved through /proc, once for all. */
static void test_cgroup_id(void **state)
{
	struct world *w = *state;
	uint64_t now = clock_monotonic_ns();
	struct process *p;

	for (uint32_t pid = 50; pid < 52; pid++)
		process_table_apply(w->table, &(struct sideband_event){ .type = SIDEBAND_FORK,
									.pid = pid,
									.tid = pid,
									.ppid = 1,
									.time = now });
	write_process(w, 50, "x", "/bin/x", "/system.slice/x.service", 9999);
	p = process_table_lookup(w->table, 50, now + 1, 0, 4242, "x");
	assert_string_equal(p->unit, "x.service");
	/* 51 is gone from /proc already. */
	p = process_table_lookup(w->table, 51, now + 1, 0, 4242, "x");
	assert_string_equal(p->unit, "x.service");
}

/* The directory of any cgroup of the unified hierarchy of this machine. */
static bool find_cgroup(char *mount_point, char *path, struct stat *ret)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;

	/* Debian 12; the same beside v1 hierarchies. */
	strcpy(mount_point, "/sys/fs/cgroup/unified");
	if (access(mount_point, F_OK) < 0)
		strcpy(mount_point, "/sys/fs/cgroup");
	dir = opendir(mount_point);
	strcpy(path, "/");
	while (dir && (entry = readdir(dir)))
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
			snprintf(path, 300, "/%s", entry->d_name);
	return dir && fstatat(dirfd(dir), path[1] ? path + 1 : ".", ret, 0) == 0;
}

/* An id is the inode number of the cgroup's directory: no process is needed to resolve it. */
static void test_cgroup_id_by_handle(void **state)
{
	struct world *w = *state;
	_cleanup_free_ char *mountinfo = NULL;
	struct process_table_options o = { .proc = w->proc };
	struct process_table *t;
	char mount_point[64], path[300];
	struct process *p;
	struct stat st;

	if (geteuid() != 0 || !find_cgroup(mount_point, path, &st) ||
	    file_read(-1, "/proc/self/mountinfo", 1 << 20, &mountinfo, NULL) < 0 ||
	    !strstr(mountinfo, " - cgroup2 "))
		skip_because("needs root and a cgroup2 file system");
	write_file(w, "self/mountinfo", mountinfo);
	assert_int_equal(process_table_new(&o, &t), 0);
	p = process_table_lookup(t, 50, 1, 0, st.st_ino, "gone");
	assert_string_equal(p->cgroup, path);
	process_table_free(t);
}

static void test_damaged_proc(void **state)
{
	struct world *w = *state;

	write_process(w, 50, "x", "/bin/x", "/", 7);
	write_file(w, "50/stat", "50 (x S 1");
	write_process(w, 51, "x", "/bin/x", "/", 7);
	write_file(w, "51/stat", "");
	write_process(w, 52, "x", "/bin/x", "/", 7);
	write_file(w, "52/maps", "zzz\n1-0 r-xp 0 0:0 0 /x\n5-6 r-xp\n-\n7-8 r-xp 0 0:0 0 /ok\n");
	write_file(w, "52/cgroup", "::::\n");
	assert_int_equal(process_table_scan(w->table), 0);
	assert_int_equal(stats(w).processes, 1);
	assert_int_equal(stats(w).mappings, 1);
	assert_string_equal(process_table_find(w->table, 52)->cgroup, "");
}

static void test_own_machine(void **state)
{
	struct process_table *t;
	struct process_mapping m;
	struct process *p;

	(void)state;
	assert_int_equal(process_table_new(NULL, &t), 0);
	assert_int_equal(process_table_scan(t), 0);
	p = process_table_find(t, (uint32_t)getpid());
	assert_non_null(p);
	assert_int_equal(p->parent, getppid());
	assert_in_range(p->start_boottime, 1, clock_ns(CLOCK_BOOTTIME));
	assert_int_equal(process_table_mapping(t, (uint32_t)getpid(), p->start_boottime,
					       (uint64_t)(uintptr_t)test_own_machine, &m),
			 0);
	assert_string_equal(m.path, p->executable);
	process_table_free(t);
}

static void test_no_proc(void **state)
{
	struct process_table_options o = { .proc = "/nonexistent" };
	struct process_table *t;

	(void)state;
	assert_int_equal(process_table_new(&o, &t), -ENOENT);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_scan),
		TEST(test_sample_of_scanned),
		TEST(test_table_behind),
		TEST(test_exited_leader),
		TEST(test_events_from_before_the_scan),
		TEST(test_unknown_from_proc),
		TEST(test_loss_is_repaired),
		TEST(test_cgroup_of_the_young),
		TEST(test_cgroup_id),
		TEST(test_cgroup_id_by_handle),
		TEST(test_damaged_proc),
		cmocka_unit_test(test_own_machine),
		cmocka_unit_test(test_no_proc),
	};

	return cmocka_run_group_tests_name("process_proc", tests, NULL, NULL);
}
