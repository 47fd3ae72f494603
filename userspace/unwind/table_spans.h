/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stretches of code that a table is built from, each with a source that can tell its rows.
 * Private to the table builder.
 */
#pragma once

#include "elf/elf_image.h"
#include "unwind/table.h"

/* In the order of trust: where two begin at the same place the first is taken. */
enum span_source {
	SPAN_EH_FRAME,	  /* number: of the FDE */
	SPAN_GO,	  /* number: of the function; .debug_frame does not say where stacks end */
	SPAN_DEBUG_FRAME, /* in the file */
	SPAN_DEBUG_FILE,  /* in the separate debug file */
	SPAN_RULE,	  /* number: enum span_rule */
	SPAN_SOURCES
};

/* The rules of code whose frame is known without being described. */
enum span_rule {
	SPAN_RULE_END,
	SPAN_RULE_SIGNAL,
	SPAN_RULE_CALLED,   /* nothing on the stack but the return address */
	SPAN_RULE_PUSHED_1, /* one word more */
	SPAN_RULE_PUSHED_2,
	SPAN_RULE_PUSHED_RBP, /* one word more, which is RBP */
	SPAN_RULE_PLT,	      /* jmp, push, jmp: pushed from byte 11 on */
	SPAN_RULE_PLT_IBT,    /* endbr64, push, jmp: pushed from byte 9 on */
	SPAN_RULES
};

struct span {
	uint64_t start, end; /* offsets in the file */
	uint64_t address;    /* virtual, of start */
	uint32_t source;
	uint32_t number;
};

struct spans {
	struct span *at;
	size_t n, room;
	bool sorted;
};

/*
 * Adds the code [address, end), or what of it lies in the executable segment of its beginning.
 * -ENOENT if that is none; -ENOMEM.
 */
int spans_add(struct spans *s, const struct elf_image *image, uint64_t address, uint64_t end,
	      enum span_source source, uint32_t number);
void spans_sort(struct spans *s);

/* Between functions; a stretch as short as this is no gap but has the rule of what is before. */
#define SPANS_PADDING 15

/*
 * Calls @visit for each stretch of an executable segment that no span covers, padding too. The
 * spans must be sorted, and @visit may not add any. Stops at non-zero.
 */

typedef int (*spans_gap_fn)(void *userdata, const Elf64_Phdr *segment, uint64_t start,
			    uint64_t end);
int spans_each_gap(const struct spans *s, const struct elf_image *image, spans_gap_fn visit,
		   void *userdata);

/* Adds what is known of code that nobody described; to be called last. */
int spans_add_synthetic(struct spans *s, const struct elf_image *image, uint32_t *ret_added);

const struct unwind_rule *span_rule(enum span_rule number);
