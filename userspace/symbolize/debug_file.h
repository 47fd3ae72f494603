/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds the separate debug file of an executable, which distributions and developers install beside
 * it or under /usr/lib/debug. Looked for in this order, first in the root of the process, then in
 * ours:
 *   1. DEBUG/.build-id/xx/yyyy.debug
 *   2. the name in .gnu_debuglink: in the executable's directory, in its .debug, in DEBUG/directory
 * A file counts only if it has the executable's build id or, where one of them has none, the CRC
 * that .gnu_debuglink tells. Asking a debuginfod server belongs at the end of this list.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct debug_file_search {
	const char *debug_directory; /* "/usr/lib/debug" */
	const char *root;	     /* of the process, /proc/PID/root; NULL = only ours */
	const char *path;	     /* of the executable as its process saw it */
};

/*
 * Opens the debug file of the executable @fd. -ENOENT if there is none that fits. Caller closes.
 */
int debug_file_open(int fd, const struct debug_file_search *search);
