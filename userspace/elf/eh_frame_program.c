/* SPDX-License-Identifier: Apache-2.0 */
/* Executes the instructions of CIEs and FDEs. */
#include "elf/eh_frame_program.h"

#include <stdlib.h>

/* DW_CFA_*; the first three carry an operand in their low six bits. */
enum {
	CFA_ADVANCE_LOC = 0x40,
	CFA_OFFSET = 0x80,
	CFA_RESTORE = 0xc0,
	CFA_NOP = 0x00,
	CFA_SET_LOC = 0x01,
	CFA_ADVANCE_LOC1 = 0x02,
	CFA_ADVANCE_LOC2 = 0x03,
	CFA_ADVANCE_LOC4 = 0x04,
	CFA_OFFSET_EXTENDED = 0x05,
	CFA_RESTORE_EXTENDED = 0x06,
	CFA_UNDEFINED = 0x07,
	CFA_SAME_VALUE = 0x08,
	CFA_REGISTER = 0x09,
	CFA_REMEMBER_STATE = 0x0a,
	CFA_RESTORE_STATE = 0x0b,
	CFA_DEF_CFA = 0x0c,
	CFA_DEF_CFA_REGISTER = 0x0d,
	CFA_DEF_CFA_OFFSET = 0x0e,
	CFA_DEF_CFA_EXPRESSION = 0x0f,
	CFA_EXPRESSION = 0x10,
	CFA_OFFSET_EXTENDED_SF = 0x11,
	CFA_DEF_CFA_SF = 0x12,
	CFA_DEF_CFA_OFFSET_SF = 0x13,
	CFA_VAL_OFFSET = 0x14,
	CFA_VAL_OFFSET_SF = 0x15,
	CFA_VAL_EXPRESSION = 0x16,
	CFA_MIPS_ADVANCE_LOC8 = 0x1d,
	CFA_GNU_WINDOW_SAVE = 0x2d,
	CFA_GNU_ARGS_SIZE = 0x2e,
	CFA_GNU_NEGATIVE_OFFSET = 0x2f,
};

struct machine {
	const struct cfi_section *section;
	const struct cfi_cie *cie;
	struct cursor program;
	struct cfi_state state;
	uint64_t pc, end;
	bool changed;	/* the state, since the last row */
	cfi_row_fn row; /* NULL: initial instructions, which may not advance */
	void *userdata;
	unsigned int n_remembered;
	struct cfi_state remembered[CFI_MAX_REMEMBERED];
};

static const struct cfi_state initial_state = {
	.columns = {
		[CFI_RBX] = { .where = CFI_DEFAULT },
		[CFI_RBP] = { .where = CFI_DEFAULT },
		[CFI_RSP] = { .where = CFI_DEFAULT },
		[CFI_RIP] = { .where = CFI_DEFAULT },
	},
};

static int column_of(uint64_t reg)
{
	switch (reg) {
	case UNWIND_RBX:
		return CFI_RBX;
	case UNWIND_RBP:
		return CFI_RBP;
	case UNWIND_RSP:
		return CFI_RSP;
	case UNWIND_RIP:
		return CFI_RIP;
	default:
		return -1;
	}
}

static void set_place(struct machine *m, uint64_t reg, struct cfi_place place)
{
	int column = column_of(reg);

	if (column < 0)
		return;
	m->state.columns[column] = place;
	m->changed = true;
}

static void set_where(struct machine *m, uint64_t reg, enum cfi_where where, int64_t offset)
{
	set_place(m, reg, (struct cfi_place){ .where = (uint8_t)where, .offset = offset });
}

/* Products and sums wrap: a lie about an offset is as good as any other. */
static int64_t scaled(const struct machine *m, uint64_t factor)
{
	return (int64_t)(factor * (uint64_t)m->cie->data_align);
}

static void set_cfa(struct machine *m, uint64_t reg, int64_t offset)
{
	m->state.cfa = CFI_CFA_REGISTER;
	m->state.cfa_reg = reg;
	m->state.cfa_offset = offset;
	m->state.cfa_add = 0;
	if (reg == UNWIND_RCX && offset == 8)
		m->state.eh_return = true;
	m->changed = true;
}

static void give_row(struct machine *m)
{
	struct unwind_rule rule;

	if (!m->changed)
		return;
	cfi_state_rule(&m->state, m->cie->signal_frame, &rule);
	m->row(m->userdata, m->pc, &rule);
	m->changed = false;
}

