/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of options and what can be done to one by its type. Values live in struct options; the
 * table only knows where. Every value that is not a list of its own is replaced, never merged.
 */
#include "options.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "collect/collector.h"
#include "fetch/fetch_job.h"
#include "process/debug_file.h"
#include "units.h"
#include "unwinding.h"

#define MINUTE (60 * NS_PER_S)
#define DAY    (86400 * NS_PER_S)
#define MIB    (1ULL << 20)

enum option_type {
	OPTION_ADDRESSES, /* a list of ADDR:PORT */
	OPTION_PATH,	  /* absolute, or empty */
	OPTION_PATHS,	  /* several, separated by ':' */
	OPTION_URLS,	  /* of HTTP, separated by spaces */
	OPTION_CHOICE,	  /* one of the words in .choices */
	OPTION_NUMBER,
	OPTION_SIZE,
	OPTION_DURATION,
	OPTION_BOOL,
};

struct option_row {
	const char *key;
	enum option_type type;
	size_t offset;	     /* in struct options */
	uint64_t min, max;   /* numbers, sizes and durations */
	uint64_t step;	     /* the value must be a multiple of it; 0 = any */
	const char *choices; /* of a duration: one word, which stands for OPTIONS_AUTO */
	const char *initial; /* as it would be written in the file */
	bool reloads;	     /* may change while profd runs */
	const char *help;
};

#define AT(member) offsetof(struct options, member)

