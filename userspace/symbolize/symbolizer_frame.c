/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The name of a frame. One of a file has two sources: its symbol table, and its source lines with
 * the functions that were inlined. Both are asked of parser processes and may come too late for
 * this time. What is in the symbol table names the outermost, the real function; but where Go's
 * table of lines leaves out a function that its compiler has made, that is not the one that is
 * meant. The kernel is a file with lines, too, if its vmlinux is there; its symbol table is
 * kallsyms.
 */
#include "symbolize/symbolizer_object.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "profile/sample.h"
#include "symbolize/jit_runtime.h"

static enum unnamed_reason why(struct symbolizer *s, const struct frame *frame,
			       const struct process *process)
{
	struct executable_names_status status;
	enum unnamed_reason reason;
	uint64_t start, end;

	switch (frame->kind) {
	case FRAME_KERNEL:
		kernel_names_range(s->kernel, clock_monotonic_ns(), &start, &end);
		return start ? UNNAMED_kernel_unknown : UNNAMED_kernel_hidden;
	case FRAME_FILE:
		executable_names_status(frame->executable, &status);
		return status.why ? status.why : UNNAMED_no_symbol; /* out of memory */
	default:
		reason = process ? jit_names_why(s->jit, process) : UNNAMED_NOT;
		if (reason != UNNAMED_NOT)
			return reason;
		return process && jit_runtime_of(process->executable) ? UNNAMED_jit_without_map
								      : UNNAMED_anonymous;
	}
}

static const char *find(struct symbolizer *s, const struct frame *frame, struct process *process)
{
	switch (frame->kind) {
	case FRAME_KERNEL:
		return kernel_names_find(s->kernel, frame->address, clock_monotonic_ns());
	case FRAME_FILE:
		return executable_names_find(s->executables, frame->executable,
					     executable_address(frame->executable, frame->address),
					     symbolizer_pid_of(process), s->clock);
	default:
		return NULL; /* a line has its name: find_jit() */
	}
}

/* What a frame without a symbol is called. */
static struct cached_name make_up(struct symbolizer *s, const struct frame *frame,
				  enum unnamed_reason reason)
{
	const char *module = reason == UNNAMED_anonymous ? "[anon]" : "[jit]", *slash;
	uint64_t address = frame->address;
	char text[NAME_MAX + 32];

	if (frame->kind == FRAME_KERNEL) {
		module = "[kernel]";
	} else if (frame->kind == FRAME_FILE) {
		slash = strrchr(frame->executable->path, '/');
		module = slash ? slash + 1 : frame->executable->path;
		module = module[0] ? module : "[unknown]";
		address = executable_address(frame->executable, frame->address);
	}
	snprintf(text, sizeof(text), "%.*s+0x%" PRIx64, NAME_MAX, module, address);
	return name_cache_text(s->cache, text);
}

/* Code that the process has made and told of. */
static size_t find_jit(struct symbolizer *s, const struct frame *frame, struct process *process,
		       struct line_frame *ret)
{
	struct jit_symbol symbol;

	if (!process || !jit_names_find(s->jit, process, frame->address, s->clock, &symbol))
		return 0;
	*ret = (struct line_frame){
		.name = symbol.name,
		.file = symbol.file ? symbol.file : "",
		.line = symbol.line,
		.column = symbol.column,
	};
	return 1;
}

/* The file with the lines of a frame, and where it is in there; NULL if there is none. */
static struct executable *lines_of(const struct symbolizer *s, const struct frame *frame,
				   uint64_t *ret_address)
{
	if (!s->lines)
		return NULL;
	if (frame->kind == FRAME_FILE) {
		*ret_address = executable_address(frame->executable, frame->address);
		return frame->executable;
	}
	return frame->kind == FRAME_KERNEL && s->kernel_file
		       ? kernel_file_of(s->kernel_file, frame->address, 0, ret_address)
		       : NULL;
}

/* The source lines at a frame, innermost function first; 0 = none are known (yet). */
static size_t find_lines(struct symbolizer *s, const struct frame *frame, struct line_frame *ret,
			 size_t max)
{
	uint64_t address;
	struct executable *x = lines_of(s, frame, &address);
	bool late;
	size_t n;

	if (!x)
		return 0;
	n = executable_lines_find(s->lines, x, address, ret, max, s->clock, &late);
	s->lines_frames += n > 0;
	s->lines_late += late;
	return n;
}

static struct symbol symbol_of(struct symbolizer *s, const struct line_frame *line,
			       struct cached_name names)
{
	return (struct symbol){
		.name = names.name,
		.system_name = names.system_name,
		.file = line->file[0] ? name_cache_text(s->cache, line->file).name : NULL,
		.line = line->line,
		.column = line->column,
		.start_line = line->start_line,
	};
}

static void count_unnamed(struct symbolizer *s, enum unnamed_reason reason,
			  const struct process *process)
{
	s->frames_unnamed++;
	s->unnamed[reason]++;
	if (reason == UNNAMED_jit_without_map)
		jit_programs_count(&s->jit_programs, process->executable);
}

size_t symbolizer_frame(struct symbolizer *s, const struct frame *frame, struct process *process,
			struct symbol *ret, size_t max)
{
	enum unnamed_reason reason = UNNAMED_NOT;
	struct line_frame lines[SYMBOL_MAX_INLINED];
	struct cached_name names;
	const char *symbol;
	size_t n;

	s->clock++;
	s->frames_looked_up++;
	symbol = find(s, frame, process);
	n = frame->kind == FRAME_ADDRESS
		    ? find_jit(s, frame, process, lines)
		    : find_lines(s, frame, lines, MIN(max, (size_t)SYMBOL_MAX_INLINED));
	if (n == 0)
		lines[n++] = (struct line_frame){ .name = "", .file = "" };
	if ((!symbol || lines[n - 1].is_exact) && lines[n - 1].name[0])
		symbol = lines[n - 1].name;
	for (size_t i = 0; i + 1 < n; i++)
		ret[i] = symbol_of(s, &lines[i],
				   lines[i].name[0] ? name_cache_symbol(s->cache, lines[i].name)
						    : name_cache_text(s->cache, "[inlined]"));
	if (symbol) {
		names = frame->kind == FRAME_ADDRESS ? name_cache_jit(s->cache, symbol)
						     : name_cache_symbol(s->cache, symbol);
	} else {
		reason = why(s, frame, process);
		names = make_up(s, frame, reason);
		count_unnamed(s, reason, process);
	}
	ret[n - 1] = symbol_of(s, &lines[n - 1], names);
	ret[n - 1].unnamed = !symbol;
	ret[n - 1].why = reason;
	symbolizer_stay_in_budget(s, s->clock);
	return n;
}

bool symbolizer_knows(const struct symbolizer *s, const struct frame *frame)
{
	const struct executable *lines;
	uint64_t address;

	if (frame->kind == FRAME_ADDRESS) /* its map is read when the window ends */
		return false;
	if (frame->kind == FRAME_FILE &&
	    !executable_names_are_settled(frame->executable,
					  executable_address(frame->executable, frame->address)))
		return false;
	lines = lines_of(s, frame, &address);
	return !lines || executable_lines_are_settled(lines, address);
}
