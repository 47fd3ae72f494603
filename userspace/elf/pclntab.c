/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/pclntab.h"
#include "elf/pclntab_read.h"
#include "base/cleanup.h"
#include "base/search.h"

#include <errno.h>

/* internal/abi: the outermost function of a stack; the function writes SP as it likes. */
#define FLAG_TOP_FRAME 1
#define FLAG_SP_WRITE  2

#define MAX_FUNCTIONS (1U << 24)
#define MAX_TEXT      (64U << 10) /* of a name; the linker of Go knows no limit */

static const struct {
	uint32_t magic;
	enum pclntab_version version;
} magics[] = {
	{ 0xfffffffb, GO_1_2 },
	{ 0xfffffffa, GO_1_16 },
	{ 0xfffffff0, GO_1_18 },
	{ 0xfffffff1, GO_1_20 },
};

/* Where Go's own traceback stops; flags say so only since 1.17, and not for all of them. */
static const struct {
	const char *name;
	enum pclntab_kind kind;
} special[] = {
	{ "runtime.goexit", PCLNTAB_END },
	{ "runtime.mstart", PCLNTAB_END },
	{ "runtime.rt0_go", PCLNTAB_END },
	{ "runtime.clone", PCLNTAB_END },
	/* The goroutine it came from may run on another thread by now: its stack is not ours. */
	{ "runtime.mcall", PCLNTAB_END },
	{ "runtime.morestack", PCLNTAB_END },
	{ "runtime.gogo", PCLNTAB_END },
	{ "_rt0_amd64", PCLNTAB_END },
	{ "_rt0_amd64_linux", PCLNTAB_END },
	{ "runtime.systemstack", PCLNTAB_SWITCH },
	{ "runtime.systemstack_switch", PCLNTAB_SWITCH },
	{ "runtime.asmcgocall", PCLNTAB_SWITCH },
	{ "runtime.cgocallback", PCLNTAB_SWITCH },
	{ "runtime.sigreturn", PCLNTAB_SIGNAL },
	{ "runtime.sigreturn__sigaction", PCLNTAB_SIGNAL },
};

static struct cursor cursor_at(const struct pclntab *t, uint64_t offset)
{
	struct cursor c = cursor_of(t->data, t->size);

	cursor_skip(&c, offset);
	return c;
}

/* Entries of the function table are two words: addresses before 1.18, 32 bits since. */
static size_t word_size(const struct pclntab *t)
{
	return t->version >= GO_1_18 ? 4 : 8;
}

static uint64_t functab_word(const struct pclntab *t, uint64_t index)
{
	struct cursor c = cursor_of(t->functab, t->functab_size);

	cursor_skip(&c, index * word_size(t));
	return word_size(t) == 4 ? cursor_u32(&c) : cursor_u64(&c);
}

static uint64_t entry_address(const struct pclntab *t, uint32_t i)
{
	uint64_t word = functab_word(t, 2ULL * i);

	return t->version >= GO_1_18 ? t->text + word : word;
}

/* The words behind the eight bytes that all versions begin with. */
static void read_offsets(struct pclntab *t, struct cursor *c, uint64_t *functab)
{
	if (t->version == GO_1_2) {
		*functab = 16; /* and everything else counts from the beginning */
		return;
	}
	cursor_u64(c); /* number of files */
	if (t->version >= GO_1_18)
		t->text = cursor_u64(c);
	t->names = cursor_u64(c);
	t->units = cursor_u64(c);
	t->files = cursor_u64(c);
	t->tables = cursor_u64(c);
	t->descriptions = cursor_u64(c);
	*functab = t->descriptions;
}

static int version_of(const uint8_t *data)
{
	uint32_t magic;

	memcpy(&magic, data, sizeof(magic));
	for (size_t i = 0; i < ARRAY_SIZE(magics); i++)
		if (magics[i].magic == magic)
			return magics[i].version;
	return -EBADMSG;
}

bool pclntab_looks_like(const uint8_t *data)
{
	/* Instructions of one byte, addresses of eight: this machine. */
	static const uint8_t rest[] = { 0, 0, 1, 8 };

	return version_of(data) >= 0 && !memcmp(data + 4, rest, sizeof(rest));
}

