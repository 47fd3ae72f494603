/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

/*
 * Unpacks a gzip file of one member into at most @max bytes. Caller frees @ret_data. -EBADMSG if it
 * is damaged, cut, or followed by anything; -EFBIG if it is larger; -ENOMEM.
 */
int gunzip(const void *data, size_t size, size_t max, void **ret_data, size_t *ret_size);
