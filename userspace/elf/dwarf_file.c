/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/dwarf_file.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "elf/inflater.h"
#include "elf/relocations.h"

static const char *const names[DWARF_N_SECTIONS] = {
	[DWARF_INFO] = "info",	       [DWARF_ABBREV] = "abbrev",
	[DWARF_LINE] = "line",	       [DWARF_STR] = "str",
	[DWARF_LINE_STR] = "line_str", [DWARF_STR_OFFSETS] = "str_offsets",
	[DWARF_ADDR] = "addr",	       [DWARF_RANGES] = "ranges",
	[DWARF_RNGLISTS] = "rnglists", [DWARF_ARANGES] = "aranges",
	[DWARF_CU_INDEX] = "cu_index",
};

/* ELFCOMPRESS_ZSTD, which the elf.h of glibc 2.36 does not have yet. */
#define COMPRESS_ZSTD 2

/* Whether it will be possible to read it: nothing is read yet. */
static int open_zstd(struct dwarf_file *f, const Elf64_Shdr *s, struct dwarf_contents *c)
{
	uint64_t most = f->is_split ? DWARF_MAX_KEPT_SPLIT : DWARF_MAX_KEPT;

	if (MAX(c->size, s->sh_size) > most - f->bytes_kept)
		return -ENOTSUP;
	f->bytes_kept += MAX(c->size, s->sh_size);
	c->zstd = s;
	return 0;
}

static int open_compressed(struct dwarf_file *f, const Elf64_Shdr *s, struct dwarf_contents *c)
{
	bool wide = f->image->header.e_ident[EI_CLASS] == ELFCLASS64;
	uint64_t header = wide ? sizeof(Elf64_Chdr) : sizeof(Elf32_Chdr);
	Elf64_Chdr chdr;
	Elf32_Chdr narrow;
	int r;

	if (s->sh_size < header)
		return -EBADMSG;
	if (wide) {
		r = elf_image_read(f->image, &chdr, sizeof(chdr), s->sh_offset);
	} else {
		r = elf_image_read(f->image, &narrow, sizeof(narrow), s->sh_offset);
		chdr = (Elf64_Chdr){ .ch_type = narrow.ch_type, .ch_size = narrow.ch_size };
	}
	if (r < 0)
		return r;
	c->size = chdr.ch_size;
	if (chdr.ch_type == COMPRESS_ZSTD && wide)
		return open_zstd(f, s, c);
	if (chdr.ch_type != ELFCOMPRESS_ZLIB)
		return -ENOTSUP;
	return inflater_new(f->image, s->sh_offset + header, s->sh_size - header, c->size,
			    &c->inflater);
}

static int open_old_compressed(struct dwarf_file *f, const Elf64_Shdr *s, struct dwarf_contents *c)
{
	uint8_t header[ELF_OLD_HEADER];
	int r = elf_image_read(f->image, header, sizeof(header), s->sh_offset);

	if (r < 0)
		return r;
	if (s->sh_size < sizeof(header))
		return -EBADMSG;
	r = elf_image_old_size(header, &c->size);
	if (r < 0)
		return r;
	return inflater_new(f->image, s->sh_offset + sizeof(header), s->sh_size - sizeof(header),
			    c->size, &c->inflater);
}

static int open_plain(struct dwarf_file *f, const Elf64_Shdr *s, struct dwarf_contents *c)
{
	if (s->sh_offset > f->image->size || s->sh_size > f->image->size - s->sh_offset)
		return -EBADMSG;
	c->offset = s->sh_offset;
	c->size = s->sh_size;
	return 0;
}

/* GCC puts each unit of types into a section of its own, before that of the unit with the code. */
static const Elf64_Shdr *find_section(const struct dwarf_file *f, enum dwarf_section i)
{
	const char *suffix = f->is_split && i != DWARF_CU_INDEX ? ".dwo" : "";
	const Elf64_Shdr *s = NULL;
	char name[32];

	snprintf(name, sizeof(name), ".debug_%s%s", names[i], suffix);
	if (i == DWARF_INFO)
		s = elf_image_last_section(f->image, name);
	return s ? s : elf_image_debug_section(f->image, name);
}

static int open_section(struct dwarf_file *f, enum dwarf_section i)
{
	struct dwarf_contents *c = &f->sections[i];
	const Elf64_Shdr *s = find_section(f, i);
	int r;

	if (!s)
		return 0;
	if (elf_image_is_old_compressed(f->image, s)) {
		r = open_old_compressed(f, s, c);
	} else {
		r = s->sh_flags & SHF_COMPRESSED ? open_compressed(f, s, c) : open_plain(f, s, c);
		if (r == 0)
			r = relocations_open(f->image, s, &c->relocations);
	}
	f->unknown_compression |= r == -ENOTSUP;
	/* Without a section that is damaged there are still the others. */
	if (r < 0) {
		inflater_free(c->inflater);
		*c = (struct dwarf_contents){};
	}
	return r == -ENOMEM ? r : 0;
}

int dwarf_file_open(int fd, bool split, struct dwarf_file *ret)
{
	struct dwarf_file f = { .is_split = split };
	int r;

	f.image = calloc(1, sizeof(*f.image));
	if (!f.image)
		return -ENOMEM;
	r = elf_image_open(fd, f.image);
	if (r < 0) {
		free(f.image);
		return r;
	}
	for (unsigned int i = 0; i < DWARF_N_SECTIONS && r == 0; i++)
		r = open_section(&f, i);
	if (r < 0) {
		dwarf_file_done(&f);
		return r;
	}
	*ret = f;
	return 0;
}

