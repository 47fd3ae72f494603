/* SPDX-License-Identifier: Apache-2.0 */
/* Whole reads and writes, with the interruptions taken out. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Reads all of a file (also of /proc, whose files have no size) into a new NUL-terminated buffer.
 * Fails with -EFBIG if there are more than @max bytes. @ret_size may be NULL. Caller frees.
 */
int file_read(int dirfd, const char *path, size_t max, char **ret_data, size_t *ret_size);
/* The same from an open descriptor, from where it stands. */
int fd_read(int fd, size_t max, char **ret_data, size_t *ret_size);
/* Reads exactly @size bytes at @offset: 0, -ENODATA if the file ends before, or -errno. */
int fd_pread_full(int fd, void *buffer, size_t size, uint64_t offset);
/* Writes all of it, or returns -errno. */
int fd_write_full(int fd, const void *data, size_t size);
