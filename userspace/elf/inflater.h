/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading anywhere in a zlib stream without keeping what is in it: the stream is gone through once,
 * and remembers every so many bytes where it was and the 32 KiB before (which is all that deflate
 * refers back to), so that a reader begins there. What was read last is kept.
 *
 * Memory: at most INFLATER_MAX_POINTS times 32 KiB, and INFLATER_CACHE bytes.
 */
#pragma once

#include <stdint.h>

struct elf_image;
struct inflater;

#define INFLATER_MAX_POINTS 256
#define INFLATER_CACHE	    ((uint64_t)16 << 20)

/*
 * For the @size bytes at @offset of the file, which borrow @image and become @plain_size bytes.
 * -EBADMSG if they cannot, -ENOMEM. Nothing is read yet.
 */
int inflater_new(const struct elf_image *image, uint64_t offset, uint64_t size, uint64_t plain_size,
		 struct inflater **ret);
/* Returns NULL; accepts NULL. */
struct inflater *inflater_free(struct inflater *f);

/* -ENODATA if the range is not in the stream, -EBADMSG if that is damaged, -EFBIG, -ENOMEM. */
int inflater_read(struct inflater *f, void *buffer, uint64_t size, uint64_t offset);
