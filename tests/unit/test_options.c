/* SPDX-License-Identifier: Apache-2.0 */
/* Options: units, addresses, the table, the file, the command line, reload. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../daemon/address.h"
#include "../../daemon/command.h"
#include "../../daemon/options.h"
#include "../../daemon/units.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "scratch.h"
#include "skip.h"

static void sizes(void **state)
{
	static const struct {
		const char *text;
		int result;
		uint64_t value;
	} cases[] = {
		{ "0", 0, 0 },
		{ "1", 0, 1 },
		{ "1K", 0, 1024 },
		{ "512M", 0, 512ULL << 20 },
		{ "3 G", 0, 3ULL << 30 },
		{ "2T", 0, 2ULL << 40 },
		{ "7B", 0, 7 },
		{ "18446744073709551615", 0, UINT64_MAX },
		{ "18446744073709551616", -ERANGE, 0 },
		{ "16777216T", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "M", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "1.5G", -EINVAL, 0 },
		{ "1k", -EINVAL, 0 },
		{ "1G 1M", -EINVAL, 0 },
		{ "1GB", -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t value = 0;

		assert_int_equal(units_parse_size(cases[i].text, &value), cases[i].result);
		assert_int_equal(value, cases[i].value);
	}
}

static void durations(void **state)
{
	static const struct {
		const char *text;
		int result;
		uint64_t value;
	} cases[] = {
		{ "90", 0, 90 * NS_PER_S },
		{ "90s", 0, 90 * NS_PER_S },
		{ "90 sec", 0, 90 * NS_PER_S },
		{ "1min 30s", 0, 90 * NS_PER_S },
		{ "1m30", 0, 90 * NS_PER_S },
		{ "250ms", 0, 250 * NS_PER_MS },
		{ "2h", 0, 7200 * NS_PER_S },
		{ "7d", 0, 7 * 86400 * NS_PER_S },
		{ "1w", 0, 7 * 86400 * NS_PER_S },
		{ "5 fortnights", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
		{ "s", -EINVAL, 0 },
		{ "1s x", -EINVAL, 0 },
		{ "999999999999d", -ERANGE, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t value = 0;

		assert_int_equal(units_parse_duration(cases[i].text, &value), cases[i].result);
		assert_int_equal(value, cases[i].value);
	}
}

static void formats_read_back(void **state)
{
	static const uint64_t values[] = { 0,
					   1,
					   1023,
					   1024,
					   1U << 20,
					   1U << 31,
					   5 * NS_PER_S,
					   90 * NS_PER_S,
					   3 * 86400 * NS_PER_S };
	char text[UNITS_TEXT_LEN];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		uint64_t value = 1;

		assert_int_equal(units_parse_size(units_format_size(values[i], text), &value), 0);
		assert_int_equal(value, values[i]);
	}
	assert_string_equal(units_format_duration(7 * 86400 * NS_PER_S, text), "7d");
	assert_string_equal(units_format_duration(90 * NS_PER_S, text), "90s");
	assert_string_equal(units_format_duration(60 * NS_PER_S, text), "1min");
}

static void addresses(void **state)
{
	static const struct {
		const char *text;
		bool valid, loopback;
	} cases[] = {
		{ "127.0.0.1:6061", true, true },
		{ "127.9.9.9:0", true, true },
		{ "0.0.0.0:6061", true, false },
		{ "10.0.0.1:65535", true, false },
		{ "[::1]:6061", true, true },
		{ "[::]:6061", true, false },
		{ "[fe80::1]:80", true, false },
		{ "10.0.0.1:65536", false, false },
		{ "10.0.0.1", false, false },
		{ "10.0.0.1:", false, false },
		{ ":6061", false, false },
		{ "::1:6061", false, false },
		{ "[::1]", false, false },
		{ "[]:1", false, false },
		{ "localhost:6061", false, false },
		{ "127.0.0.1:60a", false, false },
		{ "127.0.0.1: 60", false, false },
		{ "[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]:1", false, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct address a;
		char text[ADDRESS_TEXT_LEN];
		int r = address_parse(cases[i].text, &a);

		assert_int_equal(r, cases[i].valid ? 0 : -EINVAL);
		if (r < 0)
			continue;
		assert_int_equal(address_is_loopback(&a), cases[i].loopback);
		assert_string_equal(address_format(&a, text), cases[i].text);
	}
}

static int read_text(struct options *o, const char *text, struct error *e)
{
	struct options_setter s = { .options = o, .layer = OPTIONS_FILE };

	assert_int_equal(options_init(o, e), 0);
	return options_read_text(&s, "f", text, strlen(text), e);
}

static void good_file(void **state)
{
	struct options o;
	struct error e;

	(void)state;
	assert_int_equal(read_text(&o,
				   "# comment\n\n; another\n[Profd]\r\n"
				   "  listen = 127.0.0.1:7000 \nlisten=[::1]:7000\n"
				   "sample_frequency=999\nretain_age=36h\nsplit=process\n"
				   "socket=\ninsecure=YES\nmemory_budget=1G\n"
				   "unwind_memory=1M\nunwind_cache=\npreload=running\n"
				   "slice_bytes=4K\nblock_rate=2ms\ndebug_directories=/a:/b\n"
				   "debuginfod_urls=http://a/ https://b\n",
				   &e),
			 0);
	assert_int_equal(o.n_listen, 2);
	assert_string_equal(o.listen[0], "127.0.0.1:7000");
	assert_string_equal(o.listen[1], "[::1]:7000");
	assert_int_equal(o.sample_frequency, 999);
	assert_int_equal(o.retain_age, 36 * 3600 * NS_PER_S);
	assert_string_equal(o.split, "process");
	assert_string_equal(o.socket, "");
	assert_true(o.insecure);
	assert_int_equal(o.memory_budget, 1U << 30);
	assert_int_equal(o.unwind_memory, 1U << 20);
	assert_string_equal(o.unwind_cache, "");
	assert_string_equal(o.preload, "running");
	assert_int_equal(o.slice_bytes, 4096);
	assert_int_equal(o.block_rate, 2 * NS_PER_MS);
	assert_string_equal(o.debug_directories, "/a:/b");
	assert_string_equal(o.debuginfod_urls, "http://a/ https://b");
	assert_string_equal(o.directory, "/var/lib/profd");
	options_done(&o);

	assert_int_equal(read_text(&o, "[Profd]\nlisten=127.0.0.1:1\nlisten=\n", &e), 0);
	assert_int_equal(o.n_listen, 0);
	options_done(&o);
}

static void bad_files(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{ "[Profd]\nsample_frequency=0\n",
		  "f:2: sample_frequency: '0' is not allowed; it must be a whole number from 1 to "
		  "10000" },
		{ "[Profd]\nsample_frequency=10001", "from 1 to 10000" },
		{ "[Profd]\nsample_frequency=1K", "f:2: sample_frequency: '1K'" },
		{ "[Profd]\nsample_frequency=99999999999999999999", "f:2: sample_frequency" },
		{ "[Profd]\n\n\nsample_freq=5", "f:4: unknown option 'sample_freq'; is "
						"sample_frequency meant?" },
		{ "[Profd]\nxyzzy=5", "--print-config lists them" },
		{ "[Profd]\n=5", "f:2: unknown option ''" },
		{ "[Profd]\nlisten\n", "f:2: 'listen' is not key=value" },
		{ "listen=127.0.0.1:1", "f:1: 'listen=127.0.0.1:1' stands outside of a section" },
		{ "[Service]\nlisten=127.0.0.1:1", "f:1: unknown section '[Service]'" },
		{ "[Profd\n", "unknown section" },
		{ "[Profd]\nlisten=example.org:80",
		  "f:2: listen: 'example.org:80' is not allowed; it "
		  "must be ADDRESS:PORT in digits" },
		{ "[Profd]\nsocket=run/x", "an absolute path" },
		{ "[Profd]\nsplit=maybe", "one of: none process" },
		{ "[Profd]\nsplit=", "one of: none process" },
		{ "[Profd]\ninsecure=perhaps", "yes or no" },
		{ "[Profd]\nrotate_interval=0",
		  "a duration (as 90s, 5min, 2h or 7d) from 1s to 1h" },
		{ "[Profd]\nretain_bytes=1K", "a size (with K, M, G or T) from 1M to 1024T" },
		{ "[Profd]\nunwind_memory=1000K", "a size (with K, M, G or T) from 1M to 4G" },
		{ "[Profd]\nunwind_cache=cache", "an absolute path" },
		{ "[Profd]\npreload=some", "one of: all running none" },
		{ "[Profd]\nslice_bytes=17K", "from 0 to 16K in steps of 8" },
		{ "[Profd]\nblock_rate=5s", "must be auto, or a duration" },
		{ "[Profd]\nblock_rate=automatic", "must be auto, or a duration" },
		{ "[Profd]\nslice_bytes=4095", "from 0 to 16K in steps of 8" },
		{ "[Profd]\ndebug_directories=/a:b", "absolute paths with ':' between them" },
		{ "[Profd]\ndebuginfod_urls=file:///etc", "http:// or https:// URLs" },
		{ "[Profd]\ndebuginfod_urls=http://a b", "http:// or https:// URLs" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct options o;
		struct error e;

		assert_true(read_text(&o, cases[i].text, &e) < 0);
		if (!strstr(e.text, cases[i].message))
			fail_msg("'%s' does not say '%s'", e.text, cases[i].message);
		assert_null(strchr(e.text, '\n'));
		options_done(&o);
	}
}

static void nul_bytes_and_many_addresses(void **state)
{
	struct options o;
	struct options_setter s = { .options = &o, .layer = OPTIONS_FILE };
	char text[1024] = "[Profd]\n";
	struct error e;

	(void)state;
	assert_int_equal(options_init(&o, &e), 0);
	assert_int_equal(options_read_text(&s, "f", "[Profd]\n\0x", 10, &e), -EINVAL);
	for (int i = 0; i <= OPTIONS_MAX_LISTEN; i++)
		strcat(text, "listen=127.0.0.1:1\n");
	assert_int_equal(options_read_text(&s, "f", text, strlen(text), &e), -E2BIG);
	assert_non_null(strstr(e.text, "f:18: listen: more than 16"));
	options_done(&o);
}

static void debuginfod_without_a_place(void **state)
{
	struct options o;
	struct error e;

	(void)state;
	assert_int_equal(read_text(&o, "[Profd]\ndebuginfod_cache=\n", &e), 0);
	assert_int_equal(options_check(&o, &e), 0);
	options_done(&o);
	assert_int_equal(
		read_text(&o, "[Profd]\ndebuginfod_cache=\ndebuginfod_urls=http://localhost\n", &e),
		0);
	assert_int_equal(options_check(&o, &e), -EINVAL);
	assert_non_null(strstr(e.text, "debuginfod_cache"));
	options_done(&o);
}

static void insecure_listeners(void **state)
{
	struct options o;
	struct error e;

	(void)state;
	assert_int_equal(read_text(&o, "[Profd]\nlisten=0.0.0.0:6061\n", &e), 0);
	assert_int_equal(options_check(&o, &e), -EINVAL);
	assert_non_null(strstr(e.text, "insecure=yes"));
	o.insecure = true;
	assert_int_equal(options_check(&o, &e), 0);
	options_done(&o);
}

static int parse(struct command *c, struct error *e, const char *line)
{
	static char copy[256], name[] = "profd";
	char *argv[16] = { name };
	int argc = 1;

	snprintf(copy, sizeof(copy), "%s", line);
	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	return command_parse(argc, argv, c, e);
}

static void command_lines(void **state)
{
	static const struct {
		const char *line;
		int result;
		enum command_action action;
		size_t n_flags;
	} cases[] = {
		{ "", 0, COMMAND_RUN, 0 },
		{ "--sample-frequency=5", 0, COMMAND_RUN, 1 },
		{ "--sample_frequency 5", 0, COMMAND_RUN, 1 },
		{ "--insecure --listen 1.2.3.4:5 --listen=", 0, COMMAND_RUN, 3 },
		{ "--check-config", 0, COMMAND_CHECK_CONFIG, 0 },
		{ "--print-config --socket=/x", 0, COMMAND_PRINT_CONFIG, 1 },
		{ "--version", 0, COMMAND_VERSION, 0 },
		{ "-h --version", 0, COMMAND_HELP, 0 },
		{ "replay f", 0, COMMAND_REPLAY, 0 },
		{ "replay f -o -", 0, COMMAND_REPLAY, 0 },
		{ "replay", -EINVAL, 0, 0 },
		{ "replay a b", -EINVAL, 0, 0 },
		{ "replay a --listen=1.2.3.4:5", -EINVAL, 0, 0 },
		{ "-o x", -EINVAL, 0, 0 },
		{ "--sample-frequency", -EINVAL, 0, 0 },
		{ "--sample-frequencyy=1", -EINVAL, 0, 0 },
		{ "--config", -EINVAL, 0, 0 },
		{ "--config=", -EINVAL, 0, 0 },
		{ "--bogus", -EINVAL, 0, 0 },
		{ "run", -EINVAL, 0, 0 },
		{ "-x", -EINVAL, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct command c;
		struct error e;
		int r = parse(&c, &e, cases[i].line);

		if (r != cases[i].result)
			fail_msg("'%s': %d", cases[i].line, r);
		if (r < 0)
			continue;
		assert_int_equal(c.action, cases[i].action);
		assert_int_equal(c.n_flags, cases[i].n_flags);
		command_done(&c);
	}
}

static void flags_win_over_the_file(void **state)
{
	char directory[SCRATCH_SIZE], path[SCRATCH_SIZE + 16], line[160];
	struct command c;
	struct options o;
	struct error e;
	FILE *file;

	(void)state;
	assert_int_equal(scratch_make(directory), 0);
	snprintf(path, sizeof(path), "%s/profd.conf", directory);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs("[Profd]\nlisten=127.0.0.1:1\nlisten=127.0.0.1:2\nsample_frequency=7\n", file);
	fclose(file);

	snprintf(line, sizeof(line), "--config=%s --listen=127.0.0.1:3 --split=process", path);
	assert_int_equal(parse(&c, &e, line), 0);
	assert_int_equal(command_options(&c, &o, &e), 0);
	assert_int_equal(o.n_listen, 1);
	assert_string_equal(o.listen[0], "127.0.0.1:3");
	assert_int_equal(o.sample_frequency, 7);
	assert_string_equal(o.split, "process");
	options_done(&o);
	command_done(&c);

	snprintf(line, sizeof(line), "--config=%s --sample-frequency=x", path);
	assert_int_equal(parse(&c, &e, line), 0);
	assert_int_equal(command_options(&c, &o, &e), -EINVAL);
	assert_non_null(strstr(e.text, "--sample-frequency: 'x' is not allowed"));
	command_done(&c);
	assert_int_equal(scratch_remove(directory), 0);

	assert_int_equal(parse(&c, &e, "--config=/nonexistent/profd.conf"), 0);
	assert_int_equal(command_options(&c, &o, &e), -ENOENT);
	assert_non_null(strstr(e.text, "/nonexistent/profd.conf"));
	command_done(&c);
}

struct seen {
	char changed[256], refused[256];
};

static void on_changed(const char *key, const char *value, void *userdata)
{
	struct seen *s = userdata;

	sprintf(s->changed + strlen(s->changed), "%s=%s ", key, value);
}

static void on_refused(const char *key, void *userdata)
{
	struct seen *s = userdata;

	sprintf(s->refused + strlen(s->refused), "%s ", key);
}

static void reload(void **state)
{
	struct options o, fresh;
	struct seen seen = { "", "" };
	struct error e;

	(void)state;
	assert_int_equal(options_init(&o, &e), 0);
	assert_int_equal(read_text(&fresh,
				   "[Profd]\nlisten=127.0.0.1:9\nsplit=process\nretain_age=1d\n"
				   "sample_frequency=5\nretain_bytes=2G\n",
				   &e),
			 0);
	options_reload(&o, &fresh, on_changed, on_refused, &seen);
	assert_string_equal(seen.changed, "split=process retain_bytes=2G retain_age=1d ");
	assert_string_equal(seen.refused, "listen sample_frequency ");
	assert_string_equal(o.split, "process");
	assert_int_equal(o.sample_frequency, 99);
	options_done(&fresh);
	options_done(&o);
}

/* What --print-config prints is a file that says the same. */
static void print_reads_back(void **state)
{
	char *text = NULL, *again = NULL;
	size_t size, again_size;
	struct options o, back;
	struct error e;
	FILE *f = open_memstream(&text, &size);

	(void)state;
	assert_int_equal(
		read_text(&o, "[Profd]\nlisten=\nrotate_interval=90s\nretain_bytes=3000K", &e), 0);
	options_print(&o, "", f);
	fclose(f);
	assert_int_equal(read_text(&back, text, &e), 0);
	f = open_memstream(&again, &again_size);
	options_print(&back, "", f);
	fclose(f);
	assert_string_equal(text, again);
	free(text);
	free(again);
	options_done(&o);
	options_done(&back);
}