static const struct option_row table[] = {
	{ "listen", OPTION_ADDRESSES, AT(listen), .initial = "127.0.0.1:6061",
	  .help = "Address to serve HTTP on; may be given more than once; empty: none. Whoever can "
		  "connect sees every process." },
	{ "socket", OPTION_PATH, AT(socket), .initial = "/run/profd/profd.sock",
	  .help = "Unix socket to serve HTTP on; empty: none. Root and group profd see every "
		  "process there, others their own." },
	{ "directory", OPTION_PATH, AT(directory), .initial = "/var/lib/profd",
	  .help = "Where profiles are kept as files; empty: no files." },
	{ "split", OPTION_CHOICE, AT(split), .choices = "none process", .initial = "none",
	  .reloads = true, .help = "process: write one file per process instead of one for all." },
	{ "sample_frequency", OPTION_NUMBER, AT(sample_frequency), 1, COLLECTOR_MAX_FREQUENCY,
	  .initial = "99", .help = "Samples per second and CPU." },
	{ "window", OPTION_DURATION, AT(window), NS_PER_S, 10 * MINUTE, .initial = "10s",
	  .help = "Stretch of time that is rolled up together in memory." },
	{ "rotate_interval", OPTION_DURATION, AT(rotate_interval), NS_PER_S, 60 * MINUTE,
	  .initial = "1min", .reloads = true,
	  .help = "How often a file is written; earlier if memory_budget asks for it." },
	{ "retain_bytes", OPTION_SIZE, AT(retain_bytes), MIB, 1ULL << 50, .initial = "1G",
	  .reloads = true, .help = "Files are removed, oldest first, beyond this many bytes." },
	{ "retain_age", OPTION_DURATION, AT(retain_age), MINUTE, 3650 * DAY, .initial = "7d",
	  .reloads = true, .help = "Files are removed when they are older than this." },
	{ "memory_budget", OPTION_SIZE, AT(memory_budget), 16 * MIB, 1ULL << 40, .initial = "256M",
	  .help = "Memory for what grows: a quarter at most for symbol tables, a quarter at most "
		  "for "
		  "unwinding tables, and windows get what those and the other BPF maps leave, a "
		  "half "
		  "at most." },
	{ "unwind_memory", OPTION_SIZE, AT(unwind_memory), MIB, 4096 * MIB, .initial = "64M",
	  .help = "Kernel memory for unwinding tables, by which stacks of programs without frame "
		  "pointers are walked; never more than a quarter of memory_budget." },
	{ "unwind_cache", OPTION_PATH, AT(unwind_cache), .initial = UNWINDING_DEFAULT_CACHE,
	  .help = "Where unwinding tables are kept on disk, so that the next start is quick; "
		  "empty: "
		  "nowhere." },
	{ "preload", OPTION_CHOICE, AT(preload), .choices = "all running none", .initial = "all",
	  .help = "Whose unwinding tables are loaded before they are needed: running: of what runs "
		  "when profd starts; all: then also of what is installed; none: of nothing." },
	{ "debug_directories", OPTION_PATHS, AT(debug_directories),
	  .initial = DEBUG_FILE_DIRECTORIES,
	  .help = "Where separate debug files are looked for, by build id and by name; several are "
		  "separated by ':'; empty: only beside the executables." },
	{ "debuginfod_urls", OPTION_URLS, AT(debuginfod_urls), .initial = "",
	  .help = "Debuginfod servers to ask for debug files that are not installed, separated by "
		  "spaces; empty: none. They learn the build ids of what runs here." },
	{ "debuginfod_cache", OPTION_PATH, AT(debuginfod_cache),
	  .initial = "/var/cache/profd/debuginfod",
	  .help = "Where debug files from these servers are kept." },
	{ "debuginfod_cache_size", OPTION_SIZE, AT(debuginfod_cache_size), MIB, 1ULL << 40,
	  .initial = "1G",
	  .help = "Of those, the ones not used for longest are removed beyond this many bytes; a "
		  "single file may have half as many." },
	{ "demangle", OPTION_CHOICE, AT(demangle), .choices = "templates full none",
	  .initial = "templates",
	  .help = "What of C++, Rust and D names is shown: templates: arguments of templates, but "
		  "no "
		  "parameters and no return type; full: all of it; none: names as they are "
		  "mangled." },
	{ "slice_bytes", OPTION_SIZE, AT(slice_bytes), 0, ABI_SLICE_MAX_BYTES,
	  .step = sizeof(uint64_t), .initial = "16K",
	  .help = "How much of a stack is copied when a file in it has no unwinding table yet, to "
		  "be "
		  "walked when the table is there; 0: walk it by frame pointers instead." },
	{ "block_rate", OPTION_DURATION, AT(block_rate), 0, 4 * NS_PER_S, .choices = "auto",
	  .initial = "auto",
	  .help = "Of what processes wait for, one stack is taken per this much waiting, about; "
		  "1ns: of every wait; 0: of none; auto: 1ms, and coarser while that gives more "
		  "than "
		  "1000 stacks a second and CPU." },
	{ "wait_hook", OPTION_CHOICE, AT(wait_hook), .choices = "auto exit_tp kprobe switch_out",
	  .initial = "auto",
	  .help = "Where in the kernel those stacks are taken. auto: at the best place that this "
		  "kernel has; another one is for tests." },
	{ "wakers", OPTION_BOOL, AT(wakers), .initial = "yes",
	  .help = "Take also the stacks of those who end waits, for block profiles that ask for "
		  "them." },
	{ "insecure", OPTION_BOOL, AT(insecure), .initial = "no",
	  .help = "Allow listening beyond loopback, where anybody can read profiles: there is no "
		  "encryption and no password." },
};

size_t options_count(void)
{
	return ARRAY_SIZE(table);
}

const char *options_key(size_t option)
{
	return table[option].key;
}

int options_find(const char *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (strcmp(table[i].key, key) == 0)
			return (int)i;
	return -1;
}

bool options_is_bool(int option)
{
	return table[option].type == OPTION_BOOL;
}

static void *member(const struct options *o, const struct option_row *row)
{
	return (char *)o + row->offset;
}

static const char *format_number(enum option_type type, uint64_t value,
				 char buffer[static UNITS_TEXT_LEN])
{
	if (type == OPTION_SIZE)
		return units_format_size(value, buffer);
	if (type == OPTION_DURATION)
		return value == OPTIONS_AUTO ? "auto" : units_format_duration(value, buffer);
	snprintf(buffer, UNITS_TEXT_LEN, "%" PRIu64, value);
	return buffer;
}

