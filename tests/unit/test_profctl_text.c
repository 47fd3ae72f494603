/* SPDX-License-Identifier: Apache-2.0 */
/* What profctl reads from the daemon and prints: values, names, tables. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "profctl/columns.h"
#include "profctl/list_table.h"
#include "profctl/measure.h"
#include "profctl/summary.h"
#include "profctl/text.h"
#include "profctl/top_table.h"
#include "profile/pprof.h"
#include "profile/report.h"

static void times_as_pprof_writes_them(void **state)
{
	static const struct {
		int64_t ns;
		const char *text;
	} cases[] = {
		{ 0, "0" },
		{ 7, "7ns" },
		{ 1500, "1.50us" },
		{ 45600000, "45.60ms" },
		{ 1000000000, "1s" },
		{ 1230000000, "1.23s" },
		{ 59990000000, "59.99s" },
		{ 90000000000, "1.50mins" },
		{ 7200000000000, "2hrs" },
		{ -45600000, "-45.60ms" },
		{ INT64_MAX, "106751.99days" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[MEASURE_TEXT_LEN];

		assert_string_equal(measure_format_time(cases[i].ns, text), cases[i].text);
	}
}

static void durations_are_rounded(void **state)
{
	char text[MEASURE_TEXT_LEN];

	(void)state;
	assert_string_equal(measure_format_duration(999991234, text), "1s");
	assert_string_equal(measure_format_duration(30000000999, text), "30s");
	assert_string_equal(measure_format_duration(1499999, text), "1ms");
	assert_string_equal(measure_format_duration(700, text), "700ns");
	assert_string_equal(measure_format_duration(INT64_MAX, text), "106751.99days");
}

static void one_unit_for_a_report(void **state)
{
	char text[MEASURE_TEXT_LEN];
	struct units units;

	(void)state;
	/* The smallest decides ... */
	units = measure_unit(10000000, 900000000, "nanoseconds");
	assert_string_equal(measure_format(900000000, units, text), "900ms");
	units = measure_unit(10000000, 950000000 * 1LL, "nanoseconds");
	assert_string_equal(measure_format(10000000, units, text), "10ms");
	/* ... unless it is less than a hundredth of the largest. */
	units = measure_unit(10000000, 3500000000, "nanoseconds");
	assert_string_equal(measure_format(10000000, units, text), "0.01s");
	units = measure_unit(1, 12345, "count");
	assert_string_equal(measure_format(12345, units, text), "12345");
}

static void shares_are_six_columns(void **state)
{
	char text[MEASURE_TEXT_LEN];

	(void)state;
	assert_string_equal(measure_format_share(1, 1, text), "  100%");
	assert_string_equal(measure_format_share(99949, 100000, text), "99.95%");
	assert_string_equal(measure_format_share(1, 8, text), "12.50%");
	assert_string_equal(measure_format_share(12, 1000, text), " 1.20%");
	assert_string_equal(measure_format_share(12, 10000, text), " 0.12%");
	assert_string_equal(measure_format_share(0, 5, text), "    0%");
	assert_string_equal(measure_format_share(3, 0, text), "    0%");
}

static void bytes_have_units(void **state)
{
	char text[MEASURE_TEXT_LEN];

	(void)state;
	assert_string_equal(measure_format_bytes(999, text), "999 B");
	assert_string_equal(measure_format_bytes(12345, text), "12.3 kB");
	assert_string_equal(measure_format_bytes(UINT64_MAX, text), "18446744073.7 GB");
}

static void processes_are_read_by_column_name(void **state)
{
	char text[] = "comm\tpid\tfuture\tcpu_percent\tunit\n"
		      "nginx\t17\tx\t12.5\tnginx.service\n"
		      "broken\tnot-a-pid\tx\t1\t\n"
		      "\n"
		      "short\t18\n"
		      "long\t19\tx\t3\t\tmore\tthan\tthere\tare\n"
		      "last\t20\tx\t1.25\t";
	struct process_row *rows;
	size_t n;

	(void)state;
	assert_int_equal(text_processes(text, &rows, &n), 0);
	assert_int_equal(n, 4);
	assert_int_equal(rows[0].pid, 17);
	assert_string_equal(rows[0].comm, "nginx");
	assert_string_equal(rows[0].unit, "nginx.service");
	assert_string_equal(rows[0].executable, "");
	assert_true(rows[0].cpu_percent == 12.5);
	assert_int_equal(rows[1].pid, 18);
	assert_string_equal(rows[1].unit, "");
	assert_int_equal(rows[2].pid, 19);
	assert_int_equal(rows[3].pid, 20);
	assert_string_equal(rows[3].unit, "");
	free(rows);
}

static void a_text_without_pids_is_refused(void **state)
{
	char html[] = "<html>\n<body>\n", empty[] = "";
	struct process_row *rows;
	size_t n;

	(void)state;
	assert_int_equal(text_processes(html, &rows, &n), -EBADMSG);
	assert_int_equal(text_processes(empty, &rows, &n), -EBADMSG);
}

