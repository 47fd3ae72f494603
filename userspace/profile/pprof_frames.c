/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What identifies a mapping is the same on every host and in every process, so that profiles can be
 * merged: google/pprof compares size (rounded up to 4 KiB), file offset, and build id or name, and
 * takes addresses relative to the mapping's start. All sizes here depend on the file alone, or are
 * constants.
 *
 * How it can be wrong: an offset of an ELF file outside of its executable segments (data that is
 * executed, a mapping made by hand) has no ELF address. It gets its place in a second mapping of
 * that file, by offset, and without build id: who looks it up there later has no use of it.
 */
#include "profile/pprof_frames.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/intern.h"
#include "process/executable.h"
#include "process/process.h"
#include "profile/quality.h"
#include "profile/sample.h"
#include "symbolize/symbolizer.h"

#define PAGE 4096ULL

/* Offsets of frames have 40 bits (abi.h). */
#define FILE_LIMIT (ABI_FRAME_OFFSET_MASK + 1)
/* User addresses are below, kernel addresses above, on every architecture. */
#define USER_LIMIT (1ULL << 63)
/*
 * The same for every kernel. More than the text of any (x86 gives the whole image 1 GiB at most),
 * and it does not pass the end of the address space wherever KASLR has put the start.
 */
#define KERNEL_SIZE (1ULL << 30)

/* The name tells which symbol the mapping begins at; readers that have a vmlinux want to know. */
#define KERNEL_NAME	  "[kernel.kallsyms]_stext"
#define KERNEL_OTHER_NAME "[kernel]" /* modules, BPF programs; everything if _stext is hidden */
#define ANONYMOUS_NAME	  "//anon"
#define MISSING_NAME	  "[truncated]"
#define NOTES_NAME	  "[notes]"
#define PROCESSES_NAME	  "[processes]"

struct known_frame {
	uint64_t address;
	uint64_t owner; /* the executable or process, as a number */
	uint32_t kind, guessed;
};

int pprof_frames_init(struct pprof_frames *f, struct pprof_tables *tables,
		      struct symbolizer *symbolizer)
{
	*f = (struct pprof_frames){
		.tables = tables,
		.symbolizer = symbolizer,
		.known = intern_new(),
		.executables = intern_new(),
	};
	if (!f->known || !f->executables)
		return -ENOMEM;
	symbolizer_kernel_range(symbolizer, &f->kernel_start, &f->kernel_end);
	if (f->kernel_start > UINT64_MAX - KERNEL_SIZE)
		f->kernel_start = f->kernel_end = 0;
	return 0;
}

void pprof_frames_done(struct pprof_frames *f)
{
	intern_free(f->known);
	intern_free(f->executables);
	free(f->frames);
	free(f->locations);
	free(f->files);
	*f = (struct pprof_frames){};
}

static uint32_t add_mapping(struct pprof_frames *f, const char *file, const char *build_id,
			    struct mapping_key key)
{
	key.file = pprof_tables_string(f->tables, file);
	key.build_id = pprof_tables_string(f->tables, build_id);
	if (!key.file || !key.build_id)
		return 0;
	return pprof_tables_mapping(f->tables, &key);
}

static void format_build_id(const struct executable *x, char text[2 * BUILD_ID_MAX + 1])
{
	static const char digits[] = "0123456789abcdef";
	size_t n = MIN((size_t)x->build_id_size, (size_t)BUILD_ID_MAX);

	for (size_t i = 0; i < n; i++) {
		text[2 * i] = digits[x->build_id[i] >> 4];
		text[2 * i + 1] = digits[x->build_id[i] & 15];
	}
	text[2 * n] = '\0';
}

/*
 * All executable segments of a file as one range of whole pages, as a loader maps them. Addresses
 * and offsets are congruent modulo the page size in every file that can be loaded; in one that is
 * not the range stays as it is. False if the addresses make no sense.
 */
static bool segments_range(const struct executable *x, struct mapping_key *ret)
{
	struct mapping_key key = { .start = UINT64_MAX };

	for (uint32_t i = 0; i < x->n_segments; i++) {
		const struct executable_segment *s = &x->segments[i];
		uint64_t end;

		if (__builtin_add_overflow(s->address, s->size, &end) || end > UINT64_MAX - PAGE)
			return false;
		if (s->address < key.start) {
			key.start = s->address;
			key.offset = s->offset;
		}
		key.limit = MAX(key.limit, end);
	}
	if (x->n_segments == 0 || key.start >= key.limit)
		return false;
	if (key.start % PAGE == key.offset % PAGE) {
		key.start -= key.start % PAGE;
		key.offset -= key.offset % PAGE;
	}
	key.limit = (key.limit + PAGE - 1) & ~(PAGE - 1);
	*ret = key;
	return true;
}

