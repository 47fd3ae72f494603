/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks for the separate debug file of an executable, which distributions and developers install
 * beside it or under /usr/lib/debug. Looked for in this order, first in the root of the process,
 * then in ours; DEBUG is each debug directory in turn:
 *   1. DEBUG/.build-id/xx/yyyy.debug
 *   2. the name in .gnu_debuglink: in the executable's directory, in its .debug, in DEBUG/directory
 * and last among those that debuginfod has fetched. One that is not there is asked for then, and
 * may be there the next time.
 *
 * The names come from the executable, so they may lead to any file of those directories: only
 * regular files that begin like an ELF file of code are opened for others to read. Whether one
 * belongs to the executable is for the caller to find out (debug_identity_fits()).
 */
#pragma once

struct debug_alt_link;
struct debug_identity;
struct debuginfod;

#define DEBUG_FILE_DIRECTORIES "/usr/lib/debug"

struct debug_file_search {
	const char *directories;       /* absolute, separated by ':'; NULL = the default */
	const char *root;	       /* of the process, /proc/PID/root; NULL = only ours */
	const char *path;	       /* of the executable as its process saw it */
	struct debuginfod *debuginfod; /* NULL = none */
};

/*
 * Calls @try with the descriptor (borrowed) of each file that is there, until it returns something
 * else than -ENOENT. Returns that; -ENOENT if there is nothing more to try.
 */
int debug_file_each(const struct debug_identity *id, const struct debug_file_search *search,
		    int (*try)(int fd, void *userdata), void *userdata);

/*
 * The same for the file that several debug files share (dwz), which the debug file of the search's
 * executable refers to: at its path, or as DEBUG/.dwz/NAME, or by its build id. Whether it
 * is the right one tells debug_alt_link_fits().
 */
int debug_file_each_alt(const struct debug_alt_link *link, const struct debug_file_search *search,
			int (*try)(int fd, void *userdata), void *userdata);

/*
 * Opens a file of debug information by its absolute path, in the root of the process, then in ours.
 * The caller closes it. -ENOENT if there is none that begins like an ELF file of code.
 */
int debug_file_open(const struct debug_file_search *search, const char *path);
