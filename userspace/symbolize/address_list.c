/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/address_list.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/fileio.h"

#define FIRST 64

int address_list_add(struct address_list *l, uint64_t address)
{
	if (l->n == l->allocated) {
		size_t allocated = l->allocated ? l->allocated * 2 : FIRST;
		uint64_t *bigger;

		if (l->n >= ADDRESS_LIST_MAX)
			return -E2BIG;
		bigger = reallocarray(l->addresses, allocated, sizeof(*bigger));
		if (!bigger)
			return -ENOMEM;
		l->addresses = bigger;
		l->allocated = allocated;
	}
	l->addresses[l->n++] = address;
	return 0;
}

static int compare_addresses(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

void address_list_sort(struct address_list *l)
{
	size_t kept = 0;

	if (l->n == 0)
		return;
	qsort(l->addresses, l->n, sizeof(*l->addresses), compare_addresses);
	for (size_t i = 1; i < l->n; i++)
		if (l->addresses[i] != l->addresses[kept])
			l->addresses[++kept] = l->addresses[i];
	l->n = kept + 1;
}

void address_list_done(struct address_list *l)
{
	free(l->addresses);
	*l = (struct address_list){};
}

int address_file(const uint64_t *addresses, size_t n)
{
	_cleanup_close_ int fd = memfd_create("profd-addresses", MFD_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = fd_write_full(fd, addresses, n * sizeof(*addresses));
	return r < 0 ? r : TAKE_FD(fd);
}
