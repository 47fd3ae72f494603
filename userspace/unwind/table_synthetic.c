/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules for code that nobody described but that is known by what it is: the entry point, signal
 * trampolines, stubs of the procedure linkage table, what the C compiler's runtime adds.
 */
#include "unwind/table_spans.h"
#include "base/cleanup.h"

#include <errno.h>
#include <string.h>

/*
 * How far behind an undescribed entry point its code is believed to go. The longest known is that
 * of the dynamic loader, 0x5b bytes of _start and _dl_start_user.
 */
#define MAX_ENTRY 256

/* Undescribed code is searched for signal trampolines up to so many bytes of a file. */
#define MAX_SEARCHED (64U << 20)
#define CHUNK	     (64U << 10)

/*
 * Code known by its bytes wherever it is. Signal trampolines: debuggers know them so as well, so
 * they do not change. They begin one byte early, since they are reached by a return: what is looked
 * up is one less than their address.
 *
 * And what calls the first function of a process or thread, in musl's libc, which is built without
 * call frame information: exit(main(...)) of libc_start_main_stage2(), and __clone(), which exits
 * as well when the thread's function has returned.
 */
static const struct signature {
	uint8_t bytes[16];
	size_t size;
	size_t before; /* this much before the bytes the rule begins */
	size_t after;  /* and so far behind them it holds */
	enum span_rule rule;
} signatures[] = {
	/* mov $15, %rax; syscall */
	{ { 0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05 }, 9, 1, 0, SPAN_RULE_SIGNAL },
	/* call *%reg before; mov %eax, %edi; call */
	{ { 0x89, 0xc7, 0xe8 }, 3, 2, 4, SPAN_RULE_END },
	/* xor %ebp, %ebp; pop %rdi; call *%r9; mov %eax, %edi; xor %eax, %eax; mov $60, %al;
	   syscall; hlt */
	{ { 0x31, 0xed, 0x5f, 0x41, 0xff, 0xd1, 0x89, 0xc7, 0x31, 0xc0, 0xb0, 0x3c, 0x0f, 0x05,
	    0xf4 },
	  15,
	  0,
	  0,
	  SPAN_RULE_END },
};

#define MAX_BEFORE 2
#define MAX_BYTES  16

#define RSP_RULE(n)                                                                                \
	{                                                                                          \
		.cfa = UNWIND_CFA_REGISTER, .cfa_reg = UNWIND_RSP, .cfa_offset = (n),              \
		.ra = UNWIND_AT_CFA, .ra_offset = -8, .sp = UNWIND_AT_CFA, .burst = 1,             \
	}
#define PLT_RULE(n)                                                                                \
	{                                                                                          \
		.cfa = UNWIND_CFA_PLT, .cfa_add = (n), .ra = UNWIND_AT_CFA, .ra_offset = -8,       \
		.sp = UNWIND_AT_CFA, .burst = 1,                                                   \
	}

const struct unwind_rule *span_rule(enum span_rule number)
{
	static const struct unwind_rule rules[SPAN_RULES] = {
		[SPAN_RULE_END] = { .cfa = UNWIND_CFA_END },
		[SPAN_RULE_SIGNAL] = { .cfa = UNWIND_CFA_SIGNAL },
		[SPAN_RULE_CALLED] = RSP_RULE(8),
		[SPAN_RULE_PUSHED_1] = RSP_RULE(16),
		[SPAN_RULE_PUSHED_2] = RSP_RULE(24),
		[SPAN_RULE_PUSHED_RBP] = { .cfa = UNWIND_CFA_REGISTER,
					   .cfa_reg = UNWIND_RSP,
					   .cfa_offset = 16,
					   .ra = UNWIND_AT_CFA,
					   .ra_offset = -8,
					   .sp = UNWIND_AT_CFA,
					   .bp = UNWIND_AT_CFA,
					   .bp_offset = -16,
					   .burst = 2 },
		[SPAN_RULE_PLT] = PLT_RULE(11),
		[SPAN_RULE_PLT_IBT] = PLT_RULE(9),
	};

	return &rules[number];
}

