/* SPDX-License-Identifier: Apache-2.0 */
/* Files that tests make by hand: little-endian numbers and texts, one after the other. */
#pragma once

#include <stdint.h>
#include <string.h>

/* After <cmocka.h>. */
struct bytes {
	uint8_t at[8192];
	size_t n;
};

static inline void put(struct bytes *b, uint64_t value, size_t size)
{
	assert_true(b->n + size <= sizeof(b->at));
	memcpy(b->at + b->n, &value, size);
	b->n += size;
}

/* With its NUL. */
static inline void put_text(struct bytes *b, const char *text)
{
	size_t size = strlen(text) + 1;

	assert_true(b->n + size <= sizeof(b->at));
	memcpy(b->at + b->n, text, size);
	b->n += size;
}

/* What was put at @at becomes something else. */
static inline void patch(struct bytes *b, size_t at, uint64_t value, size_t size)
{
	assert_true(at + size <= sizeof(b->at));
	memcpy(b->at + at, &value, size);
}
