/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/text.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */
#define ELLIPSIS    "..."

/* The length of the character at @p; 0 if it is none (RFC 3629: no overlong forms, no surrogates).
 */
static size_t character(const unsigned char *p, size_t size)
{
	uint32_t c;
	size_t n;

	if (p[0] < 0x80)
		return p[0] >= 0x20 && p[0] != 0x7f;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (size < n)
		return 0;
	c = p[0] & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if ((n == 2 && c < 0xa0) || (n == 3 && c < 0x800) || (c >= 0xd800 && c < 0xe000) ||
	    (n == 4 && (c < 0x10000 || c > 0x10ffff)))
		return 0; /* c < 0xa0: the second range of control characters */
	return n;
}

size_t text_clean(const char *text, size_t size, char *ret, size_t ret_size)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t used = 0, room_for_ellipsis = 0;

	while (size > 0) {
		size_t n = character(p, size);
		const void *from = n ? (const void *)p : REPLACEMENT;
		size_t length = n ? n : strlen(REPLACEMENT);

		if (used + length >= ret_size) {
			memcpy(ret + room_for_ellipsis, ELLIPSIS, sizeof(ELLIPSIS));
			return room_for_ellipsis + strlen(ELLIPSIS);
		}
		memcpy(ret + used, from, length);
		used += length;
		if (used + strlen(ELLIPSIS) < ret_size)
			room_for_ellipsis = used;
		p += n ? n : 1;
		size -= n ? n : 1;
	}
	ret[used] = '\0';
	return used;
}
