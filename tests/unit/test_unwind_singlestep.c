/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The unwinder against the truth: a child is stepped instruction by instruction, and a list of the
 * return addresses that its calls pushed is kept. After every instruction the stack that the tables
 * give must be that list. This covers each instruction of prologues, epilogues, stubs and
 * signal frames that the child's work comes by, in this program and in the C library; and of an
 * exception, from the throw to the end of the handler.
 */
#include "base/cleanup.h"
#include "elf/elf_image.h"
#include "unwind/table_builder.h"
#include "unwind/unwinder.h"
#include "skip.h"

#include <alloca.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define MAX_STEPS 60000
#define MAX_DEPTH 512
#define MAX_MAPS  128

/* --- what the child does --- */

static volatile int sink;
static jmp_buf back;

static __attribute__((noinline)) int leaf(int n)
{
	return n * 3 + sink;
}

static __attribute__((noinline)) int spills(int a, int b, int c, int d, int e, int f, int g)
{
	int x = leaf(a), y = leaf(b), z = leaf(c), w = leaf(d);

	return x * leaf(e) + y * leaf(f) + z * leaf(g) + w;
}

static __attribute__((noinline)) int recurse(int n)
{
	volatile char room[200];

	room[n] = (char)n;
	return n ? recurse(n - 1) + room[n] : spills(1, 2, 3, 4, 5, 6, 7);
}

static __attribute__((noinline)) int on_alloca(int n)
{
	volatile char *room = alloca((size_t)n * 16);

	room[n] = 1;
	return leaf(room[n]) + recurse(n);
}

static __attribute__((noinline, force_align_arg_pointer)) int realigned(int n)
{
	volatile char room[64] __attribute__((aligned(64)));

	room[0] = (char)n;
	return recurse(room[0]) + on_alloca(room[0]);
}

static int compare_ints(const void *a, const void *b)
{
	return leaf(*(const int *)a) - leaf(*(const int *)b);
}

static void on_signal(int number)
{
	sink += recurse(2) + number * 0;
}

static __attribute__((noinline)) void jumps(int n)
{
	if (n > 1000)
		return; /* never, but the compiler must not know that it does not return */
	if (!n)
		longjmp(back, 1);
	jumps(n - 1);
	sink++;
}

static __attribute__((noinline)) void work(void)
{
	int numbers[] = { 5, 3, 9, 1, 7, 2 };
	double (*function)(double);
	void *library;
	struct timespec now;
	char text[64];

	clock_gettime(CLOCK_MONOTONIC, &now);
	sink += recurse(5) + on_alloca(7) + realigned(3);
	qsort(numbers, ARRAY_SIZE(numbers), sizeof(numbers[0]), compare_ints);
	snprintf(text, sizeof(text), "%d %s %.3f", numbers[0], "text", 3.25);
	sink += (int)strtod(text, NULL);
	if (!setjmp(back))
		jumps(4);
	kill(getpid(), SIGUSR1);
	free(strdup(text));
	library = dlopen("libm.so.6", RTLD_LAZY);
	function = library ? (double (*)(double))dlsym(library, "lgamma") : NULL;
	if (function)
		sink += (int)function(3.5);
}

static void child(void)
{
	signal(SIGUSR1, on_signal);
	ptrace(PTRACE_TRACEME, 0, 0, 0);
	raise(SIGSTOP);
	work();
	_exit(0);
}

/* --- what its parent knows of it --- */

struct map {
	struct unwinder_mapping mapping;
	char path[256];
};

struct world {
	pid_t pid;
	struct map maps[MAX_MAPS];
	size_t n_maps;
	struct {
		char path[256];
		struct unwind_table *table;
	} tables[32];
	size_t n_tables;
	struct unwind_table *vdso;
	struct {
		uint64_t slot;	  /* where the return address is on the stack */
		uint64_t address; /* what the frame word must be */
	} calls[MAX_DEPTH];
	size_t n_calls;
	unsigned int steps, wrong, incomplete, landings;
};

