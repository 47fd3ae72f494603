/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/table_builder.h"
#include "unwind/row_writer.h"
#include "unwind/table_landing.h"
#include "unwind/table_spans.h"
#include "elf/eh_frame_program.h"
#include "elf/go_binary.h"
#include "base/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* No section of call frame information seen yet had more than 40 MiB. */
#define MAX_SECTION (256U << 20)

/* Sections of call frame information, numbered as their span_source; SPAN_GO stays empty. */
#define N_CFI (SPAN_DEBUG_FILE + 1)

struct builder {
	const struct elf_image *image;
	struct spans spans;
	struct cfi_index cfi[N_CFI];
	void *cfi_data[N_CFI];
	struct go_binary go;
	struct row_writer *writer;
	struct unwind_table_stats stats;
};

static void builder_done(struct builder *b)
{
	for (size_t i = 0; i < N_CFI; i++) {
		cfi_index_done(&b->cfi[i]);
		free(b->cfi_data[i]);
	}
	go_binary_done(&b->go);
	free(b->spans.at);
	row_writer_free(b->writer);
}

/* A section that cannot be had is a section less; only want of memory ends the build. */
static int refuse_section(struct builder *b, int error)
{
	if (error == -ENOMEM)
		return error;
	b->stats.sections_refused++;
	return 0;
}

static int add_span(struct builder *b, uint64_t start, uint64_t end, enum span_source source,
		    uint32_t number)
{
	int r = spans_add(&b->spans, b->image, start, end, source, number);

	if (r == -ENOENT) {
		b->stats.outside++;
		return 0;
	}
	return r;
}

/* Takes over @section->data. */
static int add_cfi(struct builder *b, enum span_source source, const struct cfi_section *section,
		   void *data)
{
	struct cfi_index *index = &b->cfi[source];
	int r;

	b->cfi_data[source] = data;
	r = cfi_index_read(section, index);
	if (r)
		return refuse_section(b, r);
	if (source == SPAN_EH_FRAME)
		b->stats.fdes_eh_frame = (uint32_t)index->n_fdes;
	else
		b->stats.fdes_debug_frame += (uint32_t)index->n_fdes;
	for (size_t i = 0; !r && i < index->n_fdes; i++)
		r = add_span(b, index->fdes[i].start, index->fdes[i].end, source, (uint32_t)i);
	return r;
}

static int add_section(struct builder *b, enum span_source source, const struct elf_image *image,
		       const Elf64_Shdr *header)
{
	struct cfi_section section = {
		.address = header->sh_addr,
		.debug_frame = source != SPAN_EH_FRAME,
	};
	void *data;
	int r;

	r = elf_image_copy(image, header, MAX_SECTION, &data, &section.size);
	if (r)
		return refuse_section(b, r);
	section.data = data;
	return add_cfi(b, source, &section, data);
}

/*
 * Where .eh_frame begins according to PT_GNU_EH_FRAME: version, three encodings, and the pointer
 * (Linux Standard Base, Core, 10.6.2).
 */
static bool find_eh_frame(const struct elf_image *image, uint64_t *ret_address)
{
	for (uint32_t i = 0; i < image->n_segments; i++) {
		const Elf64_Phdr *p = &image->segments[i];
		uint8_t header[12];
		struct cfi_section section = { .data = header,
					       .size = sizeof(header),
					       .address = p->p_vaddr };
		struct cursor c = cursor_of(header, sizeof(header));

		if (p->p_type != PT_GNU_EH_FRAME ||
		    elf_image_read(image, header, sizeof(header), p->p_offset))
			continue;
		cursor_skip(&c, 4);
		return header[0] == 1 && cfi_read_pointer(&section, &c, header[1], ret_address);
	}
	return false;
}

/* Nothing says where the section ends, but the segment that it lies in ends it. */
static int add_eh_frame_by_segment(struct builder *b)
{
	struct cfi_section section = { .open_end = true };
	const Elf64_Phdr *p;
	Elf64_Shdr whole = {};
	void *data;
	int r;

	if (!find_eh_frame(b->image, &section.address))
		return 0;
	p = elf_image_segment_at(b->image, section.address);
	if (!p)
		return refuse_section(b, -EBADMSG);
	whole.sh_offset = p->p_offset + (section.address - p->p_vaddr);
	whole.sh_size = p->p_filesz - (section.address - p->p_vaddr);
	r = elf_image_copy(b->image, &whole, MAX_SECTION, &data, &section.size);
	if (r)
		return refuse_section(b, r);
	section.data = data;
	return add_cfi(b, SPAN_EH_FRAME, &section, data);
}

static int add_eh_frame(struct builder *b)
{
	const Elf64_Shdr *section = elf_image_section(b->image, ".eh_frame");

	return section ? add_section(b, SPAN_EH_FRAME, b->image, section)
		       : add_eh_frame_by_segment(b);
}

static int add_debug_frame(struct builder *b, enum span_source source,
			   const struct elf_image *image)
{
	const Elf64_Shdr *section = image ? elf_image_debug_section(image, ".debug_frame") : NULL;

	return section ? add_section(b, source, image, section) : 0;
}

/*
 * The signal trampoline begins one byte early, in the padding of the function before it, see
 * table_synthetic.c.
 */
static int add_go_functions(struct builder *b)
{
	struct pclntab_function f, next;
	int r = 0;

	for (uint32_t i = 0; !r && i < b->go.table.n_functions; i++) {
		if (!pclntab_function(&b->go.table, i, &f)) {
			b->stats.refused.truncated++;
			continue;
		}
		if (f.kind == PCLNTAB_SIGNAL)
			f.start--;
		if (i + 1 < b->go.table.n_functions &&
		    pclntab_function(&b->go.table, i + 1, &next) && next.kind == PCLNTAB_SIGNAL &&
		    f.end - f.start > 1)
			f.end--;
		b->stats.go_functions++;
		r = add_span(b, f.start, f.end, SPAN_GO, i);
	}
	return r;
}

