/* SPDX-License-Identifier: Apache-2.0 */
/* Directories that are caches: what was not used for longest goes. */
#pragma once

#include <stdint.h>

/*
 * Deletes files whose names end in @suffix, those that were not changed for longest first, until
 * the rest is at most @max_bytes; and all whose names end in @temporary, leftovers of interrupted
 * writes. Returns -errno or 0; *@ret_bytes, which may be NULL, is what is left.
 */
int directory_trim(int dirfd, const char *suffix, const char *temporary, uint64_t max_bytes,
		   uint64_t *ret_bytes);
