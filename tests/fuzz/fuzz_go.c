/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a program in Go: its functions, rows for unwinding, lines and inlined calls. The
 * corpus has one of each layout (tests/unit/go_image.c).
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "elf/go_binary.h"
#include "elf/go_lines.h"

#define MAX_FUNCTIONS 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

static void count_row(void *userdata, uint64_t pc, const struct unwind_rule *rule)
{
	(void)pc;
	(void)rule;
	++*(size_t *)userdata;
}

static void look_up(const struct go_binary *b, uint64_t address)
{
	struct go_line lines[4];
	size_t n = go_lines_at(b, address, lines, ARRAY_SIZE(lines));

	require(n <= ARRAY_SIZE(lines));
	for (size_t i = 0; i < n; i++) {
		require(lines[i].function && lines[i].function[0]);
		require(!lines[i].file || strlen(lines[i].file) < b->table.size);
	}
}

static void look_at_functions(const struct go_binary *b)
{
	for (uint32_t i = 0; i < b->table.n_functions && i < MAX_FUNCTIONS; i++) {
		struct pclntab_function f;
		size_t rows = 0;

		if (!pclntab_function(&b->table, i, &f))
			continue;
		pclntab_rows(&b->table, &f, count_row, &rows);
		require(rows > 0);
		for (uint64_t k = 0; k < 8; k++)
			look_up(b, f.start + (f.end - f.start) / 8 * k);
		look_up(b, f.end - 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct elf_image image;
	struct go_binary b;

	if (elf_image_of(data, size, &image) < 0)
		return 0;
	if (go_binary_open(&image, &b) == 0) {
		go_binary_find_inlined_calls(&b);
		look_at_functions(&b);
		look_up(&b, 0);
		look_up(&b, UINT64_MAX);
		go_binary_done(&b);
	}
	elf_image_done(&image);
	return 0;
}
