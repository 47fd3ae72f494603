/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A message of profile.proto while it is put together. It is done by hand because a profile has
 * tens of thousands of them, and most of the time went into looking at descriptors; a test compares
 * the result with what protobuf-c writes. As in proto3, what is 0 is left out. The encoding is
 * described at https://protobuf.dev/programming-guides/encoding/
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "profile/pprof_encoder.h"

#define MESSAGE_VARINT_MAX 10U /* bytes of 64 bits */
/* A message within another has a length of one byte. */
#define MESSAGE_INNER_MAX 127U

#define MESSAGE_MAX_LABELS 8U
/*
 * Room for the largest: a sample, or a location with all its lines. Locations are 32 bits, which is
 * five bytes; the rest is for the numbers beside them.
 */
#define MESSAGE_MAX                                                                                \
	(ENCODER_MAX_LOCATIONS * 5 +                                                               \
	 (MESSAGE_MAX_LABELS + LOCATION_MAX_LINES) * (MESSAGE_INNER_MAX + 2) + 256)

struct message {
	size_t n;
	uint8_t bytes[MESSAGE_MAX];
};

static inline size_t varint_size(uint64_t value)
{
	return (70U - (unsigned int)__builtin_clzll(value | 1)) / 7;
}

static inline size_t varint_put(uint8_t *to, uint64_t value)
{
	size_t n = 0;

	for (; value >= 0x80; value >>= 7)
		to[n++] = (uint8_t)(value | 0x80);
	to[n++] = (uint8_t)value;
	return n;
}

/* What comes before a number, or before a length: fields have numbers below 16. */
static inline uint8_t tag_of_number(unsigned int field)
{
	return (uint8_t)(field << 3);
}

static inline uint8_t tag_of_bytes(unsigned int field)
{
	return (uint8_t)(field << 3 | 2);
}

/* A number without its tag: in a row of them. */
static inline void message_add(struct message *m, uint64_t value)
{
	m->n += varint_put(m->bytes + m->n, value);
}

static inline void message_number(struct message *m, unsigned int field, uint64_t value)
{
	if (value == 0)
		return;
	m->bytes[m->n++] = tag_of_number(field);
	message_add(m, value);
}

/* Begins a row of numbers that take @size bytes. */
static inline void message_row(struct message *m, unsigned int field, size_t size)
{
	m->bytes[m->n++] = tag_of_bytes(field);
	message_add(m, size);
}

/* Begins a message within; what is returned is for message_leave(). */
static inline size_t message_enter(struct message *m, unsigned int field)
{
	m->bytes[m->n++] = tag_of_bytes(field);
	return m->n++;
}

static inline void message_leave(struct message *m, size_t entered)
{
	m->bytes[entered] = (uint8_t)(m->n - entered - 1);
}
