/* SPDX-License-Identifier: Apache-2.0 */
#include "process/utf8.h"

#include <stdint.h>
#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd"

static int is_continuation(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

/* The length of the character at @p; 0 if it is none. Looks at no byte beyond a NUL. */
static size_t character(const unsigned char *p)
{
	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		return is_continuation(p[1]) ? 2 : 0;
	if (p[0] >= 0xe0 && p[0] <= 0xef) {
		/* Neither longer than needed nor a surrogate. */
		if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f))
			return 0;
		return is_continuation(p[1]) && is_continuation(p[2]) ? 3 : 0;
	}
	if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		if ((p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
			return 0;
		return is_continuation(p[1]) && is_continuation(p[2]) && is_continuation(p[3]) ? 4
											       : 0;
	}
	return 0;
}

size_t utf8_copy(char *buffer, size_t size, const char *text)
{
	size_t used = 0;

	while (*text) {
		size_t n = character((const unsigned char *)text);
		const char *from = n ? text : REPLACEMENT;
		size_t length = n ? n : strlen(REPLACEMENT);

		if (used + length >= size)
			break;
		memcpy(buffer + used, from, length);
		used += length;
		text += n ? n : 1;
	}
	buffer[used] = '\0';
	return used;
}
