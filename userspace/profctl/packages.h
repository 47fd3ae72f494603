/* SPDX-License-Identifier: Apache-2.0 */
/* Which Debian packages files belong to, from dpkg's lists of their files. */
#pragma once

#include <stddef.h>

#define PACKAGES_DIRECTORY "/var/lib/dpkg/info"

/*
 * For each of the @n paths the name of the package ("libfoo1"), malloced, or NULL if it belongs to
 * none; caller frees. Where /lib is a link to /usr/lib and so on, a file is known by either name.
 * -ENOENT if this is no system of dpkg's; -ENOMEM or -errno.
 */
int packages_find(const char *directory, const char *const *paths, size_t n, char **ret);
