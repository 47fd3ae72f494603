/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/debug_identity.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zlib.h>

#include "base/cleanup.h"
#include "elf/elf_sections.h"

#define MAX_NOTES    ((size_t)1 << 20)
#define MAX_LINK     ((size_t)8192)
#define MAX_CRC_FILE ((uint64_t)1 << 30)
#define CRC_CHUNK    ((size_t)1 << 18)

/* The notes of one section: { u32 name size, u32 size, u32 type, name, content }, padded to 4. */
static void find_build_id(const uint8_t *p, size_t size, struct debug_identity *id)
{
	Elf64_Nhdr note;

	while (size >= sizeof(note)) {
		size_t name_size, content_size;

		memcpy(&note, p, sizeof(note));
		p += sizeof(note);
		size -= sizeof(note);
		name_size = ((size_t)note.n_namesz + 3) & ~(size_t)3;
		content_size = ((size_t)note.n_descsz + 3) & ~(size_t)3;
		if (name_size > size || content_size > size - name_size)
			return;
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
		    memcmp(p, "GNU", 4) == 0 && note.n_descsz > 0 &&
		    note.n_descsz <= DEBUG_BUILD_ID_MAX) {
			memcpy(id->build_id, p + name_size, note.n_descsz);
			id->build_id_size = note.n_descsz;
			return;
		}
		p += name_size + content_size;
		size -= name_size + content_size;
	}
}

static bool is_file_name(const char *name)
{
	return name[0] && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* A name without slashes, padded to 4, and the CRC. */
static void read_link(const struct elf_sections *s, struct debug_identity *id)
{
	const Elf64_Shdr *section = elf_sections_find(s, ".gnu_debuglink", SHT_NULL);
	_cleanup_free_ void *data = NULL;
	size_t size, length, crc_at;

	if (!section || elf_sections_load(s, section, MAX_LINK, &data, &size) < 0)
		return;
	length = strlen(data);
	crc_at = (length + 4) & ~(size_t)3;
	if (length > NAME_MAX || crc_at + 4 > size || !is_file_name(data))
		return;
	memcpy(id->link, data, length + 1);
	memcpy(&id->link_crc, (const char *)data + crc_at, 4);
}

int debug_identity_read(int fd, struct debug_identity *ret)
{
	_cleanup_(elf_sections_done)
	struct elf_sections s = {};
	int r = elf_sections_read(fd, &s);

	if (r < 0)
		return r;
	*ret = (struct debug_identity){};
	for (uint32_t i = 1; i < s.n && ret->build_id_size == 0; i++) {
		_cleanup_free_ void *data = NULL;
		size_t size;

		if (s.list[i].sh_type == SHT_NOTE &&
		    elf_sections_load(&s, &s.list[i], MAX_NOTES, &data, &size) == 0)
			find_build_id(data, size, ret);
	}
	read_link(&s, ret);
	return 0;
}

static bool crc_is(int fd, uint32_t expected)
{
	_cleanup_free_ unsigned char *chunk = malloc(CRC_CHUNK);
	uLong crc = crc32(0, NULL, 0);
	uint64_t offset = 0;
	ssize_t n;

	if (!chunk)
		return false;
	while ((n = pread(fd, chunk, CRC_CHUNK, (off_t)offset)) > 0 && offset < MAX_CRC_FILE) {
		crc = crc32(crc, chunk, (uInt)n);
		offset += (uint64_t)n;
	}
	return n == 0 && crc == expected;
}

bool debug_identity_fits(const struct debug_identity *executable, int fd)
{
	struct debug_identity debug;

	if (debug_identity_read(fd, &debug) < 0)
		return false;
	if (executable->build_id_size > 0 && debug.build_id_size > 0)
		return executable->build_id_size == debug.build_id_size &&
		       memcmp(executable->build_id, debug.build_id, debug.build_id_size) == 0;
	return executable->link[0] && crc_is(fd, executable->link_crc);
}

bool debug_identity_is_valid(const struct debug_identity *id)
{
	return id->build_id_size <= sizeof(id->build_id) && memchr(id->link, 0, sizeof(id->link)) &&
	       (id->link[0] == '\0' || is_file_name(id->link));
}
