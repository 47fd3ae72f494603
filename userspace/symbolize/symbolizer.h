/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names for frames. Tables are built when a name is first wanted, kept with the executable, and
 * bounded in sum; what was not used for longest goes first. Every frame gets a name: one that has
 * no symbol is called "libfoo.so+0x1234" (ELF virtual address) and counts as unnamed.
 *
 * Files that others have written are parsed by the workers.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profile/sample.h"
#include "symbolize/demangle.h"
#include "symbolize/unnamed.h"

struct debuginfod;
struct executable_table;
struct jit_programs;
struct process;
struct process_table;
struct sideband_event;
struct symbolizer;
struct worker;

#define SYMBOL_MAX_INLINED 32

/* A function at a frame. The strings are valid UTF-8 and live until symbolizer_trim(). */
struct symbol {
	const char *name;	 /* demangled */
	const char *system_name; /* as in the symbol table; equals name if nothing was demangled */
	const char *file;	 /* source file, NULL if not known */
	uint32_t line;		 /* 0 = not known */
	uint32_t column;	 /* 0 = not known */
	uint32_t start_line;	 /* 0 = not known */
	bool unnamed;		 /* no symbol was found: the name is made up */
	enum unnamed_reason why; /* then, the reason */
};

struct symbolizer_options {
	const char *debug_directories; /* as in debug_file.h; NULL = the default */
	struct debuginfod *debuginfod; /* borrowed; NULL = none */
	const char *modules;	       /* "/proc/modules" if NULL */
	const char *kallsyms;	       /* "/proc/kallsyms" if NULL; "" = none */
	const char *notes;	       /* of the kernel: "/sys/kernel/notes" if NULL */
	const char *root;	       /* where its vmlinux is looked for; "/" if NULL */
	const char *proc;	       /* "/proc" if NULL */
	size_t memory_budget;	       /* bytes of all tables together; 0 = 64 MiB */
	struct worker *worker;	       /* borrowed: parses files; NULL = in this process */
	unsigned int symbol_job;       /* the worker's number of symbol_job_run() */
	unsigned int jit_job;	       /* the same of jit_job_run() */
	struct worker *line_worker;    /* borrowed: the same for source lines; can be @worker */
	unsigned int line_job;	       /* the worker's number of line_job_run() */
	bool without_lines;	       /* names only */
	uint64_t patience_ns; /* that symbolizer_prepare() waits; 0 = 400 ms, or less if what is
				 missing is of little weight */
	uint64_t retry_ns;    /* when a file that failed is tried again; 0 = 10 minutes */
	bool without_proc;    /* replay: no perf maps, no running kernel */
	enum demangle_form demangle;	 /* of names that are handed out */
	struct process_table *processes; /* borrowed: who has mapped a jitdump; NULL = nobody */
};

#define SYMBOLIZER_COUNTERS(X)                                                                     \
	X(frames_looked_up, "frames for which a name was asked")                                   \
	X(frames_unnamed, "frames for which there was none")                                       \
	X(tables_loaded, "executables of which names were read")                                   \
	X(tables_asked, "times that a file was read for one or more names")                        \
	X(tables_evicted,                                                                          \
	  "symbol tables dropped: over the memory budget, or not used for a while")                \
	X(tables_failed, "files whose symbols could not be read")                                  \
	X(debug_files_failed, "debug files that could not be read")                                \
	X(tables_crashed, "of these, files on which the parser crashed")                           \
	X(tables_timed_out, "of these, files on which it was ended because it took too long")      \
	X(lines_frames, "frames served with a source line")                                        \
	X(lines_late, "frames served without, because it was not found in time")                   \
	X(lines_asked, "times that a file was read for source lines")                              \
	X(lines_failed, "of these, files that could not be read")                                  \
	X(lines_crashed, "of these, files on which the parser crashed")                            \
	X(lines_timed_out, "of these, files on which it was ended because it took too long")       \
	X(lines_evicted, "executables whose lines were dropped to save memory, or not used")       \
	X(lines_split_missing, "files of split debug information that were not found")             \
	X(lines_units_refused, "units of debug information that were damaged or too large")        \
	X(lines_sections_compressed,                                                               \
	  "files with debug information compressed in an unknown way, or too much of it")          \
	X(perf_maps_loaded, "perf maps of processes read")                                         \
	X(perf_maps_cut, "times that a limit kept the rest of a perf map from being read")         \
	X(perf_maps_failed, "perf maps that could not be read")                                    \
	X(perf_map_lines_bad, "lines of perf maps that could not be understood")                   \
	X(jitdumps_loaded, "jitdumps of processes read")                                           \
	X(jitdumps_cut, "times that a limit kept the rest of a jitdump from being read")           \
	X(jitdumps_failed, "jitdumps that could not be read, or were none")                        \
	X(jitdump_records_bad, "records of jitdumps that could not be understood")                 \
	X(kernel_symbols, "kernel symbols known")