int pclntab_read(const uint8_t *data, size_t size, struct pclntab *ret)
{
	struct pclntab t = { .data = data, .size = size };
	struct cursor c = cursor_of(data, size);
	uint64_t functab = 0, n;

	if (size < 8 || !pclntab_looks_like(data))
		return -EBADMSG;
	t.version = (uint8_t)version_of(data);
	cursor_skip(&c, 8);
	n = cursor_u64(&c);
	read_offsets(&t, &c, &functab);
	if (c.bad || n > MAX_FUNCTIONS || functab > size)
		return -EBADMSG;
	t.n_functions = (uint32_t)n;
	/* The address of the end of the last function closes it. */
	t.functab_size = (2 * (size_t)n + 1) * word_size(&t);
	if (t.functab_size > size - functab)
		return -EBADMSG;
	t.functab = data + functab;
	if (t.version == GO_1_2) {
		/* Behind the functions: where the list of files is. */
		c = cursor_at(&t, functab + t.functab_size);
		t.files = cursor_u32(&c);
	}
	*ret = t;
	return 0;
}

/*
 * struct _func: all versions begin and end alike; 1.16 put the compilation unit before the last
 * four bytes, 1.20 the line behind it. Before 1.12 all of these four are the last number.
 */
bool pclntab_describe(const struct pclntab *t, uint32_t i, struct pclntab_description *ret)
{
	uint64_t offset = functab_word(t, 2ULL * i + 1);
	struct pclntab_description d = {};
	struct cursor c;
	uint32_t last;

	if (offset > t->size || t->descriptions > t->size)
		return false;
	c = cursor_at(t, t->descriptions + offset);
	cursor_skip(&c, word_size(t)); /* where it begins */
	d.name = cursor_u32(&c);
	cursor_skip(&c, 8); /* arguments, deferreturn */
	d.sp_deltas = cursor_u32(&c);
	d.files = cursor_u32(&c);
	d.lines = cursor_u32(&c);
	d.n_pcdata = cursor_u32(&c);
	if (t->version >= GO_1_16)
		d.unit = cursor_u32(&c);
	if (t->version >= GO_1_20)
		d.start_line = cursor_s32(&c);
	last = cursor_u32(&c);
	d.flags = (uint8_t)(last >> 8); /* the first says what special function it is */
	d.n_funcdata = t->is_before_1_12 ? last : last >> 24;
	if (c.bad)
		return false;
	d.pcdata = (uint64_t)(c.at - t->data);
	*ret = d;
	return true;
}

const char *pclntab_string(const struct pclntab *t, uint64_t base, uint64_t offset)
{
	struct cursor c = cursor_at(t, base);

	cursor_skip(&c, offset);
	if (c.bad || !memchr(c.at, 0, MIN(cursor_left(&c), (size_t)MAX_TEXT)))
		return NULL;
	return (const char *)c.at;
}

size_t pclntab_names_end(const struct pclntab *t)
{
	/* Since 1.16 each kind of thing has its own place, and units follow the names. */
	return t->version >= GO_1_16 && t->units > t->names && t->units <= t->size ? t->units
										   : t->size;
}

const char *pclntab_name(const struct pclntab *t, uint32_t i)
{
	struct pclntab_description d;

	return pclntab_describe(t, i, &d) ? pclntab_string(t, t->names, d.name) : NULL;
}

bool pclntab_find(const struct pclntab *t, uint64_t address, uint32_t *ret)
{
	uint32_t n = SEARCH(t->n_functions, i, entry_address(t, i) <= address);

	/* The word behind the last function is where it ends. */
	if (n == 0 || address >= entry_address(t, n))
		return false;
	*ret = n - 1;
	return true;
}

/* Assembler functions may carry the suffix of their calling convention. */
static bool name_is(const char *name, const char *wanted)
{
	size_t n = strlen(wanted);

	return !strncmp(name, wanted, n) && (!name[n] || !strncmp(name + n, ".abi", 4));
}

static enum pclntab_kind kind_of(const char *name, uint8_t flags)
{
	if (name && (name[0] == 'r' || name[0] == '_'))
		for (size_t i = 0; i < ARRAY_SIZE(special); i++)
			if (name_is(name, special[i].name))
				return special[i].kind;
	if (flags & FLAG_TOP_FRAME)
		return PCLNTAB_END;
	return flags & FLAG_SP_WRITE ? PCLNTAB_SWITCH : PCLNTAB_PLAIN;
}

