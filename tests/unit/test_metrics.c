/* SPDX-License-Identifier: Apache-2.0 */
/* The Prometheus text format, and what the opener of perf events lets pass. */
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
#include "../../daemon/opener.h"

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
		cmocka_unit_test(opener_lets_pass),
		cmocka_unit_test(opener_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