/* "a number from 1 to 10000": the end of an error message. */
static void describe(const struct option_row *row, char *text, size_t size)
{
	char min[UNITS_TEXT_LEN], max[UNITS_TEXT_LEN], step[UNITS_TEXT_LEN + 32] = "";

	switch (row->type) {
	case OPTION_ADDRESSES:
		snprintf(text, size, "ADDRESS:PORT in digits, as 127.0.0.1:6061 or [::1]:6061");
		return;
	case OPTION_PATH:
		snprintf(text, size, "an absolute path, or nothing");
		return;
	case OPTION_PATHS:
		snprintf(text, size, "absolute paths with ':' between them, or nothing");
		return;
	case OPTION_URLS:
		snprintf(text, size,
			 "http:// or https:// URLs with spaces between them, or nothing");
		return;
	case OPTION_CHOICE:
		snprintf(text, size, "one of: %s", row->choices);
		return;
	case OPTION_BOOL:
		snprintf(text, size, "yes or no");
		return;
	default:
		if (row->step)
			snprintf(step, sizeof(step), " in steps of %" PRIu64, row->step);
		snprintf(text, size, "%s%sa %s from %s to %s%s", row->choices ? row->choices : "",
			 row->choices ? ", or " : "",
			 row->type == OPTION_SIZE	? "size (with K, M, G or T)"
			 : row->type == OPTION_DURATION ? "duration (as 90s, 5min, 2h or 7d)"
							: "whole number",
			 format_number(row->type, row->min, min),
			 format_number(row->type, row->max, max), step);
	}
}

static bool is_choice(const char *choices, const char *value)
{
	size_t length = strlen(value);

	for (const char *p = choices; *p; p += strspn(p, " ")) {
		size_t n = strcspn(p, " ");

		if (n == length && strncmp(p, value, n) == 0)
			return true;
		p += n;
	}
	return false;
}

/* Whether each word, of those between bytes of @separators, begins with one of the two. */
static bool all_begin_with(const char *value, const char *separators, const char *one,
			   const char *other)
{
	for (const char *p = value + strspn(value, separators); *p; p += strspn(p, separators)) {
		if (strncmp(p, one, strlen(one)) != 0 && strncmp(p, other, strlen(other)) != 0)
			return false;
		p += strcspn(p, separators);
	}
	return true;
}

static int parse_bool(const char *value, bool *ret)
{
	static const char *const words[] = { "no", "yes", "false", "true", "off", "on", "0", "1" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcasecmp(value, words[i]) == 0) {
			*ret = i & 1;
			return 0;
		}
	return -EINVAL;
}

static int set_string(char **where, const char *value)
{
	char *copy = strdup(value);

	if (!copy)
		return -ENOMEM;
	free(*where);
	*where = copy;
	return 0;
}

static void clear_addresses(struct options *o)
{
	while (o->n_listen > 0)
		free(o->listen[--o->n_listen]);
}

static int add_address(struct options_setter *s, int option, const char *value)
{
	struct options *o = s->options;
	struct address address;
	int r;

	if (*value && address_parse(value, &address) < 0)
		return -EINVAL;
	if (!(s->lists_seen & (1U << option)))
		clear_addresses(o);
	s->lists_seen |= 1U << option;
	if (!*value) {
		clear_addresses(o);
		return 0;
	}
	if (o->n_listen == OPTIONS_MAX_LISTEN)
		return -E2BIG;
	o->listen[o->n_listen] = NULL;
	r = set_string(&o->listen[o->n_listen], value);
	if (r == 0)
		o->n_listen++;
	return r;
}

static int parse_number(const struct option_row *row, const char *value, uint64_t *ret)
{
	uint64_t number;
	int r;

	if (row->choices && strcmp(value, row->choices) == 0) {
		*ret = OPTIONS_AUTO;
		return 0;
	}
	if (row->type == OPTION_DURATION) {
		r = units_parse_duration(value, &number);
	} else {
		if (row->type == OPTION_NUMBER && value[strspn(value, "0123456789")])
			return -EINVAL;
		r = units_parse_size(value, &number);
	}
	if (r < 0)
		return r;
	if (number < row->min || number > row->max)
		return -ERANGE;
	if (row->step && number % row->step)
		return -EINVAL;
	*ret = number;
	return 0;
}

