/* SPDX-License-Identifier: Apache-2.0 */
/* Finding sections and segments, and copying what is in them. */
#include "elf/elf_image.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>
#include <zstd.h>

#include "base/cleanup.h"

/* zlib cannot do better than about 1030:1. */
#define MAX_INFLATION 1032

/* ELFCOMPRESS_ZSTD, which the elf.h of glibc 2.36 does not have yet. */
#define COMPRESS_ZSTD 2

static bool has_bytes(const Elf64_Shdr *s)
{
	return s->sh_type != SHT_NOBITS && s->sh_type != SHT_NULL && s->sh_size > 0;
}

static bool is_called(const struct elf_image *image, const Elf64_Shdr *s, const char *name)
{
	return has_bytes(s) && s->sh_name < image->names_size &&
	       strcmp(image->names + s->sh_name, name) == 0;
}

const Elf64_Shdr *elf_image_section(const struct elf_image *image, const char *name)
{
	for (uint32_t i = 1; i < image->n_sections; i++)
		if (is_called(image, &image->sections[i], name))
			return &image->sections[i];
	return NULL;
}

const Elf64_Shdr *elf_image_last_section(const struct elf_image *image, const char *name)
{
	for (uint32_t i = image->n_sections; i > 1; i--)
		if (is_called(image, &image->sections[i - 1], name))
			return &image->sections[i - 1];
	return NULL;
}

const Elf64_Shdr *elf_image_section_of_type(const struct elf_image *image, uint32_t type)
{
	for (uint32_t i = 1; i < image->n_sections; i++)
		if (image->sections[i].sh_type == type)
			return &image->sections[i];
	return NULL;
}

const Elf64_Shdr *elf_image_link(const struct elf_image *image, const Elf64_Shdr *section)
{
	if (section->sh_link == 0 || section->sh_link >= image->n_sections)
		return NULL;
	return &image->sections[section->sh_link];
}

static int uncompress_zlib(Bytef *plain, size_t plain_size, const char *data, size_t size)
{
	uLongf n = plain_size;

	if (plain_size / MAX_INFLATION > size)
		return -EBADMSG;
	return uncompress(plain, &n, (const Bytef *)data, size) == Z_OK && n == plain_size
		       ? 0
		       : -EBADMSG;
}

static int uncompress_zstd(void *plain, size_t plain_size, const char *data, size_t size)
{
	/* An error is a size, too, and larger than any. */
	return ZSTD_decompress(plain, plain_size, data, size) == plain_size ? 0 : -EBADMSG;
}

static int uncompress_section(const char *data, size_t size, size_t max, void **ret_data,
			      size_t *ret_size)
{
	_cleanup_free_ Bytef *plain = NULL;
	Elf64_Chdr header;
	int r;

	if (size < sizeof(header))
		return -EBADMSG;
	memcpy(&header, data, sizeof(header));
	data += sizeof(header);
	size -= sizeof(header);
	if (header.ch_type != ELFCOMPRESS_ZLIB && header.ch_type != COMPRESS_ZSTD)
		return -ENOTSUP;
	if (header.ch_size > max)
		return -EFBIG;
	if (header.ch_size == 0)
		return -EBADMSG;
	plain = malloc(header.ch_size + 1);
	if (!plain)
		return -ENOMEM;
	r = header.ch_type == ELFCOMPRESS_ZLIB ? uncompress_zlib(plain, header.ch_size, data, size)
					       : uncompress_zstd(plain, header.ch_size, data, size);
	if (r < 0)
		return r;
	plain[header.ch_size] = '\0';
	*ret_size = header.ch_size;
	*ret_data = TAKE_PTR(plain);
	return 0;
}

int elf_image_copy(const struct elf_image *image, const Elf64_Shdr *section, size_t max,
		   void **ret_data, size_t *ret_size)
{
	_cleanup_free_ void *data = NULL;
	int r;

	if (section->sh_type == SHT_NOBITS)
		return -EBADMSG;
	if (section->sh_size > max)
		return -EFBIG;
	r = elf_image_read_new(image, section->sh_size, section->sh_offset, &data);
	if (r < 0)
		return r == -ENODATA ? -EBADMSG : r;
	if (section->sh_flags & SHF_COMPRESSED) {
		if (image->header.e_ident[EI_CLASS] != ELFCLASS64)
			return -ENOTSUP;
		return uncompress_section(data, section->sh_size, max, ret_data, ret_size);
	}
	*ret_size = section->sh_size;
	*ret_data = TAKE_PTR(data);
	return 0;
}

static bool segment_holds(const Elf64_Phdr *p, uint64_t address)
{
	return p->p_type == PT_LOAD && address >= p->p_vaddr &&
	       address - p->p_vaddr < p->p_filesz && p->p_offset + p->p_filesz >= p->p_offset;
}

const Elf64_Phdr *elf_image_segment_at(const struct elf_image *image, uint64_t address)
{
	for (uint32_t i = 0; i < image->n_segments; i++)
		if (segment_holds(&image->segments[i], address))
			return &image->segments[i];
	return NULL;
}

const Elf64_Phdr *elf_image_text_at(const struct elf_image *image, uint64_t address)
{
	for (uint32_t i = 0; i < image->n_segments; i++)
		if (image->segments[i].p_flags & PF_X &&
		    segment_holds(&image->segments[i], address))
			return &image->segments[i];
	return NULL;
}
