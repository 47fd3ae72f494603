/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/collector_files.h"

#include <errno.h>
#include <stdlib.h>

#include <bpf/bpf.h>

#include "abi.h"
#include "base/cleanup.h"

struct entry {
	struct abi_file_key key;
	struct abi_file file;
};

static int compare_last_used(const void *a, const void *b)
{
	uint64_t x = ((const struct entry *)a)->file.last_used;
	uint64_t y = ((const struct entry *)b)->file.last_used;

	return (x > y) - (x < y);
}

/* All entries, unused for longest first. The caller frees. */
static int read_entries(const struct collector_files *f, struct entry **ret, uint32_t *ret_n)
{
	_cleanup_free_ struct abi_file_key *keys = calloc(f->capacity, sizeof(*keys));
	_cleanup_free_ struct abi_file *files = calloc(f->capacity, sizeof(*files));
	uint32_t n = f->capacity, batch, i;
	struct entry *entries;

	if (!keys || !files)
		return -ENOMEM;
	/* ENOENT says that the end was reached. */
	if (bpf_map_lookup_batch(f->map, NULL, &batch, keys, files, &n, NULL) && errno != ENOENT)
		return -errno;
	entries = calloc(f->capacity, sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		entries[i] = (struct entry){ keys[i], files[i] };
	qsort(entries, n, sizeof(*entries), compare_last_used);
	*ret = entries;
	*ret_n = n;
	return 0;
}

int collector_files_evict(struct collector_files *f, uint64_t given, uint32_t *ret_ids, size_t max)
{
	_cleanup_free_ struct entry *entries = NULL;
	uint32_t n = 0, i, removed = 0;
	int err;

	/* Cheap as long as there is nothing to do: ids that met an error only make this earlier. */
	if (given - f->gone <= f->capacity / 4 * 3)
		return 0;
	err = read_entries(f, &entries, &n);
	if (err)
		return err;
	f->gone = given - MIN(given, n);
	if (n <= f->capacity / 4 * 3)
		return 0;
	for (i = 0; i < n - f->capacity / 2 && removed < max; i++) {
		if (bpf_map_delete_elem(f->map, &entries[i].key))
			continue;
		ret_ids[removed++] = entries[i].file.file_id;
	}
	f->gone += removed;
	return (int)removed;
}
