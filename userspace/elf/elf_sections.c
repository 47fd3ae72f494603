/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/elf_sections.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/fileio.h"

#define MAX_SECTIONS  65536
#define MAX_NAMES     (4U << 20)
#define HOST_ENCODING (__BYTE_ORDER == __LITTLE_ENDIAN ? ELFDATA2LSB : ELFDATA2MSB)

static int read_header(struct elf_sections *s)
{
	struct stat st;
	int r;

	if (fstat(s->fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ENOEXEC;
	s->file_size = (uint64_t)st.st_size;
	r = fd_pread_full(s->fd, &s->header, sizeof(s->header), 0);
	if (r < 0)
		return r == -ENODATA ? -ENOEXEC : r;
	if (memcmp(s->header.e_ident, ELFMAG, SELFMAG) != 0)
		return -ENOEXEC;
	if (s->header.e_ident[EI_CLASS] != ELFCLASS64 ||
	    s->header.e_ident[EI_DATA] != HOST_ENCODING)
		return -ENOTSUP;
	return 0;
}

static int pread_checked(const struct elf_sections *s, void *buffer, uint64_t size, uint64_t offset)
{
	int r;

	if (offset > s->file_size || size > s->file_size - offset)
		return -EBADMSG;
	r = fd_pread_full(s->fd, buffer, (size_t)size, offset);
	return r == -ENODATA ? -EBADMSG : r; /* it became shorter meanwhile */
}

/* More than 65279 sections, and the index of their names, are told by the first header (gABI). */
static int read_list(struct elf_sections *s, uint32_t *ret_names_index)
{
	const Elf64_Ehdr *h = &s->header;
	uint64_t n = h->e_shnum;
	uint32_t names = h->e_shstrndx;
	Elf64_Shdr first;
	int r;

	*ret_names_index = 0;
	if (h->e_shoff == 0)
		return 0;
	if (h->e_shentsize != sizeof(Elf64_Shdr))
		return -EBADMSG;
	r = pread_checked(s, &first, sizeof(first), h->e_shoff);
	if (r < 0)
		return r;
	if (n == 0)
		n = first.sh_size;
	if (names == SHN_XINDEX)
		names = first.sh_link;
	if (n > MAX_SECTIONS)
		return -EFBIG;
	if (n == 0)
		return 0;
	if (n * sizeof(Elf64_Shdr) > s->file_size)
		return -EBADMSG;
	s->list = calloc(n, sizeof(Elf64_Shdr));
	if (!s->list)
		return -ENOMEM;
	r = pread_checked(s, s->list, n * sizeof(Elf64_Shdr), h->e_shoff);
	if (r < 0)
		return r;
	s->n = (uint32_t)n;
	*ret_names_index = names;
	return 0;
}

int elf_sections_read(int fd, struct elf_sections *ret)
{
	struct elf_sections s = { .fd = fd };
	uint32_t names;
	int r;

	r = read_header(&s);
	if (r == 0)
		r = read_list(&s, &names);
	if (r == 0 && names > 0 && names < s.n) {
		void *data = NULL;

		r = elf_sections_load(&s, &s.list[names], MAX_NAMES, &data, &s.names_size);
		s.names = data;
	}
	if (r < 0) {
		elf_sections_done(&s);
		return r;
	}
	*ret = s;
	return 0;
}

void elf_sections_done(struct elf_sections *s)
{
	free(s->list);
	free(s->names);
	*s = (struct elf_sections){ .fd = -1 };
}

const Elf64_Shdr *elf_sections_find(const struct elf_sections *s, const char *name, uint32_t type)
{
	for (uint32_t i = 1; i < s->n; i++) {
		const Elf64_Shdr *section = &s->list[i];

		if (type != SHT_NULL && section->sh_type != type)
			continue;
		if (section->sh_name < s->names_size &&
		    strcmp(s->names + section->sh_name, name) == 0)
			return section;
	}
	return NULL;
}

const Elf64_Shdr *elf_sections_find_type(const struct elf_sections *s, uint32_t type)
{
	for (uint32_t i = 1; i < s->n; i++)
		if (s->list[i].sh_type == type)
			return &s->list[i];
	return NULL;
}

const Elf64_Shdr *elf_sections_link(const struct elf_sections *s, const Elf64_Shdr *section)
{
	if (section->sh_link == 0 || section->sh_link >= s->n)
		return NULL;
	return &s->list[section->sh_link];
}

int elf_sections_load(const struct elf_sections *s, const Elf64_Shdr *section, size_t max,
		      void **ret_data, size_t *ret_size)
{
	_cleanup_free_ char *data = NULL;
	uint64_t size = section->sh_size;
	int r;

	if (section->sh_type == SHT_NOBITS)
		return -EBADMSG;
	if (section->sh_flags & SHF_COMPRESSED)
		return -ENOTSUP;
	if (section->sh_offset > s->file_size || size > s->file_size - section->sh_offset)
		return -EBADMSG;
	if (size > max)
		return -EFBIG;
	data = malloc((size_t)size + 1);
	if (!data)
		return -ENOMEM;
	r = pread_checked(s, data, size, section->sh_offset);
	if (r < 0)
		return r;
	data[size] = '\0';
	*ret_data = TAKE_PTR(data);
	*ret_size = (size_t)size;
	return 0;
}
