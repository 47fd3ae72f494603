/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/dwarf_line.h"

#include <dwarf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/search.h"

#define MAX_PROGRAM ((uint64_t)96 << 20)
#define MAX_ENTRIES 1000000U /* directories, files */
#define MAX_FORMATS 16U
#define MAX_PATH    4096U

/* A directory, or a file in one. */
struct entry {
	struct dwarf_value name;
	uint64_t directory;
};

struct entries {
	struct entry *list;
	uint32_t n, allocated;
};

struct dwarf_line_program {
	const struct dwarf_unit *unit;
	struct dwarf_unit shape; /* the program's own sizes of numbers, to read forms by */
	uint8_t *data;
	struct cursor code;
	uint8_t min_length, max_operations, line_range, opcode_base;
	int8_t line_base;
	uint8_t lengths[256]; /* operands of standard opcodes */
	struct entries directories, files;
};

struct dwarf_line_program *dwarf_line_free(struct dwarf_line_program *p)
{
	if (!p)
		return NULL;
	free(p->directories.list);
	free(p->files.list);
	free(p->data);
	free(p);
	return NULL;
}

static int add_entry(struct entries *e, const struct entry *one)
{
	if (e->n == e->allocated) {
		uint32_t wanted = e->allocated ? e->allocated * 2 : 32;
		struct entry *bigger;

		if (e->n >= MAX_ENTRIES)
			return -EFBIG;
		bigger = reallocarray(e->list, wanted, sizeof(*bigger));
		if (!bigger)
			return -ENOMEM;
		e->list = bigger;
		e->allocated = wanted;
	}
	e->list[e->n++] = *one;
	return 0;
}

/* A list of names as versions 2 to 4 have it, up to an empty one. */
static int read_old_list(struct cursor *c, bool files, struct entries *ret)
{
	/* They count from 1; directory 0 is that of the compilation. */
	struct entry one = {};
	int r = add_entry(ret, &one);

	while (r == 0 && !c->bad) {
		const uint8_t *end = memchr(c->at, '\0', cursor_left(c));

		if (!end)
			return -EBADMSG;
		one.name = (struct dwarf_value){ .class = DWARF_STRING_INLINE,
						 .string = (const char *)c->at };
		if (*c->at == '\0') {
			c->at++;
			return 0;
		}
		c->at = end + 1;
		if (files) {
			one.directory = cursor_uleb(c);
			cursor_uleb(c); /* time of change */
			cursor_uleb(c); /* size */
		}
		r = add_entry(ret, &one);
	}
	return r < 0 ? r : -EBADMSG;
}

struct format {
	uint64_t content;
	struct dwarf_attribute form;
};

static int read_new_entry(struct dwarf_line_program *p, struct cursor *c,
			  const struct format *formats, uint8_t n_formats, struct entries *ret)
{
	struct entry one = {};

	for (uint8_t k = 0; k < n_formats; k++) {
		struct dwarf_value v;

		dwarf_unit_value(&p->shape, &formats[k].form, c, &v);
		if (formats[k].content == DW_LNCT_path)
			one.name = v;
		else if (formats[k].content == DW_LNCT_directory_index)
			one.directory = v.number;
	}
	return c->bad ? -EBADMSG : add_entry(ret, &one);
}

/* A list of version 5, which says itself what its entries have. */
static int read_new_list(struct dwarf_line_program *p, struct cursor *c, struct entries *ret)
{
	struct format formats[MAX_FORMATS] = {};
	uint8_t n_formats = cursor_u8(c);
	uint64_t n;
	int r = 0;

	if (n_formats > MAX_FORMATS)
		return -ENOTSUP;
	for (uint8_t i = 0; i < n_formats; i++) {
		formats[i].content = cursor_uleb(c);
		formats[i].form.form = dwarf_code(c);
	}
	n = cursor_uleb(c);
	if (n_formats == 0 && n > 0)
		return -EBADMSG;
	for (uint64_t i = 0; i < n && r == 0; i++)
		r = read_new_entry(p, c, formats, n_formats, ret);
	return r;
}

static int read_lists(struct dwarf_line_program *p, struct cursor *c)
{
	int r;

	if (p->shape.version >= 5) {
		r = read_new_list(p, c, &p->directories);
		return r < 0 ? r : read_new_list(p, c, &p->files);
	}
	r = read_old_list(c, false, &p->directories);
	return r < 0 ? r : read_old_list(c, true, &p->files);
}