static void values_are_found_by_key(void **state)
{
	static const char text[] = "version: 0.1\nversion_kernel:6.1\nempty:\nName:\tx y";
	char value[8];

	(void)state;
	assert_int_equal(text_value(text, "version", value, sizeof(value)), 0);
	assert_string_equal(value, "0.1");
	assert_int_equal(text_value(text, "version_kernel", value, sizeof(value)), 0);
	assert_string_equal(value, "6.1");
	assert_int_equal(text_value(text, "empty", value, sizeof(value)), 0);
	assert_string_equal(value, "");
	assert_int_equal(text_value(text, "Name", value, sizeof(value)), 0);
	assert_string_equal(value, "x y");
	assert_int_equal(text_value(text, "ersion", value, sizeof(value)), -ENOENT);
	assert_int_equal(text_value(text, "version", value, 3), -ENOENT);
}

/* Runs a printing function into a string. */
#define PRINTED(name, call)                                                                        \
	_cleanup_free_ char *name = NULL;                                                          \
	{                                                                                          \
		size_t printed_size;                                                               \
		FILE *f = open_memstream(&name, &printed_size);                                    \
		call;                                                                              \
		fclose(f);                                                                         \
	}

static void names_cannot_drive_the_terminal(void **state)
{
	static const struct {
		const char *name;
		size_t columns, used;
		const char *printed;
	} cases[] = {
		{ "\033[2Jevil\n", 20, 9, "?[2Jevil?" },
		{ "\xc2\x9b"
		  "31m",
		  20, 4, "?31m" },
		{ "\xff\x80", 20, 2, "??" },
		{ "m\xc3\xbcller", 6, 6, "m\xc3\xbcller" },
		{ "m\xc3\xbcller", 3, 3, "m\xc3\xbc~" },
		{ "abcdef", 4, 4, "abc~" },
		{ "abcd", SIZE_MAX, 4, "abcd" },
		{ "abc", 0, 0, "" },
		/* A character cut by the end of the string. */
		{ "a\xe2\x82", 9, 3, "a??" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		PRINTED(text, assert_int_equal(text_print(f, cases[i].name, cases[i].columns),
					       cases[i].used));
		assert_string_equal(text, cases[i].printed);
	}
}

static void shell_words_are_safe(void **state)
{
	static const char *const cases[][2] = {
		{ "a-1_b.pb.gz", "a-1_b.pb.gz" }, { "two words", "'two words'" },
		{ "it's", "'it'\\''s'" },	  { "", "''" },
		{ "$(reboot)", "'$(reboot)'" },	  { "'", "''\\'''" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *word = text_shell_word(cases[i][0]);

		assert_string_equal(word, cases[i][1]);
	}
}

static void top_looks_like_pprof(void **state)
{
	static const struct report_row rows[] = {
		{ "hot", 600000000, 600000000 },
		{ "warm", 300000000, 900000000 },
		{ "main", 0, 1000000000 },
	};
	const struct top_table table = {
		.rows = rows,
		.n = 3,
		.total = 1000000000,
		.unit = "nanoseconds",
		.max_rows = 10,
	};

	(void)state;
	PRINTED(text, top_table_print(f, &table));
	assert_string_equal(text, "      flat  flat%   sum%        cum   cum%\n"
				  "     600ms 60.00% 60.00%      600ms 60.00%  hot\n"
				  "     300ms 30.00% 90.00%      900ms 90.00%  warm\n"
				  "         0     0% 90.00%     1000ms   100%  main\n");
}

static void top_is_cut_to_the_screen(void **state)
{
	static const struct report_row rows[] = {
		{ "std::vector<int>::push_back(int const&)", 50, 50 },
		{ "never shown", 20, 20 },
	};
	const struct top_table table = {
		.rows = rows,
		.n = 2,
		.total = 70,
		.unit = "count",
		.max_rows = 1,
		.columns = 60,
	};

	(void)state;
	PRINTED(text, top_table_print(f, &table));
	assert_null(strstr(text, "never shown"));
	assert_non_null(strstr(text, "  std::vector<in~\n"));
	for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
		assert_true(strcspn(line, "\n") <= 60);
}

static void top_of_nothing_is_a_header(void **state)
{
	const struct top_table table = { .unit = "nanoseconds", .max_rows = 10 };

	(void)state;
	PRINTED(text, top_table_print(f, &table));
	assert_string_equal(text, "      flat  flat%   sum%        cum   cum%\n");
}

static void list_is_sorted_and_aligned(void **state)
{
	struct process_row rows[] = {
		{ 9, 1.5, 1, "b\xc3\xbc", "b.service", "", "/usr/bin/b" },
		{ 7, 1.5, 1, "a", "", "", "/usr/bin/a" },
		{ 8, 150.25, 9, "\033c", "x.scope", "0123456789abcdef", "/usr/bin/c" },
	};

	(void)state;
	list_table_sort(rows, ARRAY_SIZE(rows));
	PRINTED(text, list_table_print(f, rows, ARRAY_SIZE(rows), 10, 0));
	assert_string_equal(
		text, "     PID   %CPU  COMM             UNIT/CONTAINER                EXECUTABLE\n"
		      "       8  150.2  ?c               0123456789ab                  /usr/bin/c\n"
		      "       7    1.5  a                -                             /usr/bin/a\n"
		      "       9    1.5  b\xc3\xbc               b.service                     "
		      "/usr/bin/b\n");
	PRINTED(one, list_table_print(f, rows, ARRAY_SIZE(rows), 1, 73));
	assert_null(strstr(one, "/usr/bin/a"));
	assert_non_null(strstr(one, "/usr/bin~\n"));
}

static void summary_says_what_was_recorded(void **state)
{
	const char *types[] = { "samples", "cpu" }, *units[] = { "count", "nanoseconds" };
	const char *comments[] = { "other: user_stacks_attempted=9",
				   "profd: user_stacks_attempted=200",
				   "profd: user_stacks_complete=150", "profd: samples_lost=3" };
	int64_t first[] = { 100, 1000000000 }, second[] = { 23, 230000000 };
	struct pprof_sample samples[] = { { .values = first }, { .values = second } };
	const struct pprof_profile p = {
		.n_types = 2,
		.types = types,
		.units = units,
		.n_samples = 2,
		.samples = samples,
		.n_comments = 4,
		.comments = comments,
		.duration = 2000000000,
	};

	(void)state;
	assert_int_equal(summary_column(&p, "samples"), 0);
	assert_int_equal(summary_column(&p, "cpu"), 1);
	assert_int_equal(summary_column(&p, "delay"), 1);
	assert_int_equal(summary_total(&p, 7), 0);
	assert_int_equal(summary_quality(&p, "samples_lost"), 3);
	assert_int_equal(summary_quality(&p, "samples"), 0);
	PRINTED(text, summary_print_profile(f, &p));
	assert_string_equal(text,
			    "123 samples, 1.23s of CPU time in 2s; user stacks complete: 75.0%\n");
}

static void assert_columns(const char *text, size_t width, const char *expected)
{
	_cleanup_free_ char *copy = strdup(text), *out = NULL;
	size_t size;
	FILE *f = open_memstream(&out, &size);

	assert_int_equal(columns_print(f, copy, width), 0);
	fclose(f);
	assert_string_equal(out, expected);
}

static void columns_are_aligned(void **state)
{
	(void)state;
	assert_columns("state\trows\tpath\nloaded\t1000\t/a\nbad\t7\t/b\n", 0,
		       "state   rows  path\n"
		       "loaded  1000  /a\n"
		       "bad        7  /b\n");
	/* Characters count, not bytes; what a file chose as its name cannot steer the terminal. */
	assert_columns("a\tb\n\303\244\303\244\303\244\tx\ny\t\033[2J\n", 0,
		       "a    b\n\303\244\303\244\303\244  x\ny    ?[2J\n");
	assert_columns("a\tpath\nx\t/usr/lib/libvery.so\n", 18, "a  path\nx  /usr/lib/libve~\n");
	assert_columns("a\tpath\nx\t/usr/lib/libvery.so\n", 2, "a  path\nx  /usr/lib/li~\n");
	/* Short and long lines. */
	assert_columns("a\tb\tc\n1\n1\t2\t3\t4\n", 0, "a  b  c\n1     \n1  2  3\n");
	assert_columns("one\n", 0, "one\n");
}

static void columns_of_nothing(void **state)
{
	char nothing[] = "", blank[] = "\n\n";

	(void)state;
	assert_int_equal(columns_print(stdout, nothing, 0), -EBADMSG);
	assert_int_equal(columns_print(stdout, blank, 0), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_as_pprof_writes_them),
		cmocka_unit_test(durations_are_rounded),
		cmocka_unit_test(one_unit_for_a_report),
		cmocka_unit_test(shares_are_six_columns),
		cmocka_unit_test(bytes_have_units),
		cmocka_unit_test(processes_are_read_by_column_name),
		cmocka_unit_test(a_text_without_pids_is_refused),
		cmocka_unit_test(values_are_found_by_key),
		cmocka_unit_test(names_cannot_drive_the_terminal),
		cmocka_unit_test(shell_words_are_safe),
		cmocka_unit_test(top_looks_like_pprof),
		cmocka_unit_test(top_is_cut_to_the_screen),
		cmocka_unit_test(top_of_nothing_is_a_header),
		cmocka_unit_test(list_is_sorted_and_aligned),
		cmocka_unit_test(summary_says_what_was_recorded),
		cmocka_unit_test(columns_are_aligned),
		cmocka_unit_test(columns_of_nothing),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("profctl_text", tests, NULL, NULL);
}
