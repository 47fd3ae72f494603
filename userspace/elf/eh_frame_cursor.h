/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading numbers out of bytes that may end, or lie, anywhere. A cursor that was asked for more
 * than there is gives zeros from then on and remembers that it did: check `bad` once, at the end of
 * what belongs together.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct cursor {
	const uint8_t *at;
	const uint8_t *end;
	bool bad;
};

static inline struct cursor cursor_of(const uint8_t *data, size_t size)
{
	return (struct cursor){ .at = data, .end = data + size };
}

static inline size_t cursor_left(const struct cursor *c)
{
	return (size_t)(c->end - c->at);
}

static inline uint64_t cursor_fail(struct cursor *c)
{
	c->at = c->end;
	c->bad = true;
	return 0;
}

static inline void cursor_skip(struct cursor *c, uint64_t size)
{
	if (size > cursor_left(c))
		cursor_fail(c);
	else
		c->at += size;
}

/* Splits off the next @size bytes. */
static inline struct cursor cursor_take(struct cursor *c, uint64_t size)
{
	const uint8_t *start = c->at;

	cursor_skip(c, size);
	return (struct cursor){ .at = c->bad ? c->end : start, .end = c->at, .bad = c->bad };
}

#define CURSOR_NUMBER(name, type)                                                                  \
	static inline type name(struct cursor *c)                                                  \
	{                                                                                          \
		type value;                                                                        \
                                                                                                   \
		if (cursor_left(c) < sizeof(value))                                                \
			return (type)cursor_fail(c);                                               \
		memcpy(&value, c->at, sizeof(value));                                              \
		c->at += sizeof(value);                                                            \
		return value;                                                                      \
	}

CURSOR_NUMBER(cursor_u8, uint8_t)
CURSOR_NUMBER(cursor_u16, uint16_t)
CURSOR_NUMBER(cursor_u32, uint32_t)
CURSOR_NUMBER(cursor_u64, uint64_t)
CURSOR_NUMBER(cursor_s16, int16_t)
CURSOR_NUMBER(cursor_s32, int32_t)

/* LEB128. Bits beyond 64 are lost, more than ten bytes are an error. */
static inline uint64_t cursor_leb(struct cursor *c, bool is_signed)
{
	uint64_t value = 0;

	for (unsigned int shift = 0; shift < 70; shift += 7) {
		uint8_t byte;

		if (c->at == c->end)
			return cursor_fail(c);
		byte = *c->at++;
		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte & 0x80)
			continue;
		if (is_signed && shift < 57 && (byte & 0x40))
			value |= ~0ULL << (shift + 7);
		return value;
	}
	return cursor_fail(c);
}

static inline uint64_t cursor_uleb(struct cursor *c)
{
	return cursor_leb(c, false);
}

static inline int64_t cursor_sleb(struct cursor *c)
{
	return (int64_t)cursor_leb(c, true);
}
