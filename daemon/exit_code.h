/* SPDX-License-Identifier: Apache-2.0 */
/* How profd ends. Scripts and units rely on these numbers; profd(8) and --help list them. */
#pragma once

/* X(NAME, number, "meaning") */
#define EXIT_CODES(X)                                                                              \
	X(OK, 0, "ended as asked")                                                                 \
	X(RUNTIME, 1, "failed while running")                                                      \
	X(USAGE, 2, "a bad option, command or configuration line")                                 \
	X(RIGHTS, 3, "rights are missing (capabilities, perf_event_paranoid)")                     \
	X(KERNEL, 4, "the kernel lacks something (BTF, BPF, perf events)")                         \
	X(BUSY, 5, "an address is in use, or another profd holds the socket or directory")         \
	X(DIRECTORY, 6, "the directory for profiles or the capture file cannot be written")

enum exit_code {
#define X(name, number, meaning) EXIT_CODE_##name = (number),
	EXIT_CODES(X)
#undef X
};

/* What a failure of profiler_new() or replay_run() means to whoever started profd. */
enum exit_code exit_code_of_error(int error);
