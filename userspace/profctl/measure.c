/* SPDX-License-Identifier: Apache-2.0 */
#include "profctl/measure.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"

static const struct units times[] = {
	{ "ns", 1 },	  { "us", 1e3 },     { "ms", 1e6 },	  { "s", 1e9 },
	{ "mins", 60e9 }, { "hrs", 3600e9 }, { "days", 86400e9 },
};

struct units measure_unit_of(int64_t value, const char *unit)
{
	double v = __builtin_fabs((double)value);
	size_t i = ARRAY_SIZE(times) - 1;

	if (strcmp(unit, "nanoseconds") != 0)
		return (struct units){ "", 1 };
	while (i > 0 && v < times[i].factor)
		i--;
	return times[i];
}

struct units measure_unit(int64_t min, int64_t max, const char *unit)
{
	struct units small = measure_unit_of(min, unit), large = measure_unit_of(max, unit);

	if (small.factor < large.factor &&
	    __builtin_fabs((double)min) * 100 < __builtin_fabs((double)max))
		return measure_unit_of(min * 100, unit);
	return small;
}

const char *measure_format(int64_t value, struct units units, char text[static MEASURE_TEXT_LEN])
{
	char number[MEASURE_TEXT_LEN - 8];
	char *zeros;

	snprintf(number, sizeof(number), "%.2f", (double)value / units.factor);
	zeros = strstr(number, ".00");
	if (zeros)
		*zeros = '\0';
	if (strcmp(number, "0") == 0 || strcmp(number, "-0") == 0)
		snprintf(text, MEASURE_TEXT_LEN, "0");
	else
		snprintf(text, MEASURE_TEXT_LEN, "%s%s", number, units.suffix);
	return text;
}

const char *measure_format_time(int64_t ns, char text[static MEASURE_TEXT_LEN])
{
	return measure_format(ns, measure_unit_of(ns, "nanoseconds"), text);
}

const char *measure_format_duration(int64_t ns, char text[static MEASURE_TEXT_LEN])
{
	const int64_t ms = (int64_t)NS_PER_MS;

	if (ns < ms || ns > INT64_MAX - ms)
		return measure_format_time(ns, text);
	return measure_format_time((ns + ms / 2) / ms * ms, text);
}

const char *measure_format_share(int64_t value, int64_t total, char text[static MEASURE_TEXT_LEN])
{
	double share = total ? 100 * __builtin_fabs((double)value / (double)total) : 0;

	if (share >= 99.95 && share <= 100.05)
		snprintf(text, MEASURE_TEXT_LEN, "  100%%");
	else if (share >= 1)
		snprintf(text, MEASURE_TEXT_LEN, "%5.2f%%", share);
	else
		snprintf(text, MEASURE_TEXT_LEN, "%5.2g%%", share);
	return text;
}

const char *measure_format_bytes(uint64_t bytes, char text[static MEASURE_TEXT_LEN])
{
	static const char *const suffixes[] = { "B", "kB", "MB", "GB" };
	double value = (double)bytes;
	size_t i = 0;

	while (value >= 1000 && i < ARRAY_SIZE(suffixes) - 1) {
		value /= 1000;
		i++;
	}
	snprintf(text, MEASURE_TEXT_LEN, i ? "%.1f %s" : "%.0f %s", value, suffixes[i]);
	return text;
}
