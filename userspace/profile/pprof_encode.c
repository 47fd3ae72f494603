/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/pprof.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/intern.h"
#include "profile/pprof_encoder.h"
#include "profile/pprof_message.h"
#include "profile/pprof_write.h"
#include "profile/window.h"

#define N_VALUES 2

/* The columns of a kind of profile, and what its period counts; as Go's runtime has them. */
struct pprof_kind {
	const char *types[N_VALUES], *units[N_VALUES];
	const char *period_type, *period_unit;
	const char *comment; /* tells block and mutex apart */
	bool counts_events;  /* the period is 1 */
};

static const struct pprof_kind cpu_kind = {
	.comment = "profd: type=cpu",
	.types = { "samples", "cpu" },
	.units = { "count", "nanoseconds" },
	.period_type = "cpu",
	.period_unit = "nanoseconds",
};

#define CONTENTION(kind)                                                                           \
	{                                                                                          \
		.comment = "profd: type=" kind, .types = { "contentions", "delay" },               \
		.units = { "count", "nanoseconds" }, .period_type = "contentions",                 \
		.period_unit = "count", .counts_events = true,                                     \
	}

static const struct pprof_kind block_kind = CONTENTION("block");
static const struct pprof_kind mutex_kind = CONTENTION("mutex");

static const struct pprof_kind *const kinds[] = {
	[ABI_KIND_CPU] = &cpu_kind,
	[ABI_KIND_BLOCK] = &block_kind,
	[ABI_KIND_MUTEX] = &mutex_kind,
};

/* What the tables do not hold. Strings are indices into the string table. */
struct file {
	struct encoder *encoder;
	struct pprof_writer writer;
	uint32_t main_mapping;
	int64_t pid, tid, comm, unit, container, reason, lock, syscall; /* keys of labels */
	int64_t *comments;
	size_t n_comments, comments_allocated;
	int error;
};

static int64_t string_index(struct file *f, const char *text)
{
	uint32_t string = pprof_tables_string(&f->encoder->tables, text);

	if (!string) {
		f->error = -ENOMEM;
		return 0;
	}
	return pprof_tables_index(string);
}

static void add_comment(const char *text, void *userdata)
{
	struct file *f = userdata;

	if (pprof_reserve(&f->comments, &f->comments_allocated, f->n_comments,
			  sizeof(*f->comments)) < 0) {
		f->error = -ENOMEM;
		return;
	}
	f->comments[f->n_comments++] = string_index(f, text);
}

static int choose_main_mapping(struct file *f)
{
	const char *program = encoder_program(f->encoder);
	_cleanup_free_ char *path = program ? strdup(program) : NULL;

	if (program && !path)
		return -ENOMEM;
	f->main_mapping = pprof_frames_main_mapping(&f->encoder->frames, path);
	return f->main_mapping ? 0 : -ENOMEM;
}

/* The main mapping comes first, the others keep their order. */
static uint64_t mapping_file_id(const struct file *f, uint32_t mapping)
{
	if (mapping == f->main_mapping)
		return 1;
	return mapping < f->main_mapping ? mapping + 1 : mapping;
}

/* The numbers of fields, as in profile.proto. */
enum {
	PROFILE_SAMPLE_TYPE = 1,
	PROFILE_SAMPLE = 2,
	PROFILE_MAPPING = 3,
	PROFILE_LOCATION = 4,
	PROFILE_FUNCTION = 5,
	PROFILE_STRING_TABLE = 6,
	PROFILE_TIME_NANOS = 9,
	PROFILE_DURATION_NANOS = 10,
	PROFILE_PERIOD_TYPE = 11,
	PROFILE_PERIOD = 12,
	PROFILE_COMMENT = 13,

	VALUE_TYPE_TYPE = 1,
	VALUE_TYPE_UNIT = 2,

	SAMPLE_LOCATION_ID = 1,
	SAMPLE_VALUE = 2,
	SAMPLE_LABEL = 3,

