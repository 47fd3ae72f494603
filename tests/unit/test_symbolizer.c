/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The symbolizer over executables and processes that this file makes up: of the process room only
 * what is used is here, so nothing of it is linked.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "process/executable.h"
#include "process/process.h"
#include "process/sideband.h"
#include "profile/sample.h"
#include "scratch.h"
#include "skip.h"
#include "symbol_image.h"
#include "symbolize/symbolizer.h"

/* The executable that can be opened now, and how often it was. */
struct executable_table {
	int fd; /* -errno = it cannot be opened */
	int opened;
};

int executable_table_open(struct executable_table *t, struct executable *x)
{
	(void)x;
	t->opened++;
	return t->fd;
}

uint64_t executable_address(const struct executable *x, uint64_t offset)
{
	for (uint32_t i = 0; i < x->n_segments; i++)
		if (offset - x->segments[i].offset < x->segments[i].size)
			return x->segments[i].address + (offset - x->segments[i].offset);
	return offset;
}

struct process *process_ref(struct process *p)
{
	p->refs++;
	return p;
}

struct process *process_unref(struct process *p)
{
	if (p)
		p->refs--;
	return NULL;
}

/* What the process has mapped: its jitdump, or nothing. */
struct process_table {
	const char *jitdump;
};

int process_table_each_mapping(struct process_table *t, const struct process *p,
			       int (*visit)(const struct process_mapping *m, void *userdata),
			       void *userdata)
{
	const struct process_mapping other = { .path = "/usr/bin/node" };
	const struct process_mapping m = { .path = t->jitdump };
	int r = visit(&other, userdata);

	(void)p;
	return r == 0 && t->jitdump ? visit(&m, userdata) : r;
}

static const struct image_symbol symbols[] = {
	{ "main", 0x1000, 16, STT_FUNC, STB_GLOBAL, 0 },
	{ "_ZN3foo3barEi", 0x1010, 16, STT_FUNC, STB_GLOBAL, 0 },
	{ "bad\xff\nname", 0x1020, 16, STT_FUNC, STB_GLOBAL, 0 },
	{},
};

struct world {
	struct executable_table table;
	struct executable executable;
	struct executable_segment segment;
	struct process process;
	struct process_table processes;
	struct symbolizer *symbolizer;
	char proc[SCRATCH_SIZE], kallsyms[80];
};

static int setup(void **state)
{
	static const char kallsyms[] = "ffffffff81000000 T _stext\nffffffff81000010 T do_one\n"
				       "ffffffff81000020 T _etext\n";
	struct world *w = calloc(1, sizeof(*w));

	w->table.fd = image_open(&(struct image){ .symtab = symbols });
	w->segment = (struct executable_segment){ 0x400, 0x2000, 0x1000 };
	w->executable = (struct executable){
		.path = strdup("/usr/lib/libfoo.so"),
		.readable = true,
		.n_segments = 1,
		.segments = &w->segment,
	};
	w->process = (struct process){ .tgid = 4242 };
	assert_int_equal(scratch_make(w->proc), 0);
	snprintf(w->kallsyms, sizeof(w->kallsyms), "%s/kallsyms", w->proc);
	image_write_file(w->kallsyms, kallsyms, strlen(kallsyms));
	assert_int_equal(symbolizer_new(&(struct symbolizer_options){ .kallsyms = w->kallsyms,
								      .proc = w->proc,
								      .processes = &w->processes },
					&w->table, &w->symbolizer),
			 0);
	*state = w;
	return 0;
}

static const char *in_proc(const struct world *w, const char *path)
{
	static char full[256];

	snprintf(full, sizeof(full), "%s/%s", w->proc, path);
	return full;
}

static void free_names(struct executable *x)
{
	if (x->names)
		x->names_free(x->names);
	x->names = NULL;
}

static int teardown(void **state)
{
	struct world *w = *state;

	symbolizer_free(w->symbolizer);
	assert_null(w->executable.names);
	assert_int_equal(w->process.refs, 0);
	assert_int_equal(scratch_remove(w->proc), 0);
	free(w->executable.path);
	if (w->table.fd >= 0)
		close(w->table.fd);
	free(w);
	return 0;
}

static struct symbol name_frame(struct world *w, enum frame_kind kind, uint64_t address)
{
	const struct frame frame = {
		.kind = (uint8_t)kind,
		.address = address,
		.executable = kind == FRAME_FILE ? &w->executable : NULL,
	};
	struct symbol s = {};

