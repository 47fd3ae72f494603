/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/table_cache.h"
#include "unwind/table.h"
#include "base/cleanup.h"
#include "base/directory.h"
#include "base/fileio.h"
#include "elf/build_id.h"
#include "elf/elf_image.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#define CACHE_MAGIC   0x636e7577 /* "uwnc" */
#define CACHE_VERSION 4 /* of what the builder puts into tables, too: raise it for either */
#define SUFFIX	      ".unwind"
#define TEMPORARY     ".unwind.new"
#define NAME_LEN      (2 * ELF_BUILD_ID_MAX + 64)
#define MAX_TABLE     (1U << 30)

/* In front of the table. */
struct cache_header {
	uint32_t magic, version;
	struct {
		uint32_t row, rule, page, table; /* sizes: a foreign build does not fit */
	} layout;
	uint32_t crc; /* of the table */
	uint32_t reserved;
	uint64_t table_size;
	struct table_cache_key key;
};

int table_cache_key_of(int fd, struct table_cache_key *ret)
{
	_cleanup_(elf_image_done)
	struct elf_image image = { .fd = -1 };
	struct table_cache_key key = {};
	size_t build_id_size;
	struct stat st;
	int r;

	if (fstat(fd, &st))
		return -errno;
	if (st.st_uid != 0 || st.st_mode & (S_IWGRP | S_IWOTH))
		return -EPERM;
	r = elf_image_open_segments(fd, &image);
	if (r)
		return r;
	if (build_id_of_segments(&image, key.build_id, &build_id_size) || !build_id_size)
		return -ENOENT;
	key.size = image.size;
	key.build_id_size = (uint8_t)build_id_size;
	*ret = key;
	return 0;
}

static void name_of(const struct table_cache_key *key, const char *suffix, char name[NAME_LEN])
{
	size_t n = 0;

	for (size_t i = 0; i < key->build_id_size; i++)
		n += (size_t)snprintf(name + n, NAME_LEN - n, "%02x", key->build_id[i]);
	snprintf(name + n, NAME_LEN - n, "-%llx%s", (unsigned long long)key->size, suffix);
}

static struct cache_header header_of(const struct table_cache_key *key,
				     const struct unwind_table *table, uint64_t size)
{
	struct cache_header h;

	memset(&h, 0, sizeof(h)); /* with the padding: it is compared and written as bytes */
	h.magic = CACHE_MAGIC;
	h.version = CACHE_VERSION;
	h.layout.row = sizeof(struct unwind_row);
	h.layout.rule = sizeof(struct unwind_rule);
	h.layout.page = sizeof(struct unwind_page);
	h.layout.table = sizeof(struct unwind_table);
	h.table_size = size;
	h.crc = (uint32_t)crc32_z(crc32_z(0, NULL, 0), (const void *)table, size);
	memcpy(h.key.build_id, key->build_id, key->build_id_size);
	h.key.build_id_size = key->build_id_size;
	h.key.size = key->size;
	return h;
}

int table_cache_get(int dirfd, const struct table_cache_key *key, struct unwind_table **ret)
{
	_cleanup_free_ struct unwind_table *table = NULL;
	_cleanup_close_ int fd = -1;
	struct cache_header found, expected;
	char name[NAME_LEN];
	struct stat st;
	uint64_t size;

	name_of(key, SUFFIX, name);
	fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size < (off_t)sizeof(found) ||
	    st.st_size > MAX_TABLE)
		return -ENOENT;
	size = (uint64_t)st.st_size - sizeof(found);
	table = malloc(size + 1);
	if (!table)
		return -ENOMEM;
	if (fd_pread_full(fd, &found, sizeof(found), 0) ||
	    fd_pread_full(fd, table, size, sizeof(found)))
		return -ENOENT;
	expected = header_of(key, table, size);
	/* header_of() clears the padding too. */
	/* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison) */
	if (memcmp(&found, &expected, sizeof(found)) || unwind_table_check(table, size))
		return -ENOENT;
	futimens(fd, NULL); /* when it was last used, for table_cache_trim(); it may fail */
	*ret = TAKE_PTR(table);
	return 0;
}

int table_cache_put(int dirfd, const struct table_cache_key *key, const struct unwind_table *table)
{
	struct cache_header header = header_of(key, table, table->size);
	char name[NAME_LEN], temporary[NAME_LEN];
	_cleanup_close_ int fd = -1;
	int r;

	name_of(key, SUFFIX, name);
	name_of(key, TEMPORARY, temporary);
	unlinkat(dirfd, temporary, 0);
	fd = openat(dirfd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	/* Not synced: a file torn by a crash fails its checksum. */
	r = fd_write_full(fd, &header, sizeof(header));
	if (!r)
		r = fd_write_full(fd, table, table->size);
	if (!r && renameat(dirfd, temporary, dirfd, name))
		r = -errno;
	if (r)
		unlinkat(dirfd, temporary, 0);
	return r;
}

int table_cache_trim(int dirfd, uint64_t max_bytes, uint64_t *ret_bytes)
{
	return directory_trim(dirfd, SUFFIX, TEMPORARY, max_bytes, ret_bytes);
}