/* Sections of code known by their names. */
enum known { PLT, PLT_SEC, PLT_GOT, INIT, FINI, KNOWN };

struct search {
	const struct elf_image *image;
	const Elf64_Shdr *known[KNOWN]; /* NULL: it has no such section */
	struct spans found;
	uint64_t left; /* bytes that may still be searched */
	uint8_t chunk[CHUNK];
};

static uint64_t address_of(const Elf64_Phdr *segment, uint64_t offset)
{
	return offset - segment->p_offset + segment->p_vaddr;
}

/* Adds what of [@address, @address + @size) lies in the gap. */
static int add_in_gap(struct search *s, const Elf64_Phdr *segment, uint64_t start, uint64_t end,
		      uint64_t address, uint64_t size, enum span_rule rule)
{
	uint64_t gap = address_of(segment, start);
	uint64_t gap_end = address_of(segment, end);

	if (address < gap || address >= gap_end)
		return 0;
	return spans_add(&s->found, s->image, address, MIN(address + size, gap_end), SPAN_RULE,
			 rule);
}

/*
 * Libraries have an entry address too, which may be just the beginning of their text. Code that
 * the kernel does start takes its arguments from RSP, or marks the outermost frame as the ABI says.
 */
static bool looks_started(const struct elf_image *image, const Elf64_Phdr *segment)
{
	static const uint8_t mov_rsp_rdi[] = { 0x48, 0x89, 0xe7 };
	static const uint8_t xor_ebp_ebp[] = { 0x31, 0xed };
	uint64_t offset = image->header.e_entry - segment->p_vaddr + segment->p_offset;
	uint8_t code[16];

	if (image->header.e_type == ET_EXEC)
		return true;
	return !elf_image_read(image, code, sizeof(code), offset) &&
	       (memmem(code, sizeof(code), mov_rsp_rdi, sizeof(mov_rsp_rdi)) ||
		memmem(code, sizeof(code), xor_ebp_ebp, sizeof(xor_ebp_ebp)));
}

/* The kernel starts programs here: there is no caller. */
static int add_entry(struct search *s, const Elf64_Phdr *segment, uint64_t start, uint64_t end)
{
	uint64_t entry = s->image->header.e_entry;

	if (entry < address_of(segment, start) || entry >= address_of(segment, end) ||
	    !looks_started(s->image, segment))
		return 0;
	return add_in_gap(s, segment, start, end, entry, MAX_ENTRY, SPAN_RULE_END);
}

static int add_lazy_plt(struct search *s, const Elf64_Phdr *segment, uint64_t start, uint64_t end,
			const Elf64_Shdr *plt)
{
	static const uint8_t push_got[] = { 0xff, 0x35 };
	static const uint8_t endbr64[] = { 0xf3, 0x0f, 0x1e, 0xfa };
	uint64_t at = plt->sh_addr, size = plt->sh_size;
	enum span_rule stub = SPAN_RULE_PLT;
	uint8_t code[32] = {};
	int r;

	if (size < sizeof(code) || elf_image_read(s->image, code, sizeof(code), plt->sh_offset))
		return 0;
	/* Without a first entry that calls the resolver nothing is pushed. */
	if (memcmp(code, push_got, sizeof(push_got)))
		return add_in_gap(s, segment, start, end, at, size, SPAN_RULE_CALLED);
	if (!memcmp(code + 16, endbr64, sizeof(endbr64)))
		stub = SPAN_RULE_PLT_IBT;
	r = add_in_gap(s, segment, start, end, at, 6, SPAN_RULE_PUSHED_1);
	if (!r)
		r = add_in_gap(s, segment, start, end, at + 6, 10, SPAN_RULE_PUSHED_2);
	if (!r)
		r = add_in_gap(s, segment, start, end, at + 16, size - 16, stub);
	return r;
}

