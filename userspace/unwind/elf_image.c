/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/elf_image.h"
#include "base/cleanup.h"
#include "base/fileio.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#define MAX_SEGMENTS 4096
#define MAX_NAMES    (1U << 20)
#define MAX_NOTES    (64U << 10)

/* zlib cannot do better than about 1030:1. */
#define MAX_INFLATION 1032

int elf_image_read(const struct elf_image *image, void *buffer, size_t size, uint64_t offset)
{
	if (offset > image->size || size > image->size - offset)
		return -ENODATA;
	if (image->fd >= 0)
		return fd_pread_full(image->fd, buffer, size, offset);
	memcpy(buffer, image->data + offset, size);
	return 0;
}

static int read_new(const struct elf_image *image, uint64_t offset, size_t size, void *ret)
{
	_cleanup_free_ void *data = malloc(size + 1);
	int r;

	if (!data)
		return -ENOMEM;
	r = elf_image_read(image, data, size, offset);
	if (r)
		return r;
	((char *)data)[size] = 0;
	*(void **)ret = TAKE_PTR(data);
	return 0;
}

static int read_segments(struct elf_image *image)
{
	const Elf64_Ehdr *h = &image->header;
	int r;

	if (!h->e_phnum)
		return 0;
	if (h->e_phentsize != sizeof(Elf64_Phdr) || h->e_phnum > MAX_SEGMENTS)
		return -ENOEXEC;
	r = read_new(image, h->e_phoff, h->e_phnum * sizeof(Elf64_Phdr), &image->segments);
	if (!r)
		image->n_segments = h->e_phnum;
	return r;
}

/*
 * Without sections, or with damaged ones, only what the program headers lead to is found. The
 * extended numbering of more than 65,279 sections is for object files and not read.
 */
static int read_sections(struct elf_image *image)
{
	const Elf64_Ehdr *h = &image->header;
	const Elf64_Shdr *names;
	int r;

	if (!h->e_shoff || !h->e_shnum || h->e_shentsize != sizeof(Elf64_Shdr) ||
	    h->e_shstrndx >= h->e_shnum)
		return 0;
	r = read_new(image, h->e_shoff, h->e_shnum * sizeof(Elf64_Shdr), &image->sections);
	if (r)
		return r == -ENOMEM ? r : 0;
	names = &image->sections[h->e_shstrndx];
	if (names->sh_type != SHT_STRTAB || !names->sh_size || names->sh_size > MAX_NAMES)
		return 0;
	r = read_new(image, names->sh_offset, names->sh_size, &image->names);
	if (r)
		return r == -ENOMEM ? r : 0;
	image->names_size = names->sh_size;
	image->n_sections = h->e_shnum;
	return 0;
}

static int read_headers(struct elf_image *image)
{
	const Elf64_Ehdr *h = &image->header;
	int r;

	r = elf_image_read(image, &image->header, sizeof(image->header), 0);
	if (r)
		return r == -ENODATA ? -ENOEXEC : r;
	if (memcmp(h->e_ident, ELFMAG, SELFMAG) || h->e_ident[EI_CLASS] != ELFCLASS64 ||
	    h->e_ident[EI_DATA] != ELFDATA2LSB || h->e_machine != EM_X86_64)
		return -ENOEXEC;
	r = read_segments(image);
	if (r)
		return r == -ENODATA ? -ENOEXEC : r;
	return read_sections(image);
}

static int finish_open(struct elf_image *image, struct elf_image *ret)
{
	int r = read_headers(image);

	if (r)
		elf_image_done(image);
	else
		*ret = *image;
	return r;
}

int elf_image_open(int fd, struct elf_image *ret)
{
	struct elf_image image = { .fd = fd };
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ENOEXEC;
	image.size = (uint64_t)st.st_size;
	return finish_open(&image, ret);
}

int elf_image_of(const void *data, size_t size, struct elf_image *ret)
{
	struct elf_image image = { .fd = -1, .data = data, .size = size };

	return finish_open(&image, ret);
}

