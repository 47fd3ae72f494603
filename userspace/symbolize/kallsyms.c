/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/kallsyms.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/search.h"

#define MAX_SYMBOLS (4U << 20)
#define MAX_NAMES   ((size_t)256 << 20)
#define NAME_LEN    512 /* KSYM_NAME_LEN of the kernel */

/*
 * There are no sizes. A function reaches to the next symbol, but no further than this: what lies
 * behind the last one of a module is not its code.
 */
#define MAX_FUNCTION	    ((uint64_t)1 << 20)
#define MAX_MODULE_FUNCTION ((uint64_t)64 << 10)

struct symbol_line {
	uint64_t address;
	char type;
	char *name;
	char *module; /* NULL = the kernel itself */
};

struct item {
	uint64_t address;
	uint32_t name;
	uint32_t rank; /* lower is better */
};

struct loader {
	kallsyms_dynamic_fn dynamic;
	void *userdata;
	struct item *items;
	uint32_t n, allocated;
	char *names;
	size_t names_size, names_allocated;
	uint64_t stext, etext, lowest, highest, scheduler_start, scheduler_end;
};

static void loader_done(struct loader *l)
{
	free(l->items);
	free(l->names);
}

/* "ffffffff81000000 T _stext" or "ffffffffc0201000 t name\t[module]", without its newline. */
static bool parse_line(char *line, struct symbol_line *ret)
{
	char *end, *tab;

	ret->address = strtoull(line, &end, 16);
	if (end == line || end[0] != ' ' || end[1] == '\0' || end[2] != ' ' || end[3] == '\0')
		return false;
	ret->type = end[1];
	ret->name = end + 3;
	ret->module = NULL;
	tab = strchr(ret->name, '\t');
	if (tab) {
		*tab = '\0';
		if (tab[1] == '[')
			ret->module = tab + 1;
	}
	return ret->name[0] != '\0';
}

/* kernel/kallsyms.c gives these in place of a module's name. */
static bool is_dynamic(const char *module)
{
	return strcmp(module, "[bpf]") == 0 || strncmp(module, "[__builtin__", 12) == 0;
}

/*
 * Ends of sections are symbols at the first address behind them; __pfx_ and __cfi_ mark the padding
 * before functions, which is never executed (scripts/kallsyms.c, CONFIG_FUNCTION_PADDING_BYTES).
 */
static bool is_code(const struct symbol_line *s)
{
	if (!strchr("tTwW", s->type))
		return false;
	return strcmp(s->name, "_etext") != 0 && strcmp(s->name, "_einittext") != 0;
}

static bool is_padding(const struct symbol_line *s)
{
	return strncmp(s->name, "__pfx_", 6) == 0 || strncmp(s->name, "__cfi_", 6) == 0;
}

static uint32_t rank_of(const struct symbol_line *s, bool code)
{
	uint32_t underscores = (uint32_t)strspn(s->name, "_");

	return (code ? 0 : 1U << 31) | (s->type == 't' ? 1U << 8 : 0) | MIN(underscores, 15U) << 1 |
	       (s->type == 'w' || s->type == 'W');
}

static int grow(void **p, size_t need, size_t size, size_t *allocated)
{
	size_t n = *allocated ? *allocated : 4096;
	void *bigger;

	if (need <= *allocated)
		return 0;
	while (n < need)
		n *= 2;
	bigger = reallocarray(*p, n, size);
	if (!bigger)
		return -ENOMEM;
	*p = bigger;
	*allocated = n;
	return 0;
}

static int add_name(struct loader *l, const struct symbol_line *s, uint32_t *ret)
{
	char text[2 * NAME_LEN];
	size_t size;
	int r;

	size = (size_t)snprintf(text, sizeof(text), "%.*s%s%.*s", NAME_LEN - 2, s->name,
				s->module ? " " : "", NAME_LEN - 2, s->module ? s->module : "") +
	       1;
	if (l->names_size + size > MAX_NAMES)
		return -EFBIG;
	r = grow((void **)&l->names, l->names_size + size, 1, &l->names_allocated);
	if (r < 0)
		return r;
	memcpy(l->names + l->names_size, text, size);
	*ret = (uint32_t)l->names_size;
	l->names_size += size;
	return 0;
}

static int add_item(struct loader *l, const struct symbol_line *s, bool code)
{
	size_t allocated = l->allocated;
	uint32_t name = KALLSYMS_NO_TEXT;
	int r = 0;

	if (l->n >= MAX_SYMBOLS)
		return -EFBIG;
	if (code)
		r = add_name(l, s, &name);
	if (r == 0)
		r = grow((void **)&l->items, l->n + 1, sizeof(*l->items), &allocated);
	if (r < 0)
		return r;
	l->allocated = (uint32_t)allocated;
	l->items[l->n++] = (struct item){ s->address, name, rank_of(s, code) };
	return 0;
}