	assert_int_equal(symbolizer_frame(w->symbolizer, &frame, &w->process, &s, 1), 1);
	assert_null(s.file);
	assert_int_equal(s.line, 0);
	return s;
}

static struct symbolizer_stats stats(const struct world *w)
{
	struct symbolizer_stats s;

	symbolizer_get_stats(w->symbolizer, &s);
	return s;
}

static void assert_unnamed(struct symbol s, const char *name)
{
	assert_true(s.unnamed);
	assert_string_equal(s.name, name);
	assert_ptr_equal(s.name, s.system_name);
}

static void test_file(void **state)
{
	struct world *w = *state;
	struct symbol s = name_frame(w, FRAME_FILE, 0x405);

	assert_string_equal(s.name, "main");
	assert_ptr_equal(s.name, s.system_name);
	assert_false(s.unnamed);
	s = name_frame(w, FRAME_FILE, 0x410);
	assert_string_equal(s.name, "foo::bar");
	assert_string_equal(s.system_name, "_ZN3foo3barEi");
	s = name_frame(w, FRAME_FILE, 0x420);
	assert_string_equal(s.name, "bad\xef\xbf\xbd\xef\xbf\xbdname");
	/* No symbol: the ELF virtual address. Outside of all segments: the offset. */
	assert_unnamed(name_frame(w, FRAME_FILE, 0x500), "libfoo.so+0x1100");
	assert_unnamed(name_frame(w, FRAME_FILE, 0x10), "libfoo.so+0x10");
	assert_int_equal(w->table.opened, 1);
	assert_int_equal(stats(w).frames_looked_up, 5);
	assert_int_equal(stats(w).frames_unnamed, 2);
	assert_int_equal(stats(w).tables_loaded, 1);
}

static void test_file_that_cannot_be_read(void **state)
{
	struct world *w = *state;

	close(w->table.fd);
	w->table.fd = -ESTALE;
	assert_unnamed(name_frame(w, FRAME_FILE, 0x405), "libfoo.so+0x1005");
	assert_unnamed(name_frame(w, FRAME_FILE, 0x405), "libfoo.so+0x1005");
	assert_int_equal(w->table.opened, 1);
	assert_int_equal(stats(w).tables_failed, 1);
	/* Too many open files passes. */
	free_names(&w->executable);
	w->table.fd = -EMFILE;
	name_frame(w, FRAME_FILE, 0x405);
	w->table.fd = image_open(&(struct image){ .symtab = symbols });
	assert_string_equal(name_frame(w, FRAME_FILE, 0x405).name, "main");
	/* Not ELF at all: it is not even tried. */
	free_names(&w->executable);
	w->executable.readable = false;
	w->table.opened = 0;
	assert_unnamed(name_frame(w, FRAME_FILE, 0x405), "libfoo.so+0x1005");
	assert_int_equal(w->table.opened, 0);
}

static void test_executable_goes_first(void **state)
{
	struct world *w = *state;

	name_frame(w, FRAME_FILE, 0x405);
	assert_non_null(w->executable.names);
	free_names(&w->executable);
	assert_string_equal(name_frame(w, FRAME_FILE, 0x405).name, "main");
}

/* The vdso is a file like any other: what the process room opens for it is a copy of its memory. */
static int open_vdso(void)
{
	_cleanup_fclose_ FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long start, end;
	char line[512];

	while (fgets(line, sizeof(line), maps))
		if (strstr(line, "[vdso]") && sscanf(line, "%lx-%lx", &start, &end) == 2)
			return image_fd((const void *)start, end - start);
	return -1;
}

static void test_vdso(void **state)
{
	struct world *w = *state;
	bool found = false;

	close(w->table.fd);
	w->table.fd = open_vdso();
	if (w->table.fd < 0)
		skip_because("there is no vdso");
	strcpy(w->executable.path, "[vdso]");
	w->executable.n_segments = 0;
	for (uint64_t offset = 0; offset < 0x4000 && !found; offset += 16)
		found = strstr(name_frame(w, FRAME_FILE, offset).name, "clock_gettime");
	assert_true(found);
}

