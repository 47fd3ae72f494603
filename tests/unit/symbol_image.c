/* SPDX-License-Identifier: Apache-2.0 */
#include "symbol_image.h"

#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lzma.h>

#include "base/fileio.h"

enum {
	NONE,
	TEXT,
	COLD,
	DATA,
	SYMTAB,
	STRTAB,
	DYNSYM,
	DYNSTR,
	SHSTRTAB,
	NOTE,
	LINK,
	DEBUGDATA,
	ALTLINK,
	COUNT
};

struct writer {
	uint8_t *bytes;
	size_t size;
	Elf64_Shdr sections[COUNT];
	char names[256];
	size_t names_size;
};

static void put(struct writer *w, const void *data, size_t size)
{
	assert(w->size + size <= IMAGE_MAX_BYTES);
	memcpy(w->bytes + w->size, data, size);
	w->size += size;
}

static void align(struct writer *w, size_t to)
{
	while (w->size % to)
		put(w, "", 1);
}

static Elf64_Shdr *begin(struct writer *w, int number, const char *name, uint32_t type)
{
	Elf64_Shdr *s = &w->sections[number];

	align(w, 8);
	s->sh_name = (uint32_t)w->names_size;
	w->names_size += (size_t)sprintf(w->names + w->names_size, "%s", name) + 1;
	s->sh_type = type;
	s->sh_offset = w->size;
	return s;
}

static void code(struct writer *w, int number, const char *name, uint64_t start, uint64_t end,
		 uint64_t flags)
{
	Elf64_Shdr *s = begin(w, number, name, SHT_NOBITS);

	s->sh_flags = SHF_ALLOC | flags;
	s->sh_addr = start;
	s->sh_size = end - start;
}

static void symbols(struct writer *w, const struct image_symbol *list, int table, uint32_t type,
		    const char *name, int strings, const char *strings_name)
{
	char pool[16384];
	size_t pool_size = 1;
	Elf64_Shdr *s;

	pool[0] = '\0';
	s = begin(w, table, name, type);
	put(w, &(Elf64_Sym){}, sizeof(Elf64_Sym));
	for (; list->name; list++) {
		Elf64_Sym symbol = {
			.st_name = (uint32_t)pool_size,
			.st_info = ELF64_ST_INFO(list->binding, list->type),
			.st_shndx = list->section ? list->section : TEXT,
			.st_value = list->address,
			.st_size = list->size,
		};

		put(w, &symbol, sizeof(symbol));
		memcpy(pool + pool_size, list->name, strlen(list->name) + 1);
		pool_size += strlen(list->name) + 1;
		assert(pool_size < sizeof(pool));
	}
	s->sh_size = w->size - s->sh_offset;
	s->sh_entsize = sizeof(Elf64_Sym);
	s->sh_link = (uint32_t)strings;
	s = begin(w, strings, strings_name, SHT_STRTAB);
	put(w, pool, pool_size);
	s->sh_size = pool_size;
}

static void note(struct writer *w, const struct image *image)
{
	Elf64_Shdr *s = begin(w, NOTE, ".note.gnu.build-id", SHT_NOTE);
	Elf64_Nhdr header = { .n_namesz = 4,
			      .n_descsz = image->build_id_size,
			      .n_type = NT_GNU_BUILD_ID };

	put(w, &header, sizeof(header));
	put(w, "GNU", 4);
	put(w, image->build_id, image->build_id_size);
	align(w, 4);
	s->sh_size = w->size - s->sh_offset;
}

static void link_to(struct writer *w, const struct image *image)
{
	Elf64_Shdr *s = begin(w, LINK, ".gnu_debuglink", SHT_PROGBITS);

	put(w, image->debuglink, strlen(image->debuglink) + 1);
	align(w, 4);
	put(w, &image->debuglink_crc, 4);
	s->sh_size = w->size - s->sh_offset;
}

