/* SPDX-License-Identifier: Apache-2.0 */
#include "profctl/summary.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "profctl/measure.h"
#include "profctl/profctl.h"
#include "profctl/text.h"
#include "profile/pprof.h"

DEFINE_CLEANUP(struct pprof_profile *, pprof_profile_free);

uint32_t summary_column(const struct pprof_profile *p, const char *type)
{
	for (uint32_t i = 0; i < p->n_types; i++)
		if (strcmp(p->types[i], type) == 0)
			return i;
	return p->n_types ? p->n_types - 1 : 0;
}

bool summary_has_column(const struct pprof_profile *p, const char *type)
{
	for (uint32_t i = 0; i < p->n_types; i++)
		if (strcmp(p->types[i], type) == 0)
			return true;
	return false;
}

int64_t summary_total(const struct pprof_profile *p, uint32_t column)
{
	int64_t sum = 0;

	if (column >= p->n_types)
		return 0;
	for (uint32_t i = 0; i < p->n_samples; i++)
		if (__builtin_add_overflow(sum, p->samples[i].values[column], &sum))
			return INT64_MAX;
	return sum;
}

uint64_t summary_quality(const struct pprof_profile *p, const char *key)
{
	static const char begin[] = "profd: ";
	size_t n = strlen(key);

	for (uint32_t i = 0; i < p->n_comments; i++) {
		const char *c = p->comments[i];

		if (strncmp(c, begin, strlen(begin)) != 0)
			continue;
		c += strlen(begin);
		if (strncmp(c, key, n) == 0 && c[n] == '=')
			return strtoull(c + n + 1, NULL, 10);
	}
	return 0;
}

bool summary_is_mutex(const struct pprof_profile *p)
{
	for (uint32_t i = 0; i < p->n_comments; i++)
		if (strcmp(p->comments[i], "profd: type=mutex") == 0)
			return true;
	return false;
}

/* Of CPU, or of waiting. */
static void print_amount(FILE *f, const struct pprof_profile *p)
{
	char time[MEASURE_TEXT_LEN], duration[MEASURE_TEXT_LEN];

	measure_format_duration(p->duration, duration);
	if (!summary_has_column(p, "delay"))
		fprintf(f, "%" PRId64 " samples, %s of CPU time in %s",
			summary_total(p, summary_column(p, "samples")),
			measure_format_time(summary_total(p, summary_column(p, "cpu")), time),
			duration);
	else
		fprintf(f, "%" PRId64 " %s, %s of waiting in %s",
			summary_total(p, summary_column(p, "contentions")),
			summary_is_mutex(p) ? "contentions" : "waits",
			measure_format_time(summary_total(p, summary_column(p, "delay")), time),
			duration);
}

void summary_print_profile(FILE *f, const struct pprof_profile *p)
{
	uint64_t attempted = summary_quality(p, "user_stacks_attempted");
	uint64_t complete = summary_quality(p, "user_stacks_complete");

	if (!p->n_samples) {
		fputs(!summary_has_column(p, "delay")
			      ? "No samples: nothing that was selected ran on a CPU\n"
		      : summary_is_mutex(p)
			      ? "No samples: nobody waited for a lock of what was selected\n"
			      : "No samples: nothing that was selected waited\n",
		      f);
		return;
	}
	print_amount(f, p);
	if (attempted)
		fprintf(f, "; user stacks complete: %.1f%%",
			100 * (double)complete / (double)attempted);
	fputc('\n', f);
}

void summary_print(FILE *f, const char *path, const void *data, size_t size)
{
	_cleanup_(pprof_profile_freep)
	struct pprof_profile *p = NULL;
	_cleanup_free_ char *word = path ? text_shell_word(path) : NULL;
	char bytes[MEASURE_TEXT_LEN];
	uint64_t lost;

	if (path)
		fprintf(f, "Wrote %s (%s)\n", path, measure_format_bytes(size, bytes));
	if (pprof_decode(data, size, &p) < 0) {
		complain("what was recorded cannot be read as a profile");
		return;
	}
	summary_print_profile(f, p);
	if (word && p->n_samples)
		fprintf(f, "Open it: go tool pprof -http=: %s\n", word);
	lost = summary_quality(p, "samples_lost");
	if (lost)
		complain("%" PRIu64 " samples of all processes were lost while this was recorded",
			 lost);
}
