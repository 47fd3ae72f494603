/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/pprof.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/intern.h"
#include "profile/pprof_encoder.h"
#include "profile/pprof_write.h"
#include "profile/window.h"

#define N_VALUES   2
#define MAX_LABELS 8

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

static void write_types(struct file *f)
{
	const struct pprof_options *o = f->encoder->options;
	const struct pprof_kind *k = kinds[o->kind];
	Perftools__Profiles__ValueType types[N_VALUES], *list[N_VALUES];
	Perftools__Profiles__ValueType period = PERFTOOLS__PROFILES__VALUE_TYPE__INIT;
	Perftools__Profiles__Profile part = PERFTOOLS__PROFILES__PROFILE__INIT;

	for (size_t i = 0; i < N_VALUES; i++) {
		perftools__profiles__value_type__init(&types[i]);
		types[i].type = string_index(f, k->types[i]);
		types[i].unit = string_index(f, k->units[i]);
		list[i] = &types[i];
	}
	period.type = string_index(f, k->period_type);
	period.unit = string_index(f, k->period_unit);
	part.n_sample_type = N_VALUES;
	part.sample_type = list;
	part.period_type = &period;
	part.period = k->counts_events ? 1 : (int64_t)o->period;
	part.time_nanos = o->time;
	part.duration_nanos = o->duration;
	part.n_comment = f->n_comments;
	part.comment = f->comments;
	pprof_write(&f->writer, &part);
}

struct labels {
	Perftools__Profiles__Label labels[MAX_LABELS], *list[MAX_LABELS];
	size_t n;
};

static Perftools__Profiles__Label *add_label(struct labels *l, int64_t key)
{
	Perftools__Profiles__Label *label = &l->labels[l->n];

	perftools__profiles__label__init(label);
	label->key = key;
	l->list[l->n++] = label;
	return label;
}

static void add_string_label(struct labels *l, int64_t key, uint32_t string)
{
	int64_t index = pprof_tables_index(string);

	if (index != 0)
		add_label(l, key)->str = index;
}

/* The unit is the key itself: readers drop a zero that has none. */
static void add_number_label(struct labels *l, int64_t key, uint32_t number)
{
	Perftools__Profiles__Label *label = add_label(l, key);

	label->num = number;
	label->num_unit = label->key;
}

static void add_text_label(struct file *f, struct labels *l, int64_t key, const char *text)
{
	add_label(l, key)->str = string_index(f, text);
}

/* What was waited for. */
static void add_wait_labels(struct file *f, struct labels *l, struct wait w)
{
	const char *call = wait_system_call_name(w.system_call);
	char number[32];

	if (w.reason == WAIT_none)
		return;
	add_text_label(f, l, f->reason, wait_reason_name(w.reason));
	if (w.lock != WAIT_LOCK_none)
		add_text_label(f, l, f->lock, wait_lock_name(w.lock));
	snprintf(number, sizeof(number), "syscall_%d", w.system_call);
	if (w.system_call >= 0)
		add_text_label(f, l, f->syscall, call ? call : number);
}

static void write_sample(struct file *f, uint32_t id)
{
	const struct encoder *e = f->encoder;
	size_t size;
	const struct sample_key *key = intern_get(e->samples, id, &size);
	const struct owner *owner = intern_get(e->owners, key->owner, NULL);
	size_t n = (size - offsetof(struct sample_key, locations)) / sizeof(key->locations[0]);
	uint64_t locations[ENCODER_MAX_LOCATIONS];
	int64_t values[N_VALUES] = { encoder_count(e, &e->values[id - 1]),
				     e->values[id - 1].value };
	struct labels labels = {};
	Perftools__Profiles__Sample sample = PERFTOOLS__PROFILES__SAMPLE__INIT, *list = &sample;
	Perftools__Profiles__Profile part = PERFTOOLS__PROFILES__PROFILE__INIT;

	for (size_t i = 0; i < n; i++)
		locations[i] = key->locations[i];
	add_number_label(&labels, f->pid, owner->pid);
	if (key->tid) /* 0: of all threads together */
		add_number_label(&labels, f->tid, key->tid);
	add_string_label(&labels, f->comm, owner->comm);
	add_string_label(&labels, f->unit, owner->unit);
	add_string_label(&labels, f->container, owner->container);
	add_wait_labels(f, &labels, key->wait);
	sample.n_location_id = n;
	sample.location_id = locations;
	sample.n_value = N_VALUES;
	sample.value = values;
	sample.n_label = labels.n;
	sample.label = labels.list;
	part.n_sample = 1;
	part.sample = &list;
	pprof_write(&f->writer, &part);
}

