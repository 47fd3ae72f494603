/* SPDX-License-Identifier: Apache-2.0 */
/* The same samples in one window or in many, ahead of time or at the end: one profile, which others
 * can read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pprof_encoded.h"
#include "profile/pprof_ahead.h"
#include "scratch.h"

static int64_t sum_values(const struct pprof_profile *p, uint32_t column)
{
	int64_t sum = 0;

	for (uint32_t i = 0; i < p->n_samples; i++)
		sum += p->samples[i].values[column];
	return sum;
}

/* One line per sample: names, labels, values. */
static char *sample_text(const struct encoded *e, uint32_t index)
{
	const struct pprof_sample *s = &e->profile->samples[index];
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	for (uint32_t i = 0; i < s->n_locations; i++)
		for (uint32_t j = 0; j < location(e, index, i)->n_lines; j++)
			fprintf(f, "%s@%s;", name(e, index, i, j), mapping(e, index, i)->file);
	for (uint32_t i = 0; i < s->n_labels; i++)
		fprintf(f, " %s=%s/%" PRId64, s->labels[i].key,
			s->labels[i].string ? s->labels[i].string : "", s->labels[i].number);
	fprintf(f, " %" PRId64 " %" PRId64, s->values[0], s->values[1]);
	fclose(f);
	return text;
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* However samples are cut into windows, and in whatever order those are merged: one profile. */
static void test_merging(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 10; seed++) {
		struct window *many[5], *reversed[5], *one = window_new(0);
		uint64_t random = seed * 0x9e3779b97f4a7c15ULL;
		struct encoded e[3];
		int64_t count = 0, value = 0;
		char **texts[3];

		for (size_t i = 0; i < 5; i++)
			many[i] = reversed[4 - i] = window_new(i);
		for (int i = 0; i < 500; i++) {
			struct frame frames[6];
			struct sample s = world_sample(&random, frames, ARRAY_SIZE(frames));

			count += s.count;
			value += s.value;
			window_add(one, &s);
			window_add(many[world_random(&random) % 5], &s);
		}
		e[0] = encode(&one, 1, ABI_KIND_CPU, NULL);
		e[1] = encode(many, 5, ABI_KIND_CPU, NULL);
		e[2] = encode(reversed, 5, ABI_KIND_CPU, NULL);
		for (size_t i = 0; i < 3; i++) {
			uint32_t n = e[i].profile->n_samples;

			check_rules(&e[i]);
			assert_int_equal(sum_values(e[i].profile, 0), count);
			assert_int_equal(sum_values(e[i].profile, 1), value);
			assert_memory_equal(&e[i].quality, &e[0].quality, sizeof(e[0].quality));
			assert_int_equal(n, e[0].profile->n_samples);
			texts[i] = calloc(n, sizeof(char *));
			for (uint32_t j = 0; j < n; j++)
				texts[i][j] = sample_text(&e[i], j);
			qsort(texts[i], n, sizeof(char *), compare_texts);
			for (uint32_t j = 0; j < n; j++) {
				assert_string_equal(texts[i][j], texts[0][j]);
				/* All equal ones have met. */
				if (j > 0)
					assert_string_not_equal(texts[i][j], texts[i][j - 1]);
			}
		}
		for (size_t i = 0; i < 3; i++) {
			for (uint32_t j = 0; j < e[i].profile->n_samples; j++)
				free(texts[i][j]);
			free(texts[i]);
			encoded_done(&e[i]);
		}
		for (size_t i = 0; i < 5; i++)
			window_free(many[i]);
		window_free(one);
	}
}

/* Other tools must read it too ($PROFILE). Skipped where they are missing. */
static void run_tool(const char *tool, const char *command, const struct encoded *e)
{
	char directory[SCRATCH_SIZE], path[SCRATCH_SIZE + 16], line[128];
	FILE *file;

	snprintf(line, sizeof(line), "command -v %s >/dev/null 2>&1", tool);
	if (system(line) != 0) {
		print_message("no %s: skipped\n", tool);
		return;
	}
	assert_int_equal(scratch_make(directory), 0);
	snprintf(path, sizeof(path), "%s/profile", directory);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(e->data, 1, e->size, file), e->size);
	fclose(file);
	setenv("PROFILE", path, 1);
	if (system(command) != 0)
		fail_msg("%s", command);
	assert_int_equal(scratch_remove(directory), 0);
}

static void test_tools(void **state)
{
	struct window *w = window_new(0);
	uint64_t random = 4711;
	struct encoded e;

	(void)state;
	for (int i = 0; i < 500; i++) {
		struct frame frames[8];
		struct sample s = world_sample(&random, frames, ARRAY_SIZE(frames));

		window_add(w, &s);
	}
	e = encode_one(w, NULL);
	run_tool(
		"protoc",
		"gzip -dc $PROFILE | protoc --decode=perftools.profiles.Profile --proto_path=proto "
		"profile.proto | grep -q 'period: 10101010'",
		&e);
	run_tool("go", "go tool pprof -top $PROFILE 2>/dev/null | grep -q 'File: .processes'", &e);
	run_tool("go",
		 "go tool pprof -tagfocus=pid=200 -traces $PROFILE 2>/dev/null | grep -q "
		 "'container: *0123456789abcdef'",
		 &e);
	run_tool("go",
		 "go tool pprof -raw $PROFILE 2>/dev/null | grep -q 'PeriodType: cpu nanoseconds'",
		 &e);
	encoded_done(&e);
	window_free(w);
}