void dwarf_file_done(struct dwarf_file *f)
{
	if (!f->image)
		return;
	for (unsigned int i = 0; i < DWARF_N_SECTIONS; i++) {
		relocations_free(f->sections[i].relocations);
		inflater_free(f->sections[i].inflater);
		free(f->sections[i].plain);
		free(f->sections[i].window);
	}
	elf_image_done(f->image);
	free(f->image);
	free(f->units);
	*f = (struct dwarf_file){};
}

bool dwarf_file_has_info(const struct dwarf_file *f)
{
	return f->sections[DWARF_INFO].size > 0 && f->sections[DWARF_ABBREV].size > 0;
}

uint64_t dwarf_file_size(const struct dwarf_file *f, enum dwarf_section section)
{
	return f->sections[section].size;
}

/* A section that is damaged is not tried again: others refer to it all the time. */
static int unpack(struct dwarf_file *f, struct dwarf_contents *c)
{
	uint64_t most = MAX(c->size, c->zstd->sh_size);
	void *plain;
	size_t size;

	if (c->plain || c->error < 0)
		return c->error;
	c->error = elf_image_copy(f->image, c->zstd, most, &plain, &size);
	if (c->error < 0)
		return c->error;
	/* The file can be another one by now. */
	if (size != c->size) {
		free(plain);
		c->error = -EBADMSG;
		return c->error;
	}
	c->plain = plain;
	return 0;
}

static int read_raw(struct dwarf_file *f, struct dwarf_contents *c, uint64_t offset, uint64_t size,
		    void *buffer)
{
	int r;

	if (c->inflater)
		return inflater_read(c->inflater, buffer, size, offset);
	if (c->zstd) {
		r = unpack(f, c);
		if (r == 0)
			memcpy(buffer, c->plain + offset, size);
		return r;
	}
	return elf_image_read(f->image, buffer, size, c->offset + offset);
}

static int read_through(struct dwarf_file *f, struct dwarf_contents *c, uint64_t offset,
			uint64_t size, void *buffer)
{
	int r = read_raw(f, c, offset, size, buffer);

	return r == 0 && c->relocations ? relocations_apply(c->relocations, offset, size, buffer)
					: r;
}

/* Has the window begin at most a window before @offset. */
static int move_window(struct dwarf_file *f, struct dwarf_contents *c, uint64_t offset)
{
	uint64_t at = offset & ~(uint64_t)(DWARF_WINDOW / 2 - 1);
	uint32_t size = (uint32_t)MIN((uint64_t)DWARF_WINDOW, c->size - at);
	int r;

	if (!c->window)
		c->window = malloc(DWARF_WINDOW);
	if (!c->window)
		return -ENOMEM;
	c->window_size = 0;
	r = read_through(f, c, at, size, c->window);
	if (r < 0)
		return r;
	c->window_at = at;
	c->window_size = size;
	return 0;
}

static bool in_window(const struct dwarf_contents *c, uint64_t offset, uint64_t size)
{
	return offset >= c->window_at && offset - c->window_at <= c->window_size &&
	       size <= c->window_size - (offset - c->window_at);
}

int dwarf_file_read(struct dwarf_file *f, enum dwarf_section section, uint64_t offset,
		    uint64_t size, void *buffer)
{
	struct dwarf_contents *c = &f->sections[section];
	int r;

	if (offset > c->size || size > c->size - offset)
		return -ENODATA;
	if (size == 0)
		return 0;
	if (size > DWARF_WINDOW / 2)
		return read_through(f, c, offset, size, buffer);
	if (!in_window(c, offset, size)) {
		r = move_window(f, c, offset);
		if (r < 0)
			return r;
	}
	memcpy(buffer, c->window + (offset - c->window_at), size);
	return 0;
}

int dwarf_file_read_some(struct dwarf_file *f, enum dwarf_section section, uint64_t offset,
			 uint64_t size, void *buffer, uint64_t *ret_size)
{
	const struct dwarf_contents *c = &f->sections[section];
	int r;

	if (offset > c->size)
		return -ENODATA;
	size = MIN(size, c->size - offset);
	r = dwarf_file_read(f, section, offset, size, buffer);
	if (r == 0)
		*ret_size = size;
	return r;
}

int dwarf_file_number(struct dwarf_file *f, enum dwarf_section section, uint64_t offset,
		      unsigned int size, uint64_t *ret)
{
	uint8_t bytes[8] = {};
	uint64_t value;
	int r;

	if (size > sizeof(bytes))
		return -EBADMSG;
	r = dwarf_file_read(f, section, offset, size, bytes);
	if (r < 0)
		return r;
	memcpy(&value, bytes, sizeof(value));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	value >>= 64 - 8 * size;
#endif
	*ret = value;
	return 0;
}

int dwarf_file_string(struct dwarf_file *f, enum dwarf_section section, uint64_t offset,
		      char *buffer, size_t size)
{
	size_t have = 0;

	while (have < size - 1) {
		uint64_t n = 0, want = MIN((uint64_t)256, size - 1 - have);
		int r = dwarf_file_read_some(f, section, offset + have, want, buffer + have, &n);

		if (r < 0 || n == 0)
			return r < 0 ? r : -ENODATA;
		if (memchr(buffer + have, '\0', n))
			return 0;
		have += n;
	}
	buffer[have] = '\0';
	return 0;
}
