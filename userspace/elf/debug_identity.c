/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/debug_identity.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zlib.h>

#include "base/cleanup.h"
#include "elf/eh_frame_cursor.h"
#include "elf/elf_image.h"

#define MAX_LINK     ((size_t)8192)
#define MAX_CRC_FILE ((uint64_t)1 << 30)
#define CRC_CHUNK    ((size_t)1 << 18)
#define SUP_VERSION  5U

static bool is_file_name(const char *name)
{
	return name[0] && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* A name without slashes, padded to 4, and the CRC. */
static void read_link(const struct elf_image *image, struct debug_identity *id)
{
	const Elf64_Shdr *section = elf_image_section(image, ".gnu_debuglink");
	_cleanup_free_ void *data = NULL;
	size_t size, length, crc_at;

	if (!section || elf_image_copy(image, section, MAX_LINK, &data, &size) < 0)
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
	_cleanup_(elf_image_done)
	struct elf_image image = { .fd = -1 };
	size_t size;
	int r = elf_image_open(fd, &image);

	if (r == 0)
		r = image.sections_error;
	if (r < 0)
		return r;
	*ret = (struct debug_identity){};
	if (build_id_of_sections(&image, ret->build_id, &size) == 0)
		ret->build_id_size = (uint32_t)size;
	read_link(&image, ret);
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

/* A path, NUL-terminated, and the build id behind it. */
static int read_alt_link(const struct elf_image *image, struct debug_alt_link *ret)
{
	const Elf64_Shdr *section = elf_image_section(image, ".gnu_debugaltlink");
	_cleanup_free_ char *data = NULL;
	size_t size, path, build_id;
	int r = section ? elf_image_copy(image, section, MAX_LINK, (void **)&data, &size) : -ENOENT;

	if (r < 0)
		return r;
	path = strlen(data) + 1;
	if (path == 1 || path > sizeof(ret->path) || path >= size)
		return -EBADMSG;
	build_id = size - path;
	if (build_id > sizeof(ret->id))
		return -EBADMSG;
	memcpy(ret->path, data, path);
	memcpy(ret->id, data + path, build_id);
	ret->id_size = (uint32_t)build_id;
	return 0;
}

/* A version, which side it is, the path of the other file, and the checksum (DWARF 5, 7.3.6). */
static int read_sup(const struct elf_image *image, bool *ret_is_shared, struct debug_alt_link *ret)
{
	const Elf64_Shdr *section = elf_image_section(image, ".debug_sup");
	_cleanup_free_ char *data = NULL;
	size_t size, path;
	uint64_t n;
	struct cursor c;
	int r = section ? elf_image_copy(image, section, MAX_LINK, (void **)&data, &size) : -ENOENT;

	if (r < 0)
		return r;
	c = cursor_of((const uint8_t *)data, size);
	if (cursor_u16(&c) != SUP_VERSION)
		return -EBADMSG;
	*ret_is_shared = cursor_u8(&c) != 0;
	/* A NUL is behind what was copied. */
	path = strlen((const char *)c.at) + 1;
	if (path > sizeof(ret->path) || path > cursor_left(&c))
		return -EBADMSG;
	memcpy(ret->path, c.at, path);
	cursor_skip(&c, path);
	n = cursor_uleb(&c);
	if (c.bad || n == 0 || n > sizeof(ret->id) || n > cursor_left(&c))
		return -EBADMSG;
	memcpy(ret->id, c.at, n);
	ret->id_size = (uint32_t)n;
	ret->is_checksum = 1;
	return 0;
}

static int read_either_link(const struct elf_image *image, struct debug_alt_link *ret)
{
	bool is_shared;
	int r = read_alt_link(image, ret);

	if (r != -ENOENT)
		return r;
	r = read_sup(image, &is_shared, ret);
	return r == 0 && (is_shared || ret->path[0] == '\0') ? -ENOENT : r;
}

int debug_alt_link_read(int fd, struct debug_alt_link *ret)
{
	_cleanup_(elf_image_done)
	struct elf_image image = { .fd = -1 };
	int r = elf_image_open(fd, &image);

	if (r == 0)
		r = image.sections_error;
	*ret = (struct debug_alt_link){};
	return r < 0 ? r : read_either_link(&image, ret);
}

static bool has_checksum(int fd, const struct debug_alt_link *link)
{
	_cleanup_(elf_image_done)
	struct elf_image image = { .fd = -1 };
	struct debug_alt_link shared;
	bool is_shared;

	return elf_image_open(fd, &image) == 0 && image.sections_error == 0 &&
	       read_sup(&image, &is_shared, &shared) == 0 && is_shared &&
	       shared.id_size == link->id_size && memcmp(shared.id, link->id, link->id_size) == 0;
}

bool debug_alt_link_fits(const struct debug_alt_link *link, int fd)
{
	struct debug_identity id;

	if (link->is_checksum)
		return has_checksum(fd, link);
	return debug_identity_read(fd, &id) == 0 && id.build_id_size == link->id_size &&
	       memcmp(id.build_id, link->id, id.build_id_size) == 0;
}

bool debug_alt_link_is_valid(const struct debug_alt_link *link)
{
	return link->id_size > 0 && link->id_size <= sizeof(link->id) && link->is_checksum <= 1 &&
	       memchr(link->path, 0, sizeof(link->path));
}
