/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of abbreviations: read once, shared by the units that refer to them. */
#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "elf/dwarf_forms.h"
#include "elf/dwarf_unit.h"

#define MAX_TABLE      ((uint64_t)16 << 20) /* bytes of one in its section */
#define FIRST_READ     8192U
#define MAX_ABBREVS    1000000U
#define MAX_ATTRIBUTES 8000000U
#define CACHED	       32U

struct dwarf_abbrev_cache {
	struct dwarf_abbrevs *tables[CACHED];
	uint64_t clock;
};

static struct dwarf_abbrevs *table_unref(struct dwarf_abbrevs *t)
{
	if (!t || --t->refs > 0)
		return NULL;
	free(t->list);
	free(t->attributes);
	free(t);
	return NULL;
}

struct dwarf_abbrev_cache *dwarf_abbrev_cache_new(void)
{
	return calloc(1, sizeof(struct dwarf_abbrev_cache));
}

struct dwarf_abbrev_cache *dwarf_abbrev_cache_free(struct dwarf_abbrev_cache *c)
{
	for (uint32_t i = 0; c && i < CACHED; i++)
		table_unref(c->tables[i]);
	free(c);
	return NULL;
}

/* What the sizes of attributes are, where they do not depend on the entry. */
static void measure(const struct dwarf_abbrevs *t, struct dwarf_abbrev *a)
{
	int32_t size = 0;

	a->sibling_at = -1;
	for (uint32_t i = 0; i < a->n; i++) {
		const struct dwarf_attribute *attribute = &t->attributes[a->first + i];
		int one = dwarf_form_size(attribute->form, t->version, t->address_size,
					  t->offset_size);

		if (attribute->name == DW_AT_sibling && size >= 0 && a->sibling_at < 0) {
			a->sibling_at = size;
			a->sibling_form = attribute->form;
		}
		size = one < 0 || size < 0 ? -1 : size + one;
	}
	a->size = size;
}

struct growing {
	struct dwarf_abbrevs *t;
	uint32_t n_attributes, list_allocated, attributes_allocated;
};

static int grow(void *array, uint32_t *allocated, uint32_t n, size_t element, uint32_t max)
{
	uint32_t wanted = *allocated ? *allocated * 2 : 64;
	void *old, *bigger;

	if (n < *allocated)
		return 0;
	if (n >= max)
		return -EFBIG;
	memcpy(&old, array, sizeof(old));
	bigger = reallocarray(old, wanted, element);
	if (!bigger)
		return -ENOMEM;
	memcpy(array, &bigger, sizeof(bigger));
	*allocated = wanted;
	return 0;
}

static int parse_attributes(struct growing *g, struct dwarf_abbrev *a, struct cursor *c)
{
	a->first = g->n_attributes;
	for (;;) {
		uint64_t name = cursor_uleb(c), form = cursor_uleb(c);
		struct dwarf_attribute *attribute;
		int64_t constant = form == DW_FORM_implicit_const ? cursor_sleb(c) : 0;
		int r;

		if (c->bad)
			return -ENODATA;
		if (name == 0 && form == 0)
			return 0;
		r = grow(&g->t->attributes, &g->attributes_allocated, g->n_attributes,
			 sizeof(*attribute), MAX_ATTRIBUTES);
		if (r < 0)
			return r;
		attribute = &g->t->attributes[g->n_attributes++];
		attribute->name = (uint16_t)MIN(name, (uint64_t)UINT16_MAX);
		attribute->form = (uint16_t)MIN(form, (uint64_t)UINT16_MAX);
		attribute->constant = constant;
		a->n++;
	}
}

/* -ENODATA: the table goes on behind the bytes. */
static int parse(struct dwarf_abbrevs *t, struct cursor c)
{
	struct growing g = { .t = t };

	for (;;) {
		struct dwarf_abbrev a = { .code = cursor_uleb(&c) };
		int r;

		if (c.bad)
			return -ENODATA;
		if (a.code == 0)
			return 0;
		a.tag = dwarf_code(&c);
		a.has_children = cursor_u8(&c) != 0;
		r = parse_attributes(&g, &a, &c);
		if (r == 0)
			r = grow(&t->list, &g.list_allocated, t->n, sizeof(*t->list), MAX_ABBREVS);
		if (r < 0)
			return r;
		measure(t, &a);
		t->list[t->n++] = a;
	}
}

static int compare_codes(const void *a, const void *b)
{
	const struct dwarf_abbrev *x = a, *y = b;

	return (x->code > y->code) - (x->code < y->code);
}

static void order(struct dwarf_abbrevs *t)
{
	bool sorted = true;

	t->dense = true;
	for (uint32_t i = 0; i < t->n; i++) {
		t->dense &= t->list[i].code == i + 1;
		sorted &= i == 0 || t->list[i - 1].code < t->list[i].code;
	}
	if (!sorted)
		qsort(t->list, t->n, sizeof(*t->list), compare_codes);
}

static void forget(struct dwarf_abbrevs *t)
{
	free(TAKE_PTR(t->list));
	free(TAKE_PTR(t->attributes));
	t->n = 0;
}

/* How long it is is not told anywhere: more and more of it is read. */
static int read_table(struct dwarf_abbrevs *t)
{
	for (uint64_t size = FIRST_READ;; size *= 4) {
		_cleanup_free_ uint8_t *data = malloc(size);
		uint64_t n;
		int r;

		if (!data)
			return -ENOMEM;
		r = dwarf_file_read_some(t->file, DWARF_ABBREV, t->offset, size, data, &n);
		if (r < 0)
			return r;
		r = parse(t, cursor_of(data, n));
		if (r == 0)
			order(t);
		if (r != -ENODATA)
			return r;
		/* The last one of a section can lack its end. */
		if (n < size || size >= MAX_TABLE)
			return -EBADMSG;
		forget(t);
	}
}

static bool fits(const struct dwarf_abbrevs *t, const struct dwarf_unit *u, uint64_t offset)
{
	return t->file == u->file && t->offset == offset && t->version == u->version &&
	       t->address_size == u->address_size && t->offset_size == u->offset_size;
}

int dwarf_abbrevs_get(struct dwarf_abbrev_cache *c, struct dwarf_unit *u, uint64_t offset)
{
	struct dwarf_abbrevs **oldest = &c->tables[0], *t;
	int r;

	for (uint32_t i = 0; i < CACHED; i++) {
		t = c->tables[i];
		if (t && fits(t, u, offset)) {
			t->used = ++c->clock;
			t->refs++;
			u->abbrevs = t;
			return 0;
		}
		if (*oldest && (!t || t->used < (*oldest)->used))
			oldest = &c->tables[i];
	}
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->refs = 1;
	t->file = u->file;
	t->offset = offset;
	t->version = u->version;
	t->address_size = u->address_size;
	t->offset_size = u->offset_size;
	r = read_table(t);
	if (r < 0) {
		table_unref(t);
		return r;
	}
	table_unref(*oldest);
	*oldest = t;
	t->used = ++c->clock;
	t->refs++;
	u->abbrevs = t;
	return 0;
}

void dwarf_abbrevs_put(struct dwarf_unit *u)
{
	u->abbrevs = table_unref(u->abbrevs);
}

const struct dwarf_abbrev *dwarf_abbrev_find(const struct dwarf_abbrevs *t, uint64_t code)
{
	const struct dwarf_abbrev key = { .code = code };

	if (t->dense)
		return code > 0 && code <= t->n ? &t->list[code - 1] : NULL;
	return bsearch(&key, t->list, t->n, sizeof(*t->list), compare_codes);
}
