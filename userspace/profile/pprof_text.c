/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Contention profiles as text, the form that runtime/pprof of Go writes for debug=1 and that
 * google/pprof reads too (profile/legacy_profile.go): a header, then records
 *
 *   TIME COUNT @ ADDRESS...       leaf first; readers take one from each to get into the call
 *   #	ADDRESS	NAME	FILE:LINE
 *
 * with an empty line behind each, most time first. What else begins with # readers pass over.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/intern.h"
#include "profile/pprof.h"
#include "profile/pprof_encoder.h"
#include "profile/window.h"

struct line {
	uint32_t id; /* of a sample */
	int64_t value;
};

static int by_value(const void *a, const void *b)
{
	const struct line *x = a, *y = b;

	if (x->value != y->value)
		return x->value < y->value ? 1 : -1;
	return x->id < y->id ? -1 : 1;
}

/* A name may hold anything but what ends a field or a line. */
static void print_name(FILE *f, const struct encoder *e, uint32_t string)
{
	const char *name = intern_get(e->tables.strings, string, NULL);

	for (; *name; name++)
		fputc((unsigned char)*name < ' ' ? ' ' : *name, f);
}

static void print_location(FILE *f, const struct encoder *e, uint32_t id)
{
	const struct location_key *l = intern_get(e->tables.locations, id, NULL);

	for (uint32_t i = 0; i < l->n_lines; i++) {
		const struct function_key *function =
			intern_get(e->tables.functions, l->lines[i].function, NULL);

		fprintf(f, "#\t0x%" PRIx64 "\t", l->address);
		print_name(f, e, function->name);
		if (pprof_tables_index(function->file)) {
			fputc('\t', f);
			print_name(f, e, function->file);
			fprintf(f, ":%" PRIu32, l->lines[i].line);
		}
		fputc('\n', f);
	}
}

static void print_sample(FILE *f, const struct encoder *e, uint32_t id)
{
	size_t size;
	const struct sample_key *key = intern_get(e->samples, id, &size);
	const struct sample_value *value = &e->values[id - 1];
	size_t n = (size - offsetof(struct sample_key, locations)) / sizeof(key->locations[0]);

	fprintf(f, "%" PRId64 " %" PRId64 " @", value->value, encoder_count(e, value));
	for (size_t i = 0; i < n; i++) {
		const struct location_key *l =
			intern_get(e->tables.locations, key->locations[i], NULL);

		fprintf(f, " 0x%" PRIx64, l->address + 1);
	}
	fputc('\n', f);
	for (size_t i = 0; i < n; i++)
		print_location(f, e, key->locations[i]);
	fputc('\n', f);
}

static void print_comment(const char *text, void *userdata)
{
	fprintf(userdata, "# %s\n", text);
}

static int print(FILE *f, const struct encoder *e)
{
	uint32_t n = intern_count(e->samples);
	_cleanup_free_ struct line *lines = calloc(MAX(n, 1U), sizeof(*lines));

	if (!lines)
		return -ENOMEM;
	for (uint32_t id = 1; id <= n; id++)
		lines[id - 1] = (struct line){ id, e->values[id - 1].value };
	qsort(lines, n, sizeof(*lines), by_value);
	fprintf(f, "%s:\ncycles/second=1000000000\n",
		e->options->kind == ABI_KIND_MUTEX ? "--- mutex" : "--- contention");
	/* Values are scaled already. */
	if (e->options->kind == ABI_KIND_MUTEX)
		fputs("sampling period=1\n", f);
	encoder_folded_lines(e, print_comment, f);
	for (uint32_t i = 0; i < n; i++)
		print_sample(f, e, lines[i].id);
	return 0;
}

DEFINE_CLEANUP(struct encoder *, encoder_done);

int pprof_encode_text(struct window *const *windows, size_t n, const struct pprof_options *o,
		      struct symbolizer *symbolizer, char **ret_text, size_t *ret_size)
{
	struct encoder encoder = {};
	_cleanup_(encoder_donep)
	struct encoder *e = &encoder;
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *f;
	int r;

	if (o->kind != ABI_KIND_BLOCK && o->kind != ABI_KIND_MUTEX)
		return -EINVAL;
	r = encoder_init(e, o, symbolizer);
	if (r == 0)
		r = encoder_gather(e, windows, n);
	if (r < 0)
		return r;
	f = open_memstream(&text, &size);
	if (!f)
		return -ENOMEM;
	r = print(f, e);
	if (fclose(f) != 0 && r == 0)
		r = -ENOMEM;
	if (r < 0)
		return r;
	*ret_text = TAKE_PTR(text);
	*ret_size = size;
	return 0;
}
