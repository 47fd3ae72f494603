/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as an ELF file: its symbols, as executable and as debug file, its identity, and names
 * as they are found in it. A table that comes out must hold together.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fileio.h"
#include "base/utf8.h"
#include "elf/elf_symbols.h"
#include "symbolize/demangle.h"
#include "symbolize/name_cache.h"
#include "symbolize/symbol_job.h"

#define N_ADDRESSES 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

static void look_up_all(const struct elf_symbols *t)
{
	unsigned int no_leaks = DEMANGLE_MAX_LEAKS; /* LeakSanitizer would see them */
	char text[NAME_CACHE_NAME_MAX];
	uint64_t end = 0;

	require(elf_symbols_check(t, elf_symbols_memory(t)) == 0);
	for (uint32_t i = 0; i < elf_symbols_count(t); i++) {
		struct elf_symbol s, found;

		elf_symbols_get(t, i, &s);
		require(i == 0 || s.address >= end);
		end = s.address + s.size;
		require(elf_symbols_find(t, s.address, &found) && found.name == s.name);
		require(elf_symbols_find(t, end - 1, &found) && found.name == s.name);
		require(strlen(s.name) <= ELF_SYMBOL_NAME_MAX);
		demangle(s.name, DEMANGLE_TEMPLATES, text, sizeof(text), &no_leaks);
		utf8_clean(text, sizeof(text), s.name, strlen(s.name));
	}
}

/* The bytes themselves as a name and as a table from another process. */
static void as_name_and_table(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *name = malloc(size + 1);
	unsigned int no_leaks = DEMANGLE_MAX_LEAKS; /* LeakSanitizer would see them */
	char text[NAME_CACHE_NAME_MAX];
	struct symbol_answer answer;
	struct elf_symbols *table;
	struct elf_symbol s;

	memcpy(name, data, size);
	name[size] = '\0';
	demangle(name, DEMANGLE_TEMPLATES, text, sizeof(text), &no_leaks);
	symbol_job_take(name, size, &table, &answer);
	if (elf_symbols_check(name, size) == 0)
		for (uint64_t a = 0; a < 256; a++)
			if (elf_symbols_find((const struct elf_symbols *)name, a, &s))
				require(strlen(s.name) < size);
}

/* As executable and as its own debug file, all of it and in part. What the job answers is believed.
 */
static void as_job(int fd, int addresses_fd, const struct elf_symbols_limits *limits)
{
	for (int variant = 0; variant < 4; variant++) {
		struct symbol_question q = { .limits = *limits,
					     .has_debug_file = variant & 1,
					     .n = variant & 2 ? N_ADDRESSES : 0 };
		int fds[3] = { fd };
		size_t n = 1;
		struct symbol_answer answer;
		struct elf_symbols *t;
		void *answered;
		size_t size;

		if (q.has_debug_file)
			fds[n++] = fd;
		if (q.n > 0)
			fds[n++] = addresses_fd;
		if (symbol_job_run(fds, n, &q, sizeof(q), &answered, &size) < 0)
			continue;
		require(symbol_job_take(answered, size, &t, &answer) == 0);
		free(answered);
	}
}

/* Every address asked for is settled, in the part and in what two parts make. */
static void in_parts(const struct elf_symbols_request *all, const uint64_t *addresses)
{
	struct elf_symbols_request half = *all;
	struct elf_symbols *first = NULL, *second = NULL, *both = NULL;
	struct elf_symbol s;

	half.addresses = addresses;
	half.n = N_ADDRESSES / 2;
	if (elf_symbols_read(&half, &first) < 0)
		return;
	half.addresses += half.n;
	require(elf_symbols_read(&half, &second) == 0);
	look_up_all(first);
	look_up_all(second);
	if (elf_symbols_merge(first, second, &both) == 0) {
		look_up_all(both);
		for (int i = 0; i < N_ADDRESSES; i++) {
			bool known = elf_symbols_find(i < N_ADDRESSES / 2 ? first : second,
						      addresses[i], &s);

			require(!known || elf_symbols_find(both, addresses[i], &s));
		}
	}
	elf_symbols_free(first);
	elf_symbols_free(second);
	elf_symbols_free(both);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t addresses[N_ADDRESSES] = { 0,	 16,	 0x1000,     0x1008,
							 0x1100, 0x2000, 1ULL << 40, UINT64_MAX };
	struct elf_symbols_request all = {
		.limits = { .max_symbols = 10000, .max_strings = 1 << 20, .max_bytes = 1 << 20 },
	};
	_cleanup_close_ int fd = memfd_create("fuzz", MFD_CLOEXEC);
	_cleanup_close_ int addresses_fd = memfd_create("addresses", MFD_CLOEXEC);
	struct elf_symbols *t = NULL;

	require(fd >= 0 && fd_write_full(fd, data, size) == 0);
	require(addresses_fd >= 0 &&
		fd_write_full(addresses_fd, addresses, sizeof(addresses)) == 0);
	all.fd = all.debug_fd = fd;
	if (elf_symbols_read(&all, &t) == 0)
		look_up_all(t);
	elf_symbols_free(t);
	in_parts(&all, addresses);
	as_job(fd, addresses_fd, &all.limits);
	as_name_and_table(data, size);
	return 0;
}
