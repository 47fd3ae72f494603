/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jitdump files: what a just-in-time compiler tells of the code it makes, as records that are only
 * ever appended (linux: tools/perf/Documentation/jitdump-specification.txt). This reads one from an
 * offset on and answers in one block of memory without pointers, so that it can be done by the
 * parser process. Native code and unwinding information are skipped, never read.
 *
 * Times of records are not used: a name is for an address, not for an address at a time.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Of names and files; longer ones are cut. Bytes without the NUL. */
#define JITDUMP_TEXT_MAX 4095

struct jitdump_limits {
	uint64_t offset;    /* where to go on; 0 = at the beginning, with the header */
	uint32_t max_codes; /* in the answer; 0 = 65536 */
	uint32_t max_lines; /* of the answer; 0 = 262144 */
};

/* A place in the source, from this byte of the code on. */
struct jitdump_line {
	uint32_t offset;
	uint32_t line;
	uint32_t column;
	uint32_t file; /* offset in the strings */
};

/* Code that appeared at an address: compiled, or moved from elsewhere. */
struct jitdump_code {
	uint64_t address, size; /* bytes; the sum does not overflow */
	uint64_t index;		/* the compiler's number of the function */
	uint32_t name;		/* offset in the strings; 0 = it is the code of that index, moved */
	uint32_t first_line, n_lines;
	uint32_t padding;
};

struct jitdump_block {
	uint32_t magic;
	uint32_t n_codes, n_lines;
	uint32_t bad;	      /* records that contradict themselves, and lines left out */
	uint64_t next_offset; /* where to go on */
	uint32_t more;	      /* 1: a limit was reached, there is more to read now */
	uint32_t strings_size;
	struct jitdump_code codes[];
	/* struct jitdump_line lines[n_lines]; char strings[strings_size], which begin with "" */
};

/*
 * Reads what there is. A record that is not there as a whole waits for the next time. -ENODATA if
 * there is no header yet, -EBADMSG if it is no jitdump, -ENOTSUP if it is for another machine or
 * version, -ENOMEM or another -errno. Caller frees.
 */
int jitdump_read(int fd, const struct jitdump_limits *limits, struct jitdump_block **ret,
		 size_t *ret_size);

/*
 * Checks a block that another process made, of @size bytes aligned to 8, for a reader that asked to
 * go on at @offset. -EBADMSG if it contradicts itself.
 */
int jitdump_check(const void *data, size_t size, uint64_t offset);

static inline const struct jitdump_line *jitdump_lines(const struct jitdump_block *b)
{
	return (const struct jitdump_line *)&b->codes[b->n_codes];
}

static inline const char *jitdump_strings(const struct jitdump_block *b)
{
	return (const char *)(jitdump_lines(b) + b->n_lines);
}

/* The parser's job (worker/worker.h): descriptor 0 is the file, the arguments the limits. */
int jitdump_job_run(const int *fds, size_t n_fds, const void *args, size_t args_size,
		    void **ret_data, size_t *ret_size);