static void compare_locations(const struct pprof_profile *a, const struct pprof_location *x,
			      const struct pprof_profile *b, const struct pprof_location *y)
{
	assert_true(x->address == y->address);
	assert_int_equal(x->n_lines, y->n_lines);
	assert_string_equal(a->mappings[x->mapping].file, b->mappings[y->mapping].file);
	for (uint32_t i = 0; i < x->n_lines; i++) {
		const struct pprof_function *f = &a->functions[x->lines[i].function];
		const struct pprof_function *g = &b->functions[y->lines[i].function];

		assert_string_equal(f->name, g->name);
		assert_string_equal(f->system_name, g->system_name);
		assert_string_equal(f->file, g->file);
		assert_int_equal(x->lines[i].line, y->lines[i].line);
	}
}

static void compare_samples(const struct pprof_profile *a, const struct pprof_profile *b)
{
	assert_int_equal(a->n_samples, b->n_samples);
	assert_int_equal(a->n_locations, b->n_locations);
	assert_int_equal(a->n_functions, b->n_functions);
	assert_int_equal(a->n_mappings, b->n_mappings);
	for (uint32_t i = 0; i < a->n_samples; i++) {
		const struct pprof_sample *s = &a->samples[i], *t = &b->samples[i];

		assert_int_equal(s->n_locations, t->n_locations);
		assert_memory_equal(s->values, t->values, 2 * sizeof(*s->values));
		for (uint32_t k = 0; k < s->n_locations; k++)
			compare_locations(a, &a->locations[s->locations[k]], b,
					  &b->locations[t->locations[k]]);
	}
}

/* What was made while the window was open changes nothing but what is left to do. */
static void test_made_ahead(void **state)
{
	struct symbolizer symbolizer = { .kernel_start = WORLD_KERNEL_START,
					 .kernel_end = WORLD_KERNEL_END };
	struct pprof_ahead *ahead = pprof_ahead_new(&symbolizer);
	struct pprof_options o = { .kind = ABI_KIND_CPU, .period = PERIOD, .ahead = ahead };
	struct window *w = window_new(0);
	struct pprof_profile *profile;
	uint64_t random = 7;
	struct encoded e;
	void *data;
	size_t size;

	(void)state;
	for (int i = 0; i < 500; i++) {
		struct frame frames[12];
		struct sample sample = world_sample(&random, frames, ARRAY_SIZE(frames));

		sample.kind = ABI_KIND_CPU;
		assert_int_equal(window_add(w, &sample), 0);
		if (i % 150 == 149)
			pprof_ahead_step(ahead, w);
	}
	window_close(w, 1);
	e = encode_one(w, NULL);
	assert_int_equal(pprof_encode(&w, 1, &o, &symbolizer, &data, &size, NULL), 0);
	assert_int_equal(pprof_decode(data, size, &profile), 0);
	compare_samples(e.profile, profile);
	assert_true(symbolizer.prepared > 0 && symbolizer.prepared < e.symbolizer.prepared);
	assert_null(pprof_ahead_free(ahead));
	pprof_profile_free(profile);
	free(data);
	encoded_done(&e);
	window_free(w);
}

/* A file that is found while the window is open is in the profile as it was found. */
static void test_read_while_made_ahead(void **state)
{
	struct symbolizer symbolizer = {};
	struct pprof_ahead *ahead = pprof_ahead_new(&symbolizer);
	struct pprof_options o = { .kind = ABI_KIND_CPU, .period = PERIOD, .ahead = ahead };
	static struct executable_segment segment[] = { { .size = 0xf80 } };
	struct executable x = { .refs = 1, .path = (char *)"/late" };
	const struct frame frame = { .kind = FRAME_FILE, .executable = &x, .address = 0x100 };
	struct window *w = window_new(0);
	struct encoded e = {};

	(void)state;
	add(w, 0, ABI_STACK_complete, &frame, 1);
	pprof_ahead_step(ahead, w);
	x.path = (char *)"/usr/bin/late";
	x.build_id[0] = 3;
	x.build_id_size = 1;
	x.segments = segment;
	x.n_segments = 1;
	x.readable = true;
	assert_int_equal(pprof_encode(&w, 1, &o, &symbolizer, &e.data, &e.size, NULL), 0);
	assert_int_equal(pprof_decode(e.data, e.size, &e.profile), 0);
	assert_string_equal(mapping(&e, 0, 0)->file, "/usr/bin/late");
	assert_string_equal(mapping(&e, 0, 0)->build_id, "03");
	assert_int_equal(mapping(&e, 0, 0)->limit, 0x1000);
	assert_null(pprof_ahead_free(ahead));
	pprof_profile_free(e.profile);
	free(e.data);
	window_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_merging),
		cmocka_unit_test(test_made_ahead),
		cmocka_unit_test(test_read_while_made_ahead),
		cmocka_unit_test(test_tools),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
