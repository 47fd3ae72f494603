/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as an ELF file: its symbols, as executable and as debug file, its identity, and names
 * as they are found in it. A table that comes out must hold together.
 */
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

/* As executable and as its own debug file. What the job answers is believed. */
static void as_job(int fd, const struct elf_symbols_limits *limits)
{
	const int fds[] = { fd, fd };

	for (size_t n = 1; n <= 2; n++) {
		struct symbol_answer answer;
		struct elf_symbols *t;
		void *answered;
		size_t size;

		if (symbol_job_run(fds, n, limits, sizeof(*limits), &answered, &size) < 0)
			continue;
		require(symbol_job_take(answered, size, &t, &answer) == 0);
		free(answered);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct elf_symbols_limits limits = { .max_symbols = 10000,
							  .max_strings = 1 << 20,
							  .max_bytes = 1 << 20 };
	_cleanup_close_ int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct elf_symbols *t = NULL;

	require(fd >= 0 && fd_write_full(fd, data, size) == 0);
	if (elf_symbols_read(fd, fd, &limits, &t) == 0)
		look_up_all(t);
	elf_symbols_free(t);
	as_job(fd, &limits);
	as_name_and_table(data, size);
	return 0;
}
