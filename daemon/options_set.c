/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A value from text, by its type. Every value that is not a list of its own is replaced, never
 * merged.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "base/cleanup.h"
#include "fetch/fetch_job.h"
#include "options_internal.h"

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
			 option_format_number(row->type, row->min, min),
			 option_format_number(row->type, row->max, max), step);
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

static int add_address(struct options_setter *s, int option, const char *value)
{
	struct options *o = s->options;
	struct address address;
	int r;

	if (*value && address_parse(value, &address) < 0)
		return -EINVAL;
	if (!(s->lists_seen & (1U << option)))
		options_clear_addresses(o);
	s->lists_seen |= 1U << option;
	if (!*value) {
		options_clear_addresses(o);
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
	const struct option_row *row = &options_table[option];
	void *where = option_member(s->options, row);
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
	const struct option_row *row = &options_table[option];
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
