/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/build_id.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "elf/elf_image.h"

#define MAX_NOTES ((uint64_t)256 << 10) /* all the notes of one file together */

static size_t align_up(size_t n, size_t alignment)
{
	return (n + alignment - 1) & ~(alignment - 1);
}

/* Copies the description of the first build id to @ret; returns its size, 0 if there is none. */
static size_t find(const char *notes, size_t size, size_t alignment, uint8_t *ret)
{
	size_t at = 0;

	while (at <= size && size - at >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr note;
		size_t name, data;

		memcpy(&note, notes + at, sizeof(note));
		name = at + sizeof(note);
		if (note.n_namesz > size - name)
			return 0;
		data = name + align_up(note.n_namesz, alignment);
		if (data > size || note.n_descsz > size - data)
			return 0;
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof(ELF_NOTE_GNU) &&
		    memcmp(notes + name, ELF_NOTE_GNU, sizeof(ELF_NOTE_GNU)) == 0 &&
		    note.n_descsz > 0 && note.n_descsz <= ELF_BUILD_ID_MAX) {
			memcpy(ret, notes + data, note.n_descsz);
			return note.n_descsz;
		}
		at = data + align_up(note.n_descsz, alignment);
	}
	return 0;
}

struct search {
	const struct elf_image *image;
	uint64_t left; /* bytes of notes that may still be read */
	uint8_t *ret;
	size_t found; /* bytes of it */
};

static int search_notes(struct search *s, uint64_t size, uint64_t offset, uint64_t alignment)
{
	_cleanup_free_ void *notes = NULL;
	int r;

	if (size == 0 || size > s->left)
		return 0;
	s->left -= size;
	r = elf_image_read_new(s->image, size, offset, &notes);
	if (r < 0)
		return r;
	/* Notes are padded to 4 bytes, but those of a segment aligned to 8 to 8 bytes. */
	s->found = find(notes, size, alignment == 8 ? 8 : 4, s->ret);
	return 0;
}

int build_id_of_segments(const struct elf_image *image, uint8_t ret[ELF_BUILD_ID_MAX],
			 size_t *ret_size)
{
	struct search s = { .image = image, .left = MAX_NOTES, .ret = ret };
	int r = 0;

	for (uint32_t i = 0; r == 0 && s.found == 0 && i < image->n_segments; i++) {
		const Elf64_Phdr *p = &image->segments[i];

		if (p->p_type == PT_NOTE)
			r = search_notes(&s, p->p_filesz, p->p_offset, p->p_align);
	}
	if (r == 0)
		*ret_size = s.found;
	return r;
}

int build_id_of_sections(const struct elf_image *image, uint8_t ret[ELF_BUILD_ID_MAX],
			 size_t *ret_size)
{
	struct search s = { .image = image, .left = MAX_NOTES, .ret = ret };
	int r = 0;

	for (uint32_t i = 1; r == 0 && s.found == 0 && i < image->n_sections; i++) {
		const Elf64_Shdr *section = &image->sections[i];

		if (section->sh_type == SHT_NOTE)
			r = search_notes(&s, section->sh_size, section->sh_offset,
					 section->sh_addralign);
	}
	if (r == 0)
		*ret_size = s.found;
	return r;
}

size_t build_id_of_notes(const void *notes, size_t size, uint8_t ret[ELF_BUILD_ID_MAX])
{
	return find(notes, size, 4, ret);
}

void build_id_format(const uint8_t *build_id, size_t size, char *ret)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < size; i++) {
		ret[2 * i] = digits[build_id[i] >> 4];
		ret[2 * i + 1] = digits[build_id[i] & 15];
	}
	ret[2 * size] = '\0';
}
