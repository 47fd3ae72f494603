/* SPDX-License-Identifier: Apache-2.0 */
/* Finding sections and segments, and copying what is in them. */
#include "elf/elf_image.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
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

const Elf64_Shdr *elf_image_debug_section(const struct elf_image *image, const char *name)
{
	const Elf64_Shdr *s = elf_image_section(image, name);
	char old[64];

	if (s || snprintf(old, sizeof(old), ".z%s", name + 1) >= (int)sizeof(old))
		return s;
	return elf_image_section(image, old);
}

bool elf_image_is_old_compressed(const struct elf_image *image, const Elf64_Shdr *section)
{
	return section->sh_name < image->names_size &&
	       strncmp(image->names + section->sh_name, ".zdebug_", 8) == 0;
}

/* "ZLIB" and the size, big-endian. */
int elf_image_old_size(const void *header, uint64_t *ret_size)
{
	uint64_t size;

	if (memcmp(header, "ZLIB", 4) != 0)
		return -EBADMSG;
	memcpy(&size, (const char *)header + 4, sizeof(size));
	*ret_size = be64toh(size);
	return 0;
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

/* How large the content will be, and by what it was compressed. */
struct compression {
	uint32_t type; /* ch_type */
	size_t header; /* bytes before the stream */
	uint64_t size; /* of the content */
};

static int read_gabi(const void *data, size_t size, struct compression *ret)
{
	Elf64_Chdr header;

	if (size < sizeof(header))
		return -EBADMSG;
	memcpy(&header, data, sizeof(header));
	if (header.ch_type != ELFCOMPRESS_ZLIB && header.ch_type != COMPRESS_ZSTD)
		return -ENOTSUP;
	*ret = (struct compression){ header.ch_type, sizeof(header), header.ch_size };
	return 0;
}

static int read_old(const void *data, size_t size, struct compression *ret)
{
	*ret = (struct compression){ .type = ELFCOMPRESS_ZLIB, .header = ELF_OLD_HEADER };
	return size < ELF_OLD_HEADER ? -EBADMSG : elf_image_old_size(data, &ret->size);
}

static int uncompress_section(const struct compression *c, const char *data, size_t size,
			      size_t max, void **ret_data, size_t *ret_size)
{
	_cleanup_free_ Bytef *plain = NULL;
	int r;

	data += c->header;
	size -= c->header;
	if (c->size > max)
		return -EFBIG;
	if (c->size == 0)
		return -EBADMSG;
	plain = malloc(c->size + 1);
	if (!plain)
		return -ENOMEM;
	r = c->type == ELFCOMPRESS_ZLIB ? uncompress_zlib(plain, c->size, data, size)
					: uncompress_zstd(plain, c->size, data, size);
	if (r < 0)
		return r;
	plain[c->size] = '\0';
	*ret_size = c->size;
	*ret_data = TAKE_PTR(plain);
	return 0;
}

int elf_image_copy(const struct elf_image *image, const Elf64_Shdr *section, size_t max,
		   void **ret_data, size_t *ret_size)
{
	bool old = elf_image_is_old_compressed(image, section);
	_cleanup_free_ void *data = NULL;
	struct compression c;
	int r;

	if (section->sh_type == SHT_NOBITS)
		return -EBADMSG;
	if (section->sh_size > max)
		return -EFBIG;
	r = elf_image_read_new(image, section->sh_size, section->sh_offset, &data);
	if (r < 0)
		return r == -ENODATA ? -EBADMSG : r;
	if (section->sh_flags & SHF_COMPRESSED || old) {
		if (!old && image->header.e_ident[EI_CLASS] != ELFCLASS64)
			return -ENOTSUP;
		r = old ? read_old(data, section->sh_size, &c)
			: read_gabi(data, section->sh_size, &c);
		return r < 0 ? r
			     : uncompress_section(&c, data, section->sh_size, max, ret_data,
						  ret_size);
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
