/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/debug_file.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zlib.h>

#include "base/cleanup.h"
#include "base/fileio.h"
#include "elf/elf_sections.h"
#include "symbolize/rooted.h"

#define BUILD_ID_MAX 64
#define MAX_NOTES    ((size_t)1 << 20)
#define MAX_LINK     ((size_t)8192)
#define MAX_CRC_FILE ((uint64_t)1 << 30)
#define CRC_CHUNK    ((size_t)1 << 18)

/* What tells whether a debug file belongs to an executable. */
struct identity {
	uint8_t build_id[BUILD_ID_MAX];
	size_t build_id_size; /* 0 = none */
	char link[NAME_MAX + 1];
	uint32_t link_crc;
};

/* The notes of one section: { u32 name size, u32 size, u32 type, name, content }, padded to 4. */
static void find_build_id(const uint8_t *p, size_t size, struct identity *id)
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
		    note.n_descsz <= BUILD_ID_MAX) {
			memcpy(id->build_id, p + name_size, note.n_descsz);
			id->build_id_size = note.n_descsz;
			return;
		}
		p += name_size + content_size;
		size -= name_size + content_size;
	}
}

/* A name without slashes, padded to 4, and the CRC. */
static void read_link(const struct elf_sections *s, struct identity *id)
{
	const Elf64_Shdr *section = elf_sections_find(s, ".gnu_debuglink", SHT_NULL);
	_cleanup_free_ void *data = NULL;
	size_t size, length, crc_at;

	if (!section || elf_sections_load(s, section, MAX_LINK, &data, &size) < 0)
		return;
	length = strlen(data);
	crc_at = (length + 4) & ~(size_t)3;
	if (length == 0 || length > NAME_MAX || crc_at + 4 > size || strchr(data, '/') ||
	    strcmp(data, ".") == 0 || strcmp(data, "..") == 0)
		return;
	memcpy(id->link, data, length + 1);
	memcpy(&id->link_crc, (const char *)data + crc_at, 4);
}

static int read_identity(int fd, struct identity *ret)
{
	_cleanup_(elf_sections_done)
	struct elf_sections s = {};
	int r = elf_sections_read(fd, &s);

	*ret = (struct identity){};
	if (r < 0)
		return r;
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

static bool belongs(int fd, const struct identity *executable)
{
	struct identity debug;

	if (read_identity(fd, &debug) < 0)
		return false;
	if (executable->build_id_size > 0 && debug.build_id_size > 0)
		return executable->build_id_size == debug.build_id_size &&
		       memcmp(executable->build_id, debug.build_id, debug.build_id_size) == 0;
	return executable->link[0] && crc_is(fd, executable->link_crc);
}

static int try(const char *root, const struct identity *id, const char *path)
{
	_cleanup_close_ int fd = rooted_open(root, path, 0);

	if (fd < 0)
		return -ENOENT;
	return belongs(fd, id) ? TAKE_FD(fd) : -ENOENT;
}

static int try_build_id(const char *root, const struct identity *id, const char *debug_directory)
{
	char path[PATH_MAX], hex[2 * BUILD_ID_MAX + 1];

	if (id->build_id_size < 2)
		return -ENOENT;
	for (size_t i = 0; i < id->build_id_size; i++)
		sprintf(hex + 2 * i, "%02x", id->build_id[i]);
	if ((size_t)snprintf(path, sizeof(path), "%s/.build-id/%.2s/%s.debug", debug_directory, hex,
			     hex + 2) >= sizeof(path))
		return -ENOENT;
	return try(root, id, path);
}

static int try_link(const char *root, const struct identity *id, const char *before,
		    const char *directory, int directory_size, const char *after)
{
	char path[PATH_MAX];

	if ((size_t)snprintf(path, sizeof(path), "%s%.*s/%s%s", before, directory_size, directory,
			     after, id->link) >= sizeof(path))
		return -ENOENT;
	return try(root, id, path);
}

static int search_in(const char *root, const struct identity *id,
		     const struct debug_file_search *search)
{
	const char *slash = search->path[0] == '/' ? strrchr(search->path, '/') : NULL;
	int size = slash ? (int)MIN(slash - search->path, PATH_MAX) : 0;
	int fd;

	fd = try_build_id(root, id, search->debug_directory);
	if (fd >= 0 || id->link[0] == '\0' || !slash)
		return fd;
	fd = try_link(root, id, "", search->path, size, "");
	if (fd < 0)
		fd = try_link(root, id, "", search->path, size, ".debug/");
	if (fd < 0)
		fd = try_link(root, id, search->debug_directory, search->path, size, "");
	return fd;
}

int debug_file_open(int fd, const struct debug_file_search *search)
{
	struct identity id;
	int r = read_identity(fd, &id);

	if (r < 0)
		return r;
	if (search->root) {
		r = search_in(search->root, &id, search);
		if (r >= 0)
			return r;
	}
	return search_in("/", &id, search);
}
