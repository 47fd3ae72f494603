/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a profile, and what is made of those that are one: each index is followed. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "profile/lock_frames.h"
#include "profile/pprof.h"
#include "profile/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

static size_t walk(const struct pprof_profile *p)
{
	size_t sum = 0;

	for (uint32_t i = 0; i < p->n_locations; i++) {
		const struct pprof_location *l = &p->locations[i];

		require(l->mapping >= -1 && l->mapping < (int32_t)p->n_mappings);
		if (l->mapping >= 0)
			sum += strlen(p->mappings[l->mapping].file) +
			       strlen(p->mappings[l->mapping].build_id);
		for (uint32_t j = 0; j < l->n_lines; j++) {
			require(l->lines[j].function < p->n_functions);
			sum += strlen(p->functions[l->lines[j].function].name);
		}
	}
	for (uint32_t i = 0; i < p->n_samples; i++) {
		const struct pprof_sample *s = &p->samples[i];

		for (uint32_t j = 0; j < s->n_locations; j++)
			require(s->locations[j] < p->n_locations);
		for (uint32_t j = 0; j < p->n_types; j++)
			sum += (size_t)s->values[j];
		for (uint32_t j = 0; j < s->n_labels; j++)
			sum += strlen(s->labels[j].key) + strlen(s->labels[j].unit);
	}
	for (uint32_t i = 0; i < p->n_comments; i++)
		sum += strlen(p->comments[i]);
	return sum;
}

static void report(const struct pprof_profile *p)
{
	for (uint32_t column = 0; column < p->n_types && column < 2; column++) {
		_cleanup_free_ struct report_process *processes = NULL;
		_cleanup_free_ struct report_row *rows = NULL;
		int64_t total;
		size_t n;

		if (report_top(p, column, column ? lock_frames() : NULL, column, &rows, &n,
			       &total) == 0)
			require(n <= (size_t)p->n_functions + 1);
		if (report_processes(p, column, &processes, &n) == 0)
			require(n <= p->n_samples);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static volatile size_t sink;
	struct pprof_profile *p;

	/* Compressed, four kilobytes can be four megabytes: enough to find what there is. */
	if (size > 4096 || pprof_decode(data, size, &p) < 0)
		return 0;
	sink = walk(p);
	(void)sink;
	report(p);
	pprof_profile_free(p);
	return 0;
}