static int parse_header(struct dwarf_line_program *p, struct cursor *c)
{
	uint64_t header_length;
	struct cursor header;

	p->shape.version = cursor_u16(c);
	if (c->bad || p->shape.version < 2 || p->shape.version > 5)
		return c->bad ? -EBADMSG : -ENOTSUP;
	if (p->shape.version >= 5) {
		p->shape.address_size = cursor_u8(c);
		if (cursor_u8(c) != 0) /* segment selectors */
			return -ENOTSUP;
	}
	header_length = p->shape.offset_size == 8 ? cursor_u64(c) : cursor_u32(c);
	header = cursor_take(c, header_length);
	p->code = *c;
	p->min_length = cursor_u8(&header);
	p->max_operations = p->shape.version >= 4 ? cursor_u8(&header) : 1;
	cursor_u8(&header); /* default_is_stmt */
	p->line_base = (int8_t)cursor_u8(&header);
	p->line_range = cursor_u8(&header);
	p->opcode_base = cursor_u8(&header);
	for (unsigned int i = 1; i < p->opcode_base; i++)
		p->lengths[i] = cursor_u8(&header);
	if (header.bad || c->bad || p->line_range == 0 || p->opcode_base == 0 ||
	    p->max_operations == 0)
		return -EBADMSG;
	return read_lists(p, &header);
}

/* The bytes of the program, all of them. */
static int read_program(struct dwarf_line_program *p, struct cursor *ret)
{
	struct dwarf_file *f = p->unit->file;
	uint64_t at = p->unit->line_offset, length;
	int r = dwarf_file_number(f, DWARF_LINE, at, 4, &length);

	p->shape.offset_size = 4;
	at += 4;
	if (r == 0 && length == 0xffffffff) {
		p->shape.offset_size = 8;
		r = dwarf_file_number(f, DWARF_LINE, at, 8, &length);
		at += 8;
	}
	if (r < 0)
		return r == -ENODATA ? -EBADMSG : r;
	if (length > dwarf_file_size(f, DWARF_LINE) - at)
		return -EBADMSG;
	if (length > MAX_PROGRAM)
		return -EFBIG;
	p->data = malloc(length + 1);
	if (!p->data)
		return -ENOMEM;
	r = dwarf_file_read(f, DWARF_LINE, at, length, p->data);
	*ret = cursor_of(p->data, length);
	return r;
}

int dwarf_line_open(const struct dwarf_unit *u, struct dwarf_line_program **ret)
{
	struct dwarf_line_program *p = calloc(1, sizeof(*p));
	struct cursor c;
	int r;

	if (!p)
		return -ENOMEM;
	p->unit = u;
	p->shape.file = u->file;
	p->shape.address_size = u->address_size;
	p->shape.str_offsets_base = u->str_offsets_base;
	r = read_program(p, &c);
	if (r == 0)
		r = parse_header(p, &c);
	if (r < 0) {
		dwarf_line_free(p);
		return r;
	}
	*ret = p;
	return 0;
}

struct machine {
	const struct dwarf_line_program *program;
	/* What is asked. */
	const uint64_t *addresses;
	size_t n, next; /* the first that is not below the row before */
	uint64_t lowest;
	struct dwarf_row *rows;
	/* The registers. */
	uint64_t address, operation;
	uint64_t file, column;
	uint32_t line;
	/* The row before, of this sequence. */
	bool has_before, ignored;
	uint64_t before_address;
	struct dwarf_row before;
};

static void reset(struct machine *m)
{
	m->address = m->operation = m->column = 0;
	m->file = m->line = 1;
	m->has_before = false;
}

static size_t first_not_below(const struct machine *m, uint64_t address)
{
	return SEARCH(m->n, i, m->addresses[i] < address);
}

/* A row holds from its address to that of the next one. */
static void end_row_before(struct machine *m)
{
	if (!m->has_before) {
		m->ignored = m->address < m->lowest;
		m->next = first_not_below(m, m->address);
		return;
	}
	if (m->address < m->before_address) {
		m->next = first_not_below(m, m->address);
		return;
	}
	for (; m->next < m->n && m->addresses[m->next] < m->address; m->next++)
		if (!m->ignored && !m->rows[m->next].found)
			m->rows[m->next] = m->before;
}

static void emit(struct machine *m)
{
	end_row_before(m);
	m->has_before = true;
	m->before_address = m->address;
	m->before = (struct dwarf_row){
		.found = true,
		.file = (uint32_t)MIN(m->file, (uint64_t)UINT32_MAX),
		.line = m->line,
		.column = (uint32_t)MIN(m->column, (uint64_t)UINT32_MAX),
	};
}

