/* SPDX-License-Identifier: Apache-2.0 */
/* From what is found in a unit to chains. */
#include "elf/dwarf.h"

#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "elf/dwarf_reader.h"

#define MAX_SPLIT 64U

struct job {
	struct dwarf_reader reader;
	struct dwarf_place *places;
	uint32_t n;
	struct line_builder *builder;
	struct dwarf_wants *wants;
	uint8_t *incomplete;
};

/* Code is not below the first executable segment; addresses there are what a linker threw away. */
static uint64_t lowest_code(const struct elf_image *image)
{
	uint64_t lowest = UINT64_MAX;

	for (uint32_t i = 0; i < image->n_segments; i++)
		if (image->segments[i].p_type == PT_LOAD && image->segments[i].p_flags & PF_X)
			lowest = MIN(lowest, image->segments[i].p_vaddr);
	return lowest == UINT64_MAX ? 1 : MAX(lowest, (uint64_t)1);
}

/* What is known of the addresses of one unit. */
struct found {
	struct dwarf_target *targets;
	struct dwarf_hop *hops;
	uint64_t *addresses;
	struct dwarf_row *rows;
	struct dwarf_line_program *lines; /* NULL = none */
	size_t n;
};

static void found_done(struct found *f)
{
	free(f->targets);
	free(f->hops);
	free(f->addresses);
	free(f->rows);
	dwarf_line_free(f->lines);
}

static int found_init(struct found *f, const struct dwarf_place *places, size_t n)
{
	*f = (struct found){
		.n = n,
		.targets = calloc(n, sizeof(*f->targets)),
		.hops = calloc(n * LINE_MAX_CHAIN, sizeof(*f->hops)),
		.addresses = calloc(n, sizeof(*f->addresses)),
		.rows = calloc(n, sizeof(*f->rows)),
	};
	if (!f->targets || !f->hops || !f->addresses || !f->rows)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		f->addresses[i] = places[i].address;
		f->targets[i].address = places[i].address;
		f->targets[i].index = places[i].index;
		f->targets[i].hops = &f->hops[i * LINE_MAX_CHAIN];
	}
	return 0;
}

/* Room for a chain's strings, which are copied when it is set. */
struct chain {
	struct line_frame frames[LINE_MAX_CHAIN];
	struct dwarf_name names[LINE_MAX_CHAIN];
	char files[LINE_MAX_CHAIN][LINE_MAX_STRING + 1];
};

/* Frame 0 is where the row says, each other one where it calls the one before. */
static void fill_frame(struct job *j, struct dwarf_unit *u, const struct found *f, size_t i,
		       size_t k, struct chain *c)
{
	const struct dwarf_target *t = &f->targets[i];
	const struct dwarf_row *row = &f->rows[i];
	/* Hops are outermost first, frames innermost. */
	const struct dwarf_hop *hop = t->n_hops ? &t->hops[t->n_hops - 1 - k] : NULL;
	const struct dwarf_hop *callee = k > 0 ? &t->hops[t->n_hops - k] : NULL;
	uint64_t file = callee ? callee->call_file : row->file;
	struct line_frame *frame = &c->frames[k];
	struct dwarf_name *name = &c->names[k];

	*frame = (struct line_frame){ .name = "", .file = c->files[k] };
	c->files[k][0] = '\0';
	if (f->lines && (callee || row->found))
		dwarf_line_file(f->lines, file, c->files[k], sizeof(c->files[k]));
	frame->line = callee ? callee->call_line : row->line;
	frame->column = callee ? callee->call_column : row->column;
	if (!hop)
		return;
	dwarf_name_of(&j->reader, u, hop->offset, name);
	frame->name = name->name;
	/* A function of which this is in an included file did not start there. */
	if (!name->same_unit || name->file == file || (!row->found && !callee))
		frame->start_line = name->line;
}

static int set_chain(struct job *j, struct dwarf_unit *u, const struct found *f, size_t i,
		     struct chain *c)
{
	const struct dwarf_target *t = &f->targets[i];
	size_t n = MAX(t->n_hops, 1U);

	if (t->n_hops == 0 && !f->rows[i].found)
		return 0;
	for (size_t k = 0; k < n; k++)
		fill_frame(j, u, f, i, k, c);
	return line_builder_set(j->builder, t->index, c->frames, n);
}

/* Whether there was room for one more. */
static bool want_split(struct job *j, const struct dwarf_unit *u, const struct dwarf_place *places,
		       size_t n)
{
	bool has_room = j->wants->n < DWARF_MAX_WANTED;
	uint8_t number = has_room ? (uint8_t)(j->wants->n + 1) : DWARF_NOT_LISTED;
	struct dwarf_wanted *w;

	for (size_t i = 0; i < n; i++)
		j->incomplete[places[i].index] = number;
	if (!has_room)
		return false;
	w = &j->wants->list[j->wants->n++];
	w->id = u->dwo_id;
	strncpy(w->name, u->dwo_name, sizeof(w->name) - 1);
	strncpy(w->directory, u->comp_dir ? u->comp_dir : "", sizeof(w->directory) - 1);
	return true;
}

/*
 * The unit with the functions: @main itself, or what it is the skeleton of. NULL = it is in a file
 * for which there was no room.
 */
static struct dwarf_unit *unit_with_functions(struct job *j, struct dwarf_unit *main,
					      struct dwarf_unit *split,
					      const struct dwarf_place *places, size_t n)
{
	if (!main->dwo_name || !main->has_dwo_id)
		return main;
	if (dwarf_split_open(&j->reader, main, split) == 0)
		return split;
	return want_split(j, main, places, n) ? main : NULL;
}