static int world_read(void *userdata, uint64_t address, void *buffer, size_t size)
{
	struct world *w = userdata;
	struct iovec to = { buffer, size };
	struct iovec from = { (void *)(uintptr_t)address, size };

	return process_vm_readv(w->pid, &to, 1, &from, 1, 0) == (ssize_t)size ? 0 : -EFAULT;
}

static const struct unwind_table *table_of(struct world *w, const char *path)
{
	_cleanup_close_ int fd = -1;
	struct unwind_table *table = NULL;

	for (size_t i = 0; i < w->n_tables; i++)
		if (!strcmp(w->tables[i].path, path))
			return w->tables[i].table;
	if (w->n_tables == ARRAY_SIZE(w->tables))
		return NULL;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || unwind_table_build(fd, -1, &table))
		return NULL;
	snprintf(w->tables[w->n_tables].path, sizeof(w->tables[0].path), "%s", path);
	w->tables[w->n_tables++].table = table;
	return table;
}

/* The vdso is the same in every process; here it is at hand. */
static const struct unwind_table *vdso_table(struct world *w, size_t size)
{
	const void *vdso = (const void *)getauxval(AT_SYSINFO_EHDR);
	struct unwind_table *table = NULL;
	struct elf_image image;

	if (w->vdso || !vdso || elf_image_of(vdso, size, &image))
		return w->vdso;
	if (!unwind_table_build_image(&image, NULL, &table))
		w->vdso = table;
	elf_image_done(&image);
	return w->vdso;
}

/* File ids stay NONE, so that frame words are addresses. */
static void read_maps(struct world *w)
{
	_cleanup_fclose_ FILE *f = NULL;
	char path[64], line[512], file[256];

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)w->pid);
	f = fopen(path, "re");
	assert_non_null(f);
	w->n_maps = 0;
	while (w->n_maps < MAX_MAPS && fgets(line, sizeof(line), f)) {
		struct map *m = &w->maps[w->n_maps];
		unsigned long start, end, offset;
		char rights[8];

		memset(m, 0, sizeof(*m));
		file[0] = 0;
		if (sscanf(line, "%lx-%lx %7s %lx %*s %*s %255[^\n]", &start, &end, rights, &offset,
			   file) < 4)
			continue;
		m->mapping = (struct unwinder_mapping){
			.start = start, .end = end, .offset = offset, .executable = rights[2] == 'x'
		};
		strcpy(m->path, file);
		if (m->mapping.executable && file[0] == '/')
			m->mapping.table = table_of(w, file);
		else if (!strcmp(file, "[vdso]"))
			m->mapping.table = vdso_table(w, end - start);
		w->n_maps++;
	}
}

static bool world_find(void *userdata, uint64_t address, struct unwinder_mapping *ret)
{
	struct world *w = userdata;

	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < w->n_maps; i++) {
			const struct unwinder_mapping *m = &w->maps[i].mapping;

			if (address >= m->start && address < m->end) {
				*ret = *m;
				return true;
			}
		}
		read_maps(w);
	}
	return false;
}

static void push(struct world *w, uint64_t slot, uint64_t address)
{
	assert_true(w->n_calls < MAX_DEPTH);
	w->calls[w->n_calls].slot = slot;
	w->calls[w->n_calls++].address = address;
}

/* call rel32, or call r/m64 (ff /2), behind the prefixes that compilers put before them. */
static bool is_call(struct world *w, uint64_t pc)
{
	uint8_t code[16] = {};
	size_t i = 0;

	for (size_t size = sizeof(code); size && world_read(w, pc, code, size); size--)
		;
	while (i < 4 &&
	       (code[i] == 0xf2 || code[i] == 0x3e || code[i] == 0x66 || (code[i] & 0xf0) == 0x40))
		i++;
	return code[i] == 0xe8 || (code[i] == 0xff && ((code[i + 1] >> 3) & 7) == 2);
}

/* What has been popped by whatever means is gone; what the instruction at @pc pushed is new. */
static void note_call(struct world *w, uint64_t pc, const struct user_regs_struct *now)
{
	uint64_t ra;

	while (w->n_calls && w->calls[w->n_calls - 1].slot < now->rsp)
		w->n_calls--;
	if (is_call(w, pc) && !world_read(w, now->rsp, &ra, sizeof(ra)))
		push(w, now->rsp, ra - 1);
}

