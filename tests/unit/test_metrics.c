/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Prometheus text format and the metrics of the library in it, what is read of the kernel about
 * memory, the page of unwinding tables; and what the opener of perf events lets pass.
 */
#include <errno.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../daemon/exposition.h"
#include "../../daemon/library_metrics.h"
#include "../../daemon/memory.h"
#include "../../daemon/opener.h"
#include "../../daemon/unwind_tables.h"
#include "base/cleanup.h"
#include "process/executable.h"
#include "symbolize/jit_programs.h"

static void text_format(void **state)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	(void)state;
	exposition_counter(f, "things", "a\\b\nc \"d\"");
	exposition_counter_value(f, "things", NULL, NULL, UINT64_MAX);
	exposition_counter_value(f, "things", "name", "x\"y\\z\n", 3);
	exposition_gauge(f, "level", "now");
	exposition_gauge_value(f, "level", NULL, NULL, 1.5);
	exposition_gauge_value(f, "level", NULL, NULL, 1e15);
	fclose(f);
	assert_string_equal(text, "# HELP profd_things_total a\\\\b\\nc \"d\"\n"
				  "# TYPE profd_things_total counter\n"
				  "profd_things_total 18446744073709551615\n"
				  "profd_things_total{name=\"x\\\"y\\\\z\\n\"} 3\n"
				  "# HELP profd_level now\n"
				  "# TYPE profd_level gauge\n"
				  "profd_level 1.5\n"
				  "profd_level 1000000000000000\n");
	free(text);
}

static void seconds(void **state)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	(void)state;
	exposition_seconds(f, "run_seconds", "x", 1000000023);
	exposition_single_gauge(f, "now", "x", 3);
	fclose(f);
	assert_string_equal(text, "# HELP profd_run_seconds_total x\n"
				  "# TYPE profd_run_seconds_total counter\n"
				  "profd_run_seconds_total 1.000000023\n"
				  "# HELP profd_now x\n# TYPE profd_now gauge\nprofd_now 3\n");
	free(text);
}

static bool matches(const char *text, const char *pattern)
{
	regex_t regex;
	int r;

	assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
	r = regexec(&regex, text, 0, NULL, 0);
	regfree(&regex);
	return r == 0;
}

/* What is now described, and what was before. */
struct checked {
	char name[128], type[16], seen[16384];
	size_t samples;
};

/* "# HELP", then "# TYPE" of the same new name, then its samples: all that promtool asks for. */
static void check_line(struct checked *c, const char *line)
{
	char name[128], rest[512], once[140];

	if (sscanf(line, "# HELP %127s %511[^\n]", name, rest) == 2) {
		assert_true(c->samples > 0 || !*c->name);
		snprintf(once, sizeof(once), " %s ", name);
		if (strstr(c->seen, once))
			fail_msg("twice: %s", name);
		assert_true(strlen(c->seen) + sizeof(once) < sizeof(c->seen));
		strcat(c->seen, once);
		strcpy(c->name, name);
		c->type[0] = '\0';
		c->samples = 0;
		return;
	}
	if (sscanf(line, "# TYPE %127s %15s", name, c->type) == 2) {
		assert_string_equal(name, c->name);
		if (!matches(name, "^profd_[a-z][a-z_]*[a-z]$") ||
		    matches(name, "_(count|sum|bucket|counter|gauge|ms|ns|nanoseconds|kb)(_|$)") ||
		    matches(name, "_total$") != (strcmp(c->type, "counter") == 0))
			fail_msg("not a good name of a %s: %s", c->type, name);
		return;
	}
	if (!*c->type || strncmp(line, c->name, strlen(c->name)) != 0 ||
	    !matches(line + strlen(c->name), "^(\\{[a-z]+=\"[a-z_]+\"\\})? [0-9.e+]+$"))
		fail_msg("not a sample of %s: %s", c->name, line);
	c->samples++;
}

/* Every counter that a module declares, with a name and a type that promtool would pass. */
static void library_metrics_are_valid(void **state)
{
	struct library_counters counters;
	struct checked checked = { .samples = 0 };
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	(void)state;
	memset(&counters, 1, sizeof(counters));
	library_counters_print(&counters, f);
	fclose(f);
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		check_line(&checked, line);
	assert_true(checked.samples > 0);
	free(text);
}

