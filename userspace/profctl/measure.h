/* SPDX-License-Identifier: Apache-2.0 */
/* Values as pprof prints them: "1.23s", "45.60ms", "12.34%". Pure functions. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define MEASURE_TEXT_LEN 32

/*
 * A unit of time, or plain numbers. pprof writes all values of a report in one unit, so that they
 * can be compared at a glance; the unit is chosen once and given to measure_format().
 */
struct units {
	const char *suffix;
	double factor; /* of one unit, in what is formatted (ns for times) */
};

/*
 * For a report with values from @min (absolute, not 0) to @max, as pprof chooses it: that of the
 * smallest, unless it is lost beside the largest. @unit is the profile's ("nanoseconds"; anything
 * else is printed as it is).
 */
struct units measure_unit(int64_t min, int64_t max, const char *unit);
/* The largest unit in which @value is at least 1. */
struct units measure_unit_of(int64_t value, const char *unit);

/* "1.23s", "2s", "0": at most two digits after the point, and none if both are 0. Returns @text. */
const char *measure_format(int64_t value, struct units units, char text[static MEASURE_TEXT_LEN]);
/* The same in measure_unit_of(@ns, "nanoseconds"). */
const char *measure_format_time(int64_t ns, char text[static MEASURE_TEXT_LEN]);
/* The length of a recording: to the millisecond, as clocks read a little apart are no news. */
const char *measure_format_duration(int64_t ns, char text[static MEASURE_TEXT_LEN]);
/* "12.34%", "  100%", " 0.12%"; six columns wide. */
const char *measure_format_share(int64_t value, int64_t total, char text[static MEASURE_TEXT_LEN]);
/* "1.2 MB" */
const char *measure_format_bytes(uint64_t bytes, char text[static MEASURE_TEXT_LEN]);