static void write_mapping(struct file *f, uint32_t id)
{
	const struct mapping_key *key = intern_get(f->encoder->tables.mappings, id, NULL);
	const struct mapping_flags *flags = &f->encoder->tables.flags[id - 1];
	Perftools__Profiles__Mapping mapping = PERFTOOLS__PROFILES__MAPPING__INIT, *list = &mapping;
	Perftools__Profiles__Profile part = PERFTOOLS__PROFILES__PROFILE__INIT;

	mapping.id = mapping_file_id(f, id);
	mapping.memory_start = key->start;
	mapping.memory_limit = key->limit;
	mapping.file_offset = key->offset;
	mapping.filename = pprof_tables_index(key->file);
	mapping.build_id = pprof_tables_index(key->build_id);
	mapping.has_functions = true;
	mapping.has_filenames = flags->filenames;
	mapping.has_line_numbers = flags->line_numbers;
	mapping.has_inline_frames = flags->inline_frames;
	part.n_mapping = 1;
	part.mapping = &list;
	pprof_write(&f->writer, &part);
}

static void write_location(struct file *f, uint32_t id)
{
	const struct location_key *key = intern_get(f->encoder->tables.locations, id, NULL);
	Perftools__Profiles__Line lines[LOCATION_MAX_LINES], *line_list[LOCATION_MAX_LINES];
	Perftools__Profiles__Location location = PERFTOOLS__PROFILES__LOCATION__INIT;
	Perftools__Profiles__Location *list = &location;
	Perftools__Profiles__Profile part = PERFTOOLS__PROFILES__PROFILE__INIT;

	for (uint32_t i = 0; i < key->n_lines; i++) {
		perftools__profiles__line__init(&lines[i]);
		lines[i].function_id = key->lines[i].function;
		lines[i].line = key->lines[i].line;
		lines[i].column = key->lines[i].column;
		line_list[i] = &lines[i];
	}
	location.id = id;
	location.mapping_id = mapping_file_id(f, key->mapping);
	location.address = key->address;
	location.n_line = key->n_lines;
	location.line = line_list;
	part.n_location = 1;
	part.location = &list;
	pprof_write(&f->writer, &part);
}

static void write_function(struct file *f, uint32_t id)
{
	const struct function_key *key = intern_get(f->encoder->tables.functions, id, NULL);
	Perftools__Profiles__Function function = PERFTOOLS__PROFILES__FUNCTION__INIT;
	Perftools__Profiles__Function *list = &function;
	Perftools__Profiles__Profile part = PERFTOOLS__PROFILES__PROFILE__INIT;

	function.id = id;
	function.name = pprof_tables_index(key->name);
	function.system_name = pprof_tables_index(key->system_name);
	function.filename = pprof_tables_index(key->file);
	function.start_line = key->start_line;
	part.n_function = 1;
	part.function = &list;
	pprof_write(&f->writer, &part);
}

static void write_string(struct file *f, uint32_t id)
{
	char *string = (char *)intern_get(f->encoder->tables.strings, id, NULL);
	Perftools__Profiles__Profile part = PERFTOOLS__PROFILES__PROFILE__INIT;

	part.n_string_table = 1;
	part.string_table = &string;
	pprof_write(&f->writer, &part);
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