/* False when the program is over: damaged if it goes back, else at the end of the code. */
static bool move_to(struct machine *m, uint64_t pc)
{
	if (!m->row || pc < m->pc) {
		cursor_fail(&m->program);
		return false;
	}
	if (pc == m->pc)
		return true;
	give_row(m);
	if (pc >= m->end) {
		m->program.at = m->program.end;
		return false;
	}
	m->pc = pc;
	return true;
}

static void advance(struct machine *m, uint64_t delta)
{
	uint64_t bytes;

	if (m->program.bad || __builtin_mul_overflow(delta, m->cie->code_align, &bytes) ||
	    m->pc + bytes < m->pc)
		cursor_fail(&m->program);
	else
		move_to(m, m->pc + bytes);
}

static void set_location(struct machine *m)
{
	uint64_t pc;

	if (m->row && cfi_read_pointer(m->section, &m->program, m->cie->fde_encoding, &pc))
		move_to(m, pc);
	else
		cursor_fail(&m->program);
}

static void restore_register(struct machine *m, uint64_t reg)
{
	int column = column_of(reg);

	if (column >= 0)
		set_place(m, reg, m->cie->initial.columns[column]);
}

static void remember(struct machine *m)
{
	if (m->n_remembered == CFI_MAX_REMEMBERED)
		cursor_fail(&m->program);
	else
		m->remembered[m->n_remembered++] = m->state;
}

static void restore_remembered(struct machine *m)
{
	if (!m->n_remembered) {
		cursor_fail(&m->program);
		return;
	}
	m->state = m->remembered[--m->n_remembered];
	m->changed = true;
}

static void run_location(struct machine *m, uint8_t op)
{
	struct cursor *c = &m->program;

	switch (op) {
	case CFA_SET_LOC:
		set_location(m);
		break;
	case CFA_ADVANCE_LOC1:
		advance(m, cursor_u8(c));
		break;
	case CFA_ADVANCE_LOC2:
		advance(m, cursor_u16(c));
		break;
	case CFA_ADVANCE_LOC4:
		advance(m, cursor_u32(c));
		break;
	case CFA_MIPS_ADVANCE_LOC8:
		advance(m, cursor_u64(c));
		break;
	}
}

static void run_cfa(struct machine *m, uint8_t op)
{
	struct cursor *c = &m->program;
	uint64_t reg;

	switch (op) {
	case CFA_DEF_CFA:
		reg = cursor_uleb(c);
		set_cfa(m, reg, (int64_t)cursor_uleb(c));
		break;
	case CFA_DEF_CFA_SF:
		reg = cursor_uleb(c);
		set_cfa(m, reg, scaled(m, (uint64_t)cursor_sleb(c)));
		break;
	case CFA_DEF_CFA_REGISTER:
		set_cfa(m, cursor_uleb(c), m->state.cfa_offset);
		break;
	case CFA_DEF_CFA_OFFSET:
		set_cfa(m, m->state.cfa_reg, (int64_t)cursor_uleb(c));
		break;
	case CFA_DEF_CFA_OFFSET_SF:
		set_cfa(m, m->state.cfa_reg, scaled(m, (uint64_t)cursor_sleb(c)));
		break;
	case CFA_DEF_CFA_EXPRESSION:
		cfi_recognise_cfa(cursor_take(c, cursor_uleb(c)), &m->state);
		m->changed = true;
		break;
	}
}

