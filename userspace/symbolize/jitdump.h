/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jitdump files: what a just-in-time compiler tells of the code it makes, as records that are only
 * ever appended (linux: tools/perf/Documentation/jitdump-specification.txt). Native code and
 * unwinding information are skipped, never read.
 *
 * Times of records are not used: a name is for an address, not for an address at a time.
 */
#pragma once

#include <stddef.h>

struct jit_block;
struct jit_limits;

/*
 * Reads what there is. A record that is not there as a whole waits for the next time. -ENODATA if
 * there is no header yet, -EBADMSG if it is no jitdump, -ENOTSUP if it is for another machine or
 * version, -ENOMEM or another -errno. Caller frees.
 */
int jitdump_read(int fd, const struct jit_limits *limits, struct jit_block **ret, size_t *ret_size);