static int add_go(struct builder *b)
{
	int r = go_binary_open(b->image, &b->go);

	if (r == -ENODATA)
		return 0;
	return r < 0 ? refuse_section(b, r) : add_go_functions(b);
}

/* Rows of one span on their way to the writer. */
struct output {
	struct builder *builder;
	const struct span *span;
	uint64_t from; /* file offset; what is below was described by another */
	uint64_t pc;   /* of the last row, and its rule */
	struct unwind_rule rule;
};

static uint64_t offset_of(const struct output *o, uint64_t pc)
{
	return o->span->start + (pc > o->span->address ? pc - o->span->address : 0);
}

static void put_row(struct output *o, uint64_t pc, const struct unwind_rule *rule)
{
	uint64_t offset = offset_of(o, pc);

	if (offset < o->span->end)
		row_writer_add(o->builder->writer, MAX(offset, o->from), rule);
}

/* What is in force before @pc is said more exactly, where it is known, see table_landing.h. */
static void put_landing(struct output *o, uint64_t pc)
{
	uint8_t code[LANDING_MAX_CODE];
	struct landing l;
	uint64_t size;

	if (pc <= o->pc || offset_of(o, pc) >= o->span->end)
		return;
	size = MIN(pc - o->pc, sizeof(code));
	if (elf_image_read(o->builder->image, code, size, offset_of(o, pc) - size) ||
	    !landing_find(code, size, &o->rule, &l))
		return;
	put_row(o, pc - size + l.call, &l.target);
	if (l.store < size)
		put_row(o, pc - size + l.store, &l.pad);
	o->builder->stats.synthetic++;
}

static void write_row(void *userdata, uint64_t pc, const struct unwind_rule *rule)
{
	struct output *o = userdata;

	if (landing_ends(rule))
		put_landing(o, pc);
	put_row(o, pc, rule);
	o->pc = pc;
	o->rule = *rule;
}

static void write_span(struct builder *b, const struct span *s, uint64_t from)
{
	struct output o = { .builder = b, .span = s, .from = from, .pc = s->address };
	struct pclntab_function f;

	switch (s->source) {
	case SPAN_GO:
		if (pclntab_function(&b->go.table, s->number, &f))
			pclntab_rows(&b->go.table, &f, write_row, &o);
		break;
	case SPAN_RULE:
		row_writer_add(b->writer, from, span_rule(s->number));
		break;
	default:
		cfi_fde_run(&b->cfi[s->source], &b->cfi[s->source].fdes[s->number], write_row, &o);
	}
}

static void write_rows(struct builder *b)
{
	uint64_t covered = 0;

	for (size_t i = 0; i < b->spans.n; i++) {
		const struct span *s = &b->spans.at[i];

		if (s->start < covered)
			b->stats.overlapping++;
		if (s->end <= covered)
			continue;
		if (covered && s->start > covered && s->start - covered > SPANS_PADDING) {
			row_writer_add(b->writer, covered, NULL);
			b->stats.gaps++;
		}
		write_span(b, s, MAX(s->start, covered));
		covered = s->end;
	}
	row_writer_add(b->writer, covered, NULL);
}

static void add_refusals(struct unwind_table_stats *stats, const struct cfi_refusals *refused)
{
#define X(name, help) stats->refused.name += refused->name;
	CFI_REFUSALS(X)
#undef X
}

static int collect(struct builder *b, const struct elf_image *debug)
{
	int r;

	r = add_eh_frame(b);
	if (!r)
		r = add_debug_frame(b, SPAN_DEBUG_FRAME, b->image);
	if (!r)
		r = add_debug_frame(b, SPAN_DEBUG_FILE, debug);
	if (!r)
		r = add_go(b);
	if (r)
		return r;
	spans_sort(&b->spans);
	return spans_add_synthetic(&b->spans, b->image, &b->stats.synthetic);
}

static bool is_x86_64(const struct elf_image *image)
{
	return image->header.e_machine == EM_X86_64 &&
	       image->header.e_ident[EI_CLASS] == ELFCLASS64;
}

int unwind_table_build_image(const struct elf_image *image, const struct elf_image *debug,
			     struct unwind_table **ret)
{
	_cleanup_(builder_done)
	struct builder b = { .image = image };
	int r;

	if (!is_x86_64(image))
		return -ENOEXEC;
	if (debug && !is_x86_64(debug))
		debug = NULL;
	b.writer = row_writer_new();
	if (!b.writer)
		return -ENOMEM;
	r = collect(&b, debug);
	if (r)
		return r;
	write_rows(&b);
	for (size_t i = 0; i < N_CFI; i++)
		add_refusals(&b.stats, &b.cfi[i].refused);
	return row_writer_finish(b.writer, &b.stats, ret);
}

int unwind_table_build(int fd, int debug_fd, struct unwind_table **ret)
{
	_cleanup_(elf_image_done)
	struct elf_image image = { .fd = -1 };
	_cleanup_(elf_image_done)
	struct elf_image debug = { .fd = -1 };
	bool has_debug;
	int r;

	r = elf_image_open(fd, &image);
	if (r)
		return r;
	has_debug = debug_fd >= 0 && !elf_image_open(debug_fd, &debug);
	return unwind_table_build_image(&image, has_debug ? &debug : NULL, ret);
}