static struct unwinder_registers registers_of(const struct user_regs_struct *r)
{
	return (struct unwinder_registers){
		.pc = r->rip,
		.regs = { r->rax, r->rdx, r->rcx, r->rbx, r->rsi, r->rdi, r->rbp, r->rsp, r->r8,
			  r->r9, r->r10, r->r11, r->r12, r->r13, r->r14, r->r15 },
	};
}

static void report(const struct world *w, const struct user_regs_struct *r, const uint64_t *frames,
		   size_t n, enum abi_stack_end end)
{
	for (size_t i = 0; i < w->n_maps; i++)
		if (r->rip >= w->maps[i].mapping.start && r->rip < w->maps[i].mapping.end)
			print_message("# step %u at %s+0x%llx, end %d, %zu frames, %zu calls\n",
				      w->steps, w->maps[i].path,
				      r->rip - w->maps[i].mapping.start + w->maps[i].mapping.offset,
				      (int)end, n, w->n_calls);
	for (size_t i = 0; i < w->n_calls; i++) {
		uint64_t truth = w->calls[w->n_calls - 1 - i].address;
		uint64_t found = i + 1 < n ? frames[i + 1] & ABI_FRAME_ADDRESS_MASK : 0;

		if (truth != found)
			print_message("#   caller %zu: %llx instead of %llx\n", i,
				      (unsigned long long)found, (unsigned long long)truth);
	}
}

/* longjmp describes itself as called by what it is going to return to. */
static bool is_longjmp(struct world *w, uint64_t pc)
{
	struct unwinder_mapping m;

	return world_find(w, pc, &m) && m.table &&
	       unwind_table_find(m.table, pc - m.start + m.offset)->sp & UNWIND_IN_REGISTER;
}

static const struct unwind_rule *rule_at(struct world *w, uint64_t pc)
{
	struct unwinder_mapping m;

	return world_find(w, pc, &m) && m.table
		       ? unwind_table_find(m.table, pc - m.start + m.offset)
		       : NULL;
}

/*
 * How many frames are before one that has given itself up for a landing pad: it shows the function
 * it is going to as its caller, see unwind/table_landing.h. @n if there is none.
 */
static size_t frames_before_landing(struct world *w, const uint64_t *frames, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct unwind_rule *rule = rule_at(w, frames[i] & ABI_FRAME_ADDRESS_MASK);

		if (rule && ((rule->cfa == UNWIND_CFA_DEREF && rule->bp == UNWIND_AT_FP &&
			      !rule->bp_offset && rule->cfa_offset < -64) ||
			     (rule->flags & UNWIND_RULE_SIGNAL)))
			return i;
	}
	return n;
}

/* As far as the frame that gave itself up, and again from where it all began. */
static bool is_landing(struct world *w, const uint64_t *frames, size_t n)
{
	size_t before = frames_before_landing(w, frames, n);
	bool begun = false;

	if (before == n || before > w->n_calls)
		return false;
	for (size_t i = 0; i < before; i++)
		if ((frames[i + 1] & ABI_FRAME_ADDRESS_MASK) !=
		    w->calls[w->n_calls - 1 - i].address)
			return false;
	for (size_t i = before; i < n; i++)
		begun |= !w->n_calls || (frames[i] & ABI_FRAME_ADDRESS_MASK) == w->calls[0].address;
	w->landings++;
	return begun;
}

static void check_stack(struct world *w, const struct user_regs_struct *r)
{
	const struct unwinder_source source = {
		.userdata = w,
		.read = world_read,
		.find = world_find,
	};
	struct unwinder_registers registers = registers_of(r);
	uint64_t frames[MAX_DEPTH];
	enum abi_stack_end end;
	bool right;
	size_t n;

	end = unwinder_run(&source, &registers, frames, MAX_DEPTH, &n);
	if (is_longjmp(w, r->rip))
		return;
	right = n > w->n_calls;
	for (size_t i = 0; right && i < w->n_calls; i++)
		right = (frames[i + 1] & ABI_FRAME_ADDRESS_MASK) ==
			w->calls[w->n_calls - 1 - i].address;
	if (!right)
		right = is_landing(w, frames, n);
	w->steps++;
	w->incomplete += end != ABI_STACK_complete;
	if (right && end == ABI_STACK_complete)
		return;
	w->wrong += !right;
	if (w->wrong + w->incomplete < 30)
		report(w, r, frames, n, end);
}