void elf_image_done(struct elf_image *image)
{
	free(image->segments);
	free(image->sections);
	free(image->names);
	*image = (struct elf_image){ .fd = -1 };
}

const Elf64_Shdr *elf_image_section(const struct elf_image *image, const char *name)
{
	for (uint32_t i = 0; i < image->n_sections; i++) {
		const Elf64_Shdr *s = &image->sections[i];

		if (s->sh_type != SHT_NOBITS && s->sh_type != SHT_NULL && s->sh_size &&
		    s->sh_name < image->names_size && !strcmp(image->names + s->sh_name, name))
			return s;
	}
	return NULL;
}

static int uncompress_section(const uint8_t *data, size_t size, uint8_t **ret_data,
			      size_t *ret_size)
{
	_cleanup_free_ uint8_t *plain = NULL;
	Elf64_Chdr header;
	uLongf plain_size;

	if (size < sizeof(header))
		return -EBADMSG;
	memcpy(&header, data, sizeof(header));
	if (header.ch_type != ELFCOMPRESS_ZLIB)
		return -ENOTSUP;
	if (header.ch_size > ELF_IMAGE_MAX_SECTION)
		return -EFBIG;
	if (!header.ch_size || header.ch_size / MAX_INFLATION > size)
		return -EBADMSG;
	plain_size = header.ch_size;
	plain = malloc(plain_size);
	if (!plain)
		return -ENOMEM;
	if (uncompress(plain, &plain_size, data + sizeof(header), size - sizeof(header)) != Z_OK)
		return -EBADMSG;
	*ret_size = plain_size;
	*ret_data = TAKE_PTR(plain);
	return 0;
}

int elf_image_copy(const struct elf_image *image, const Elf64_Shdr *section, uint8_t **ret_data,
		   size_t *ret_size)
{
	_cleanup_free_ uint8_t *data = NULL;
	int r;

	if (section->sh_size > ELF_IMAGE_MAX_SECTION)
		return -EFBIG;
	r = read_new(image, section->sh_offset, section->sh_size, &data);
	if (r)
		return r;
	if (section->sh_flags & SHF_COMPRESSED)
		return uncompress_section(data, section->sh_size, ret_data, ret_size);
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

static size_t align4(size_t n)
{
	return (n + 3) & ~(size_t)3;
}

/* The description of the build id among @size bytes of notes. */
static size_t find_build_id(const uint8_t *notes, size_t size, uint8_t *buffer, size_t room)
{
	size_t at = 0;

	while (size - at >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr n;
		size_t name, end;

		memcpy(&n, notes + at, sizeof(n));
		name = at + sizeof(n);
		if (n.n_namesz > size - name || n.n_descsz > size - name)
			return 0;
		end = name + align4(n.n_namesz) + align4(n.n_descsz);
		if (end > size && end - 3 > size)
			return 0;
		if (n.n_type == NT_GNU_BUILD_ID && n.n_namesz == 4 &&
		    !memcmp(notes + name, "GNU", 4) && name + 4 + n.n_descsz <= size) {
			size_t length = MIN((size_t)n.n_descsz, room);

			memcpy(buffer, notes + name + 4, length);
			return length;
		}
		if (end >= size)
			return 0;
		at = end;
	}
	return 0;
}

size_t elf_image_build_id(const struct elf_image *image, uint8_t *buffer, size_t room)
{
	for (uint32_t i = 0; i < image->n_segments; i++) {
		const Elf64_Phdr *p = &image->segments[i];
		_cleanup_free_ uint8_t *notes = NULL;
		size_t n;

		if (p->p_type != PT_NOTE || !p->p_filesz || p->p_filesz > MAX_NOTES ||
		    read_new(image, p->p_offset, p->p_filesz, &notes))
			continue;
		n = find_build_id(notes, p->p_filesz, buffer, room);
		if (n)
			return n;
	}
	return 0;
}
