/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What profd would put into a profile for addresses of a file: the symbolizer with its parser
 * processes, without a process that is profiled.
 *
 *     addresses FILE [DEBUG-DIRECTORIES [ROUNDS]] < addresses
 *
 * Reads ELF virtual addresses (hexadecimal) and prints for each what llvm-symbolizer prints, with
 * names as they are in the file (system_name) and the line that the function starts at. With ROUNDS
 * it prints nothing of that, asks so many times, and tells what it took.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "parser.h"
#include "process/executable.h"
#include "symbolize/symbolizer.h"
#include "worker/worker.h"

#define FILE_ID	 1000 /* small ones are taken */
#define PATIENCE (120 * NS_PER_S)

struct tool {
	struct worker *worker, *line_worker;
	struct executable_table *executables;
	struct executable *executable;
	struct symbolizer *symbolizer;
	struct wanted_frame *wanted;
	size_t n;
};

static void die(const char *what, int error)
{
	fprintf(stderr, "addresses: %s: %s\n", what, strerror(-error));
	exit(1);
}

static bool offset_of(const struct executable *x, uint64_t address, uint64_t *ret)
{
	for (uint32_t i = 0; i < x->n_segments; i++) {
		const struct executable_segment *s = &x->segments[i];

		if (address < s->address || address - s->address >= s->size)
			continue;
		*ret = s->offset + (address - s->address);
		return true;
	}
	return false;
}

static void read_addresses(struct tool *t)
{
	size_t allocated = 0;
	char line[64];

	while (fgets(line, sizeof(line), stdin)) {
		struct frame frame = { .kind = FRAME_FILE, .executable = t->executable };

		if (!offset_of(t->executable, strtoull(line, NULL, 16), &frame.address))
			continue;
		if (t->n == allocated) {
			allocated = allocated ? allocated * 2 : 1024;
			t->wanted = reallocarray(t->wanted, allocated, sizeof(*t->wanted));
			if (!t->wanted)
				die("addresses", -ENOMEM);
		}
		t->wanted[t->n++] = (struct wanted_frame){ .frame = frame };
	}
}

static void set_up(struct tool *t, const char *path, const char *directories)
{
	static const struct executable_table_options executables = { .without_proc = true };
	struct symbolizer_options options = {
		.debug_directories = directories,
		.kallsyms = "",
		.symbol_job = PARSER_SYMBOLS,
		.line_job = PARSER_LINES,
		.patience_ns = PATIENCE,
		.without_proc = true,
	};
	struct error e;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int r = fd < 0 ? -errno : parser_new(WORKER_NORMAL, &t->worker, &e);

	if (r == 0)
		r = parser_new_for_lines(&t->line_worker, &e);
	if (r == 0)
		r = executable_table_new(&executables, &t->executables);
	if (r == 0)
		r = executable_table_add(t->executables, FILE_ID, fd, path, &t->executable);
	if (r < 0)
		die(path, r);
	close(fd);
	options.worker = t->worker;
	options.line_worker = t->line_worker;
	r = symbolizer_new(&options, t->executables, &t->symbolizer);
	if (r < 0)
		die("symbolizer", r);
}

static void tear_down(struct tool *t)
{
	symbolizer_free(t->symbolizer);
	executable_table_free(t->executables);
	worker_free(t->worker);
	worker_free(t->line_worker);
	free(t->wanted);
}

static void print_frame(struct tool *t, const struct frame *frame)
{
	struct symbol symbols[SYMBOL_MAX_INLINED];
	size_t n = symbolizer_frame(t->symbolizer, frame, NULL, symbols, SYMBOL_MAX_INLINED);

	printf("0x%" PRIx64 "\n", executable_address(t->executable, frame->address));
	for (size_t i = 0; i < n; i++)
		printf("%s\n%s:%u:%u %u\n", symbols[i].unnamed ? "??" : symbols[i].system_name,
		       symbols[i].file ? symbols[i].file : "??", symbols[i].line, symbols[i].column,
		       symbols[i].start_line);
	printf("\n");
}

/* Of this process: others on the machine do not count. */
static double cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1000 + (double)t.tv_nsec / (double)NS_PER_MS;
}

static double ms_since(uint64_t then)
{
	return (double)(clock_monotonic_ns() - then) / (double)NS_PER_MS;
}

/* The peak of the memory of a process, in MB; 0 if it is gone. */
static double peak_mb(const char *pid, const char *name)
{
	char path[64], line[256], comm[64] = "";
	_cleanup_fclose_ FILE *f = NULL;
	unsigned long kb = 0, parent = 0;

	snprintf(path, sizeof(path), "/proc/%.16s/status", pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "Name: %63s", comm) == 1)
			continue;
		if (sscanf(line, "PPid: %lu", &parent) == 1)
			continue;
		sscanf(line, "VmHWM: %lu kB", &kb);
	}
	return parent == (unsigned long)getpid() && strcmp(comm, name) == 0 ? (double)kb / 1024 : 0;
}

static double parsers_peak_mb(void)
{
	_cleanup_closedir_ DIR *proc = opendir("/proc");
	const struct dirent *d;
	double most = 0;

	while (proc && (d = readdir(proc)))
		if (d->d_name[0] >= '1' && d->d_name[0] <= '9')
			most = MAX(most, peak_mb(d->d_name, "profd-parser"));
	return most;
}

static size_t name_all(struct tool *t)
{
	struct symbol symbols[SYMBOL_MAX_INLINED];
	size_t n = 0;

	for (size_t i = 0; i < t->n; i++)
		n += symbolizer_frame(t->symbolizer, &t->wanted[i].frame, NULL, symbols,
				      SYMBOL_MAX_INLINED);
	return n;
}

static void measure(struct tool *t, unsigned int rounds)
{
	uint64_t start = clock_monotonic_ns();
	size_t functions = 0;
	double ms;

	symbolizer_prepare(t->symbolizer, t->wanted, t->n, 0);
	name_all(t);
	printf("first_ms %.1f\n", ms_since(start));
	ms = cpu_ms();
	for (unsigned int i = 0; i < rounds; i++)
		functions += name_all(t);
	ms = cpu_ms() - ms;
	printf("addresses %zu\nfunctions %zu\n", t->n, functions / MAX(rounds, 1U));
	printf("cached_per_second %.0f\n", (double)functions / ms * 1000);
	printf("parser_peak_mb %.1f\nown_mb %.1f\n", parsers_peak_mb(),
	       (double)symbolizer_memory(t->symbolizer) / (1 << 20));
}

int main(int argc, char **argv)
{
	struct tool tool = {};
	struct tool *t = &tool;

	if (argc < 2 || argc > 4) {
		fputs("usage: addresses FILE [DEBUG-DIRECTORIES [ROUNDS]] < addresses\n", stderr);
		return 2;
	}
	set_up(t, argv[1], argc > 2 ? argv[2] : NULL);
	read_addresses(t);
	if (argc > 3) {
		measure(t, (unsigned int)strtoul(argv[3], NULL, 10));
	} else if (t->n > 0) {
		symbolizer_prepare(t->symbolizer, t->wanted, t->n, 0);
		for (size_t i = 0; i < t->n; i++)
			print_frame(t, &t->wanted[i].frame);
	}
	tear_down(t);
	return 0;
}