	LABEL_KEY = 1,
	LABEL_STR = 2,
	LABEL_NUM = 3,
	LABEL_NUM_UNIT = 4,

	MAPPING_ID = 1,
	MAPPING_MEMORY_START = 2,
	MAPPING_MEMORY_LIMIT = 3,
	MAPPING_FILE_OFFSET = 4,
	MAPPING_FILENAME = 5,
	MAPPING_BUILD_ID = 6,
	MAPPING_HAS_FUNCTIONS = 7,
	MAPPING_HAS_FILENAMES = 8,
	MAPPING_HAS_LINE_NUMBERS = 9,
	MAPPING_HAS_INLINE_FRAMES = 10,

	LOCATION_ID = 1,
	LOCATION_MAPPING_ID = 2,
	LOCATION_ADDRESS = 3,
	LOCATION_LINE = 4,

	LINE_FUNCTION_ID = 1,
	LINE_LINE = 2,
	LINE_COLUMN = 3,

	FUNCTION_ID = 1,
	FUNCTION_NAME = 2,
	FUNCTION_SYSTEM_NAME = 3,
	FUNCTION_FILENAME = 4,
	FUNCTION_START_LINE = 5,
};

static void write_type(struct file *f, unsigned int field, const char *type, const char *unit)
{
	struct message m;

	m.n = 0;
	message_number(&m, VALUE_TYPE_TYPE, (uint64_t)string_index(f, type));
	message_number(&m, VALUE_TYPE_UNIT, (uint64_t)string_index(f, unit));
	pprof_write(&f->writer, field, &m);
}

static void write_comments(struct file *f)
{
	struct message m;

	for (size_t i = 0; i < f->n_comments;) {
		m.n = 0;
		for (; i < f->n_comments && m.n + MESSAGE_VARINT_MAX <= sizeof(m.bytes); i++)
			message_add(&m, (uint64_t)f->comments[i]);
		pprof_write(&f->writer, PROFILE_COMMENT, &m);
	}
}

static void write_types(struct file *f)
{
	const struct pprof_options *o = f->encoder->options;
	const struct pprof_kind *k = kinds[o->kind];

	for (size_t i = 0; i < N_VALUES; i++)
		write_type(f, PROFILE_SAMPLE_TYPE, k->types[i], k->units[i]);
	pprof_write_number(&f->writer, PROFILE_TIME_NANOS, (uint64_t)o->time);
	pprof_write_number(&f->writer, PROFILE_DURATION_NANOS, (uint64_t)o->duration);
	write_type(f, PROFILE_PERIOD_TYPE, k->period_type, k->period_unit);
	pprof_write_number(&f->writer, PROFILE_PERIOD, k->counts_events ? 1 : o->period);
	write_comments(f);
}

static void add_label(struct message *m, int64_t key, int64_t string)
{
	size_t label = message_enter(m, SAMPLE_LABEL);

	message_number(m, LABEL_KEY, (uint64_t)key);
	message_number(m, LABEL_STR, (uint64_t)string);
	message_leave(m, label);
}

static void add_string_label(struct message *m, int64_t key, uint32_t string)
{
	int64_t index = pprof_tables_index(string);

	if (index != 0)
		add_label(m, key, index);
}

/* The unit is the key itself: readers drop a zero that has none. */
static void add_number_label(struct message *m, int64_t key, uint32_t number)
{
	size_t label = message_enter(m, SAMPLE_LABEL);

	message_number(m, LABEL_KEY, (uint64_t)key);
	message_number(m, LABEL_NUM, number);
	message_number(m, LABEL_NUM_UNIT, (uint64_t)key);
	message_leave(m, label);
}

/* What was waited for. */
static void add_wait_labels(struct file *f, struct message *m, struct wait w)
{
	const char *call = wait_system_call_name(w.system_call);
	char number[32];

	if (w.reason == WAIT_none)
		return;
	add_label(m, f->reason, string_index(f, wait_reason_name(w.reason)));
	if (w.lock != WAIT_LOCK_none)
		add_label(m, f->lock, string_index(f, wait_lock_name(w.lock)));
	snprintf(number, sizeof(number), "syscall_%d", w.system_call);
	if (w.system_call >= 0)
		add_label(m, f->syscall, string_index(f, call ? call : number));
}

