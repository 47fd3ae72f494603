/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jitted SECONDS DIRECTORY [nonsense]: a just-in-time compiler of two functions, which tells of
 * them in DIRECTORY/jit-PID.dump: "jitted::first", which is moved before it runs, 3 parts of the
 * time, and "jitted::second", 1 part. With "nonsense" the dump has nothing but a header that is
 * right.
 */
#include <elf.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096

/* mov $N, %ecx; 1: dec %ecx; jnz 1b; ret */
static const uint8_t code[] = { 0xb9, 0, 0, 0x10, 0, 0xff, 0xc9, 0x75, 0xfc, 0xc3 };

struct __attribute__((packed)) header {
	uint32_t magic, version, size, machine, padding, pid;
	uint64_t time, flags;
};

struct __attribute__((packed)) record {
	uint32_t id, size;
	uint64_t time;
};

struct __attribute__((packed)) load {
	struct record record;
	uint32_t pid, tid;
	uint64_t vma, address, size, index;
	char name[16];
	uint8_t code[sizeof(code)];
};

struct __attribute__((packed)) move {
	struct record record;
	uint32_t pid, tid;
	uint64_t vma, from, address, size, index;
};

struct __attribute__((packed)) line {
	uint64_t address;
	uint32_t line, column;
	char file[16]; /* as long as the name: the next line follows its NUL */
};

struct __attribute__((packed)) debug_info {
	struct record record;
	uint64_t address, n;
	struct line lines[2];
};

static int dump;

static void put(const void *data, size_t size)
{
	if (write(dump, data, size) != (ssize_t)size)
		exit(1);
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void begin(const char *directory)
{
	const struct header h = {
		.magic = 0x4a695444,
		.version = 1,
		.size = sizeof(h),
		.machine = EM_X86_64,
		.pid = (uint32_t)getpid(),
		.time = now(),
	};
	char path[4096];

	snprintf(path, sizeof(path), "%s/jit-%d.dump", directory, getpid());
	dump = open(path, O_CREAT | O_EXCL | O_RDWR, 0600);
	if (dump < 0 || ftruncate(dump, 0) < 0)
		exit(1);
	put(&h, sizeof(h));
	/* This is how a profiler learns of the file. */
	if (mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, dump, 0) == MAP_FAILED)
		exit(1);
}

static void tell_load(uint64_t address, const char *name, uint64_t index)
{
	struct load l = {
		.record = { 0, sizeof(l), now() },
		.pid = (uint32_t)getpid(),
		.tid = (uint32_t)getpid(),
		.vma = address,
		.address = address,
		.size = sizeof(code),
		.index = index,
	};
	struct debug_info d = {
		.record = { 2, sizeof(d), now() },
		.address = address,
		.n = 2,
		.lines = { { address, 10, 1, "/src/jitted.any" },
			   { address + 5, 11, 2, "/src/jitted.any" } },
	};

	strncpy(l.name, name, sizeof(l.name) - 1);
	memcpy(l.code, code, sizeof(code));
	put(&d, sizeof(d));
	put(&l, sizeof(l));
}

static void tell_move(uint64_t from, uint64_t to, uint64_t index)
{
	const struct move m = {
		.record = { 1, sizeof(m), now() },
		.pid = (uint32_t)getpid(),
		.tid = (uint32_t)getpid(),
		.vma = to,
		.from = from,
		.address = to,
		.size = sizeof(code),
		.index = index,
	};

	put(&m, sizeof(m));
}

static void put_nonsense(void)
{
	uint8_t bytes[PAGE];

	srandom(1);
	for (int i = 0; i < 256; i++) {
		struct record r = { (uint32_t)(i % 5), sizeof(r) + sizeof(bytes), 0 };

		for (size_t k = 0; k < sizeof(bytes); k++)
			bytes[k] = (uint8_t)random();
		put(&r, sizeof(r));
		put(bytes, sizeof(bytes));
	}
}

int main(int argc, char **argv)
{
	uint64_t end = now() + (uint64_t)(atof(argc > 1 ? argv[1] : "1") * 1e9);
	uint8_t *memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void (*functions[2])(void);

	if (memory == MAP_FAILED || argc < 3)
		return 1;
	memcpy(memory + 1024, code, sizeof(code));
	memcpy(memory + 2048, code, sizeof(code));
	functions[0] = (void (*)(void))(memory + 1024);
	functions[1] = (void (*)(void))(memory + 2048);
	begin(argv[2]);
	if (argc > 3) {
		put_nonsense();
	} else {
		tell_load((uint64_t)memory, "jitted::first", 1);
		tell_load((uint64_t)memory + 2048, "jitted::second", 2);
		tell_move((uint64_t)memory, (uint64_t)memory + 1024, 1);
	}
	printf("pid=%d\n", getpid());
	fflush(stdout);
	while (now() < end)
		for (int i = 0; i < 4; i++)
			functions[i == 3]();
	return 0;
}