static int add_plts(struct search *s, const Elf64_Phdr *segment, uint64_t start, uint64_t end)
{
	int r = 0;

	if (s->known[PLT])
		r = add_lazy_plt(s, segment, start, end, s->known[PLT]);
	/* Stubs that only jump. */
	for (int i = PLT_SEC; !r && i <= PLT_GOT; i++)
		if (s->known[i])
			r = add_in_gap(s, segment, start, end, s->known[i]->sh_addr,
				       s->known[i]->sh_size, SPAN_RULE_CALLED);
	return r;
}

/*
 * _init and _fini, which the C runtime puts together of a first and a last piece in assembler:
 * sub $8, %rsp ... add $8, %rsp; ret.
 */
static int add_init(struct search *s, const Elf64_Phdr *segment, uint64_t start, uint64_t end,
		    const Elf64_Shdr *init)
{
	static const uint8_t sub_8_rsp[] = { 0x48, 0x83, 0xec, 0x08 };
	static const uint8_t add_8_rsp_ret[] = { 0x48, 0x83, 0xc4, 0x08, 0xc3 };
	uint64_t at = init->sh_addr, size = init->sh_size;
	const uint8_t *sub, *add;
	uint8_t code[64];
	int r;

	if (size > sizeof(code) || elf_image_read(s->image, code, size, init->sh_offset))
		return 0;
	sub = memmem(code, MIN(size, 8), sub_8_rsp, sizeof(sub_8_rsp));
	add = memmem(code, size, add_8_rsp_ret, sizeof(add_8_rsp_ret));
	if (!sub || !add || add < sub)
		return 0;
	sub += sizeof(sub_8_rsp);
	add += 4;
	r = add_in_gap(s, segment, start, end, at, (uint64_t)(sub - code), SPAN_RULE_CALLED);
	if (!r)
		r = add_in_gap(s, segment, start, end, at + (uint64_t)(sub - code),
			       (uint64_t)(add - sub), SPAN_RULE_PUSHED_1);
	if (!r)
		r = add_in_gap(s, segment, start, end, at + (uint64_t)(add - code), 1,
			       SPAN_RULE_CALLED);
	return r;
}

static int add_inits(struct search *s, const Elf64_Phdr *segment, uint64_t start, uint64_t end)
{
	int r = 0;

	for (int i = INIT; !r && i <= FINI; i++)
		if (s->known[i])
			r = add_init(s, segment, start, end, s->known[i]);
	return r;
}

/*
 * __do_global_dtors_aux() of GCC's crtstuff.c, which every file has: cmpb $0, completed; jne out;
 * push %rbp; ...; movb $1, completed; pop %rbp; ret; out: ret. It is among the first in the text.
 */
static int add_destructors(struct search *s, const Elf64_Phdr *segment, uint64_t start,
			   uint64_t end)
{
	uint64_t gap = address_of(segment, start);
	uint8_t code[512];
	size_t size = MIN(end - start, sizeof(code));

	if (size < 64 || elf_image_read(s->image, code, size, start))
		return 0;
	for (size_t i = 0; i + 64 <= size; i++) {
		const uint8_t *p = code + i;
		size_t last;
		int r;

		if (p[0] != 0x80 || p[1] != 0x3d || p[6] || p[7] != 0x75 || p[9] != 0x55)
			continue;
		for (last = 10; last < 54; last++)
			if (p[last] == 0xc6 && p[last + 1] == 0x05 && p[last + 6] == 1 &&
			    p[last + 7] == 0x5d && p[last + 8] == 0xc3)
				break;
		if (last == 54)
			continue;
		r = add_in_gap(s, segment, start, end, gap + i, 10, SPAN_RULE_CALLED);
		if (!r)
			r = add_in_gap(s, segment, start, end, gap + i + 10, last + 8 - 10,
				       SPAN_RULE_PUSHED_RBP);
		return r ? r
			 : add_in_gap(s, segment, start, end, gap + i + last + 8, 1,
				      SPAN_RULE_CALLED);
	}
	return 0;
}

/* Whether what is before the bytes is as it must be; @at is where the rule would begin. */
static bool is_signature(const struct signature *g, const uint8_t *at)
{
	return g->before != MAX_BEFORE || (at[0] == 0xff && (at[1] & 0xf8) == 0xd0);
}

