/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/jit_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <utlist.h>

#include "base/cleanup.h"
#include "symbolize/dialogue.h"

/* Answers for one time: a process may write faster than we want to read. */
#define MAX_BLOCKS 64

/* A question on its way. */
struct jit_reading {
	struct dialogue dialogue; /* first */
	struct jit_reader *reader;
	struct jit_file *file; /* NULL = it is gone, and the answer for nobody */
	int fd;
	uint64_t offset; /* that was asked for */
	unsigned int blocks;
	bool again; /* it may have grown since */
	struct jit_reading *prev, *next;
};

struct jit_file {
	struct jit_reader *reader;
	struct jit_code *code;
	struct jit_reading *reading; /* NULL = it is not being read */
	/* Where reading goes on, and how the file is known again. */
	struct stat seen;
	uint64_t offset; /* 0 = nothing was read */
	uint32_t mark;
	int error;
};

static size_t memory_of(const struct jit_file *f)
{
	return sizeof(*f) + jit_code_memory(f->code);
}

struct jit_file *jit_file_new(struct jit_reader *r)
{
	struct jit_file *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->code = jit_code_new(r->max_memory);
	if (!f->code) {
		free(f);
		return NULL;
	}
	f->reader = r;
	r->loaded++;
	r->memory += memory_of(f);
	return f;
}

struct jit_file *jit_file_free(struct jit_file *f)
{
	if (!f)
		return NULL;
	if (f->reading)
		f->reading->file = NULL;
	f->reader->memory -= memory_of(f);
	jit_code_free(f->code);
	free(f);
	return NULL;
}

static void reading_free(struct jit_reading *q)
{
	if (q->file)
		q->file->reading = NULL;
	DL_DELETE(q->reader->readings, q);
	closep(&q->fd);
	free(q);
}

void jit_reader_done(struct jit_reader *r)
{
	while (r->readings)
		reading_free(r->readings);
}

static int start_over(struct jit_file *f)
{
	struct jit_code *code = jit_code_new(f->reader->max_memory);

	if (!code)
		return -ENOMEM;
	f->reader->memory -= memory_of(f);
	jit_code_free(f->code);
	f->code = code;
	f->reader->memory += memory_of(f);
	f->offset = 0;
	f->error = 0;
	return 0;
}

static int add(struct jit_file *f, const struct jit_block *b)
{
	int r = b->first_offset == 0 && f->offset != 0 ? start_over(f) : 0;

	if (r < 0)
		return r;
	f->reader->bad += b->bad;
	f->reader->memory -= memory_of(f);
	r = jit_code_add(f->code, b);
	f->reader->memory += memory_of(f);
	if (r == -ENOMEM)
		return r;
	f->mark = b->mark;
	if (b->next_offset == JIT_LOST)
		return r < 0 ? r : -EBADMSG;
	f->offset = b->next_offset;
	if (r == 0 && f->reader->max_bytes && f->offset >= f->reader->max_bytes)
		r = -EFBIG;
	return r < 0 ? r : (int)b->more;
}

/* 1 if there is more. @data is aligned to 8, as malloc() does. */
static int take_block(struct jit_reading *q, int status, const void *data, size_t size)
{
	struct jit_file *f = q->file;

	if (!f || status < 0)
		return status;
	status = jit_block_check(data, size, q->offset);
	return status < 0 ? status : add(f, data);
}

static struct jit_reading *reading_of(struct dialogue *d)
{
	return (struct jit_reading *)d;
}

static int ask(struct dialogue *d)
{
	struct jit_reading *q = reading_of(d);
	const struct jit_question question = {
		.format = q->reader->format,
		.mark = q->file->mark,
		.limits = { .offset = q->file->offset },
	};
	int r;

	q->offset = q->file->offset;
	r = dialogue_ask(d, &q->fd, 1, &question, sizeof(question));
	/* That it cannot be asked says nothing about the file. */
	return r < 0 && d->worker ? -ENOMEM : r;
}

static void note_error(struct jit_file *f, int r)
{
	/* A file without its header will have one; memory may be there the next time. */
	if (r == -ENODATA || r == -ENOMEM) {
		f->seen.st_ino = 0;
		return;
	}
	f->error = r;
	f->reader->cut += r == -EFBIG;
	f->reader->failed += r != -EFBIG;
}

/* The question that is over is freed. */
static bool take(struct dialogue *d, int status, const void *data, size_t size)
{
	struct jit_reading *q = reading_of(d);
	struct jit_file *f = q->file;
	int r = take_block(q, status, data, size);

	if (f && r < 0)
		note_error(f, r);
	if (f && r >= 0 && q->blocks < MAX_BLOCKS && (r == 1 || q->again)) {
		q->again = false;
		q->blocks++;
		return true;
	}
	if (f && r >= 0 && (r == 1 || q->again)) /* the rest is for the next time */
		f->seen.st_ino = 0;
	reading_free(q);
	return false;
}

static int reading_new(struct jit_file *f, int fd, struct jit_reading **ret)
{
	struct jit_reading *q = calloc(1, sizeof(*q));

	if (!q)
		return -ENOMEM;
	q->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (q->fd < 0) {
		free(q);
		return -ENOMEM;
	}
	q->dialogue = (struct dialogue){
		.worker = f->reader->worker,
		.job = f->reader->job,
		.run = jit_job_run,
		.next = ask,
		.take = take,
	};
	q->reader = f->reader;
	q->file = f;
	f->reading = q;
	DL_APPEND(f->reader->readings, q);
	*ret = q;
	return 0;
}

/* Whether there can be something new; one that cannot be the same text is begun anew. */
static bool is_changed(struct jit_file *f, const struct stat *st)
{
	const struct stat *seen = &f->seen;
	bool other = seen->st_dev != st->st_dev || seen->st_ino != st->st_ino;

	if (f->error == -ECHILD || f->error == -ETIME)
		return false;
	if ((f->error && other) || f->offset > (uint64_t)st->st_size)
		return start_over(f) == 0;
	return !f->error && (other || seen->st_size != st->st_size ||
			     seen->st_mtim.tv_sec != st->st_mtim.tv_sec ||
			     seen->st_mtim.tv_nsec != st->st_mtim.tv_nsec);
}

void jit_file_read(struct jit_file *f, int fd)
{
	struct jit_reading *q;
	struct stat st;

	if (f->reading) {
		f->reading->again = true;
		return;
	}
	if (fstat(fd, &st) < 0 || !is_changed(f, &st) || reading_new(f, fd, &q) < 0)
		return;
	f->seen = st;
	if (dialogue_start(&q->dialogue) < 0)
		take(&q->dialogue, -ENOMEM, NULL, 0);
}

bool jit_file_is_being_read(const struct jit_file *f)
{
	return f->reading;
}

int jit_file_error(const struct jit_file *f)
{
	return f->error;
}

bool jit_file_find(const struct jit_file *f, uint64_t address, struct jit_symbol *ret)
{
	return jit_code_find(f->code, address, ret);
}
