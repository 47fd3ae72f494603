/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may see what. On the Unix socket the peer's uid decides, as the kernel tells it: root, and
 * members of group profd, see every process; anyone else the processes whose /proc entry is their
 * own (a process that changed its rights belongs to root there). On TCP whoever can connect sees
 * everything; that is why it is loopback unless somebody says "insecure".
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define ACCESS_GROUP "profd"

struct access {
	bool everything;
	bool over_network; /* by TCP: who is there is not known */
	uid_t uid;	   /* if not everything */
};

/* The rights of whoever is at the other end of @fd. Nothing but its own if that cannot be told. */
struct access access_of_socket(int fd);
/* The same from a uid and the groups of a peer. */
struct access access_of_peer(uid_t uid, const gid_t *groups, size_t n_groups, gid_t profd_group);

/* Whether the process that has this number now may be shown. */
bool access_allows(const struct access *a, uint32_t pid);

/*
 * Whether @path is a program that gives no rights to who runs it: neither set-uid nor set-gid, and
 * without capabilities. False too if that cannot be found out. That the file is the one that was
 * run is believed: nobody can put another in place of one that gives rights, as long as
 * fs.protected_hardlinks (proc(5)) keeps such files in their directories.
 */
bool access_is_plain_program(const char *path);
