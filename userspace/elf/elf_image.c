/* SPDX-License-Identifier: Apache-2.0 */
/* Opening, and the headers: of the file, of segments, of sections. */
#include "elf/elf_image.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/fileio.h"

#define MAX_SEGMENTS 512
#define MAX_SECTIONS 65536
#define MAX_NAMES    ((size_t)4 << 20)

#define HOST_ENCODING (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB)

int elf_image_read(const struct elf_image *image, void *buffer, uint64_t size, uint64_t offset)
{
	if (offset > image->size || size > image->size - offset)
		return -ENODATA;
	/* The file may have been cut since its size was taken. */
	if (image->fd >= 0)
		return fd_pread_full(image->fd, buffer, size, offset);
	if (!image->data)
		return -ENODATA;
	memcpy(buffer, image->data + offset, size);
	return 0;
}

int elf_image_read_new(const struct elf_image *image, uint64_t size, uint64_t offset,
		       void **ret_data)
{
	_cleanup_free_ char *data = NULL;
	int r;

	if (offset > image->size || size > image->size - offset)
		return -ENODATA;
	data = malloc(size + 1);
	if (!data)
		return -ENOMEM;
	r = elf_image_read(image, data, size, offset);
	if (r < 0)
		return r;
	data[size] = '\0';
	*ret_data = TAKE_PTR(data);
	return 0;
}

static bool is_wide(const struct elf_image *image)
{
	return image->header.e_ident[EI_CLASS] == ELFCLASS64;
}

static void widen_header(const Elf32_Ehdr *narrow, Elf64_Ehdr *ret)
{
	*ret = (Elf64_Ehdr){
		.e_type = narrow->e_type,
		.e_machine = narrow->e_machine,
		.e_version = narrow->e_version,
		.e_entry = narrow->e_entry,
		.e_phoff = narrow->e_phoff,
		.e_shoff = narrow->e_shoff,
		.e_flags = narrow->e_flags,
		.e_ehsize = narrow->e_ehsize,
		.e_phentsize = narrow->e_phentsize,
		.e_phnum = narrow->e_phnum,
		.e_shentsize = narrow->e_shentsize,
		.e_shnum = narrow->e_shnum,
		.e_shstrndx = narrow->e_shstrndx,
	};
	memcpy(ret->e_ident, narrow->e_ident, sizeof(ret->e_ident));
}

static void widen_segment(const void *from, void *ret)
{
	const Elf32_Phdr *narrow = from;

	*(Elf64_Phdr *)ret = (Elf64_Phdr){
		.p_type = narrow->p_type,
		.p_flags = narrow->p_flags,
		.p_offset = narrow->p_offset,
		.p_vaddr = narrow->p_vaddr,
		.p_paddr = narrow->p_paddr,
		.p_filesz = narrow->p_filesz,
		.p_memsz = narrow->p_memsz,
		.p_align = narrow->p_align,
	};
}

static void widen_section(const void *from, void *ret)
{
	const Elf32_Shdr *narrow = from;

	*(Elf64_Shdr *)ret = (Elf64_Shdr){
		.sh_name = narrow->sh_name,
		.sh_type = narrow->sh_type,
		.sh_flags = narrow->sh_flags,
		.sh_addr = narrow->sh_addr,
		.sh_offset = narrow->sh_offset,
		.sh_size = narrow->sh_size,
		.sh_link = narrow->sh_link,
		.sh_info = narrow->sh_info,
		.sh_addralign = narrow->sh_addralign,
		.sh_entsize = narrow->sh_entsize,
	};
}

static int read_header(struct elf_image *image)
{
	unsigned char ident[EI_NIDENT];
	Elf32_Ehdr narrow;
	int r;

	r = elf_image_read(image, ident, sizeof(ident), 0);
	if (r < 0)
		return r;
	if (memcmp(ident, ELFMAG, SELFMAG) != 0 || ident[EI_DATA] != HOST_ENCODING)
		return -ENOEXEC;
	if (ident[EI_CLASS] == ELFCLASS64)
		return elf_image_read(image, &image->header, sizeof(image->header), 0);
	if (ident[EI_CLASS] != ELFCLASS32)
		return -ENOEXEC;
	r = elf_image_read(image, &narrow, sizeof(narrow), 0);
	if (r == 0)
		widen_header(&narrow, &image->header);
	return r;
}

/* A kind of header that stands in the file as a table. */
struct layout {
	size_t narrow, wide; /* bytes of one, in 32-bit files and in 64-bit files */
	void (*widen)(const void *narrow, void *ret);
};

static const struct layout segment_layout = {
	.narrow = sizeof(Elf32_Phdr),
	.wide = sizeof(Elf64_Phdr),
	.widen = widen_segment,
};

static const struct layout section_layout = {
	.narrow = sizeof(Elf32_Shdr),
	.wide = sizeof(Elf64_Shdr),
	.widen = widen_section,
};

