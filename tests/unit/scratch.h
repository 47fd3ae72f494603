/* SPDX-License-Identifier: Apache-2.0 */
/* Directories of a test's own below /tmp. */
#pragma once

#define SCRATCH_SIZE 64 /* bytes of a path, the NUL included */

/* Makes one, readable for its owner only, and says where. 0 or -errno. */
int scratch_make(char path[SCRATCH_SIZE]);
/* Removes it, or any other file or directory, with all that is in it. 0 or -errno. */
int scratch_remove(const char *path);
