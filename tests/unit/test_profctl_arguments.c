/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of profctl: what is read, what is refused and in which words, and the help. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "profctl/arguments.h"
#include "profctl/profctl.h"

#define MAX_WORDS 16

/* Splits @line at blanks; a word '' is an empty one. The words live until the next call. */
static int parse(const char *line, struct arguments *a, struct error *e)
{
	static char copy[2048];
	static char *argv[MAX_WORDS + 1];
	char *rest = copy, *word;
	int argc = 0;

	*e = (struct error){};
	snprintf(copy, sizeof(copy), "%s", line);
	while ((word = strsep(&rest, " ")) && argc < MAX_WORDS)
		argv[argc++] = strcmp(word, "''") == 0 ? word + 2 : word;
	argv[argc] = NULL;
	return arguments_parse(argc, argv, a, e);
}

static void accepts(const char *line, struct arguments *a)
{
	struct error e;

	if (parse(line, a, &e) != 0)
		fail_msg("%s: %s", line, e.text);
}

static void refuses(const char *line, const char *words)
{
	struct arguments a;
	struct error e;

	if (parse(line, &a, &e) != -EINVAL)
		fail_msg("%s was accepted", line);
	if (!strstr(e.text, words) || strchr(e.text, '\n'))
		fail_msg("%s: said \"%s\", not \"%s\"", line, e.text, words);
	arguments_done(&a);
}

static void record_reads_every_option(void **state)
{
	struct arguments a;

	(void)state;
	accepts("profctl record -p 12,34 --pid 56 --pid=12 --seconds 1.5 -F 999 -o - --local "
		"--socket /tmp/s",
		&a);
	assert_int_equal(a.verb, VERB_RECORD);
	assert_int_equal(a.selection.n_pids, 3);
	assert_int_equal(a.selection.pids[0], 12);
	assert_int_equal(a.selection.pids[1], 34);
	assert_int_equal(a.selection.pids[2], 56);
	assert_int_equal(a.duration, 1500 * NS_PER_MS);
	assert_int_equal(a.frequency, 999);
	assert_string_equal(a.output, "-");
	assert_true(a.local);
	assert_string_equal(a.socket, "/tmp/s");
	assert_null(a.command);
	arguments_done(&a);
}

static void defaults_are_unset(void **state)
{
	struct arguments a;

	(void)state;
	accepts("profctl status --executables", &a);
	assert_true(a.executables);
	arguments_done(&a);
	accepts("profctl record", &a);
	assert_false(a.executables);
	assert_string_equal(a.socket, PROFCTL_DEFAULT_SOCKET);
	assert_int_equal(a.duration, 0);
	assert_int_equal(a.frequency, 0);
	assert_null(a.output);
	assert_false(a.local);
	assert_true(selection_is_everything(&a.selection));
	arguments_done(&a);
}

static void names_select(void **state)
{
	struct arguments a;

	(void)state;
	accepts("profctl top --comm nginx -u nginx.service --cum --once -n 7", &a);
	assert_string_equal(a.selection.comm, "nginx");
	assert_string_equal(a.selection.unit, "nginx.service");
	assert_true(a.cumulative && a.once);
	assert_int_equal(a.lines, 7);
	arguments_done(&a);
	accepts("profctl list -n 0", &a);
	assert_int_equal(a.lines, UINT32_MAX);
	arguments_done(&a);
}

static void a_program_keeps_its_own_options(void **state)
{
	struct arguments a;

	(void)state;
	accepts("profctl --socket /x record -F 500 -- ls -F --pid 3", &a);
	assert_string_equal(a.socket, "/x");
	assert_int_equal(a.frequency, 500);
	assert_int_equal(a.selection.n_pids, 0);
	assert_string_equal(a.command[0], "ls");
	assert_string_equal(a.command[1], "-F");
	assert_string_equal(a.command[3], "3");
	assert_null(a.command[4]);
	arguments_done(&a);
}

static void help_and_version_without_a_verb(void **state)
{
	struct arguments a;

	(void)state;
	accepts("profctl --help", &a);
	assert_true(a.help);
	assert_int_equal(a.verb, VERB_HELP);
	accepts("profctl --version", &a);
	assert_int_equal(a.verb, VERB_VERSION);
	accepts("profctl help top", &a);
	assert_string_equal(a.topic, "top");
	accepts("profctl record --help", &a);
	assert_true(a.help);
	assert_int_equal(a.verb, VERB_RECORD);
}