/* Reads @n headers, which the file says have @size bytes each. */
static int read_list(const struct elf_image *image, const struct layout *layout, uint64_t offset,
		     uint32_t n, size_t size, void **ret)
{
	_cleanup_free_ void *data = NULL;
	char *list;
	int r;

	if (size != (is_wide(image) ? layout->wide : layout->narrow))
		return -EBADMSG;
	r = elf_image_read_new(image, (uint64_t)n * size, offset, &data);
	if (r < 0)
		return r == -ENODATA ? -EBADMSG : r;
	if (is_wide(image)) {
		*ret = TAKE_PTR(data);
		return 0;
	}
	list = calloc(n, layout->wide);
	if (!list)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		layout->widen((const char *)data + i * layout->narrow, list + i * layout->wide);
	*ret = list;
	return 0;
}

static int read_section_list(const struct elf_image *image, uint32_t n, Elf64_Shdr **ret)
{
	void *list;
	int r = read_list(image, &section_layout, image->header.e_shoff, n,
			  image->header.e_shentsize, &list);

	if (r == 0)
		*ret = list;
	return r;
}

/* Numbers that are too large for the file's header are in the first section header (gABI). */
static int read_first_section(const struct elf_image *image, Elf64_Shdr *ret)
{
	_cleanup_free_ Elf64_Shdr *first = NULL;
	int r = read_section_list(image, 1, &first);

	if (r == 0)
		*ret = *first;
	return r;
}

static int read_segments(struct elf_image *image)
{
	uint32_t n = image->header.e_phnum;
	Elf64_Shdr first;
	void *list;
	int r;

	if (n == PN_XNUM) {
		r = read_first_section(image, &first);
		if (r < 0)
			return r;
		n = first.sh_info;
	}
	if (n == 0)
		return 0;
	if (n > MAX_SEGMENTS)
		return -EFBIG;
	r = read_list(image, &segment_layout, image->header.e_phoff, n, image->header.e_phentsize,
		      &list);
	if (r < 0)
		return r;
	image->segments = list;
	image->n_segments = n;
	return 0;
}

static int read_names(struct elf_image *image, uint32_t index)
{
	void *names;
	int r;

	if (index == SHN_UNDEF || index >= image->n_sections)
		return 0;
	if (image->sections[index].sh_type != SHT_STRTAB)
		return -EBADMSG;
	r = elf_image_copy(image, &image->sections[index], MAX_NAMES, &names, &image->names_size);
	if (r == 0)
		image->names = names;
	return r;
}

static int read_sections(struct elf_image *image)
{
	const Elf64_Ehdr *h = &image->header;
	Elf64_Shdr first;
	uint64_t n;
	int r;

	if (h->e_shoff == 0)
		return 0;
	r = read_first_section(image, &first);
	if (r < 0)
		return r;
	n = h->e_shnum ? h->e_shnum : first.sh_size;
	if (n == 0)
		return 0;
	if (n > MAX_SECTIONS)
		return -EFBIG;
	r = read_section_list(image, (uint32_t)n, &image->sections);
	if (r < 0)
		return r;
	image->n_sections = (uint32_t)n;
	return read_names(image, h->e_shstrndx == SHN_XINDEX ? first.sh_link : h->e_shstrndx);
}

static void drop_sections(struct elf_image *image)
{
	free(image->sections);
	free(image->names);
	image->sections = NULL;
	image->names = NULL;
	image->n_sections = 0;
	image->names_size = 0;
}

int elf_image_read_sections(struct elf_image *image)
{
	drop_sections(image);
	image->sections_error = read_sections(image);
	if (image->sections_error < 0)
		drop_sections(image);
	return image->sections_error;
}

void elf_image_done(struct elf_image *image)
{
	drop_sections(image);
	free(image->segments);
	*image = (struct elf_image){ .fd = -1 };
}

static int open_segments(struct elf_image *image, struct elf_image *ret)
{
	int r = read_header(image);

	if (r == 0)
		r = read_segments(image);
	if (r < 0) {
		elf_image_done(image);
		return r == -ENODATA || r == -EBADMSG || r == -EFBIG ? -ENOEXEC : r;
	}
	*ret = *image;
	return 0;
}

static int add_sections(struct elf_image *image)
{
	if (elf_image_read_sections(image) != -ENOMEM)
		return 0;
	elf_image_done(image);
	return -ENOMEM;
}

int elf_image_open_segments(int fd, struct elf_image *ret)
{
	struct elf_image image = { .fd = fd };
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	/* Only regular files have a size to check against. */
	if (!S_ISREG(st.st_mode))
		return -ENOEXEC;
	image.size = (uint64_t)st.st_size;
	return open_segments(&image, ret);
}

int elf_image_open(int fd, struct elf_image *ret)
{
	struct elf_image image;
	int r = elf_image_open_segments(fd, &image);

	if (r == 0)
		r = add_sections(&image);
	if (r == 0)
		*ret = image;
	return r;
}

int elf_image_of(const void *data, size_t size, struct elf_image *ret)
{
	struct elf_image memory = { .fd = -1, .data = data, .size = size }, image;
	int r = open_segments(&memory, &image);

	if (r == 0)
		r = add_sections(&image);
	if (r == 0)
		*ret = image;
	return r;
}