/* NULL when out of memory. Valid until the next call. */
static struct file_place *place_of(struct pprof_frames *f, const struct executable *x)
{
	uint32_t count = intern_count(f->executables), id;

	if (pprof_reserve(&f->files, &f->files_allocated, count, sizeof(*f->files)) < 0)
		return NULL;
	id = intern_bytes(f->executables, &x, sizeof(x));
	if (id == 0)
		return NULL;
	if (id > count) {
		f->files[count] = (struct file_place){};
		if (x->readable)
			segments_range(x, &f->files[count].segments);
	}
	return &f->files[id - 1];
}

/* The mapping of a range of an executable, made at its first use and remembered in @mapping. */
static uint32_t file_mapping(struct pprof_frames *f, const struct executable *x,
			     const struct mapping_key *range, bool has_build_id, uint32_t *mapping)
{
	char build_id[2 * BUILD_ID_MAX + 1] = "";

	if (*mapping == 0) {
		if (has_build_id)
			format_build_id(x, build_id);
		*mapping = add_mapping(f, x->path && x->path[0] ? x->path : "[unknown]", build_id,
				       *range);
	}
	return *mapping;
}

static uint32_t file_place(struct pprof_frames *f, const struct frame *frame, uint64_t *ret_address)
{
	const struct executable *x = frame->executable;
	const struct mapping_key everything = { .limit = FILE_LIMIT };
	struct file_place *place = place_of(f, x);
	uint64_t address;

	if (!place)
		return 0;
	address = executable_address(x, frame->address);
	if (address >= place->segments.start && address < place->segments.limit &&
	    executable_segment_of(x, frame->address)) {
		*ret_address = address;
		return file_mapping(f, x, &place->segments, true, &place->mapping);
	}
	*ret_address = MIN(frame->address, FILE_LIMIT - 1);
	return file_mapping(f, x, &everything, !x->readable, &place->outside);
}

static uint32_t kernel_place(struct pprof_frames *f, uint64_t address)
{
	struct mapping_key core = {
		.start = f->kernel_start,
		.limit = f->kernel_start + KERNEL_SIZE,
	};
	struct mapping_key other = { .start = USER_LIMIT, .limit = UINT64_MAX };

	if (address >= f->kernel_start && address < MIN(f->kernel_end, core.limit))
		return add_mapping(f, KERNEL_NAME, "", core);
	return add_mapping(f, KERNEL_OTHER_NAME, "", other);
}

/* The mapping of a frame and its address there, which is never 0: readers drop such frames. */
static uint32_t frame_place(struct pprof_frames *f, const struct frame *frame,
			    uint64_t *ret_address)
{
	uint64_t address = frame->address;
	uint32_t mapping;

	switch (frame->kind) {
	case FRAME_FILE:
		mapping = file_place(f, frame, &address);
		break;
	case FRAME_KERNEL:
		mapping = kernel_place(f, address);
		break;
	default:
		address = MIN(address, USER_LIMIT - 1);
		mapping = add_mapping(f, ANONYMOUS_NAME, "",
				      (struct mapping_key){ .limit = USER_LIMIT });
		break;
	}
	*ret_address = MAX(address, 1ULL);
	return mapping;
}

static uint32_t add_function(struct pprof_frames *f, const struct symbol *symbol)
{
	uint32_t name = pprof_tables_string(f->tables, symbol->name);
	struct function_key key = {
		.name = name,
		.system_name = symbol->system_name == symbol->name
				       ? name
				       : pprof_tables_string(f->tables, symbol->system_name),
		.file = pprof_tables_string(f->tables, symbol->file),
		.start_line = symbol->start_line,
	};

	if (!key.name || !key.system_name || !key.file)
		return 0;
	return pprof_tables_function(f->tables, &key);
}

