/* SPDX-License-Identifier: Apache-2.0 */
/* The entries of .eh_frame and .debug_frame. */
#include "elf/eh_frame.h"
#include "elf/eh_frame_program.h"

#include <errno.h>
#include <stdlib.h>

/* The largest known have fewer than a thousand CIEs and a few million FDEs. */
#define MAX_CIES (1U << 18)
#define MAX_FDES (1U << 24)

/* One entry, CIE or FDE, from behind its length to its end. */
struct entry {
	uint32_t offset; /* of its length field, in the section */
	bool is_cie;
	uint64_t cie_offset; /* of an FDE */
	struct cursor body;  /* behind the CIE pointer */
};

static uint64_t address_of(const struct cfi_section *s, const uint8_t *at)
{
	return s->address + (uint64_t)(at - s->data);
}

bool cfi_read_pointer(const struct cfi_section *section, struct cursor *c, uint8_t encoding,
		      uint64_t *ret)
{
	uint64_t base = 0, value;

	switch (encoding & 0x70) {
	case 0x00: /* DW_EH_PE_absptr */
		break;
	case 0x10: /* DW_EH_PE_pcrel */
		base = address_of(section, c->at);
		break;
	default:
		return false;
	}
	switch (encoding & 0x0f) {
	case 0x00: /* absptr */
	case 0x04: /* udata8 */
	case 0x0c: /* sdata8 */
		value = cursor_u64(c);
		break;
	case 0x01:
		value = cursor_uleb(c);
		break;
	case 0x02:
		value = cursor_u16(c);
		break;
	case 0x03:
		value = cursor_u32(c);
		break;
	case 0x09:
		value = (uint64_t)cursor_sleb(c);
		break;
	case 0x0a:
		value = (uint64_t)(int64_t)cursor_s16(c);
		break;
	case 0x0b:
		value = (uint64_t)(int64_t)cursor_s32(c);
		break;
	default:
		return false;
	}
	*ret = base + value;
	return !c->bad && !(encoding & 0x80);
}

/*
 * The next entry. False at the end: of the section, or of what can be made sense of, since an entry
 * with a wrong length hides where the next one is.
 */
static bool next_entry(const struct cfi_section *s, struct cursor *c, struct cfi_refusals *refused,
		       struct entry *ret)
{
	for (;;) {
		const uint8_t *start = c->at;
		const uint8_t *id_at;
		uint64_t length, id;
		bool wide;

		if (cursor_left(c) < 4)
			return false;
		length = cursor_u32(c);
		/* A terminator: the last entry, or that of a crtend.o in the middle. */
		if (!length && s->open_end)
			return false;
		if (!length)
			continue;
		wide = length == 0xffffffff;
		if (wide)
			length = cursor_u64(c);
		if (c->bad || length > cursor_left(c)) {
			refused->truncated++;
			return false;
		}
		ret->offset = (uint32_t)(start - s->data);
		ret->body = cursor_take(c, length);
		id_at = ret->body.at;
		/* .eh_frame keeps the 4-byte CIE pointer also in entries of 64-bit length. */
		id = wide && s->debug_frame ? cursor_u64(&ret->body) : cursor_u32(&ret->body);
		if (ret->body.bad) {
			refused->truncated++;
			continue;
		}
		if (s->debug_frame) {
			ret->is_cie = id == (wide ? ~0ULL : 0xffffffffULL);
			ret->cie_offset = id;
		} else {
			ret->is_cie = !id;
			ret->cie_offset = (uint64_t)(id_at - s->data) - id;
		}
		return true;
	}
}

/* The data that an augmentation string announces: "zPLRSB" in any order. */
static bool read_augmentation(const struct cfi_section *s, struct cfi_cie *cie, struct cursor text,
			      struct cursor *c)
{
	struct cursor data;

	if (!cursor_left(&text))
		return true;
	/* Without 'z' nobody knows how long the unknown is; GCC 2's "eh" is long gone. */
	if (cursor_u8(&text) != 'z')
		return false;
	cie->augmented = true;
	data = cursor_take(c, cursor_uleb(c));
	while (cursor_left(&text)) {
		uint64_t personality;
		uint8_t encoding;

		switch (cursor_u8(&text)) {
		case 'R':
			cie->fde_encoding = cursor_u8(&data);
			break;
		case 'P':
			encoding = cursor_u8(&data);
			if (!cfi_read_pointer(s, &data, encoding & 0x7f, &personality))
				return false;
			break;
		case 'L':
			cursor_u8(&data);
			break;
		case 'S':
			cie->signal_frame = true;
			break;
		case 'B': /* pointer authentication of arm64 */
			break;
		default:
			return false;
		}
	}
	return !data.bad;
}

