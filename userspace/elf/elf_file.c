/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 32-bit headers are widened to 64-bit ones as they are read, so that the rest knows one layout.
 * Work is bounded by PHDRS_MAX + SHDRS_MAX headers and NOTES_SIZE_MAX bytes of notes a file.
 */
#include "elf/elf_file.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/fileio.h"

#define PHDRS_MAX      512
#define SHDRS_MAX      65536
#define NOTES_SIZE_MAX (256 * 1024) /* all the notes of one file together */

/* Where the bytes come from: a descriptor, or memory when image is not NULL. */
struct source {
	int fd;
	const char *image;
	uint64_t size;
	size_t notes_left;
};

static int source_read(const struct source *s, void *buffer, size_t size, uint64_t offset)
{
	if (offset > s->size || size > s->size - offset)
		return -ENOEXEC;
	if (s->image) {
		memcpy(buffer, s->image + offset, size);
		return 0;
	}
	/* The file may have been cut since its size was taken. */
	return fd_pread_full(s->fd, buffer, size, offset);
}

static int read_ehdr(const struct source *s, Elf64_Ehdr *ret)
{
	static const int byte_order =
		__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB;
	unsigned char ident[EI_NIDENT];
	Elf32_Ehdr narrow;
	int r;

	r = source_read(s, ident, sizeof(ident), 0);
	if (r < 0)
		return r;
	if (memcmp(ident, ELFMAG, SELFMAG) != 0 || ident[EI_DATA] != byte_order)
		return -ENOEXEC;
	if (ident[EI_CLASS] == ELFCLASS64)
		return source_read(s, ret, sizeof(*ret), 0);
	if (ident[EI_CLASS] != ELFCLASS32)
		return -ENOEXEC;
	r = source_read(s, &narrow, sizeof(narrow), 0);
	if (r < 0)
		return r;
	*ret = (Elf64_Ehdr){
		.e_type = narrow.e_type,
		.e_machine = narrow.e_machine,
		.e_entry = narrow.e_entry,
		.e_phoff = narrow.e_phoff,
		.e_shoff = narrow.e_shoff,
		.e_phentsize = narrow.e_phentsize,
		.e_phnum = narrow.e_phnum,
		.e_shentsize = narrow.e_shentsize,
		.e_shnum = narrow.e_shnum,
	};
	memcpy(ret->e_ident, ident, sizeof(ident));
	return 0;
}

static bool is_wide(const Elf64_Ehdr *e)
{
	return e->e_ident[EI_CLASS] == ELFCLASS64;
}

/* The offset of entry @i of a header table; UINT64_MAX, which no file has, if it is out of range.
 */
static uint64_t entry_offset(uint64_t table, uint32_t i, size_t size)
{
	uint64_t offset;

	if (__builtin_add_overflow(table, (uint64_t)i * size, &offset))
		return UINT64_MAX;
	return offset;
}

static int read_phdr(const struct source *s, const Elf64_Ehdr *e, uint32_t i, Elf64_Phdr *ret)
{
	Elf32_Phdr narrow;
	int r;

	if (is_wide(e))
		return source_read(s, ret, sizeof(*ret), entry_offset(e->e_phoff, i, sizeof(*ret)));
	r = source_read(s, &narrow, sizeof(narrow), entry_offset(e->e_phoff, i, sizeof(narrow)));
	if (r < 0)
		return r;
	*ret = (Elf64_Phdr){
		.p_type = narrow.p_type,
		.p_flags = narrow.p_flags,
		.p_offset = narrow.p_offset,
		.p_vaddr = narrow.p_vaddr,
		.p_filesz = narrow.p_filesz,
		.p_align = narrow.p_align,
	};
	return 0;
}

static int read_shdr(const struct source *s, const Elf64_Ehdr *e, uint32_t i, Elf64_Shdr *ret)
{
	Elf32_Shdr narrow;
	int r;

	if (is_wide(e))
		return source_read(s, ret, sizeof(*ret), entry_offset(e->e_shoff, i, sizeof(*ret)));
	r = source_read(s, &narrow, sizeof(narrow), entry_offset(e->e_shoff, i, sizeof(narrow)));
	if (r < 0)
		return r;
	*ret = (Elf64_Shdr){
		.sh_type = narrow.sh_type,
		.sh_offset = narrow.sh_offset,
		.sh_size = narrow.sh_size,
		.sh_info = narrow.sh_info,
		.sh_addralign = narrow.sh_addralign,
	};
	return 0;
}

/* Too many for e_phnum: the number is in the first section header (gABI, PN_XNUM). */
static int count_phdrs(const struct source *s, const Elf64_Ehdr *e, uint32_t *ret)
{
	uint32_t n = e->e_phnum;

	if (n == PN_XNUM) {
		Elf64_Shdr first;
		int r = read_shdr(s, e, 0, &first);

		if (r < 0)
			return r;
		n = first.sh_info;
	}
	if (n > PHDRS_MAX)
		return -ENOEXEC;
	if (n > 0 && e->e_phentsize != (is_wide(e) ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)))
		return -ENOEXEC;
	*ret = n;
	return 0;
}

static size_t align_up(size_t n, size_t alignment)
{
	return (n + alignment - 1) & ~(alignment - 1);
}

