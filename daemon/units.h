/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers with units, as systemd writes them: 512M, 1min 30s, 7d. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define UNITS_TEXT_LEN 64

/* Bytes: a whole number and K, M, G or T (powers of 1024), or none. -EINVAL, -ERANGE. */
int units_parse_size(const char *text, uint64_t *ret);
/*
 * Nanoseconds: whole numbers with ns, us, ms, s (sec), min (m), h, d, w, which add up; a number
 * alone is seconds. -EINVAL, -ERANGE.
 */
int units_parse_duration(const char *text, uint64_t *ret_ns);

/* The shortest text that reads back as the same value. Returns @buffer. */
const char *units_format_size(uint64_t size, char buffer[static UNITS_TEXT_LEN]);
const char *units_format_duration(uint64_t ns, char buffer[static UNITS_TEXT_LEN]);
