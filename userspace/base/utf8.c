/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

#include <stdint.h>
#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */
#define ELLIPSIS    "..."

/* Decodes the character at @p and returns its length, 1 to 4; 0 if it is none. */
static size_t decode(const unsigned char *p, size_t size, uint32_t *ret)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t c = p[0];
	size_t n;

	if (c < 0x80) {
		*ret = c;
		return 1;
	}
	if (c < 0xc2 || c > 0xf4)
		return 0;
	n = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	if (size < n)
		return 0;
	c &= 0xffu >> (n + 1);
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	*ret = c;
	return n;
}

static bool is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0);
}

bool utf8_has_control(const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++)
		if (is_control(*p == 0xc2 ? p[1] : *p < 0x80 ? *p : 'a'))
			return true;
	return false;
}

/*
 * Copies as many characters as fit with a NUL and returns the length. @ret_left is what was not
 * copied of @text; @ret_short the length up to which "..." and a NUL would fit behind.
 */
static size_t copy(char *buffer, size_t size, const char *text, size_t text_size, bool keep_control,
		   size_t *ret_left, size_t *ret_short)
{
	size_t used = 0;

	*ret_short = 0;
	while (text_size > 0) {
		uint32_t c = 0;
		size_t n = decode((const unsigned char *)text, text_size, &c);
		bool keep = n > 0 && (keep_control || !is_control(c));
		const char *from = keep ? text : REPLACEMENT;
		size_t length = keep ? n : strlen(REPLACEMENT);

		if (used + length >= size)
			break;
		memcpy(buffer + used, from, length);
		used += length;
		if (used + strlen(ELLIPSIS) < size)
			*ret_short = used;
		text += keep ? n : 1;
		text_size -= keep ? n : 1;
	}
	buffer[used] = '\0';
	*ret_left = text_size;
	return used;
}

size_t utf8_copy(char *buffer, size_t size, const char *text)
{
	size_t left, shorter;

	return copy(buffer, size, text, strlen(text), true, &left, &shorter);
}

size_t utf8_clean(char *buffer, size_t size, const char *text, size_t text_size)
{
	size_t left, shorter;
	size_t n = copy(buffer, size, text, text_size, false, &left, &shorter);

	if (left == 0)
		return n;
	memcpy(buffer + shorter, ELLIPSIS, sizeof(ELLIPSIS));
	return shorter + strlen(ELLIPSIS);
}