/* As many as MESSAGE_MAX_LABELS at most. */
static void add_labels(struct file *f, struct message *m, const struct sample_key *key)
{
	const struct owner *owner = intern_get(f->encoder->owners, key->owner, NULL);

	if (!f->encoder->options->subtractable)
		add_number_label(m, f->pid, owner->pid);
	if (key->tid) /* 0: of all threads together */
		add_number_label(m, f->tid, key->tid);
	add_string_label(m, f->comm, owner->comm);
	add_string_label(m, f->unit, owner->unit);
	add_string_label(m, f->container, owner->container);
	add_wait_labels(f, m, key->wait);
}

static void add_locations(struct message *m, const uint32_t *locations, size_t n)
{
	size_t size = 0;

	for (size_t i = 0; i < n; i++)
		size += varint_size(locations[i]);
	message_row(m, SAMPLE_LOCATION_ID, size);
	for (size_t i = 0; i < n; i++)
		message_add(m, locations[i]);
}

static void write_sample(struct file *f, uint32_t id)
{
	const struct encoder *e = f->encoder;
	size_t size;
	const struct sample_key *key = intern_get(e->samples, id, &size);
	size_t n = (size - offsetof(struct sample_key, locations)) / sizeof(key->locations[0]);
	uint64_t count = (uint64_t)encoder_count(e, &e->values[id - 1]);
	uint64_t value = (uint64_t)e->values[id - 1].value;
	struct message m;

	m.n = 0;
	add_locations(&m, key->locations, n);
	message_row(&m, SAMPLE_VALUE, varint_size(count) + varint_size(value));
	message_add(&m, count);
	message_add(&m, value);
	add_labels(f, &m, key);
	pprof_write(&f->writer, PROFILE_SAMPLE, &m);
}

static void write_mapping(struct file *f, uint32_t id)
{
	const struct mapping_key *key = intern_get(f->encoder->tables.mappings, id, NULL);
	const struct mapping_details *details = &f->encoder->tables.details[id - 1];
	struct message m;

	m.n = 0;
	message_number(&m, MAPPING_ID, mapping_file_id(f, id));
	message_number(&m, MAPPING_MEMORY_START, key->start);
	message_number(&m, MAPPING_MEMORY_LIMIT, key->limit);
	message_number(&m, MAPPING_FILE_OFFSET, key->offset);
	message_number(&m, MAPPING_FILENAME, (uint64_t)pprof_tables_index(details->file));
	message_number(&m, MAPPING_BUILD_ID, (uint64_t)pprof_tables_index(key->build_id));
	message_number(&m, MAPPING_HAS_FUNCTIONS, true);
	message_number(&m, MAPPING_HAS_FILENAMES, details->filenames);
	message_number(&m, MAPPING_HAS_LINE_NUMBERS, details->line_numbers);
	message_number(&m, MAPPING_HAS_INLINE_FRAMES, details->inline_frames);
	pprof_write(&f->writer, PROFILE_MAPPING, &m);
}

static void write_location(struct file *f, uint32_t id)
{
	const struct location_key *key = intern_get(f->encoder->tables.locations, id, NULL);
	struct message m;

	m.n = 0;
	message_number(&m, LOCATION_ID, id);
	message_number(&m, LOCATION_MAPPING_ID, mapping_file_id(f, key->mapping));
	message_number(&m, LOCATION_ADDRESS, key->address);
	for (uint32_t i = 0; i < key->n_lines; i++) {
		size_t line = message_enter(&m, LOCATION_LINE);

		message_number(&m, LINE_FUNCTION_ID, key->lines[i].function);
		message_number(&m, LINE_LINE, key->lines[i].line);
		message_number(&m, LINE_COLUMN, key->lines[i].column);
		message_leave(&m, line);
	}
	pprof_write(&f->writer, PROFILE_LOCATION, &m);
}

