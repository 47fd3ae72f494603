/* SPDX-License-Identifier: Apache-2.0 */
#include "slice.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "process/executable.h"
#include "process/process.h"
#include "unwind/table_manager.h"
#include "unwind/unwinder.h"

/* Mappings that one stack goes through; it ends as no_mapping where there are more. */
#define MAX_MAPPINGS 64

struct place {
	struct unwinder_mapping mapping; /* its file_id is the number of the place */
	struct executable *executable;	 /* NULL: no file, or one that was not found */
	bool is_file;
};

struct walk {
	const struct slice_world *world;
	const struct abi_sample *sample;
	const uint8_t *stack;
	uint64_t stack_start, stack_size;
	struct place places[MAX_MAPPINGS];
	uint32_t n_places;
	bool waits;   /* for a table that is being built */
	bool no_file; /* came to a file that was not found */
	bool behind;  /* wanted to read behind the end of the copy */
};

static int read_stack(void *userdata, uint64_t address, void *buffer, size_t size)
{
	struct walk *w = userdata;
	uint64_t at = address - w->stack_start;

	if (at > w->stack_size || size > w->stack_size - at) {
		w->behind |= address >= w->stack_start;
		return -EFAULT;
	}
	memcpy(buffer, w->stack + at, size);
	return 0;
}

/* Code that no file backs has a name like "//anon", or one in brackets. */
static bool is_path(const char *path)
{
	return (path[0] == '/' && path[1] != '/') || strcmp(path, "[vdso]") == 0;
}

static bool add_place(struct walk *w, uint64_t address, struct place **ret)
{
	const struct abi_sample *a = w->sample;
	struct place *place = &w->places[w->n_places];
	struct process_mapping m;

	if (w->n_places == MAX_MAPPINGS ||
	    process_table_mapping(w->world->processes, a->tgid, a->start_boottime, address, &m) < 0)
		return false;
	w->n_places++;
	*place = (struct place){
		.mapping = { .start = m.start,
			     .end = m.end,
			     .offset = m.offset,
			     .executable = true },
		.is_file = is_path(m.path),
	};
	if (place->is_file)
		place->executable = executable_table_of_mapping(
			w->world->executables, w->world->processes, a->tgid, a->start_boottime, &m);
	*ret = place;
	return true;
}

static bool find_mapping(void *userdata, uint64_t address, struct unwinder_mapping *ret)
{
	struct walk *w = userdata;
	struct place *place = NULL;

	for (uint32_t i = 0; i < w->n_places; i++) {
		if (address >= w->places[i].mapping.start && address < w->places[i].mapping.end)
			place = &w->places[i];
	}
	if (!place && !add_place(w, address, &place))
		return false;
	place->mapping.file_id = (uint32_t)(place - w->places) + 1;
	*ret = place->mapping;
	return true;
}

static const struct unwind_rule *find_rule(void *userdata, const struct unwinder_mapping *mapping,
					   uint64_t offset)
{
	struct walk *w = userdata;
	const struct place *place = &w->places[mapping->file_id - 1];

	if (!place->executable) {
		w->no_file |= place->is_file;
		return NULL;
	}
	table_manager_want(w->world->tables, place->executable);
	if (table_manager_state(w->world->tables, place->executable) == TABLE_waiting)
		w->waits = true;
	return table_manager_find(w->world->tables, place->executable, offset);
}

static struct frame frame_of(const struct walk *w, uint64_t word)
{
	struct frame f = {
		.kind = FRAME_ADDRESS,
		.guessed = word & ABI_FRAME_GUESSED,
		.address = word & ABI_FRAME_ADDRESS_MASK,
	};
	const struct place *place;
	uint32_t number;

	if (word >> ABI_FRAME_KIND_SHIFT != ABI_FRAME_FILE)
		return f;
	number = (uint32_t)(word >> ABI_FRAME_FILE_SHIFT) & ABI_FRAME_FILE_MASK;
	place = &w->places[number - 1];
	f.address = word & ABI_FRAME_OFFSET_MASK;
	if (place->executable) {
		f.kind = FRAME_FILE;
		f.executable = place->executable;
	} else {
		f.address += place->mapping.start - place->mapping.offset;
	}
	return f;
}

int slice_unwind(const struct slice_world *world, const struct abi_sample *sample,
		 const struct abi_slice *slice, bool impatient, struct frame *frames, size_t room,
		 struct slice_result *ret)
{
	struct walk w = {
		.world = world,
		.sample = sample,
		.stack = (const uint8_t *)(slice + 1),
		.stack_start = slice->regs[UNWIND_RSP],
		.stack_size = slice->size,
	};
	const struct unwinder_source source = {
		.userdata = &w,
		.read = read_stack,
		.find = find_mapping,
		.rule = find_rule,
	};
	struct unwinder_registers registers = { .pc = slice->pc, .after_call = slice->after_call };
	uint64_t words[ABI_MAX_USER_FRAMES];
	size_t n;
	int end;

	memcpy(registers.regs, slice->regs, sizeof(registers.regs));
	end = unwinder_run(&source, &registers, words, MIN(room, ARRAY_SIZE(words)), &n);
	if (w.waits && !impatient)
		return -EAGAIN;
	if (end != ABI_STACK_complete && (w.waits || w.no_file))
		end = ABI_STACK_no_table;
	else if (end == ABI_STACK_unreadable && w.behind && slice->cut)
		end = ABI_STACK_slice_cut;
	for (size_t i = 0; i < n; i++)
		frames[i] = frame_of(&w, words[i]);
	*ret = (struct slice_result){ .n_frames = n, .user_end = (uint8_t)end };
	return 0;
}