static void refusals_name_the_argument(void **state)
{
	(void)state;
	refuses("profctl", "wants a command");
	refuses("profctl recrod", "'recrod'");
	refuses("profctl --frobnicate", "'--frobnicate'");
	refuses("profctl --socket", "--socket: wants a value");
	refuses("profctl record --frobnicate", "'--frobnicate'");
	refuses("profctl record -x", "'-x'");
	refuses("profctl record --pid", "--pid: wants a value");
	refuses("profctl record --local=yes", "'--local=yes': takes no value");
	refuses("profctl record --pid 12,abc", "--pid '12,abc'");
	refuses("profctl record --pid 0", "--pid '0'");
	refuses("profctl record --pid -1", "--pid '-1'");
	refuses("profctl record --pid 12,", "--pid '12,'");
	refuses("profctl record --pid 4294967297", "--pid '4294967297'");
	refuses("profctl record --seconds 0", "--seconds '0'");
	refuses("profctl record --seconds -3", "--seconds '-3'");
	refuses("profctl record --seconds inf", "--seconds 'inf'");
	refuses("profctl record --seconds nan", "--seconds 'nan'");
	refuses("profctl record --seconds 1e9", "--seconds '1e9'");
	refuses("profctl record --seconds 1..5", "--seconds '1..5'");
	refuses("profctl record --seconds 86401", "--seconds '86401'");
	refuses("profctl record -F 0", "--frequency '0'");
	refuses("profctl record -F 10001", "10000");
	refuses("profctl record -F 99Hz", "'99Hz'");
	refuses("profctl record --comm ''", "--comm ''");
	refuses("profctl record -o ''", "--output ''");
	refuses("profctl record ls -l", "'ls'");
	refuses("profctl record --", "'--'");
	refuses("profctl record --pid 1 -- ls", "--pid");
	refuses("profctl top 12", "'12'");
	refuses("profctl top -o x", "'-o'");
	refuses("profctl top -n many", "--lines 'many'");
	refuses("profctl status --pid 1", "'--pid'");
	refuses("profctl status --executables=1", "'--executables=1'");
	refuses("profctl top --executables", "'--executables'");
	refuses("profctl help nothing", "'nothing'");
}

static void too_many_pids_are_refused(void **state)
{
	char line[1024] = "profctl record --pid 1";
	struct arguments a;
	size_t n = strlen(line);

	(void)state;
	for (int i = 2; i <= SELECTION_MAX_PIDS; i++)
		n += (size_t)sprintf(line + n, ",%d", i);
	accepts(line, &a);
	assert_int_equal(a.selection.n_pids, SELECTION_MAX_PIDS);
	/* A pid that is there already takes no room. */
	strcpy(line + n, ",1");
	accepts(line, &a);
	strcpy(line + n, ",9999");
	refuses(line, "more than");
}

/* At most 80 columns, no trailing blanks, and it names what can be used. */
static void check_help(const char *text)
{
	while (*text) {
		size_t n = strcspn(text, "\n");

		if (n > 80)
			fail_msg("%zu columns: %.*s", n, (int)n, text);
		assert_true(n == 0 || text[n - 1] != ' ');
		assert_true(text[n] == '\n');
		text += n + 1;
	}
}

static void help_fits_the_screen(void **state)
{
	(void)state;
	for (int verb = VERB_RECORD; verb <= VERB_HELP + 1; verb++) {
		char *text;
		size_t size;
		FILE *f = open_memstream(&text, &size);

		if (verb > VERB_HELP)
			arguments_help(f);
		else
			arguments_help_verb(f, (enum verb)verb);
		fclose(f);
		assert_non_null(strstr(text, "Usage: profctl"));
		if (verb == VERB_RECORD)
			assert_non_null(strstr(text, "-p, --pid PID[,PID...]"));
		check_help(text);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(record_reads_every_option),
		cmocka_unit_test(defaults_are_unset),
		cmocka_unit_test(names_select),
		cmocka_unit_test(a_program_keeps_its_own_options),
		cmocka_unit_test(help_and_version_without_a_verb),
		cmocka_unit_test(refusals_name_the_argument),
		cmocka_unit_test(too_many_pids_are_refused),
		cmocka_unit_test(help_fits_the_screen),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("profctl_arguments", tests, NULL, NULL);
}