/* Where a section of the kernel proper begins or ends. */
static void note_border(struct loader *l, const struct symbol_line *s)
{
	const struct {
		const char *name;
		uint64_t *where;
	} borders[] = {
		{ "_stext", &l->stext },
		{ "_etext", &l->etext },
		{ "__sched_text_start", &l->scheduler_start },
		{ "__sched_text_end", &l->scheduler_end },
	};

	for (size_t i = 0; i < ARRAY_SIZE(borders); i++)
		if (strcmp(s->name, borders[i].name) == 0)
			*borders[i].where = s->address;
}

static int add_line(struct loader *l, const struct symbol_line *s)
{
	bool code = is_code(s);

	if (s->address == 0)
		return 0;
	if (s->module && is_dynamic(s->module)) {
		if (code)
			l->dynamic(l->userdata, s->address, s->name);
		return 0;
	}
	if (!s->module)
		note_border(l, s);
	if (code && !s->module) {
		l->lowest = l->lowest ? MIN(l->lowest, s->address) : s->address;
		l->highest = MAX(l->highest, s->address);
	}
	return code && is_padding(s) ? 0 : add_item(l, s, code);
}

static int read_lines(struct loader *l, const char *path)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	_cleanup_free_ char *line = NULL;
	size_t allocated = 0;
	struct symbol_line s;
	int r;

	if (!f)
		return -errno;
	while (getline(&line, &allocated, f) > 0) {
		line[strcspn(line, "\n")] = '\0';
		if (!parse_line(line, &s))
			continue;
		r = add_line(l, &s);
		if (r < 0)
			return r;
	}
	return ferror(f) ? -EIO : 0;
}

static int compare_items(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return x->name < y->name ? -1 : x->name > y->name;
}

/*
 * One entry an address; of what is no code only the first behind code. From the first code on, and
 * no further than 32 bits go: all kernels keep text and modules that close to each other.
 */
static int compact(struct loader *l, struct kallsyms *k)
{
	uint64_t previous = 0;

	qsort(l->items, l->n, sizeof(*l->items), compare_items);
	k->entries = calloc(l->n, sizeof(*k->entries));
	if (!k->entries)
		return -ENOMEM;
	for (uint32_t i = 0; i < l->n; i++) {
		const struct item *item = &l->items[i];
		bool code = item->name != KALLSYMS_NO_TEXT;

		if (k->n > 0 ? item->address == previous : !code)
			continue;
		if (k->n == 0)
			k->base = item->address;
		if (!code && k->entries[k->n - 1].name == KALLSYMS_NO_TEXT)
			continue;
		if (item->address - k->base > UINT32_MAX)
			break;
		previous = item->address;
		k->entries[k->n++] = (struct kallsyms_entry){
			(uint32_t)(item->address - k->base),
			item->name,
		};
		k->n_text += code;
	}
	return 0;
}

/* Memory of the tables goes down to what is used of it. */
static void *shrink(void *p, size_t size)
{
	void *smaller = size > 0 ? realloc(p, size) : NULL;

	return smaller ? smaller : p;
}

int kallsyms_read(const char *path, kallsyms_dynamic_fn dynamic, void *userdata,
		  struct kallsyms *ret)
{
	_cleanup_(loader_done)
	struct loader l = { .dynamic = dynamic, .userdata = userdata };
	struct kallsyms k = {};
	int r;

	r = read_lines(&l, path);
	if (r == 0 && l.n > 0)
		r = compact(&l, &k);
	if (r < 0)
		return r;
	k.entries = shrink(k.entries, k.n * sizeof(*k.entries));
	k.names = shrink(TAKE_PTR(l.names), l.names_size);
	k.names_size = l.names_size;
	k.text_start = l.stext ? l.stext : l.lowest;
	k.text_end = l.etext ? l.etext : l.highest;
	k.scheduler_start = l.scheduler_start;
	k.scheduler_end = l.scheduler_end;
	*ret = k;
	return 0;
}

void kallsyms_done(struct kallsyms *k)
{
	free(k->entries);
	free(k->names);
	*k = (struct kallsyms){};
}

const char *kallsyms_find(const struct kallsyms *k, uint64_t address)
{
	uint64_t offset = address - k->base, reach;
	uint32_t n;
	const char *name;

	if (address < k->base)
		return NULL;
	n = SEARCH(k->n, i, k->entries[i].offset <= offset);
	if (n == 0 || k->entries[n - 1].name == KALLSYMS_NO_TEXT)
		return NULL;
	name = k->names + k->entries[n - 1].name;
	reach = strchr(name, '[') ? MAX_MODULE_FUNCTION : MAX_FUNCTION;
	return offset - k->entries[n - 1].offset < reach ? name : NULL;
}
