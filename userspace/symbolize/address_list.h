/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses that wait to be asked about together. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* That one list holds; more are refused. */
#define ADDRESS_LIST_MAX ((size_t)1 << 20)

/* An ELF virtual address, and what it is worth to wait for it: 1 or more. */
struct wanted_address {
	uint64_t address, weight;
};

struct address_list {
	uint64_t *addresses;
	size_t n, allocated;
};

/* 0, -ENOMEM or -E2BIG. */
int address_list_add(struct address_list *l, uint64_t address);
/* Makes them rise, each there once. */
void address_list_sort(struct address_list *l);
/* Empties it. */
void address_list_done(struct address_list *l);

/* A file in memory with these addresses, for a parser process: a descriptor, or -errno. */
int address_file(const uint64_t *addresses, size_t n);