static void write_function(struct file *f, uint32_t id)
{
	const struct function_key *key = intern_get(f->encoder->tables.functions, id, NULL);
	struct message m;

	m.n = 0;
	message_number(&m, FUNCTION_ID, id);
	message_number(&m, FUNCTION_NAME, (uint64_t)pprof_tables_index(key->name));
	message_number(&m, FUNCTION_SYSTEM_NAME, (uint64_t)pprof_tables_index(key->system_name));
	message_number(&m, FUNCTION_FILENAME, (uint64_t)pprof_tables_index(key->file));
	message_number(&m, FUNCTION_START_LINE, key->start_line);
	pprof_write(&f->writer, PROFILE_FUNCTION, &m);
}

static void write_string(struct file *f, uint32_t id)
{
	size_t size;
	const char *string = intern_get(f->encoder->tables.strings, id, &size);

	pprof_write_bytes(&f->writer, PROFILE_STRING_TABLE, string, size - 1);
}

static void write_each(struct file *f, const struct intern *table,
		       void (*write_one)(struct file *f, uint32_t id))
{
	for (uint32_t id = 1; id <= intern_count(table); id++)
		write_one(f, id);
}

static void write_tables(struct file *f)
{
	const struct encoder *e = f->encoder;

	write_types(f);
	write_each(f, e->samples, write_sample);
	write_mapping(f, f->main_mapping);
	for (uint32_t id = 1; id <= intern_count(e->tables.mappings); id++)
		if (id != f->main_mapping)
			write_mapping(f, id);
	write_each(f, e->tables.locations, write_location);
	write_each(f, e->tables.functions, write_function);
	write_each(f, e->tables.strings, write_string);
}

static void file_done(struct file *f)
{
	pprof_writer_done(&f->writer);
	free(f->comments);
}

DEFINE_CLEANUP(struct file *, file_done);
DEFINE_CLEANUP(struct encoder *, encoder_done);

static int write_file(struct encoder *e, void **ret_data, size_t *ret_size)
{
	struct file file = { .encoder = e };
	_cleanup_(file_donep)
	struct file *f = &file;
	const struct pprof_options *o = e->options;
	int r = pprof_writer_init(&f->writer, o->compression ? o->compression : 1);

	if (r < 0)
		return r;
	r = choose_main_mapping(f);
	if (r < 0)
		return r;
	f->pid = string_index(f, "pid");
	f->tid = string_index(f, "tid");
	f->comm = string_index(f, "comm");
	f->unit = string_index(f, "unit");
	f->container = string_index(f, "container");
	f->reason = string_index(f, "reason");
	f->lock = string_index(f, "lock");
	f->syscall = string_index(f, "syscall");
	add_comment(kinds[o->kind]->comment, f);
	quality_lines(&e->quality, add_comment, f);
	encoder_folded_lines(e, add_comment, f);
	for (const char *const *c = o->comments; c && *c; c++)
		add_comment(*c, f);
	write_tables(f);
	if (f->error < 0)
		return f->error;
	return pprof_writer_finish(&f->writer, ret_data, ret_size);
}

int pprof_encode(struct window *const *windows, size_t n, const struct pprof_options *o,
		 struct symbolizer *symbolizer, void **ret_data, size_t *ret_size,
		 struct quality *ret_quality)
{
	struct encoder encoder = {};
	_cleanup_(encoder_donep)
	struct encoder *e = &encoder;
	int r;

	if (o->kind >= ARRAY_SIZE(kinds) || !kinds[o->kind])
		return -EINVAL;
	r = encoder_init(e, o, symbolizer);
	if (r == 0)
		r = encoder_gather(e, windows, n);
	if (r == 0)
		r = write_file(e, ret_data, ret_size);
	if (r < 0)
		return r;
	if (ret_quality)
		*ret_quality = e->quality;
	return 0;
}