static void test_kernel(void **state)
{
	struct world *w = *state;
	uint64_t start, end;

	assert_string_equal(name_frame(w, FRAME_KERNEL, 0xffffffff81000014).name, "do_one");
	assert_unnamed(name_frame(w, FRAME_KERNEL, 0xffffffff81000024),
		       "[kernel]+0xffffffff81000024");
	symbolizer_kernel_range(w->symbolizer, &start, &end);
	assert_int_equal(start, 0xffffffff81000000);
	assert_int_equal(end, 0xffffffff81000020);
	assert_int_equal(stats(w).kernel_symbols, 2);
	symbolizer_kernel_changed(w->symbolizer,
				  &(struct sideband_event){ .type = SIDEBAND_KSYMBOL,
							    .address = 0xffffffffc0000000,
							    .size = 16,
							    .name = "bpf_prog_x" });
	assert_string_equal(name_frame(w, FRAME_KERNEL, 0xffffffffc0000004).name,
			    "bpf_prog_x [bpf]");
	assert_int_equal(stats(w).kernel_symbols, 3);
}

static void test_jit(void **state)
{
	struct world *w = *state;
	const char *path = "4242/root/tmp/perf-4242.map";

	assert_unnamed(name_frame(w, FRAME_ADDRESS, 0x7f0000001234), "[anon]+0x7f0000001234");
	image_write_file(in_proc(w, path), "7f0000001000 1000 JS:f\nbad\n", 27);
	/* That there was none is remembered until told to look again. */
	name_frame(w, FRAME_ADDRESS, 0x7f0000001234);
	assert_int_equal(stats(w).perf_maps_loaded, 0);
	symbolizer_refresh_process(w->symbolizer, &w->process);
	assert_string_equal(name_frame(w, FRAME_ADDRESS, 0x7f0000001234).name, "JS:f");
	assert_int_equal(stats(w).perf_maps_loaded, 1);
	assert_int_equal(stats(w).perf_map_lines_bad, 1);
	/* The process ends, its file goes, what was read stays. */
	w->process.exit_time = 1;
	remove(in_proc(w, path));
	symbolizer_refresh_process(w->symbolizer, &w->process);
	assert_string_equal(name_frame(w, FRAME_ADDRESS, 0x7f0000001234).name, "JS:f");
	assert_int_equal(w->process.refs, 1);
	symbolizer_forget_process(w->symbolizer, &w->process);
	assert_int_equal(w->process.refs, 0);
	assert_unnamed(name_frame(w, FRAME_ADDRESS, 0x7f0000001234), "[anon]+0x7f0000001234");
}

/* An @ is part of what a compiler calls its code, here of a package. */
static void test_jit_whole_names(void **state)
{
	static const char map[] = "7f0000001000 100 JS:* /n/@babel/core/lib/index.js:12:15\n"
				  "7f0000002000 100 JS:* /n/@types\n"
				  "7f0000003000 100 f@GLIBC_2.33\n";
	struct world *w = *state;

	image_write_file(in_proc(w, "4242/root/tmp/perf-4242.map"), map, sizeof(map) - 1);
	assert_string_equal(name_frame(w, FRAME_ADDRESS, 0x7f0000001004).name,
			    "JS:* /n/@babel/core/lib/index.js:12:15");
	assert_string_equal(name_frame(w, FRAME_ADDRESS, 0x7f0000002004).name, "JS:* /n/@types");
	assert_string_equal(name_frame(w, FRAME_ADDRESS, 0x7f0000003004).name, "f@GLIBC_2.33");
	symbolizer_forget_process(w->symbolizer, &w->process);
}

struct __attribute__((packed)) small_jitdump {
	uint32_t header[10];
	struct __attribute__((packed)) {
		uint32_t id, size;
		uint64_t time, address, n, line_address;
		uint32_t line, column;
		char file[8];
	} info;
	struct __attribute__((packed)) {
		uint32_t id, size;
		uint64_t time;
		uint32_t pid, tid;
		uint64_t vma, address, code_size, index;
		char name[8];
		uint8_t code[16];
	} load;
};

static void write_jitdump(const struct world *w, const char *path)
{
	const struct small_jitdump d = {
		.header = { 0x4a695444, 1, sizeof(d.header), EM_X86_64 },
		.info = { .id = 2,
			  .size = sizeof(d.info),
			  .address = 0x7f0000002000,
			  .n = 1,
			  .line_address = 0x7f0000002004,
			  .line = 17,
			  .column = 3,
			  .file = "/a.js" },
		.load = { .size = sizeof(d.load),
			  .address = 0x7f0000002000,
			  .code_size = sizeof(d.load.code),
			  .index = 1,
			  .name = "JS:g" },
	};

	image_write_file(in_proc(w, path), (const char *)&d, sizeof(d));
}