/* The instructions that say where a register is: their first operand is its number. */
static void run_register(struct machine *m, uint8_t op)
{
	struct cursor *c = &m->program;
	uint64_t reg = cursor_uleb(c);
	uint64_t source;

	switch (op) {
	case CFA_OFFSET_EXTENDED:
		set_where(m, reg, CFI_AT_CFA, scaled(m, cursor_uleb(c)));
		break;
	case CFA_OFFSET_EXTENDED_SF:
		set_where(m, reg, CFI_AT_CFA, scaled(m, (uint64_t)cursor_sleb(c)));
		break;
	case CFA_GNU_NEGATIVE_OFFSET:
		set_where(m, reg, CFI_AT_CFA, scaled(m, 0 - cursor_uleb(c)));
		break;
	case CFA_VAL_OFFSET:
		set_where(m, reg, CFI_VALUE, scaled(m, cursor_uleb(c)));
		break;
	case CFA_VAL_OFFSET_SF:
		set_where(m, reg, CFI_VALUE, scaled(m, (uint64_t)cursor_sleb(c)));
		break;
	case CFA_RESTORE_EXTENDED:
		restore_register(m, reg);
		break;
	case CFA_UNDEFINED:
		set_where(m, reg, CFI_UNDEFINED, 0);
		break;
	case CFA_SAME_VALUE:
		set_where(m, reg, CFI_SAME, 0);
		break;
	case CFA_REGISTER:
		source = cursor_uleb(c);
		if (source >= UNWIND_REGISTERS)
			set_where(m, reg, CFI_EXPRESSION, 0);
		else
			set_place(m, reg,
				  (struct cfi_place){ .where = CFI_IN_REGISTER,
						      .reg = (uint8_t)source });
		break;
	case CFA_EXPRESSION:
		set_place(m, reg, cfi_recognise_place(cursor_take(c, cursor_uleb(c))));
		break;
	case CFA_VAL_EXPRESSION:
		cursor_skip(c, cursor_uleb(c));
		set_where(m, reg, CFI_EXPRESSION, 0);
		break;
	}
}

static void run_extended(struct machine *m, uint8_t op)
{
	switch (op) {
	case CFA_NOP:
	case CFA_GNU_WINDOW_SAVE:
		break;
	case CFA_GNU_ARGS_SIZE:
		cursor_uleb(&m->program);
		break;
	case CFA_SET_LOC:
	case CFA_ADVANCE_LOC1:
	case CFA_ADVANCE_LOC2:
	case CFA_ADVANCE_LOC4:
	case CFA_MIPS_ADVANCE_LOC8:
		run_location(m, op);
		break;
	case CFA_REMEMBER_STATE:
		remember(m);
		break;
	case CFA_RESTORE_STATE:
		restore_remembered(m);
		break;
	case CFA_DEF_CFA:
	case CFA_DEF_CFA_SF:
	case CFA_DEF_CFA_REGISTER:
	case CFA_DEF_CFA_OFFSET:
	case CFA_DEF_CFA_OFFSET_SF:
	case CFA_DEF_CFA_EXPRESSION:
		run_cfa(m, op);
		break;
	default:
		if (op > CFA_VAL_EXPRESSION && op != CFA_GNU_NEGATIVE_OFFSET)
			cursor_fail(&m->program);
		else
			run_register(m, op);
	}
}

/* False if the program is damaged. Each turn takes at least one byte of it. */
static bool run(struct machine *m)
{
	while (cursor_left(&m->program)) {
		uint8_t op = cursor_u8(&m->program);

		switch (op & 0xc0) {
		case CFA_ADVANCE_LOC:
			advance(m, op & 0x3f);
			break;
		case CFA_OFFSET:
			set_where(m, op & 0x3f, CFI_AT_CFA, scaled(m, cursor_uleb(&m->program)));
			break;
		case CFA_RESTORE:
			restore_register(m, op & 0x3f);
			break;
		default:
			run_extended(m, op);
		}
	}
	return !m->program.bad;
}

bool cfi_run_initial(struct cfi_cie *cie, struct cursor program)
{
	struct machine m;

	m.section = NULL;
	m.cie = cie;
	m.program = program;
	m.state = initial_state;
	m.pc = m.end = 0;
	m.changed = false;
	m.row = NULL;
	m.n_remembered = 0;
	cie->initial = initial_state;
	if (!run(&m))
		return false;
	cie->initial = m.state;
	return true;
}

void cfi_fde_run(struct cfi_index *index, const struct cfi_fde *fde, cfi_row_fn row, void *userdata)
{
	static const struct unwind_rule malformed = {
		.cfa = UNWIND_CFA_UNSUPPORTED,
		.cfa_add = UNWIND_REASON_malformed,
	};
	struct machine m; /* not zeroed: the remembered states are 2 KiB */

	m.section = &index->section;
	m.cie = &index->cies[fde->cie];
	m.program = cursor_of(fde->program, fde->program_size);
	m.state = m.cie->initial;
	m.pc = fde->start;
	m.end = fde->end;
	m.changed = true;
	m.row = row;
	m.userdata = userdata;
	m.n_remembered = 0;
	if (run(&m)) {
		give_row(&m);
		return;
	}
	index->refused.program++;
	row(userdata, m.pc, &malformed);
}