static void resident_memory_by_what_backs_it(void **state)
{
	static const char smaps[] =
		"55d0c0a00000-55d0c0a21000 rw-p 00000000 00:00 0    [heap]\n"
		"Size:                132 kB\nRss:                 100 kB\n"
		"Pss:                 100 kB\nAnonymous:           100 kB\n"
		"VmFlags: rd wr mr mw me ac\n"
		"7f0000000000-7f0000100000 rw-s 00000000 00:0e 1057  anon_inode:bpf-map\n"
		"Rss:                1024 kB\nAnonymous:             0 kB\n"
		"7f0000200000-7f0000201000 rw-s 00000000 00:0e 1057  anon_inode:[perf_event]\n"
		"Rss:                   4 kB\nAnonymous:             0 kB\n"
		"7f0000300000-7f0000400000 r--p 00000000 08:01 42    /usr/lib/libbpf-map.so\n"
		"Rss:                  48 kB\nAnonymous:             8 kB\n";
	FILE *f = fmemopen((void *)(uintptr_t)smaps, sizeof(smaps) - 1, "r");
	struct resident_parts parts;

	(void)state;
	memory_resident_of(f, &parts);
	fclose(f);
	assert_int_equal(parts.anonymous, 108 << 10);
	assert_int_equal(parts.bpf, 1028 << 10);
	assert_int_equal(parts.files, 40 << 10);
	assert_int_equal(memory_resident_sum(&parts), 1176 << 10);
}

/* On the machine the test runs on: there is a heap, a program, and no BPF. */
static void resident_memory_of_this_process(void **state)
{
	struct resident_parts parts;

	(void)state;
	memory_resident(&parts);
	assert_true(parts.anonymous > 0 && parts.files > 0);
	assert_int_equal(parts.bpf, 0);
}

static void executables_page(void **state)
{
	static char path[] = "/lib/a\tb.so";
	const struct executable x = { .path = path, .build_id = { 0xab, 1 }, .build_id_size = 2 };
	const struct executable y = { .path = path + 5 };
	const struct unwind_table_line lines[] = {
		{ &x, "loaded", "cache", 1000, 0 },
		{ &y, "refused", "-", 0, -EBADMSG },
		{ &y, "refused", "-", 0, -EISDIR },
	};
	struct jit_programs programs = {};
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	(void)state;
	unwind_tables_print(lines, ARRAY_SIZE(lines), f);
	jit_programs_count(&programs, "/usr/bin/no\nde");
	jit_programs_count(&programs, "/usr/bin/no\nde");
	unwind_tables_print_jit(&programs, f);
	jit_programs_done(&programs);
	fclose(f);
	assert_string_equal(
		text, "state\tsource\trows\tbytes\terror\tnames\tunnamed\twhy\tbuild_id\tpath\n"
		      "loaded\tcache\t1000\t4000\t-\t-\t0\t-\tab01\t/lib/a?b.so\n"
		      "refused\t-\t0\t0\tthe file is damaged\t-\t0\t-\t-\ta?b.so\n"
		      "refused\t-\t0\t0\tIs a directory\t-\t0\t-\t-\ta?b.so\n"
		      "-\t-\t0\t0\t-\t-\t2\tjit_without_map\t-\t/usr/bin/no?de\n");
	free(text);
}

static struct perf_event_attr sampling(void)
{
	return (struct perf_event_attr){ .type = PERF_TYPE_SOFTWARE,
					 .size = sizeof(struct perf_event_attr),
					 .config = PERF_COUNT_SW_CPU_CLOCK,
					 .sample_freq = 99,
					 .freq = 1,
					 .disabled = 1 };
}

static void opener_lets_pass(void **state)
{
	struct perf_event_attr a = sampling();

	(void)state;
	assert_true(opener_allows(&a));
	a.sample_freq = 10001;
	assert_false(opener_allows(&a));
	a = (struct perf_event_attr){ .type = PERF_TYPE_SOFTWARE,
				      .config = PERF_COUNT_SW_DUMMY,
				      .sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME,
				      .mmap = 1,
				      .mmap2 = 1,
				      .build_id = 1,
				      .comm = 1,
				      .comm_exec = 1,
				      .task = 1,
				      .ksymbol = 1,
				      .sample_id_all = 1,
				      .watermark = 1,
				      .wakeup_watermark = 4096,
				      .use_clockid = 1,
				      .clockid = 1 };
	assert_true(opener_allows(&a));
}

static void opener_refuses(void **state)
{
	struct perf_event_attr a = sampling();

	(void)state;
	a.type = PERF_TYPE_TRACEPOINT;
	assert_false(opener_allows(&a));
	a = sampling();
	a.config = PERF_COUNT_SW_PAGE_FAULTS;
	assert_false(opener_allows(&a));
	a = sampling();
	a.sample_type = PERF_SAMPLE_STACK_USER;
	assert_false(opener_allows(&a));
	a = sampling();
	a.sample_regs_user = 1;
	assert_false(opener_allows(&a));
	a = sampling();
	a.inherit = 1;
	assert_false(opener_allows(&a));
	a = sampling();
	a.sigtrap = 1;
	assert_false(opener_allows(&a));
	a = sampling();
	a.text_poke = 1;
	assert_false(opener_allows(&a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_format),
		cmocka_unit_test(seconds),
		cmocka_unit_test(library_metrics_are_valid),
		cmocka_unit_test(resident_memory_by_what_backs_it),
		cmocka_unit_test(resident_memory_of_this_process),
		cmocka_unit_test(executables_page),
		cmocka_unit_test(opener_lets_pass),
		cmocka_unit_test(opener_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
