/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small programs in Go as each version's linker would make them: three functions, one with two
 * functions inlined one in the other, one that wraps a method.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GO_IMAGE_TEXT	  0x401000ULL
#define GO_IMAGE_FUNCTION 0x40ULL /* bytes of each function */
#define GO_IMAGE_BYTES	  16384

enum go_image_version {
	GO_IMAGE_1_9,
	GO_IMAGE_1_12,
	GO_IMAGE_1_13,
	GO_IMAGE_1_16,
	GO_IMAGE_1_18,
	GO_IMAGE_1_20,
	GO_IMAGE_VERSIONS
};

struct go_image {
	enum go_image_version version;
	bool pie;	      /* the loader writes addresses: they are in relocations only */
	bool without_inlined; /* a program without the runtime's data (or older than 1.9) */
	bool without_text;    /* as since 1.26: only the runtime knows where the functions begin, */
	uint64_t before;      /* and this many bytes of C's code are before them in .text */
};

/* Writes the file to @ret (GO_IMAGE_BYTES, zeroed); returns its size. */
size_t go_image_build(const struct go_image *image, uint8_t *ret);