struct symbolizer_stats {
#define X(name, help) uint64_t name;
	SYMBOLIZER_COUNTERS(X)
#undef X
	uint64_t unnamed[UNNAMED_COUNT]; /* of frames_unnamed, by reason */
};

int symbolizer_new(const struct symbolizer_options *o, struct executable_table *executables,
		   struct symbolizer **ret);
struct symbolizer *symbolizer_free(struct symbolizer *s);

struct wanted_frame {
	struct frame frame;
	struct process *process; /* borrowed */
	uint64_t weight;	 /* what it is worth to wait for it: samples that have it; 0 = 1 */
};

/*
 * Begins to look these frames up, in the background: their names and lines are asked for in one go,
 * an executable at a time.
 */
void symbolizer_want(struct symbolizer *s, const struct wanted_frame *wanted, size_t n);
/*
 * The same, and waits for what was asked, then or before; but no longer than patience_ns, and less
 * the less weight that has of all the @weight there is (0 = what these frames have). What
 * comes later is there for the next profile. Without it frames that are new have no names yet,
 * unless files are parsed in this process.
 */
void symbolizer_prepare(struct symbolizer *s, const struct wanted_frame *wanted, size_t n,
			uint64_t weight);

/*
 * The functions at a frame of @process, innermost inlined one first; at least one, at most @max
 * (1 or more). Returns how many. When memory runs out the name says so; it never fails.
 */
size_t symbolizer_frame(struct symbolizer *s, const struct frame *frame, struct process *process,
			struct symbol *ret, size_t max);

/* Whether all is known about a frame by now, or that there is nothing. Asks nobody. */
bool symbolizer_knows(const struct symbolizer *s, const struct frame *frame);

/* The address of the first byte of kernel text (_stext), 0 if it is hidden; and of its end. */
void symbolizer_kernel_range(struct symbolizer *s, uint64_t *ret_start, uint64_t *ret_end);
/* The same of the functions by which a task gives up its CPU; 0 and 0 if they are not known. */
void symbolizer_kernel_scheduler(struct symbolizer *s, uint64_t *ret_start, uint64_t *ret_end);

/* A debug file that was asked for is there: names are looked up anew. */
void symbolizer_debug_file_arrived(struct symbolizer *s, const uint8_t *build_id, size_t size);

/* Kernel code came or went (BPF programs), or this was lost. */
void symbolizer_kernel_changed(struct symbolizer *s, const struct sideband_event *event);

/*
 * Begins to read what is new in the perf map and the jitdump of a process. To be called at the end
 * of each window for processes with frames in code without a file.
 */
void symbolizer_refresh_process(struct symbolizer *s, struct process *process);
/* Whether a reference to the process is held. */
bool symbolizer_has_process(const struct symbolizer *s, const struct process *process);
/* The process is gone for good: drop what is kept for it. */
void symbolizer_forget_process(struct symbolizer *s, const struct process *process);

/* Brings memory back within the budget. Strings handed out before are invalid afterwards. */
void symbolizer_trim(struct symbolizer *s);
/*
 * Drops the symbol tables of files that were not used for SYMBOLIZER_IDLE_NS; within twice that.
 * What JIT compilers wrote stays: it may not be there to be read again.
 */
#define SYMBOLIZER_IDLE_NS (150 * 1000000000ULL)
void symbolizer_expire(struct symbolizer *s, uint64_t now);

void symbolizer_get_stats(const struct symbolizer *s, struct symbolizer_stats *ret);
/* Programs whose compiled code has no names. Borrowed, until the next call. */
const struct jit_programs *symbolizer_jit_programs(const struct symbolizer *s);
size_t symbolizer_memory(const struct symbolizer *s);
