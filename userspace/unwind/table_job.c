/* SPDX-License-Identifier: Apache-2.0 */
/* The answer is the table, which wants to be aligned, followed by a struct table_answer. */
#include "unwind/table_job.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "elf/elf_image.h"
#include "unwind/table.h"
#include "unwind/table_builder.h"

/* Bytes of code that the table has rules for. A page's last row goes on to the end of the page. */
static uint64_t described(const struct unwind_table *t)
{
	const struct unwind_page *pages = unwind_table_pages(t);
	const struct unwind_row *rows = unwind_table_rows(t);
	uint64_t sum = 0;

	for (uint32_t p = 0; p < t->n_pages; p++) {
		for (uint32_t i = 0; i < pages[p].n_rows; i++) {
			const struct unwind_row *row = &rows[pages[p].row + i];
			uint32_t end = i + 1 < pages[p].n_rows ? row[1].pc_low : UNWIND_PAGE_SIZE;

			if (row->rule)
				sum += end - row->pc_low;
		}
	}
	return sum;
}

static uint64_t code(const struct elf_image *image)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < image->n_segments; i++) {
		if (image->segments[i].p_type == PT_LOAD && image->segments[i].p_flags & PF_X)
			sum += image->segments[i].p_filesz;
	}
	return sum;
}

/* Nearly all files describe nearly all their code; for these nobody is sent to look for more. */
static void find_out_what_is_missing(int fd, const struct unwind_table *t, struct table_answer *a)
{
	_cleanup_(elf_image_done)
	struct elf_image image = { .fd = -1 };

	if (elf_image_open(fd, &image) < 0 || elf_image_debug_section(&image, ".debug_frame") ||
	    described(t) > code(&image) / 2)
		return;
	if (debug_identity_read(fd, &a->identity) == 0)
		a->wants_debug_file = a->identity.build_id_size > 0 || a->identity.link[0];
}

/* -1 if none of them belongs to the executable. */
static int fitting(const int *fds, size_t n_fds)
{
	struct debug_identity identity;

	if (debug_identity_read(fds[0], &identity) < 0)
		return -1;
	for (size_t i = 1; i < n_fds; i++) {
		if (debug_identity_fits(&identity, fds[i]))
			return fds[i];
	}
	return -1;
}

int table_job_run(const int *fds, size_t n_fds, const void *args, size_t args_size, void **ret_data,
		  size_t *ret_size)
{
	_cleanup_free_ struct unwind_table *table = NULL;
	struct table_answer answer = { 0 };
	int r, debug_fd;
	size_t size;
	char *data;

	(void)args, (void)args_size;
	if (n_fds < 1)
		return -EINVAL;
	debug_fd = n_fds > 1 ? fitting(fds, n_fds) : -1;
	r = unwind_table_build(fds[0], debug_fd, &table);
	if (r < 0)
		return r;
	answer.has_debug_file = debug_fd >= 0;
	if (n_fds == 1)
		find_out_what_is_missing(fds[0], table, &answer);
	size = table->size;
	data = realloc(table, size + sizeof(answer));
	if (!data)
		return -ENOMEM;
	table = NULL;
	memcpy(data + size, &answer, sizeof(answer));
	*ret_data = data;
	*ret_size = size + sizeof(answer);
	return 0;
}

int table_job_check(const void *data, size_t size, struct table_answer *ret)
{
	struct table_answer answer;

	if (size < sizeof(answer))
		return -EBADMSG;
	size -= sizeof(answer);
	memcpy(&answer, (const char *)data + size, sizeof(answer));
	if (!debug_identity_is_valid(&answer.identity) || unwind_table_check(data, size) < 0)
		return -EBADMSG;
	*ret = answer;
	return 0;
}
