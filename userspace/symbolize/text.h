/* SPDX-License-Identifier: Apache-2.0 */
/* Names from foreign files as text that may go into a profile. */
#pragma once

#include <stddef.h>

/*
 * Copies @size bytes to @ret as valid UTF-8, NUL-terminated. Bytes that are no UTF-8 and control
 * characters become U+FFFD. What does not fit into @ret_size bytes (4 or more) is cut between two
 * characters and ends in "...". Returns the length.
 */
size_t text_clean(const char *text, size_t size, char *ret, size_t ret_size);