static int set_value(struct options_setter *s, int option, const char *value)
{
	const struct option_row *row = &table[option];
	void *where = member(s->options, row);
	uint64_t number;
	int r;

	switch (row->type) {
	case OPTION_ADDRESSES:
		return add_address(s, option, value);
	case OPTION_PATH:
		return *value && *value != '/' ? -EINVAL : set_string(where, value);
	case OPTION_PATHS:
		return all_begin_with(value, ":", "/", "/") ? set_string(where, value) : -EINVAL;
	case OPTION_URLS:
		return strlen(value) < FETCH_MAX_URLS &&
				       all_begin_with(value, " ", "http://", "https://")
			       ? set_string(where, value)
			       : -EINVAL;
	case OPTION_CHOICE:
		return is_choice(row->choices, value) ? set_string(where, value) : -EINVAL;
	case OPTION_BOOL:
		return parse_bool(value, where);
	default:
		break;
	}
	r = parse_number(row, value, &number);
	if (r < 0)
		return r;
	if (row->type == OPTION_NUMBER)
		*(uint32_t *)where = (uint32_t)number;
	else
		*(uint64_t *)where = number;
	return 0;
}

int options_set(struct options_setter *s, int option, const char *value, struct error *e)
{
	const struct option_row *row = &table[option];
	char allowed[256];
	int r = set_value(s, option, value);

	if (r == 0)
		return 0;
	if (r == -ENOMEM)
		return error_set(e, ENOMEM, "out of memory");
	if (r == -E2BIG)
		return error_set(e, E2BIG, "%s: more than %d values", row->key, OPTIONS_MAX_LISTEN);
	describe(row, allowed, sizeof(allowed));
	return error_set(e, -r, "%s: '%.100s' is not allowed; it must be %s", row->key, value,
			 allowed);
}

int options_init(struct options *o, struct error *e)
{
	struct options_setter s = { .options = o, .layer = OPTIONS_DEFAULT };

	memset(o, 0, sizeof(*o));
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		int r = options_set(&s, (int)i, table[i].initial, e);

		if (r < 0) {
			options_done(o);
			return r;
		}
	}
	return 0;
}

void options_done(struct options *o)
{
	clear_addresses(o);
	free(o->socket);
	free(o->directory);
	free(o->split);
	free(o->unwind_cache);
	free(o->preload);
	free(o->debug_directories);
	free(o->debuginfod_urls);
	free(o->debuginfod_cache);
	free(o->wait_hook);
	free(o->demangle);
	memset(o, 0, sizeof(*o));
}

int options_check(const struct options *o, struct error *e)
{
	for (uint32_t i = 0; i < o->n_listen && !o->insecure; i++) {
		struct address a;

		if (address_parse(o->listen[i], &a) == 0 && !address_is_loopback(&a))
			return error_set(
				e, EINVAL,
				"listen: %s can be reached from other machines, and anybody "
				"there could read profiles; listen on 127.0.0.1 or [::1], "
				"or set insecure=yes if that is meant",
				o->listen[i]);
	}
	if (*o->debuginfod_urls && !*o->debuginfod_cache)
		return error_set(e, EINVAL,
				 "debuginfod_cache: is empty, and what debuginfod_urls gives has "
				 "no place; name a directory");
	return 0;
}

/* The value of an option that is no list, as it would be written in the file. */
static const char *format_value(const struct options *o, const struct option_row *row,
				char buffer[static UNITS_TEXT_LEN])
{
	const void *where = member(o, row);

	switch (row->type) {
	case OPTION_PATH:
	case OPTION_PATHS:
	case OPTION_URLS:
	case OPTION_CHOICE:
		return *(char *const *)where;
	case OPTION_BOOL:
		return *(const bool *)where ? "yes" : "no";
	case OPTION_NUMBER:
		return format_number(row->type, *(const uint32_t *)where, buffer);
	default:
		return format_number(row->type, *(const uint64_t *)where, buffer);
	}
}

