/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Line number programs (DWARF 5, 6.2; versions 2 to 5): which file, line and column an address
 * belongs to. A program is run once for all addresses that are asked of its unit.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "elf/dwarf_unit.h"

struct dwarf_row {
	bool found;
	uint32_t file, line, column;
};

struct dwarf_line_program;

/*
 * Reads the program of a unit that has one (u->has_line); @u is borrowed. -EBADMSG, -ENOTSUP,
 * -EFBIG or another -errno.
 */
int dwarf_line_open(const struct dwarf_unit *u, struct dwarf_line_program **ret);
/* Returns NULL; accepts NULL. */
struct dwarf_line_program *dwarf_line_free(struct dwarf_line_program *p);

/*
 * The rows of @n addresses, which rise. What begins below @lowest is not code: the linker leaves
 * what was thrown away at 0. A damaged program tells what it can.
 */
void dwarf_line_run(const struct dwarf_line_program *p, const uint64_t *addresses, size_t n,
		    uint64_t lowest, struct dwarf_row *ret);

/*
 * The path of a file by its number, absolute if the program knows the directory; cut to the
 * buffer. False if there is no such file: the buffer is then "".
 */
bool dwarf_line_file(const struct dwarf_line_program *p, uint64_t file, char *buffer, size_t size);
