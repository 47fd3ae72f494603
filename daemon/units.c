/* SPDX-License-Identifier: Apache-2.0 */
#include "units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit sizes[] = {
	{ "T", 1ULL << 40 }, { "G", 1ULL << 30 }, { "M", 1ULL << 20 },
	{ "K", 1ULL << 10 }, { "", 1 },		  { "B", 1 },
};

/* The first name of a factor is the one that is written. */
static const struct unit durations[] = {
	{ "d", 86400 * NS_PER_S },
	{ "h", 3600 * NS_PER_S },
	{ "hr", 3600 * NS_PER_S },
	{ "min", 60 * NS_PER_S },
	{ "m", 60 * NS_PER_S },
	{ "s", NS_PER_S },
	{ "sec", NS_PER_S },
	{ "ms", NS_PER_MS },
	{ "us", 1000 },
	{ "ns", 1 },
	{ "", NS_PER_S },
	{ "w", 7 * 86400 * NS_PER_S },
};

static int parse_number(const char **text, uint64_t *ret)
{
	const char *p = *text;
	uint64_t value = 0;

	if (*p < '0' || *p > '9')
		return -EINVAL;
	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
			return -ERANGE;
	*text = p;
	*ret = value;
	return 0;
}

/* A number and the unit behind it, with spaces around; moves *text behind them. */
static int parse_quantity(const char **text, const struct unit *units, size_t n, uint64_t *ret)
{
	const char *p = *text + strspn(*text, " ");
	uint64_t value;
	size_t length;
	int r;

	r = parse_number(&p, &value);
	if (r < 0)
		return r;
	p += strspn(p, " ");
	length = strcspn(p, " 0123456789");
	for (size_t i = 0; i < n; i++) {
		if (strlen(units[i].name) != length || strncmp(units[i].name, p, length) != 0)
			continue;
		if (__builtin_mul_overflow(value, units[i].factor, ret))
			return -ERANGE;
		p += length;
		*text = p + strspn(p, " ");
		return 0;
	}
	return -EINVAL;
}

int units_parse_size(const char *text, uint64_t *ret)
{
	uint64_t value;
	int r = parse_quantity(&text, sizes, ARRAY_SIZE(sizes), &value);

	if (r < 0)
		return r;
	if (*text)
		return -EINVAL;
	*ret = value;
	return 0;
}

int units_parse_duration(const char *text, uint64_t *ret_ns)
{
	uint64_t sum = 0;

	do {
		uint64_t value;
		int r = parse_quantity(&text, durations, ARRAY_SIZE(durations), &value);

		if (r < 0)
			return r;
		if (__builtin_add_overflow(sum, value, &sum))
			return -ERANGE;
	} while (*text);
	*ret_ns = sum;
	return 0;
}

/* Uses the largest unit that leaves no rest: one number, which reads back exactly. */
static const char *format(uint64_t value, const struct unit *units, size_t n, char *buffer)
{
	for (size_t i = 0; i < n; i++)
		if (value && value % units[i].factor == 0) {
			snprintf(buffer, UNITS_TEXT_LEN, "%" PRIu64 "%s", value / units[i].factor,
				 units[i].name);
			return buffer;
		}
	snprintf(buffer, UNITS_TEXT_LEN, "%" PRIu64, value);
	return buffer;
}

const char *units_format_size(uint64_t size, char buffer[static UNITS_TEXT_LEN])
{
	return format(size, sizes, ARRAY_SIZE(sizes), buffer);
}

const char *units_format_duration(uint64_t ns, char buffer[static UNITS_TEXT_LEN])
{
	return format(ns, durations, ARRAY_SIZE(durations), buffer);
}
