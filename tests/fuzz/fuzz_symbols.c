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
#include "elf/elf_symbols.h"
#include "symbolize/debug_file.h"
#include "symbolize/demangle.h"
#include "symbolize/name_cache.h"
#include "symbolize/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

static void look_up_all(const struct elf_symbols *t)
{
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
		demangle(s.name, text, sizeof(text));
		text_clean(s.name, strlen(s.name), text, sizeof(text));
	}
}

/* The bytes themselves as a name and as a table from another process. */
static void as_name_and_table(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *name = malloc(size + 1);
	char text[NAME_CACHE_NAME_MAX];
	struct elf_symbol s;

	memcpy(name, data, size);
	name[size] = '\0';
	demangle(name, text, sizeof(text));
	if (elf_symbols_check(name, size) == 0)
		for (uint64_t a = 0; a < 256; a++)
			if (elf_symbols_find((const struct elf_symbols *)name, a, &s))
				require(strlen(s.name) < size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct elf_symbols_limits limits = { .max_symbols = 10000,
							  .max_strings = 1 << 20,
							  .max_bytes = 1 << 20 };
	static const struct debug_file_search search = { .debug_directory = "/nonexistent",
							 .path = "/nonexistent/program" };
	_cleanup_close_ int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct elf_symbols *t = NULL;
	int debug_fd;

	require(fd >= 0 && fd_write_full(fd, data, size) == 0);
	if (elf_symbols_read(fd, fd, &limits, &t) == 0)
		look_up_all(t);
	elf_symbols_free(t);
	debug_fd = debug_file_open(fd, &search);
	if (debug_fd >= 0)
		close(debug_fd);
	as_name_and_table(data, size);
	return 0;
}
