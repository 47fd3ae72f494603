/* SPDX-License-Identifier: Apache-2.0 */
/* Where the inlined calls of a Go program are described: see go_binary.h. */
#include "base/cleanup.h"
#include "elf/go_binary.h"
#include "elf/go_module.h"
#include "elf/pclntab_read.h"

#define MODULE_WORDS 64 /* of moduledata that are looked at */
#define FIRST_WORD   32 /* in no version is it before that */

/* To believe in an address so many functions with inlined calls are tried, of so many at most. */
#define TRIED_FUNCTIONS 32
#define MAX_FUNCTIONS	16384

#define NO_OFFSET	0xffffffffU
#define MAX_DESCRIPTION 20	   /* bytes of an inlined call */
#define MAX_LINE	(1U << 20) /* the compiler knows no larger ones */

static const struct go_call_layout layouts[] = {
	{ GO_1_20, 2, 3, .size = 16, .name = 4, .parent_pc = 8, .start_line = 12 },
	{ GO_1_18, 2, 3, .size = 20, .name = 12, .parent_pc = 16 },
	{ GO_1_16, 2, 3, .size = 20, .name = 12, .parent_pc = 16 },
	{ GO_1_2, 2, 4, .size = 20, .name = 12, .parent_pc = 16 },	  /* 1.13 */
	{ GO_1_2, 1, 2, .size = 20, .name = 12, .parent_pc = 16 },	  /* 1.12 */
	{ GO_1_2, 1, 2, .size = 16, .name = 12, .is_before_1_12 = true }, /* 1.9 */
};

/* Behind the description: tables of values by number, then addresses or offsets by number. */
bool go_binary_inlined_calls(const struct go_binary *b, const struct pclntab_description *d,
			     uint64_t *ret)
{
	bool relative = b->table.version >= GO_1_18;
	uint64_t at = d->pcdata + 4ULL * d->n_pcdata;
	struct cursor c = cursor_of(b->table.data, b->table.size);
	uint64_t word;

	if (b->calls->funcdata >= d->n_funcdata || b->calls->pcdata >= d->n_pcdata)
		return false;
	if (!relative)
		at = round_up_8(at);
	cursor_skip(&c, at);
	cursor_skip(&c, (relative ? 4ULL : 8ULL) * b->calls->funcdata);
	word = relative ? cursor_u32(&c) : cursor_u64(&c);
	if (c.bad || (relative ? word == NO_OFFSET : word == 0))
		return false;
	*ret = b->function_data + word;
	return true;
}

/*
 * Since 1.20 a description is: kind u8, 3 bytes, name, parent's pc, start line. Before: parent (16
 * bits and a kind in 1.12 and later), file, line, name, and since 1.12 the parent's pc.
 */
bool go_binary_inlined_call(const struct go_binary *b, uint64_t address, uint32_t i,
			    struct go_inlined_call *ret)
{
	const struct go_call_layout *l = b->calls;
	struct go_inlined_call call = { .has_parent_pc = l->parent_pc > 0, .parent = -1 };
	uint32_t words[MAX_DESCRIPTION / 4], name;

	if (i > UINT16_MAX ||
	    !go_module_read(b->image, address + (uint64_t)i * l->size, words, l->size))
		return false;
	name = words[l->name / 4];
	if (l->start_line)
		call.start_line = words[l->start_line / 4];
	if (call.has_parent_pc) {
		call.parent_pc = words[l->parent_pc / 4];
	} else {
		call.parent = (int32_t)words[0];
		call.file = words[1];
		call.line = words[2];
	}
	call.function = pclntab_string(&b->table, b->table.names, name);
	if (!call.function || call.function[0] == '\0' || call.start_line > INT32_MAX)
		return false;
	/* A name begins where another has ended; a call comes behind the one that it is in. */
	if ((name > 0 && call.function[-1] != '\0') || call.parent < -1 ||
	    call.parent >= (int64_t)i)
		return false;
	*ret = call;
	return true;
}

/* Whether the first inlined call of a function makes sense, if it has one. */
static bool is_plausible(const struct go_binary *b, uint32_t i, bool *ret_has_one)
{
	struct pclntab_description d;
	struct pclntab_function f;
	struct go_inlined_call call;
	uint64_t address;

	*ret_has_one = pclntab_function(&b->table, i, &f) && pclntab_describe(&b->table, i, &d) &&
		       go_binary_inlined_calls(b, &d, &address);
	return !*ret_has_one || (go_binary_inlined_call(b, address, 0, &call) &&
				 call.parent_pc < f.end - f.start && call.line <= MAX_LINE);
}

static bool holds_together(const struct go_binary *b)
{
	uint32_t n = MIN(b->table.n_functions, (uint32_t)MAX_FUNCTIONS), tried = 0;

	for (uint32_t i = 0; i < n && tried < TRIED_FUNCTIONS; i++) {
		bool has_one;

		if (!is_plausible(b, i, &has_one))
			return false;
		tried += has_one;
	}
	return tried > 0;
}

/* moduledata of 1.20 has two words more before it than that of 1.18: these two first. */
static bool try_module(void *userdata, uint64_t address)
{
	struct go_binary *b = userdata;
	static const size_t known[] = { 320 / 8, 304 / 8 };
	uint64_t words[MODULE_WORDS];
	size_t n = go_module_words(b->image, address, words, FIRST_WORD + 1, MODULE_WORDS);

	for (size_t i = 0; n > 0 && i < ARRAY_SIZE(known) + n - FIRST_WORD; i++) {
		size_t k = i < ARRAY_SIZE(known) ? known[i] : i - ARRAY_SIZE(known) + FIRST_WORD;

		if (k >= n || !words[k] || !elf_image_segment_at(b->image, words[k]))
			continue;
		b->function_data = words[k];
		if (holds_together(b))
			return true;
	}
	b->function_data = 0;
	return false;
}

/* Which layout it is only trying tells, if the table has no number for it. */
void go_binary_find_inlined_calls(struct go_binary *b)
{
	for (size_t i = 0; i < ARRAY_SIZE(layouts); i++) {
		if (layouts[i].version != b->table.version)
			continue;
		b->calls = &layouts[i];
		b->table.is_before_1_12 = b->calls->is_before_1_12;
		if (b->table.version >= GO_1_18
			    ? go_module_find(b->image, b->address, try_module, b)
			    : holds_together(b))
			return;
	}
	b->calls = NULL;
	b->table.is_before_1_12 = false;
}
