/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/mman.h>

#include "charges.h"

struct log *log_new(void)
{
	void *memory = mmap(NULL, sizeof(struct log), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	must(memory != MAP_FAILED, "mmap");
	return memory;
}

void log_lock(struct log *l, struct tally *t)
{
	struct moment begin = moment_now();
	uint64_t began = now_ns(), waited;
	uint32_t i;

	pthread_mutex_lock(&l->mutex);
	waited = moment_end(t, begin);
	i = l->n_waits++;
	must(i < LOG_ENTRIES, "too many waits");
	l->waits[i] = (struct wait_entry){ began, began + waited };
}

void log_unlock(struct log *l, int holder)
{
	uint32_t i = l->n_releases++;

	must(i < LOG_ENTRIES, "too many releases");
	l->releases[i] = (struct release_entry){ .at_ns = now_ns(), .holder = holder };
	pthread_mutex_unlock(&l->mutex);
	l->releases[i].done_ns = now_ns();
	NOT_A_TAIL_CALL;
}

static int by_time(const void *a, const void *b)
{
	const struct release_entry *x = a, *y = b;

	return (x->at_ns > y->at_ns) - (x->at_ns < y->at_ns);
}

/* What @w has in common with the time between two releases. */
static uint64_t overlap(const struct wait_entry *w, uint64_t from, uint64_t to)
{
	uint64_t begin = w->begin_ns > from ? w->begin_ns : from;
	uint64_t end = w->end_ns < to ? w->end_ns : to;

	return end > begin ? end - begin : 0;
}

void log_print(struct log *l, const char *const *names, int n)
{
	uint64_t charged[HOLDERS] = { 0 }, unsure[HOLDERS] = { 0 };
	uint64_t before = 0, meanwhile = 0;
	uint32_t first = 0;

	qsort(l->releases, l->n_releases, sizeof(l->releases[0]), by_time);
	for (uint32_t r = 0; r < l->n_releases; r++) {
		const struct release_entry *release = &l->releases[r];

		/* Waits are logged as they end, so those long over are in front. */
		while (first < l->n_waits && l->waits[first].end_ns + 1000 * MSEC < before)
			first++;
		/* The release before is a matter of this one as well. */
		unsure[release->holder] += meanwhile;
		meanwhile = 0;
		for (uint32_t w = first; w < l->n_waits; w++) {
			charged[release->holder] += overlap(&l->waits[w], before, release->at_ns);
			meanwhile += overlap(&l->waits[w], release->at_ns, release->done_ns);
		}
		unsure[release->holder] += meanwhile;
		before = release->at_ns;
	}
	for (int i = 0; i < n; i++) {
		printf("charge_%s_ns=%llu\n", names[i], (unsigned long long)charged[i]);
		printf("unsure_%s_ns=%llu\n", names[i], (unsigned long long)unsure[i]);
	}
}
