/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names come from anybody; what leaves profd is valid UTF-8 (protobuf strings must be). Bytes that
 * are not (RFC 3629: no overlong forms, no surrogates) become U+FFFD, one for each.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * Copies a string into @buffer of @size bytes, NUL included. What does not fit is cut off between
 * characters. Returns the length. For what is also used, as paths are: control characters stay.
 */
size_t utf8_copy(char *buffer, size_t size, const char *text);

/* Whether valid UTF-8 holds control characters, which terminals act on. */
bool utf8_has_control(const char *text);

/*
 * Copies @text_size bytes for people to read: control characters become U+FFFD too, and what does
 * not fit into @size bytes (4 or more) ends in "...". Returns the length.
 */
size_t utf8_clean(char *buffer, size_t size, const char *text, size_t text_size);