/* Prints words with a prefix on every line, broken before column @width. */
static void print_wrapped(FILE *out, const char *prefix, const char *text, size_t width)
{
	size_t column = 0;

	for (const char *p = text; *p; p += strspn(p, " ")) {
		size_t n = strcspn(p, " ");

		if (column && column + 1 + n > width) {
			fputc('\n', out);
			column = 0;
		}
		if (!column)
			column = (size_t)fprintf(out, "%s", prefix);
		else
			column += (size_t)fprintf(out, " ");
		column += fwrite(p, 1, n, out);
		p += n;
	}
	fputc('\n', out);
}

void options_print(const struct options *o, const char *mark, FILE *out)
{
	char buffer[UNITS_TEXT_LEN];

	fprintf(out, "[Profd]\n");
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		const struct option_row *row = &table[i];

		fputc('\n', out);
		print_wrapped(out, "# ", row->help, 80);
		if (row->type != OPTION_ADDRESSES) {
			fprintf(out, "%s%s=%s\n", mark, row->key, format_value(o, row, buffer));
			continue;
		}
		for (uint32_t k = 0; k < o->n_listen; k++)
			fprintf(out, "%s%s=%s\n", mark, row->key, o->listen[k]);
		if (o->n_listen == 0)
			fprintf(out, "%s%s=\n", mark, row->key);
	}
}

void options_print_help(FILE *out)
{
	static const char *const words[] = {
		[OPTION_ADDRESSES] = "ADDR:PORT", [OPTION_PATH] = "PATH", [OPTION_PATHS] = "PATHS",
		[OPTION_URLS] = "URLS",		  [OPTION_NUMBER] = "N",  [OPTION_SIZE] = "SIZE",
		[OPTION_DURATION] = "DURATION",	  [OPTION_BOOL] = "BOOL",
	};
	char indent[] = "      ";

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		const struct option_row *row = &table[i];
		char flag[64];

		snprintf(flag, sizeof(flag), "%s", row->key);
		for (char *p = flag; *p; p++)
			if (*p == '_')
				*p = '-';
		fprintf(out, "  --%s=%s", flag,
			row->type == OPTION_CHOICE ? "WORD" : words[row->type]);
		if (row->type == OPTION_CHOICE)
			fprintf(out, " (%s)", row->choices);
		else if (row->choices)
			fprintf(out, " (or %s)", row->choices);
		fprintf(out, "   default: %s\n", row->initial[0] ? row->initial : "empty");
		print_wrapped(out, indent, row->help, 79);
	}
}

static bool equal(const struct options *a, const struct options *b, const struct option_row *row)
{
	char x[UNITS_TEXT_LEN], y[UNITS_TEXT_LEN];

	if (row->type != OPTION_ADDRESSES)
		return strcmp(format_value(a, row, x), format_value(b, row, y)) == 0;
	if (a->n_listen != b->n_listen)
		return false;
	for (uint32_t i = 0; i < a->n_listen; i++)
		if (strcmp(a->listen[i], b->listen[i]) != 0)
			return false;
	return true;
}

/* Strings are exchanged: what @from holds afterwards is freed with it. */
static void exchange(struct options *o, struct options *from, const struct option_row *row)
{
	size_t size = row->type == OPTION_BOOL	   ? sizeof(bool)
		      : row->type == OPTION_NUMBER ? sizeof(uint32_t)
						   : sizeof(uint64_t);
	char saved[sizeof(uint64_t)];

	_Static_assert(sizeof(char *) <= sizeof(uint64_t), "strings are exchanged by pointer");
	memcpy(saved, member(o, row), size);
	memcpy(member(o, row), member(from, row), size);
	memcpy(member(from, row), saved, size);
}

void options_reload(struct options *o, struct options *from,
		    void (*changed)(const char *key, const char *value, void *userdata),
		    void (*refused)(const char *key, void *userdata), void *userdata)
{
	char buffer[UNITS_TEXT_LEN];

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		const struct option_row *row = &table[i];

		if (equal(o, from, row))
			continue;
		if (!row->reloads) {
			refused(row->key, userdata);
			continue;
		}
		exchange(o, from, row);
		changed(row->key, format_value(o, row, buffer), userdata);
	}
}
