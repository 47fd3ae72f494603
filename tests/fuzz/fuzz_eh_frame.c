/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer target: everything that the table builder reads. The first byte says what the rest is;
 * whatever it is, the table that comes out must pass its own check.
 */
#include "elf/eh_frame.h"
#include "elf/pclntab.h"
#include "elf/elf_image.h"
#include "unwind/row_writer.h"
#include "unwind/table_builder.h"
#include "base/cleanup.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct rows {
	uint64_t start, end, last;
};

static void check_row(void *userdata, uint64_t pc, const struct unwind_rule *rule)
{
	struct rows *rows = userdata;

	if (pc < rows->last || pc < rows->start || pc >= rows->end || rule->cfa >= UNWIND_CFA_KINDS)
		abort();
	rows->last = pc;
}

static void fuzz_section(const uint8_t *data, size_t size, bool debug_frame, bool open_end)
{
	struct cfi_section section = { .data = data,
				       .size = size,
				       .address = 0x1000,
				       .debug_frame = debug_frame,
				       .open_end = open_end };
	struct cfi_index index;

	if (cfi_index_read(&section, &index))
		return;
	for (size_t i = 0; i < index.n_fdes; i++) {
		struct rows rows = { .start = index.fdes[i].start, .end = index.fdes[i].end };

		cfi_fde_run(&index, &index.fdes[i], check_row, &rows);
	}
	cfi_index_done(&index);
}

static void fuzz_pclntab(const uint8_t *data, size_t size)
{
	struct pclntab_function f;
	struct pclntab table;

	if (pclntab_read(data, size, &table))
		return;
	for (uint32_t i = 0; i < table.n_functions; i++) {
		if (pclntab_function(&table, i, &f)) {
			struct rows rows = { .start = f.start, .end = f.end };

			pclntab_rows(&table, &f, check_row, &rows);
		}
	}
}

static void fuzz_image(const uint8_t *data, size_t size)
{
	struct unwind_table *table;
	struct elf_image image;

	if (elf_image_of(data, size, &image))
		return;
	if (!unwind_table_build_image(&image, &image, &table)) {
		if (unwind_table_check(table, table->size))
			abort();
		free(table);
	}
	elf_image_done(&image);
}

/*
 * A table as another process hands it over: the check must see all that a reader relies on. What
 * nobody would get right by chance is made right.
 */
static void fuzz_table(const uint8_t *data, size_t size)
{
	struct unwind_table *copy = malloc(MAX(size, sizeof(*copy)));

	if (!copy)
		return;
	memcpy(copy, data, size);
	if (size >= sizeof(*copy)) {
		copy->magic = UNWIND_TABLE_MAGIC;
		copy->version = UNWIND_TABLE_VERSION;
		copy->size = size;
	}
	if (!unwind_table_check(copy, size))
		for (uint64_t offset = 0; offset < (1U << 18); offset += 997)
			unwind_table_find(copy, offset);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	switch (data[0] % 6) {
	case 0:
		fuzz_image(data + 1, size - 1);
		break;
	case 1:
		fuzz_section(data + 1, size - 1, false, false);
		break;
	case 2:
		fuzz_section(data + 1, size - 1, true, false);
		break;
	case 3:
		fuzz_pclntab(data + 1, size - 1);
		break;
	case 4:
		fuzz_table(data + 1, size - 1);
		break;
	case 5:
		fuzz_section(data + 1, size - 1, false, true);
		break;
	}
	return 0;
}