bool pclntab_function(const struct pclntab *t, uint32_t i, struct pclntab_function *ret)
{
	struct pclntab_function f = {
		.start = entry_address(t, i),
		.end = entry_address(t, i + 1),
	};
	struct pclntab_description d;
	/* Flags came with 1.17, without a number of their own for the table. */
	bool has_flags = t->version >= GO_1_18;

	if (!pclntab_describe(t, i, &d) || f.end <= f.start)
		return false;
	f.deltas = d.sp_deltas;
	f.kind = kind_of(pclntab_string(t, t->names, d.name), has_flags ? d.flags : 0);
	*ret = f;
	return true;
}

/*
 * RSP is @delta below where the call left it. The frame pointer is saved in the word below the
 * return address, once there is room for it; RBX is nobody's in Go.
 */
static struct unwind_rule rule_of(int64_t delta)
{
	struct unwind_rule rule = {
		.cfa = UNWIND_CFA_REGISTER,
		.cfa_reg = UNWIND_RSP,
		.cfa_offset = (__s32)(delta + 8),
		.ra = UNWIND_AT_CFA,
		.ra_offset = -8,
		.sp = UNWIND_AT_CFA,
		.bx = UNWIND_UNKNOWN,
		.burst = 1,
	};

	if (delta >= 8) {
		rule.bp = UNWIND_AT_CFA;
		rule.bp_offset = -16;
		rule.burst = 2;
	}
	return rule;
}

static const struct unwind_rule frame_pointer_rule = { .cfa = UNWIND_CFA_FRAME_POINTER };

struct pclntab_values pclntab_values_of(const struct pclntab *t, uint32_t table, uint64_t start)
{
	uint64_t at = t->tables <= t->size ? t->tables + table : t->size;

	return (struct pclntab_values){
		.cursor = cursor_at(t, at), .pc = start, .start = start, .value = -1
	};
}

bool pclntab_values_next(struct pclntab_values *v)
{
	uint64_t zigzag = cursor_uleb(&v->cursor);
	uint64_t step = cursor_uleb(&v->cursor);
	int64_t value;

	/* A difference of 0 ends the table, the first value excepted; it has 32 bits. */
	if (v->cursor.bad || !step || (!zigzag && v->pc != v->start) || zigzag > UINT32_MAX ||
	    step > UINT64_MAX - v->pc)
		return false;
	value = v->value + ((int64_t)(zigzag >> 1) ^ -(int64_t)(zigzag & 1));
	if (value > INT32_MAX || value < INT32_MIN)
		return false;
	v->value = value;
	v->from = v->pc;
	v->pc += step;
	return true;
}

/* Stops where it cannot be true. */
static void delta_rows(const struct pclntab *t, const struct pclntab_function *f, cfi_row_fn row,
		       void *userdata)
{
	struct pclntab_values v = pclntab_values_of(t, f->deltas, f->start);

	while (v.pc < f->end) {
		struct unwind_rule rule;
		uint64_t from = v.pc;

		if (!pclntab_values_next(&v) || v.value < 0 || v.value > INT32_MAX - 8) {
			row(userdata, from, &frame_pointer_rule);
			return;
		}
		rule = rule_of(v.value);
		row(userdata, from, &rule);
	}
}

void pclntab_rows(const struct pclntab *t, const struct pclntab_function *f, cfi_row_fn row,
		  void *userdata)
{
	static const struct unwind_rule fixed[] = {
		[PCLNTAB_PLAIN] = { .cfa = UNWIND_CFA_FRAME_POINTER },
		[PCLNTAB_END] = { .cfa = UNWIND_CFA_END },
		[PCLNTAB_SWITCH] = { .cfa = UNWIND_CFA_FRAME_POINTER,
				     .flags = UNWIND_RULE_STACK_SWITCH },
		[PCLNTAB_SIGNAL] = { .cfa = UNWIND_CFA_SIGNAL },
	};

	if (f->kind == PCLNTAB_PLAIN && f->deltas)
		delta_rows(t, f, row, userdata);
	else
		row(userdata, f->start, &fixed[f->kind]);
}