static void lines_fit_80_columns(void **state)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	(void)state;
	options_print_help(f);
	fclose(f);
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		if (strlen(line) > 80)
			fail_msg("too long: %s", line);
	free(text);
}

/* The file that is installed says what the table says; tests run from the root of the project. */
static void installed_file_agrees(void **state)
{
	char *text = NULL, installed[16384];
	size_t size, n;
	struct options o;
	struct error e;
	FILE *file = fopen("systemd/profd.conf", "r"), *f;

	(void)state;
	if (!file)
		skip_because("systemd/profd.conf is not there");
	n = fread(installed, 1, sizeof(installed) - 1, file);
	installed[n] = '\0';
	fclose(file);
	f = open_memstream(&text, &size);
	assert_int_equal(options_init(&o, &e), 0);
	options_print(&o, "#", f);
	fclose(f);
	assert_non_null(strstr(installed, "[Profd]"));
	assert_string_equal(strstr(installed, "[Profd]"), text);
	options_done(&o);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes),
		cmocka_unit_test(durations),
		cmocka_unit_test(formats_read_back),
		cmocka_unit_test(addresses),
		cmocka_unit_test(good_file),
		cmocka_unit_test(bad_files),
		cmocka_unit_test(nul_bytes_and_many_addresses),
		cmocka_unit_test(debuginfod_without_a_place),
		cmocka_unit_test(insecure_listeners),
		cmocka_unit_test(command_lines),
		cmocka_unit_test(flags_win_over_the_file),
		cmocka_unit_test(reload),
		cmocka_unit_test(print_reads_back),
		cmocka_unit_test(lines_fit_80_columns),
		cmocka_unit_test(installed_file_agrees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