static void content(struct writer *w, int number, const char *name, const void *data, size_t size)
{
	begin(w, number, name, SHT_PROGBITS)->sh_size = size;
	put(w, data, size);
}

size_t image_pack(const void *bytes, size_t size, uint8_t *ret)
{
	size_t packed = 0;

	assert(lzma_easy_buffer_encode(6, LZMA_CHECK_CRC64, NULL, bytes, size, ret, &packed,
				       IMAGE_MAX_BYTES) == LZMA_OK);
	return packed;
}

size_t image_build(const struct image *image, uint8_t *ret)
{
	struct writer w = { .bytes = ret, .names_size = 1 };
	Elf64_Ehdr header = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
			     EV_CURRENT },
		.e_type = ET_DYN,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_ehsize = sizeof(Elf64_Ehdr),
		.e_shentsize = sizeof(Elf64_Shdr),
		.e_shnum = COUNT,
		.e_shstrndx = SHSTRTAB,
	};

	put(&w, &header, sizeof(header));
	code(&w, TEXT, ".text", IMAGE_TEXT, IMAGE_TEXT_END, SHF_EXECINSTR);
	code(&w, COLD, ".text.cold", IMAGE_COLD, IMAGE_COLD_END, SHF_EXECINSTR);
	code(&w, DATA, ".data", IMAGE_DATA, IMAGE_DATA + 0x1000, SHF_WRITE);
	if (image->symtab)
		symbols(&w, image->symtab, SYMTAB, SHT_SYMTAB, ".symtab", STRTAB, ".strtab");
	if (image->dynsym)
		symbols(&w, image->dynsym, DYNSYM, SHT_DYNSYM, ".dynsym", DYNSTR, ".dynstr");
	if (image->build_id)
		note(&w, image);
	if (image->debuglink)
		link_to(&w, image);
	if (image->debugdata)
		content(&w, DEBUGDATA, ".gnu_debugdata", image->debugdata, image->debugdata_size);
	if (image->altlink)
		content(&w, ALTLINK, ".gnu_debugaltlink", image->altlink, image->altlink_size);
	begin(&w, SHSTRTAB, ".shstrtab", SHT_STRTAB)->sh_size = sizeof(w.names);
	put(&w, w.names, sizeof(w.names));
	align(&w, 8);
	header.e_shoff = w.size;
	put(&w, w.sections, sizeof(w.sections));
	memcpy(ret, &header, sizeof(header));
	return w.size;
}

int image_fd(const void *bytes, size_t size)
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	assert(fd >= 0 && fd_write_full(fd, bytes, size) == 0);
	return fd;
}

int image_open(const struct image *image)
{
	static uint8_t bytes[IMAGE_MAX_BYTES];

	return image_fd(bytes, image_build(image, bytes));
}

void image_write_file(const char *path, const void *bytes, size_t size)
{
	char directory[PATH_MAX];
	int fd;

	for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		snprintf(directory, sizeof(directory), "%.*s", (int)(slash - path), path);
		mkdir(directory, 0755);
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert(fd >= 0 && fd_write_full(fd, bytes, size) == 0);
	close(fd);
}

void image_write_notes(const char *path, const uint8_t *id)
{
	const Elf64_Nhdr other = { .n_namesz = 6, .n_descsz = 5, .n_type = 0x100 };
	const Elf64_Nhdr header = { .n_namesz = 4, .n_descsz = 4, .n_type = NT_GNU_BUILD_ID };
	uint8_t notes[64] = {};
	size_t n = sizeof(other) + 8 + 8;

	memcpy(notes, &other, sizeof(other));
	memcpy(notes + sizeof(other), "Linux", 6);
	memcpy(notes + n, &header, sizeof(header));
	memcpy(notes + n + sizeof(header), "GNU", 4);
	memcpy(notes + n + sizeof(header) + 4, id, 4);
	image_write_file(path, notes, n + sizeof(header) + 8);
}