static int look_up(struct pprof_frames *f, const struct wanted_frame *w, struct frame_location *ret)
{
	struct symbol symbols[LOCATION_MAX_LINES];
	struct location_key key = {};
	bool unnamed = false;

	key.mapping = frame_place(f, &w->frame, &key.address);
	if (!key.mapping)
		return -ENOMEM;
	key.n_lines = (uint32_t)symbolizer_frame(f->symbolizer, &w->frame, w->process, symbols,
						 LOCATION_MAX_LINES);
	for (uint32_t i = 0; i < key.n_lines; i++) {
		key.lines[i].function = add_function(f, &symbols[i]);
		key.lines[i].line = symbols[i].line;
		key.lines[i].column = symbols[i].column;
		if (!key.lines[i].function)
			return -ENOMEM;
		unnamed |= symbols[i].unnamed;
		if (symbols[i].unnamed)
			ret->why = symbols[i].why;
	}
	ret->unnamed = unnamed;
	ret->location = pprof_tables_location(f->tables, &key);
	return ret->location ? 0 : -ENOMEM;
}

uint32_t pprof_frames_number(struct pprof_frames *f, const struct frame *frame,
			     struct process *process)
{
	struct known_frame key = {
		.address = frame->address,
		.kind = frame->kind,
		.guessed = frame->guessed,
	};
	uint32_t count = intern_count(f->known), id;

	if (frame->kind == FRAME_FILE)
		key.owner = (uintptr_t)frame->executable;
	else if (frame->kind == FRAME_ADDRESS)
		key.owner = (uintptr_t)process;
	/* Room first: what is known has a frame and a location. */
	if (pprof_reserve(&f->frames, &f->frames_allocated, count, sizeof(*f->frames)) < 0 ||
	    pprof_reserve(&f->locations, &f->locations_allocated, count, sizeof(*f->locations)) < 0)
		return 0;
	id = intern_bytes(f->known, &key, sizeof(key));
	if (id > count) {
		f->frames[count] = (struct wanted_frame){ *frame, process, 0 };
		f->locations[count] = (struct frame_location){};
	}
	return id;
}

void pprof_frames_prepare(struct pprof_frames *f)
{
	uint32_t count = intern_count(f->known);
	_cleanup_free_ struct wanted_frame *wanted = calloc(MAX(count, 1U), sizeof(*wanted));
	uint64_t weight = 0;
	size_t n = 0;

	/* Without memory for it they are asked for one by one. */
	for (uint32_t i = 0; wanted && i < count; i++) {
		weight += f->frames[i].weight;
		if (f->locations[i].location == 0)
			wanted[n++] = f->frames[i];
	}
	symbolizer_prepare(f->symbolizer, wanted, n, weight);
}

int pprof_frames_get(struct pprof_frames *f, uint32_t number, struct frame_location *ret)
{
	struct frame_location *known = &f->locations[number - 1];

	if (known->location == 0) {
		int r = look_up(f, &f->frames[number - 1], known);

		if (r < 0)
			return r;
	}
	*ret = *known;
	return 0;
}

/* A location in a mapping of no file; @limit is above @address. */
static uint32_t add_made_up(struct pprof_frames *f, const char *file, uint64_t limit,
			    uint64_t address, const char *name)
{
	struct symbol symbol = { .name = name, .system_name = name };
	struct location_key key = {
		.address = address,
		.n_lines = 1,
		.mapping = add_mapping(f, file, "", (struct mapping_key){ .limit = limit }),
	};

	key.lines[0].function = add_function(f, &symbol);
	if (!key.mapping || !key.lines[0].function)
		return 0;
	return pprof_tables_location(f->tables, &key);
}

static uint32_t add_missing(struct pprof_frames *f, uint64_t address, const char *name)
{
	return add_made_up(f, MISSING_NAME, PAGE, address, name);
}

/* Scrapers compare stacks by addresses alone, so each text has its own. */
uint32_t pprof_frames_note(struct pprof_frames *f, const char *text)
{
	uint64_t address = 1 + (uint32_t)hash_bytes(text, strlen(text));

	return add_made_up(f, NOTES_NAME, FILE_LIMIT, address, text);
}

uint32_t pprof_frames_truncated(struct pprof_frames *f, unsigned int end)
{
	char name[64];

	snprintf(name, sizeof(name), "[truncated: %s]", quality_end_name(end));
	return add_missing(f, 2 + end, name);
}

uint32_t pprof_frames_no_stack(struct pprof_frames *f)
{
	return add_missing(f, 1, "[no stack]");
}

uint32_t pprof_frames_main_mapping(struct pprof_frames *f, const char *path)
{
	uint32_t file, found;

	if (!path)
		return add_mapping(f, PROCESSES_NAME, "", (struct mapping_key){ .limit = 1 });
	file = pprof_tables_string(f->tables, path);
	if (!file)
		return 0;
	found = pprof_tables_mapping_of_file(f->tables, file);
	if (found)
		return found;
	return add_mapping(f, path, "", (struct mapping_key){ .limit = FILE_LIMIT });
}
