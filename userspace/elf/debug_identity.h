/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tells whether a separate debug file belongs to an executable, read from the two files: the
 * build id, and the name and CRC in .gnu_debuglink. Plain bytes, so that a process without rights
 * can find it out and hand it to one that may open files.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "elf/build_id.h"

struct debug_identity {
	uint8_t build_id[ELF_BUILD_ID_MAX];
	uint32_t build_id_size; /* 0 = none */
	uint32_t link_crc;
	char link[NAME_MAX + 1]; /* the name of a file in some directory; "" = none */
};

/* -errno if @fd is no ELF file that can be read. One that tells nothing is not an error. */
int debug_identity_read(int fd, struct debug_identity *ret);

/*
 * Whether the file @fd has the executable's build id or, where one of them has none, the CRC that
 * the executable tells.
 */
bool debug_identity_fits(const struct debug_identity *executable, int fd);

/* Whether one that comes from another process can be used to make paths. */
bool debug_identity_is_valid(const struct debug_identity *id);

/*
 * What debug files have in common may be in one more file (dwz), named in .gnu_debugaltlink with
 * its build id, or since DWARF 5 in .debug_sup (7.3.6) with a checksum that stands in both files.
 */
struct debug_alt_link {
	uint8_t id[ELF_BUILD_ID_MAX];
	uint32_t id_size;     /* not 0 */
	uint32_t is_checksum; /* or a build id: 0 */
	char path[PATH_MAX];  /* absolute, or relative to the debug file */
};

/* -ENOENT if the file @fd, a debug file or an executable with DWARF, has none; or -errno. */
int debug_alt_link_read(int fd, struct debug_alt_link *ret);
/* Whether @fd is the file that is meant. */
bool debug_alt_link_fits(const struct debug_alt_link *link, int fd);
bool debug_alt_link_is_valid(const struct debug_alt_link *link);
