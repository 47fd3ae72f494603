/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/elf_file.h"

#include <errno.h>

#include "base/cleanup.h"
#include "elf/elf_image.h"

static int add_segment(const struct elf_image *image, const Elf64_Phdr *p, struct elf_file *f)
{
	if (p->p_filesz == 0)
		return 0;
	if (f->n_segments == ELF_FILE_SEGMENTS_MAX)
		return -ENOEXEC;
	if (p->p_offset > image->size || p->p_filesz > image->size - p->p_offset ||
	    p->p_vaddr + p->p_filesz < p->p_vaddr)
		return -ENOEXEC;
	f->segments[f->n_segments++] = (struct elf_file_segment){
		.offset = p->p_offset,
		.size = p->p_filesz,
		.address = p->p_vaddr,
	};
	return 0;
}

static int read_segments(const struct elf_image *image, struct elf_file *f)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < image->n_segments; i++) {
		const Elf64_Phdr *p = &image->segments[i];

		if (p->p_type == PT_LOAD && p->p_flags & PF_X)
			r = add_segment(image, p, f);
	}
	return r;
}

/* Damaged sections are no error: a file whose section headers were stripped or cut still runs. */
static int read_build_id(struct elf_image *image, struct elf_file *f)
{
	size_t size;
	int r = build_id_of_segments(image, f->build_id, &size);

	if (r < 0)
		return r;
	if (size == 0 && (elf_image_read_sections(image) < 0 ||
			  build_id_of_sections(image, f->build_id, &size) < 0))
		size = 0;
	f->build_id_size = (uint8_t)size;
	return 0;
}

int elf_file_read(int fd, struct elf_file *ret)
{
	_cleanup_(elf_image_done)
	struct elf_image image = { .fd = -1 };
	struct elf_file f = { 0 };
	int r;

	r = elf_image_open_segments(fd, &image);
	if (r < 0)
		return r;
	f.class = image.header.e_ident[EI_CLASS];
	f.type = image.header.e_type;
	f.machine = image.header.e_machine;
	f.entry = image.header.e_entry;
	r = read_segments(&image, &f);
	if (r == 0)
		r = read_build_id(&image, &f);
	if (r < 0)
		return r == -ENODATA ? -ENOEXEC : r;
	*ret = f;
	return 0;
}