/* Code of the process whose source line is known. */
static struct symbol name_line(struct world *w, uint64_t address)
{
	const struct frame f = { .address = address, .kind = FRAME_ADDRESS };
	struct symbol s[2];

	assert_int_equal(symbolizer_frame(w->symbolizer, &f, &w->process, s, 2), 1);
	assert_false(s[0].unnamed);
	return s[0];
}

static void test_jitdump(void **state)
{
	struct world *w = *state;
	struct symbol s;

	write_jitdump(w, "4242/root/tmp/jit-4242.dump");
	write_jitdump(w, "4242/root/tmp/jit-1.dump");
	image_write_file(in_proc(w, "4242/root/tmp/perf-4242.map"), "7f0000001000 2000 JS:f\n", 23);
	/* Of another process, as a child has that of its parent. */
	w->processes.jitdump = "/tmp/jit-1.dump";
	symbolizer_refresh_process(w->symbolizer, &w->process);
	assert_int_equal(stats(w).jitdumps_loaded, 0);
	assert_string_equal(name_frame(w, FRAME_ADDRESS, 0x7f0000002000).name, "JS:f");
	w->processes.jitdump = "/tmp/jit-4242.dump";
	symbolizer_refresh_process(w->symbolizer, &w->process);
	assert_int_equal(stats(w).jitdumps_loaded, 1);
	assert_string_equal(name_frame(w, FRAME_ADDRESS, 0x7f0000001fff).name, "JS:f");
	assert_string_equal(name_frame(w, FRAME_ADDRESS, 0x7f0000002010).name, "JS:f");
	s = name_frame(w, FRAME_ADDRESS, 0x7f0000002003);
	assert_string_equal(s.name, "JS:g");
	assert_null(s.file);
	s = name_line(w, 0x7f0000002004);
	assert_string_equal(s.name, "JS:g");
	assert_string_equal(s.file, "/a.js");
	assert_int_equal(s.line, 17);
	assert_int_equal(s.column, 3);
	assert_int_equal(s.start_line, 0);
	assert_int_equal(stats(w).jitdump_records_bad, 0);
	symbolizer_forget_process(w->symbolizer, &w->process);
	assert_int_equal(w->process.refs, 0);
}

/* What a compiler writes when it ends is read when it has ended. */
static void test_jitdump_of_the_dead(void **state)
{
	const char *path = "4242/root/tmp/jit-4242.dump";
	struct world *w = *state;

	w->processes.jitdump = "/tmp/jit-4242.dump";
	image_write_file(in_proc(w, path), "", 0);
	symbolizer_refresh_process(w->symbolizer, &w->process);
	assert_true(name_frame(w, FRAME_ADDRESS, 0x7f0000002004).unnamed);
	write_jitdump(w, path);
	w->process.exit_time = 1;
	symbolizer_refresh_process(w->symbolizer, &w->process);
	assert_string_equal(name_line(w, 0x7f0000002004).name, "JS:g");
	assert_int_equal(stats(w).jitdumps_failed, 0);
}

static void test_broken_jitdump(void **state)
{
	struct world *w = *state;

	w->processes.jitdump = "/tmp/jit-4242.dump";
	image_write_file(in_proc(w, "4242/root/tmp/jit-4242.dump"),
			 "this is what anybody can write into a file of that name", 55);
	symbolizer_refresh_process(w->symbolizer, &w->process);
	assert_true(name_frame(w, FRAME_ADDRESS, 0x7f0000002004).unnamed);
	symbolizer_refresh_process(w->symbolizer, &w->process);
	assert_int_equal(stats(w).jitdumps_failed, 1); /* and it is not read again */
}

static void test_replay(void **state)
{
	struct world *w = *state;

	symbolizer_free(w->symbolizer);
	assert_int_equal(symbolizer_new(&(struct symbolizer_options){ .kallsyms = w->kallsyms,
								      .proc = w->proc,
								      .without_proc = true },
					&w->table, &w->symbolizer),
			 0);
	image_write_file(in_proc(w, "4242/root/tmp/perf-4242.map"), "1000 1000 f\n", 12);
	symbolizer_refresh_process(w->symbolizer, &w->process);
	assert_true(name_frame(w, FRAME_ADDRESS, 0x1000).unnamed);
	assert_true(name_frame(w, FRAME_KERNEL, 0xffffffff81000014).unnamed);
	assert_string_equal(name_frame(w, FRAME_FILE, 0x405).name, "main");
}