static int find_in_unit(struct job *j, struct dwarf_unit *main, struct dwarf_unit *u,
			struct found *f, struct chain *chain)
{
	int r = 0;

	if (main->has_line && dwarf_line_open(main, &f->lines) == 0)
		dwarf_line_run(f->lines, f->addresses, f->n, j->reader.lowest, f->rows);
	if (dwarf_unit_load(u) < 0 || dwarf_tree_find(&j->reader, u, f->targets, f->n) < 0)
		j->reader.stats->units_refused++;
	for (size_t i = 0; i < f->n && r == 0; i++)
		r = set_chain(j, u, f, i, chain);
	return r;
}

static int look_into_unit(struct job *j, const struct dwarf_place *places, size_t n,
			  struct chain *chain)
{
	struct dwarf_unit main, split = {}, *u;
	struct found found = {};
	int r = dwarf_unit_open(&j->reader.main, j->reader.abbrevs, places[0].unit, NULL, NULL,
				&main);

	if (r < 0)
		return r == -ENOMEM ? r : 0;
	j->reader.stats->units_read++;
	u = unit_with_functions(j, &main, &split, places, n);
	if (u)
		r = found_init(&found, places, n);
	if (u && r == 0)
		r = find_in_unit(j, &main, u, &found, chain);
	found_done(&found);
	dwarf_unit_done(&split);
	dwarf_unit_done(&main);
	return r;
}

static int compare_units(const void *a, const void *b)
{
	const struct dwarf_place *x = a, *y = b;

	if (x->unit != y->unit)
		return x->unit < y->unit ? -1 : 1;
	return (x->address > y->address) - (x->address < y->address);
}

static int look_into_units(struct job *j)
{
	_cleanup_free_ struct chain *chain = malloc(sizeof(*chain));
	uint32_t n;

	if (!chain)
		return -ENOMEM;
	qsort(j->places, j->n, sizeof(*j->places), compare_units);
	for (uint32_t i = 0; i < j->n; i += n) {
		const struct dwarf_place *first = &j->places[i];
		int r;

		for (n = 1; i + n < j->n && j->places[i + n].unit == first->unit; n++)
			;
		if (first->unit == UINT64_MAX)
			break;
		r = look_into_unit(j, first, n, chain);
		if (r < 0)
			return r;
	}
	return 0;
}

static int take_places(struct job *j, const uint64_t *addresses, uint32_t n)
{
	j->places = calloc(n ? n : 1, sizeof(*j->places));
	if (!j->places)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		if (!line_builder_has(j->builder, i))
			j->places[j->n++] = (struct dwarf_place){ .address = addresses[i],
								  .index = i,
								  .unit = UINT64_MAX };
	return 0;
}

static int open_files(struct dwarf_reader *r, const struct dwarf_lines_files *files)
{
	int error = dwarf_file_open(files->fd, false, &r->main);

	if (error < 0)
		return error;
	r->lowest = lowest_code(r->main.image);
	r->stats->sections_compressed += r->main.unknown_compression;
	/* Files beside it that cannot be read are as good as none. */
	if (files->alt_fd >= 0)
		error = dwarf_file_open(files->alt_fd, false, &r->alt);
	if (error == -ENOMEM)
		return error;
	if (r->alt.image)
		r->main.alt = &r->alt;
	r->split = calloc(MAX_SPLIT, sizeof(*r->split));
	r->abbrevs = dwarf_abbrev_cache_new();
	if (!r->split || !r->abbrevs)
		return -ENOMEM;
	for (size_t i = 0; i < files->n_split && r->n_split < MAX_SPLIT; i++) {
		error = dwarf_file_open(files->split[i], true, &r->split[r->n_split]);
		if (error == -ENOMEM)
			return error;
		r->n_split += error == 0;
	}
	return 0;
}

static void reader_done(struct dwarf_reader *r)
{
	for (uint32_t i = 0; i < DWARF_KEPT_UNITS; i++)
		dwarf_unit_done(&r->kept[i].unit);
	dwarf_abbrev_cache_free(r->abbrevs);
	for (uint32_t i = 0; i < r->n_split; i++)
		dwarf_file_done(&r->split[i]);
	free(r->split);
	dwarf_file_done(&r->main);
	dwarf_file_done(&r->alt);
}

int dwarf_lines(const struct dwarf_lines_files *files, const uint64_t *addresses, uint32_t n,
		struct line_builder *b, struct dwarf_wants *ret_wants, uint8_t *ret_incomplete,
		struct dwarf_lines_stats *ret_stats)
{
	struct job j = { .builder = b, .wants = ret_wants, .incomplete = ret_incomplete };
	int r;

	*ret_stats = (struct dwarf_lines_stats){};
	ret_wants->n = 0;
	j.reader.stats = ret_stats;
	r = open_files(&j.reader, files);
	if (r == 0)
		r = take_places(&j, addresses, n);
	if (r == 0 && dwarf_file_has_info(&j.reader.main)) {
		r = dwarf_find_units(&j.reader, j.places, j.n);
		if (r == 0)
			r = look_into_units(&j);
	}
	free(j.places);
	reader_done(&j.reader);
	return r;
}

bool dwarf_is_in(int fd)
{
	struct dwarf_file f;
	bool is_in;

	if (dwarf_file_open(fd, false, &f) < 0)
		return false;
	is_in = dwarf_file_has_info(&f);
	dwarf_file_done(&f);
	return is_in;
}
