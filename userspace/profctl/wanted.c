/* SPDX-License-Identifier: Apache-2.0 */
#include "profctl/wanted.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

const struct wanted wanted_cpu = { .kinds = { ABI_KIND_CPU }, .n = 1 };

static const char *const names[] = {
	[ABI_KIND_CPU] = "cpu",
	[ABI_KIND_BLOCK] = "block",
	[ABI_KIND_MUTEX] = "mutex",
};

const char *wanted_name(uint8_t kind)
{
	return names[kind];
}

static bool has(const struct wanted *w, uint8_t kind)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->kinds[i] == kind)
			return true;
	return false;
}

static int add_word(struct wanted *w, const char *word, size_t size)
{
	for (size_t kind = ABI_KIND_CPU; kind < ARRAY_SIZE(names); kind++) {
		if (strlen(names[kind]) != size || strncmp(names[kind], word, size) != 0)
			continue;
		if (!has(w, (uint8_t)kind))
			w->kinds[w->n++] = (uint8_t)kind;
		return 0;
	}
	return -EINVAL;
}

int wanted_add(struct wanted *w, const char *text)
{
	for (;;) {
		size_t n = strcspn(text, ",");

		if (add_word(w, text, n) < 0)
			return -EINVAL;
		if (!text[n])
			return 0;
		text += n + 1;
	}
}

bool wanted_has_waits(const struct wanted *w)
{
	return has(w, ABI_KIND_BLOCK) || has(w, ABI_KIND_MUTEX);
}

struct wait_filter wanted_filter(const struct wanted *w, uint8_t kind)
{
	struct wait_filter f = wait_filter_default(kind);
	char bad[32];

	if (w->reasons)
		wait_reasons_parse(w->reasons, &f.reasons, bad);
	if (w->locks)
		wait_locks_parse(w->locks, &f.locks, bad);
	return f;
}

enum pprof_wakers wanted_wakers(const struct wanted *w, uint8_t kind)
{
	return w->wakers && kind == ABI_KIND_BLOCK ? PPROF_WAKERS_ALL : PPROF_WAKERS_NONE;
}

void recorded_done(struct recorded list[static WANTED_MAX])
{
	for (size_t i = 0; i < WANTED_MAX; i++) {
		free(list[i].data);
		list[i] = (struct recorded){ 0 };
	}
}
