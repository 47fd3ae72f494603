/* SPDX-License-Identifier: Apache-2.0 */
/* Opening files by the names that a process in another mount namespace knows them by. */
#pragma once

/*
 * Opens the regular file @path for reading as if @root were "/": symbolic links, absolute ones too,
 * do not lead out of it. Never waits (FIFOs, devices). @flags are more open flags. -errno, -EINVAL
 * if it is not a regular file.
 */
int rooted_open(const char *root, const char *path, int flags);
