/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why a frame has no name. Each is a counter in /metrics and says, per executable, what would mend
 * it: profctl knows how on this machine.
 */
#pragma once

#define UNNAMED_REASONS(X)                                                                         \
	X(stripped, "in files without symbols but the exported ones, and no debug file was found") \
	X(no_symbol, "in files with symbols, of which none covers the address")                    \
	X(no_file, "in files that could not be opened, or are not ELF")                            \
	X(gone, "in files that were deleted or replaced before they could be read")                \
	X(refused, "in files whose symbols are damaged or of a kind that is not read")             \
	X(too_large, "in files whose symbols are over a limit")                                    \
	X(late, "in files that were not read in time: the next profile has the names")             \
	X(parser_failed, "in files on which the parser crashed or took too long")                  \
	X(jit_without_map, "in code of a JIT compiler that does not tell its names")               \
	X(anonymous, "in executable memory without a file")                                        \
	X(kernel_hidden, "in the kernel, which hides its addresses (kernel.kptr_restrict)")        \
	X(kernel_unknown, "in the kernel, in no function that it tells")

enum unnamed_reason {
	UNNAMED_NOT, /* it has a name */
#define X(name, help) UNNAMED_##name,
	UNNAMED_REASONS(X)
#undef X
		UNNAMED_COUNT
};

/* Of a file that could not be read: what -errno it was. */
enum unnamed_reason unnamed_reason_of(int error);

/* "stripped"; NULL for UNNAMED_NOT. */
const char *unnamed_reason_name(enum unnamed_reason reason);