static void advance(struct machine *m, uint64_t operations)
{
	const struct dwarf_line_program *p = m->program;

	if (p->max_operations == 1) {
		m->address += operations * p->min_length;
		return;
	}
	operations += m->operation;
	m->address += operations / p->max_operations * p->min_length;
	m->operation = operations % p->max_operations;
}

static void special(struct machine *m, uint8_t opcode)
{
	const struct dwarf_line_program *p = m->program;
	unsigned int adjusted = (unsigned int)(opcode - p->opcode_base);

	advance(m, adjusted / p->line_range);
	m->line += (uint32_t)(p->line_base + (int)(adjusted % p->line_range));
	emit(m);
}

static void extended(struct machine *m, struct cursor *c)
{
	struct cursor body = cursor_take(c, cursor_uleb(c));

	switch (cursor_u8(&body)) {
	case DW_LNE_end_sequence:
		end_row_before(m);
		reset(m);
		return;
	case DW_LNE_set_address:
		m->address = cursor_left(&body) >= 8 ? cursor_u64(&body) : cursor_u32(&body);
		m->operation = 0;
		return;
	default: /* define_file: nobody writes it; discriminators */
		return;
	}
}

static void standard(struct machine *m, struct cursor *c, uint8_t opcode)
{
	const struct dwarf_line_program *p = m->program;

	switch (opcode) {
	case DW_LNS_copy:
		emit(m);
		return;
	case DW_LNS_advance_pc:
		advance(m, cursor_uleb(c));
		return;
	case DW_LNS_advance_line:
		m->line += (uint32_t)cursor_sleb(c);
		return;
	case DW_LNS_set_file:
		m->file = cursor_uleb(c);
		return;
	case DW_LNS_set_column:
		m->column = cursor_uleb(c);
		return;
	case DW_LNS_const_add_pc:
		advance(m, (255U - p->opcode_base) / p->line_range);
		return;
	case DW_LNS_fixed_advance_pc:
		m->address += cursor_u16(c);
		m->operation = 0;
		return;
	default: /* flags, and what later versions may add */
		for (unsigned int i = 0; i < p->lengths[opcode]; i++)
			cursor_uleb(c);
		return;
	}
}

void dwarf_line_run(const struct dwarf_line_program *p, const uint64_t *addresses, size_t n,
		    uint64_t lowest, struct dwarf_row *ret)
{
	struct cursor c = p->code;
	struct machine m = {
		.program = p,
		.addresses = addresses,
		.n = n,
		.lowest = lowest,
		.rows = ret,
	};

	reset(&m);
	while (cursor_left(&c) > 0 && !c.bad) {
		uint8_t opcode = cursor_u8(&c);

		if (opcode >= p->opcode_base)
			special(&m, opcode);
		else if (opcode == 0)
			extended(&m, &c);
		else
			standard(&m, &c, opcode);
	}
}

/*
 * With one slash at its end, or empty: directory 0 of the older versions is not in the list.
 */
static void directory_name(const struct dwarf_line_program *p, uint64_t i, char *buffer,
			   size_t size)
{
	size_t length;

	buffer[0] = '\0';
	if (i < p->directories.n)
		dwarf_unit_string(&p->shape, &p->directories.list[i].name, buffer, size - 1);
	length = strlen(buffer);
	if (length > 0 && buffer[length - 1] != '/')
		strcpy(buffer + length, "/");
}

bool dwarf_line_file(const struct dwarf_line_program *p, uint64_t file, char *buffer, size_t size)
{
	const char *comp_dir = p->unit->comp_dir ? p->unit->comp_dir : "";
	char name[MAX_PATH], directory[MAX_PATH];
	const struct entry *e;

	buffer[0] = '\0';
	if (file >= p->files.n || (file == 0 && p->shape.version < 5))
		return false;
	e = &p->files.list[file];
	if (!dwarf_unit_string(&p->shape, &e->name, name, sizeof(name)) || name[0] == '\0')
		return false;
	directory_name(p, e->directory, directory, sizeof(directory));
	if (name[0] == '/')
		snprintf(buffer, size, "%s", name);
	else if (directory[0] == '/' || comp_dir[0] == '\0')
		snprintf(buffer, size, "%s%s", directory, name);
	else
		snprintf(buffer, size, "%s/%s%s", comp_dir, directory, name);
	return true;
}
