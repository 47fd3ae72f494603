/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unwinding tables on disk, so that a restart need not build them again. One file per executable,
 * named by its build id and size, written under another name and renamed. What is torn, damaged or
 * of another version is not found, and is replaced when the table is put again.
 *
 * How it can be wrong: a build id proves nothing, anybody can write one into a file. So only the
 * tables of files that root owns and nobody else may write are kept (table_cache_key_of()); who can
 * make such files can make the stacks of others wrong that share their build id and size.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "elf/build_id.h"

struct unwind_table;

struct table_cache_key {
	uint8_t build_id[ELF_BUILD_ID_MAX];
	uint8_t build_id_size;
	uint64_t size; /* of the executable, bytes */
};

/*
 * The key of an open executable. -ENOENT if it has no build id, -EPERM if it is not root's alone,
 * -ENOEXEC if it is not ELF, or -errno.
 */
int table_cache_key_of(int fd, struct table_cache_key *ret);

/*
 * @dirfd is the directory of the cache, which nobody but its owner may be able to write. -ENOENT if
 * there is no usable table. Caller frees with free().
 */
int table_cache_get(int dirfd, const struct table_cache_key *key, struct unwind_table **ret);
int table_cache_put(int dirfd, const struct table_cache_key *key, const struct unwind_table *table);

/*
 * Deletes the files that were not used for longest until the rest is at most @max_bytes, and
 * leftovers of interrupted writes. Returns -errno or 0; *@ret_bytes, which may be NULL, is what is
 * left.
 */
int table_cache_trim(int dirfd, uint64_t max_bytes, uint64_t *ret_bytes);
