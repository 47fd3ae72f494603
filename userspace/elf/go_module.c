/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/go_module.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "elf/go_relocations.h"

#define MAX_MODULES  8
#define CHUNK_WORDS  8192
#define MAX_SEARCHED ((uint64_t)64 << 20) /* bytes of data that are searched for moduledata */

bool go_module_read(const struct elf_image *image, uint64_t address, void *buffer, size_t size)
{
	const Elf64_Phdr *p = elf_image_segment_at(image, address);

	return p && size <= p->p_filesz - (address - p->p_vaddr) &&
	       elf_image_read(image, buffer, size, p->p_offset + (address - p->p_vaddr)) == 0;
}

size_t go_module_words(const struct elf_image *image, uint64_t address, uint64_t *ret, size_t min,
		       size_t max)
{
	size_t n = max;

	memset(ret, 0, max * sizeof(*ret));
	/* It may be the last thing in its segment. */
	while (n >= min && !go_module_read(image, address, ret, n * sizeof(*ret)))
		n--;
	if (n < min)
		return 0;
	go_relocations_apply(image, address, ret, n);
	return n;
}

/* Looks for words that hold the table's address in what the program may write to. */
static bool search_segment(const struct elf_image *image, const Elf64_Phdr *p, uint64_t table,
			   bool (*take)(void *userdata, uint64_t address), void *userdata)
{
	uint64_t size = MIN(p->p_filesz, MAX_SEARCHED) & ~7ULL, start = (8 - p->p_vaddr % 8) % 8;
	_cleanup_free_ uint64_t *words = malloc(CHUNK_WORDS * sizeof(*words));
	unsigned int modules = 0;

	for (uint64_t at = start; words && at < size; at += CHUNK_WORDS * sizeof(*words)) {
		size_t n = (size_t)MIN((size - at) / sizeof(*words), (uint64_t)CHUNK_WORDS);

		if (elf_image_read(image, words, n * sizeof(*words), p->p_offset + at) < 0)
			return false;
		for (size_t i = 0; i < n; i++) {
			if (words[i] != table)
				continue;
			if (take(userdata, p->p_vaddr + at + i * sizeof(*words)))
				return true;
			if (++modules == MAX_MODULES)
				return false;
		}
	}
	return false;
}

bool go_module_find(const struct elf_image *image, uint64_t table,
		    bool (*take)(void *userdata, uint64_t address), void *userdata)
{
	uint64_t written[MAX_MODULES];
	size_t n = go_relocations_of(image, table, written, MAX_MODULES);

	for (size_t i = 0; i < n; i++)
		if (take(userdata, written[i]))
			return true;
	for (uint32_t i = 0; i < image->n_segments; i++) {
		const Elf64_Phdr *p = &image->segments[i];

		if (p->p_type == PT_LOAD && p->p_flags & PF_W &&
		    search_segment(image, p, table, take, userdata))
			return true;
	}
	return false;
}