/*
 * Adds the signature wherever it begins between bytes @from and @to of the chunk, which has @size
 * and is that of file offset @start.
 */
static int add_signature(struct search *s, const struct signature *g, const Elf64_Phdr *segment,
			 uint64_t start, size_t from, size_t to, size_t size)
{
	const uint8_t *at = s->chunk + from;
	int r;

	for (; (at = memmem(at, (size_t)(s->chunk + size - at), g->bytes, g->size));
	     at += g->size) {
		size_t n = (size_t)(at - s->chunk);
		uint64_t address = address_of(segment, start + n);

		if (n >= to)
			break;
		/* A trampoline may be the first in its stretch, whatever is before it. */
		if (g->before > 1 && (n < g->before || !is_signature(g, at - g->before)))
			continue;
		r = spans_add(&s->found, s->image, address - g->before,
			      address + g->size + g->after, SPAN_RULE, g->rule);
		if (r == -ENOMEM)
			return r;
	}
	return 0;
}

/* Chunks overlap, so that a signature is whole in one of them, and is looked for only there. */
static int add_signatures(struct search *s, const Elf64_Phdr *segment, uint64_t start, uint64_t end)
{
	size_t from = 0;

	while (start < end && s->left) {
		size_t size = MIN(MIN(end - start, (uint64_t)CHUNK), s->left);
		bool last = size < CHUNK || size == end - start;
		size_t to = last ? size : size - MAX_BYTES;
		int r = 0;

		if (elf_image_read(s->image, s->chunk, size, start))
			return 0;
		for (size_t i = 0; !r && i < ARRAY_SIZE(signatures); i++)
			r = add_signature(s, &signatures[i], segment, start, from, to, size);
		if (r)
			return r;
		s->left -= size;
		if (last)
			break;
		start += to - MAX_BEFORE;
		from = MAX_BEFORE;
	}
	return 0;
}

/* Padding is not searched, but _fini may be as short. */
static bool is_padding(const struct search *s, const Elf64_Phdr *segment, uint64_t start,
		       uint64_t end)
{
	if (end - start > SPANS_PADDING)
		return false;
	for (int i = 0; i < KNOWN; i++)
		if (s->known[i] && s->known[i]->sh_addr >= address_of(segment, start) &&
		    s->known[i]->sh_addr < address_of(segment, end))
			return false;
	return true;
}

static int search_gap(void *userdata, const Elf64_Phdr *segment, uint64_t start, uint64_t end)
{
	struct search *s = userdata;
	int r;

	if (is_padding(s, segment, start, end))
		return 0;
	r = add_entry(s, segment, start, end);
	if (!r)
		r = add_plts(s, segment, start, end);
	if (!r)
		r = add_inits(s, segment, start, end);
	if (!r)
		r = add_destructors(s, segment, start, end);
	if (!r)
		r = add_signatures(s, segment, start, end);
	return r == -ENOENT ? 0 : r;
}

static int append(struct spans *to, const struct spans *from)
{
	void *at = reallocarray(to->at, to->n + from->n + 1, sizeof(*to->at));

	if (!at)
		return -ENOMEM;
	to->at = at;
	to->room = to->n + from->n + 1;
	if (from->n)
		memcpy(to->at + to->n, from->at, from->n * sizeof(*from->at));
	to->n += from->n;
	spans_sort(to);
	return 0;
}

int spans_add_synthetic(struct spans *spans, const struct elf_image *image, uint32_t *ret_added)
{
	static const char *const names[KNOWN] = {
		[PLT] = ".plt",	  [PLT_SEC] = ".plt.sec", [PLT_GOT] = ".plt.got",
		[INIT] = ".init", [FINI] = ".fini",
	};
	struct search *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->image = image;
	s->left = MAX_SEARCHED;
	for (int i = 0; i < KNOWN; i++)
		s->known[i] = elf_image_section(image, names[i]);
	r = spans_each_gap(spans, image, search_gap, s);
	if (!r)
		r = append(spans, &s->found);
	if (!r)
		*ret_added = (uint32_t)s->found.n;
	free(s->found.at);
	free(s);
	return r;
}
