/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unwinds a user stack outside the kernel: of a slice that came with a sample, of recorded memory,
 * of a stopped thread. The step from frame to frame is the kernel's own, bpf/unwind_rows.h; frames
 * and endings are those of abi.h.
 *
 * It owns nothing and keeps nothing: what it reads comes from the caller's functions.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi.h"
#include "unwind_abi.h"

struct unwind_table;

struct unwinder_mapping {
	uint64_t start, end; /* addresses */
	uint64_t offset;     /* in the file, of start */
	uint32_t file_id;    /* ABI_FILE_ID_NONE: no file, or none with an id */
	bool executable;
	const struct unwind_table *table; /* NULL: the file has none, or there is no file */
};

struct unwinder_source {
	void *userdata;
	/* Reads all of it, or returns not 0. */
	int (*read)(void *userdata, uint64_t address, void *buffer, size_t size);
	/* The mapping of an address; false if there is none. */
	bool (*find)(void *userdata, uint64_t address, struct unwinder_mapping *ret);
	/*
	 * The rule of an offset in the mapping's file, valid until the next call; NULL: the file
	 * has no table. May itself be NULL: then the mappings' tables are asked.
	 */
	const struct unwind_rule *(*rule)(void *userdata, const struct unwinder_mapping *mapping,
					  uint64_t offset);
};

/* The interrupted thread: its registers by their DWARF numbers, RSP being regs[UNWIND_RSP]. */
struct unwinder_registers {
	uint64_t pc;
	uint64_t regs[UNWIND_REGISTERS];
	bool after_call; /* pc is a return address, as in a system call: look up pc - 1 */
};

/*
 * Writes at most @room words to @frames, leaf first, their number to *@ret_n, and says how the
 * stack ended.
 */
enum abi_stack_end unwinder_run(const struct unwinder_source *source,
				const struct unwinder_registers *registers, uint64_t *frames,
				size_t room, size_t *ret_n);
