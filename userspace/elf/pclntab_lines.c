/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/pclntab_lines.h"

#include <errno.h>

#include "base/cleanup.h"
#include "elf/go_binary.h"
#include "elf/go_lines.h"
#include "elf/line_table.h"

static int set_chain(const struct go_binary *go, uint64_t address, uint32_t i,
		     struct line_builder *b)
{
	struct go_line lines[LINE_MAX_CHAIN];
	struct line_frame frames[LINE_MAX_CHAIN];
	size_t n = go_lines_at(go, address, lines, ARRAY_SIZE(lines));

	for (size_t k = 0; k < n; k++)
		frames[k] = (struct line_frame){
			.name = lines[k].function,
			.file = lines[k].file,
			.line = lines[k].line,
			.start_line = lines[k].start_line,
			.is_exact = true, /* it may be in a wrapper that is left out */
		};
	return n > 0 ? line_builder_set(b, i, frames, n) : 0;
}

int pclntab_lines(int fd, const uint64_t *addresses, uint32_t n, struct line_builder *b,
		  bool *ret_is_go)
{
	_cleanup_(elf_image_done)
	struct elf_image image = { .fd = -1 };
	_cleanup_(go_binary_done)
	struct go_binary go = {};
	int r = elf_image_open(fd, &image);

	*ret_is_go = false;
	if (r == 0)
		r = go_binary_open(&image, &go);
	if (r < 0)
		return r == -ENOEXEC || r == -ENODATA || r == -EBADMSG || r == -EFBIG ? 0 : r;
	go_binary_find_inlined_calls(&go);
	for (uint32_t i = 0; i < n; i++) {
		r = set_chain(&go, addresses[i], i, b);
		if (r < 0)
			return r;
	}
	*ret_is_go = true;
	return 0;
}