/* One instruction, or the delivery of a signal. False when the child is gone. */
static bool step(struct world *w)
{
	struct user_regs_struct before, after;
	int status, number = 0;

	if (ptrace(PTRACE_GETREGS, w->pid, 0, &before) || ptrace(PTRACE_SINGLESTEP, w->pid, 0, 0) ||
	    waitpid(w->pid, &status, 0) != w->pid || !WIFSTOPPED(status))
		return false;
	if (WSTOPSIG(status) != SIGTRAP) {
		uint64_t restorer;

		number = WSTOPSIG(status);
		ptrace(PTRACE_GETREGS, w->pid, 0, &before);
		if (ptrace(PTRACE_SINGLESTEP, w->pid, 0, number) ||
		    waitpid(w->pid, &status, 0) != w->pid || !WIFSTOPPED(status))
			return false;
		ptrace(PTRACE_GETREGS, w->pid, 0, &after);
		assert_int_equal(world_read(w, after.rsp, &restorer, sizeof(restorer)), 0);
		/* The kernel called: neither address is that of an instruction behind a call. */
		push(w, before.rsp - 1, before.rip);
		push(w, after.rsp, restorer);
	} else {
		ptrace(PTRACE_GETREGS, w->pid, 0, &after);
		note_call(w, before.rip, &after);
	}
	check_stack(w, &after);
	return true;
}

/* Steps through a child that has stopped itself, to its end, and frees @w. */
static void step_through(struct world *w, unsigned int fewest)
{
	unsigned int steps, wrong, incomplete;
	int status;

	read_maps(w);
	while (w->steps < MAX_STEPS && step(w))
		;
	kill(w->pid, SIGKILL);
	waitpid(w->pid, &status, 0);
	print_message("# %u instructions: %u stacks wrong, %u not complete, %u landing\n", w->steps,
		      w->wrong, w->incomplete, w->landings);
	for (size_t i = 0; i < w->n_tables; i++)
		free(w->tables[i].table);
	free(w->vdso);
	steps = w->steps, wrong = w->wrong, incomplete = w->incomplete;
	free(w);
	assert_true(steps > fewest);
	assert_int_equal(wrong, 0);
	assert_int_equal(incomplete, 0);
}

/* Skips the test under sanitizers: it would step through them, and they call in ways of their own.
 */
static struct world *world_new(void)
{
	struct world *w;

	if (is_sanitized())
		skip_because("sanitizers are not stepped through");
	w = calloc(1, sizeof(*w));
	assert_non_null(w);
	fflush(NULL);
	w->pid = fork();
	assert_true(w->pid >= 0);
	return w;
}

static void test_every_instruction(void **state)
{
	struct world *w = world_new();
	int status;

	(void)state;
	if (!w->pid)
		child();
	assert_int_equal(waitpid(w->pid, &status, 0), w->pid);
	if (!WIFSTOPPED(status)) {
		free(w);
		skip_because("ptrace is not allowed");
	}
	step_through(w, 10000);
}

static void test_exception(void **state)
{
	const char *build = getenv("BUILD");
	struct world *w;
	char path[512];
	int status = 0;

	(void)state;
	snprintf(path, sizeof(path), "%s/workloads/unwind/exceptions", build ? build : "build");
	if (access(path, X_OK))
		skip_because("%s was not built", path);
	w = world_new();
	if (!w->pid) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		execl(path, path, "0", "step", NULL);
		_exit(1);
	}
	while (waitpid(w->pid, &status, 0) == w->pid && WIFSTOPPED(status) &&
	       WSTOPSIG(status) != SIGSTOP)
		ptrace(PTRACE_CONT, w->pid, 0, 0);
	if (!WIFSTOPPED(status)) {
		free(w);
		skip_because("ptrace is not allowed");
	}
	step_through(w, 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_instruction),
		cmocka_unit_test(test_exception),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
