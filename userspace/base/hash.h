/* SPDX-License-Identifier: Apache-2.0 */
/* A hash of bytes for in-memory tables; not stable across versions, not for hostile keys alone. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The finalizer of splitmix64 (public domain, Sebastiano Vigna). */
static inline uint64_t hash_mix(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9ULL;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

/* Loses nothing of either, and is half as long; what it lacks in mixing is done once at the end. */
static inline uint64_t hash_step(uint64_t h, uint64_t word)
{
	h = (h ^ word) * 0x9e3779b97f4a7c15ULL;
	return h ^ (h >> 32);
}

static inline uint32_t hash_bytes(const void *data, size_t size)
{
	const unsigned char *p = data;
	uint64_t h = size;
	uint64_t word;

	for (; size >= sizeof(word); p += sizeof(word), size -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		h = hash_step(h, word);
	}
	if (size) {
		word = 0;
		memcpy(&word, p, size);
		h = hash_step(h, word);
	}
	h = hash_mix(h);
	return (uint32_t)(h ^ (h >> 32));
}
