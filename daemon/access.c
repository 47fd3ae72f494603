/* SPDX-License-Identifier: Apache-2.0 */
#include "access.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/cleanup.h"

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59 /* Linux 4.13 */
#endif

#define NO_GROUP ((gid_t)-1)
/* A process can be in 65,536 groups (NGROUPS_MAX); one in more than this is not looked at. */
#define MAX_GROUPS 4096

struct access access_of_peer(uid_t uid, const gid_t *groups, size_t n_groups, gid_t profd_group)
{
	struct access a = { .everything = uid == 0, .uid = uid };

	for (size_t i = 0; i < n_groups && profd_group != NO_GROUP; i++)
		if (groups[i] == profd_group)
			a.everything = true;
	return a;
}

/* Looked up each time: a group that is made while profd runs counts at once. */
static gid_t find_group(void)
{
	struct group *g = getgrnam(ACCESS_GROUP);

	return g ? g->gr_gid : NO_GROUP;
}

struct access access_of_socket(int fd)
{
	_cleanup_free_ gid_t *groups = calloc(MAX_GROUPS + 1, sizeof(*groups));
	socklen_t size = sizeof(struct ucred), groups_size = MAX_GROUPS * sizeof(*groups);
	struct access nothing = { .uid = (uid_t)-1 };
	struct sockaddr_storage address;
	socklen_t address_size = sizeof(address);
	struct ucred peer;

	if (getsockname(fd, (struct sockaddr *)&address, &address_size) < 0)
		return nothing;
	if (address.ss_family != AF_UNIX)
		return (struct access){ .everything = true, .over_network = true };
	if (!groups || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return nothing;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &groups_size) < 0)
		groups_size = 0;
	groups_size /= sizeof(*groups);
	groups[groups_size++] = peer.gid;
	return access_of_peer(peer.uid, groups, groups_size, find_group());
}

bool access_is_plain_program(const char *path)
{
	struct stat st;

	if (*path != '/' || lstat(path, &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	if (st.st_mode & (S_ISUID | S_ISGID))
		return false;
	return lgetxattr(path, "security.capability", NULL, 0) < 0 &&
	       (errno == ENODATA || errno == ENOTSUP);
}

bool access_allows(const struct access *a, uint32_t pid)
{
	char path[32];
	struct stat st;

	if (a->everything)
		return true;
	snprintf(path, sizeof(path), "/proc/%u", pid);
	return stat(path, &st) == 0 && st.st_uid == a->uid;
}