/* Looks for NT_GNU_BUILD_ID among notes; true if it was found. */
static bool find_build_id(const char *notes, size_t size, size_t alignment, struct elf_file *f)
{
	size_t at = 0;

	while (size - at >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr note;
		size_t name, data;

		memcpy(&note, notes + at, sizeof(note));
		name = at + sizeof(note);
		if (note.n_namesz > size - name)
			return false;
		data = name + align_up(note.n_namesz, alignment);
		if (data > size || note.n_descsz > size - data)
			return false;
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof(ELF_NOTE_GNU) &&
		    memcmp(notes + name, ELF_NOTE_GNU, sizeof(ELF_NOTE_GNU)) == 0 &&
		    note.n_descsz > 0 && note.n_descsz <= sizeof(f->build_id)) {
			memcpy(f->build_id, notes + data, note.n_descsz);
			f->build_id_size = (uint8_t)note.n_descsz;
			return true;
		}
		at = data + align_up(note.n_descsz, alignment);
		if (at > size)
			return false;
	}
	return false;
}

/* One PT_NOTE or SHT_NOTE; too large ones are passed over. */
static int read_notes(struct source *s, uint64_t offset, uint64_t size, uint64_t alignment,
		      struct elf_file *f)
{
	_cleanup_free_ char *notes = NULL;
	int r;

	if (size == 0 || size > s->notes_left)
		return 0;
	notes = malloc(size);
	if (!notes)
		return -ENOMEM;
	s->notes_left -= size;
	r = source_read(s, notes, size, offset);
	if (r < 0)
		return r;
	/* Notes are padded to 4 bytes, but those of a segment aligned to 8 to 8 bytes. */
	find_build_id(notes, size, alignment == 8 ? 8 : 4, f);
	return 0;
}

static int add_segment(const struct source *s, const Elf64_Phdr *p, struct elf_file *f)
{
	if (p->p_filesz == 0)
		return 0;
	if (f->n_segments == ELF_FILE_SEGMENTS_MAX)
		return -ENOEXEC;
	if (p->p_offset > s->size || p->p_filesz > s->size - p->p_offset ||
	    p->p_vaddr + p->p_filesz < p->p_vaddr)
		return -ENOEXEC;
	f->segments[f->n_segments++] = (struct elf_file_segment){
		.offset = p->p_offset,
		.size = p->p_filesz,
		.address = p->p_vaddr,
	};
	return 0;
}

static int read_segments(struct source *s, const Elf64_Ehdr *e, struct elf_file *f)
{
	uint32_t n;
	int r;

	r = count_phdrs(s, e, &n);
	for (uint32_t i = 0; r == 0 && i < n; i++) {
		Elf64_Phdr p;

		r = read_phdr(s, e, i, &p);
		if (r == 0 && p.p_type == PT_LOAD && (p.p_flags & PF_X))
			r = add_segment(s, &p, f);
		if (r == 0 && p.p_type == PT_NOTE && f->build_id_size == 0)
			r = read_notes(s, p.p_offset, p.p_filesz, p.p_align, f);
	}
	return r;
}

/* Damage here is no error: a file whose section headers were stripped or cut still runs. */
static void read_note_sections(struct source *s, const Elf64_Ehdr *e, struct elf_file *f)
{
	Elf64_Shdr section;
	uint64_t n = e->e_shnum;

	if (e->e_shoff == 0 ||
	    e->e_shentsize != (is_wide(e) ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr)))
		return;
	/* As with e_phnum: a number of SHN_LORESERVE or more is in the first section header. */
	if (n == 0) {
		if (read_shdr(s, e, 0, &section) < 0)
			return;
		n = section.sh_size;
	}
	for (uint32_t i = 0; i < MIN(n, SHDRS_MAX) && f->build_id_size == 0; i++) {
		if (read_shdr(s, e, i, &section) < 0)
			return;
		if (section.sh_type == SHT_NOTE)
			(void)read_notes(s, section.sh_offset, section.sh_size,
					 section.sh_addralign, f);
	}
}

static int read_all(struct source *s, struct elf_file *ret)
{
	struct elf_file f = { 0 };
	Elf64_Ehdr e;
	int r;

	s->notes_left = NOTES_SIZE_MAX;
	r = read_ehdr(s, &e);
	if (r < 0)
		return r == -ENODATA ? -ENOEXEC : r;
	f.class = e.e_ident[EI_CLASS];
	f.type = e.e_type;
	f.machine = e.e_machine;
	f.entry = e.e_entry;
	r = read_segments(s, &e, &f);
	if (r < 0)
		return r == -ENODATA ? -ENOEXEC : r;
	if (f.build_id_size == 0)
		read_note_sections(s, &e, &f);
	*ret = f;
	return 0;
}

int elf_file_read(int fd, struct elf_file *ret)
{
	struct source s = { .fd = fd };
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ENOEXEC;
	s.size = (uint64_t)st.st_size;
	return read_all(&s, ret);
}

int elf_file_read_image(const void *image, size_t size, struct elf_file *ret)
{
	struct source s = { .fd = -1, .image = image, .size = size };

	return read_all(&s, ret);
}