static void read_cie(const struct cfi_section *s, const struct entry *e, struct cfi_cie *cie)
{
	struct cursor c = e->body;
	struct cursor text;
	const uint8_t *nul;
	uint8_t version;

	*cie = (struct cfi_cie){ .offset = e->offset, .refused = CFI_CIE_DAMAGED };
	version = cursor_u8(&c);
	if (c.bad)
		return;
	if (version != 1 && version != 3 && version != 4) {
		cie->refused = CFI_CIE_VERSION;
		return;
	}
	nul = memchr(c.at, 0, cursor_left(&c));
	if (!nul)
		return;
	text = cursor_take(&c, (uint64_t)(nul - c.at));
	cursor_skip(&c, 1);
	if (version == 4) {
		uint8_t address_size = cursor_u8(&c), segment_size = cursor_u8(&c);

		if (address_size != 8 || segment_size != 0)
			return;
	}
	cie->code_align = cursor_uleb(&c);
	cie->data_align = cursor_sleb(&c);
	if ((version == 1 ? cursor_u8(&c) : cursor_uleb(&c)) != UNWIND_RIP || c.bad)
		return;
	if (!read_augmentation(s, cie, text, &c)) {
		cie->refused = CFI_CIE_AUGMENTATION;
		return;
	}
	if (!c.bad && cfi_run_initial(cie, c))
		cie->refused = CFI_CIE_GOOD;
}

static int compare_cie(const void *key, const void *member)
{
	uint64_t offset = *(const uint64_t *)key;
	const struct cfi_cie *cie = member;

	return offset < cie->offset ? -1 : offset > cie->offset;
}

static const struct cfi_cie *find_cie(const struct cfi_index *index, uint64_t offset,
				      const struct cfi_cie *last)
{
	if (last && last->offset == offset)
		return last;
	if (!index->n_cies)
		return NULL;
	return bsearch(&offset, index->cies, index->n_cies, sizeof(*index->cies), compare_cie);
}

static bool cie_is_good(const struct cfi_cie *cie, struct cfi_refusals *refused)
{
	if (cie && cie->refused == CFI_CIE_GOOD)
		return true;
	if (cie && cie->refused == CFI_CIE_VERSION)
		refused->version++;
	else if (cie && cie->refused == CFI_CIE_AUGMENTATION)
		refused->augmentation++;
	else
		refused->cie++;
	return false;
}

/* False, and counted, if the entry describes nothing that can be used. */
static bool read_fde(struct cfi_index *index, const struct entry *e, const struct cfi_cie *cie,
		     struct cfi_fde *ret)
{
	struct cursor c = e->body;
	uint64_t start, size;

	if (!cie_is_good(cie, &index->refused))
		return false;
	if (!cfi_read_pointer(&index->section, &c, cie->fde_encoding, &start) ||
	    !cfi_read_pointer(&index->section, &c, cie->fde_encoding & 0x0f, &size)) {
		index->refused.encoding++;
		return false;
	}
	if (cie->augmented)
		cursor_skip(&c, cursor_uleb(&c));
	if (c.bad) {
		index->refused.truncated++;
		return false;
	}
	if (!size || start + size < start) {
		index->refused.empty++;
		return false;
	}
	/* Relocations against discarded sections are resolved to 0. */
	if (!start) {
		index->refused.discarded++;
		return false;
	}
	*ret = (struct cfi_fde){ .start = start,
				 .end = start + size,
				 .cie = (uint32_t)(cie - index->cies),
				 .program = c.at,
				 .program_size = (uint32_t)cursor_left(&c) };
	return true;
}

static int grow(void *array, size_t n, size_t *room, size_t size)
{
	void **p = array;
	void *bigger;

	if (n < *room)
		return 0;
	*room = *room ? *room * 2 : 64;
	bigger = reallocarray(*p, *room, size);
	if (!bigger)
		return -ENOMEM;
	*p = bigger;
	return 0;
}

static int read_cies(struct cfi_index *index)
{
	struct cfi_refusals again = {}; /* the FDEs' pass counts what is cut off */
	struct cursor c = cursor_of(index->section.data, index->section.size);
	struct entry e;
	size_t room = 0;

	while (next_entry(&index->section, &c, &again, &e)) {
		if (!e.is_cie || index->n_cies == MAX_CIES)
			continue;
		if (grow(&index->cies, index->n_cies, &room, sizeof(*index->cies)))
			return -ENOMEM;
		read_cie(&index->section, &e, &index->cies[index->n_cies++]);
	}
	return 0;
}

static int read_fdes(struct cfi_index *index)
{
	struct cursor c = cursor_of(index->section.data, index->section.size);
	const struct cfi_cie *cie = NULL;
	struct entry e;
	size_t room = 0;

	while (next_entry(&index->section, &c, &index->refused, &e)) {
		if (e.is_cie)
			continue;
		if (index->n_fdes == MAX_FDES) {
			index->refused.too_many++;
			continue;
		}
		if (grow(&index->fdes, index->n_fdes, &room, sizeof(*index->fdes)))
			return -ENOMEM;
		cie = find_cie(index, e.cie_offset, cie);
		if (read_fde(index, &e, cie, &index->fdes[index->n_fdes]))
			index->n_fdes++;
	}
	return 0;
}

int cfi_index_read(const struct cfi_section *section, struct cfi_index *ret)
{
	struct cfi_index index = { .section = *section };
	int r;

	if (section->size > UINT32_MAX)
		return -EFBIG;
	/* In .debug_frame an FDE may come before its CIE. */
	r = read_cies(&index);
	if (!r)
		r = read_fdes(&index);
	if (r) {
		cfi_index_done(&index);
		return r;
	}
	*ret = index;
	return 0;
}

void cfi_index_done(struct cfi_index *index)
{
	free(index->cies);
	free(index->fdes);
	index->cies = NULL;
	index->fdes = NULL;
	index->n_cies = index->n_fdes = 0;
}