/* Names outlive the tables they came from, and the least recently used table goes first. */
static void test_budget(void **state)
{
	enum { N = 8 };
	struct world *w = *state;
	struct executable_segment segment = { 0, 0x10000, 0 };
	struct executable many[N] = {};
	struct symbol first = {}, s;
	size_t empty;
	char long_name[1001] = {};
	const struct image_symbol large[] = {
		symbols[0], symbols[1], { long_name, 0x1100, 16, STT_FUNC, STB_GLOBAL, 0 }, {}
	};

	memset(long_name, 'x', sizeof(long_name) - 1);
	close(w->table.fd);
	w->table.fd = image_open(&(struct image){ .symtab = large });
	symbolizer_free(w->symbolizer);
	assert_int_equal(symbolizer_new(&(struct symbolizer_options){ .kallsyms = "",
								      .proc = w->proc,
								      .memory_budget = 8000 },
					&w->table, &w->symbolizer),
			 0);
	empty = symbolizer_memory(w->symbolizer);
	for (int i = 0; i < N; i++) {
		struct frame frame = { .address = 0x1004, .executable = &many[i] };

		many[i] = (struct executable){ .path = w->executable.path,
					       .readable = true,
					       .n_segments = 1,
					       .segments = &segment };
		symbolizer_frame(w->symbolizer, &frame, NULL, &s, 1);
		assert_string_equal(s.name, "main");
		if (i == 0)
			first = s;
	}
	assert_true(stats(w).tables_evicted > 0);
	assert_int_equal(stats(w).tables_loaded, N);
	assert_string_equal(first.name, "main");
	/* The one used last is still there, the first has to be read again. */
	w->table.opened = 0;
	symbolizer_frame(w->symbolizer,
			 &(struct frame){ .address = 0x1014, .executable = &many[N - 1] }, NULL, &s,
			 1);
	assert_int_equal(w->table.opened, 0);
	symbolizer_frame(w->symbolizer,
			 &(struct frame){ .address = 0x1014, .executable = &many[0] }, NULL, &s, 1);
	assert_int_equal(w->table.opened, 1);
	symbolizer_trim(w->symbolizer);
	assert_true(symbolizer_memory(w->symbolizer) <= empty + 8000);
	for (int i = 0; i < N; i++)
		free_names(&many[i]);
}

static void look_up(struct world *w)
{
	struct frame frame = { .address = 0x404, .executable = &w->executable };
	struct symbol s;

	symbolizer_frame(w->symbolizer, &frame, NULL, &s, 1);
	assert_string_equal(s.name, "main");
}

/* A table goes when it was not used for a period, and comes again when it is wanted. */
static void test_unused_tables_expire(void **state)
{
	struct world *w = *state;
	uint64_t now = NS_PER_S;

	look_up(w);
	for (int i = 0; i < 5; i++, now += SYMBOLIZER_IDLE_NS) {
		symbolizer_expire(w->symbolizer, now);
		look_up(w);
	}
	assert_int_equal(stats(w).tables_loaded, 1);
	symbolizer_expire(w->symbolizer, now);
	symbolizer_expire(w->symbolizer, now + SYMBOLIZER_IDLE_NS - 1);
	assert_int_equal(stats(w).tables_evicted, 0);
	symbolizer_expire(w->symbolizer, now + SYMBOLIZER_IDLE_NS);
	assert_int_equal(stats(w).tables_evicted, 1);
	look_up(w);
	assert_int_equal(stats(w).tables_loaded, 2);
}

#define with_world(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_world(test_file),
		with_world(test_file_that_cannot_be_read),
		with_world(test_executable_goes_first),
		with_world(test_vdso),
		with_world(test_kernel),
		with_world(test_jit),
		with_world(test_jit_whole_names),
		with_world(test_jitdump),
		with_world(test_jitdump_of_the_dead),
		with_world(test_broken_jitdump),
		with_world(test_replay),
		with_world(test_budget),
		with_world(test_unused_tables_expire),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
