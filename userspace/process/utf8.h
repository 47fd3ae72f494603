/* SPDX-License-Identifier: Apache-2.0 */
/* Names come from anybody; what leaves profd is valid UTF-8 (protobuf strings must be). */
#pragma once

#include <stddef.h>

/*
 * Copies text into @buffer of @size bytes, NUL included, with what is not UTF-8 (RFC 3629) replaced
 * by U+FFFD. What does not fit is cut off between characters. Returns the length.
 */
size_t utf8_copy(char *buffer, size_t size, const char *text);
