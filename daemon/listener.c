/* SPDX-License-Identifier: Apache-2.0 */
#include "listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/cleanup.h"

#define BACKLOG 128

static int add(struct listeners *l, int fd)
{
	struct listener *one = &l->list[l->n];
	struct address a = { .size = sizeof(a.storage) };

	if (getsockname(fd, (struct sockaddr *)&a.storage, &a.size) < 0)
		return -errno;
	one->fd = fd;
	one->is_unix = a.storage.ss_family == AF_UNIX;
	address_format(&a, one->name);
	l->n++;
	return 0;
}

static int check_activated(int fd, const struct options *o, struct error *e)
{
	struct address a = { .size = sizeof(a.storage) };
	char text[ADDRESS_TEXT_LEN];

	if (sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) <= 0)
		return error_set(e, EINVAL,
				 "file descriptor %d, given by the service manager, is not a "
				 "listening stream socket; see profd.socket",
				 fd);
	if (getsockname(fd, (struct sockaddr *)&a.storage, &a.size) < 0)
		return error_set(e, errno, "file descriptor %d: %s", fd, strerror(errno));
	if (!address_is_loopback(&a) && !o->insecure)
		return error_set(e, EINVAL,
				 "%s, given by the service manager, can be reached from other "
				 "machines; set insecure=yes if that is meant",
				 address_format(&a, text));
	return 0;
}

/* 1 if there were any. */
static int take_activated(struct listeners *l, const struct options *o, struct error *e)
{
	int n = sd_listen_fds(1);

	if (n < 0)
		return error_set(e, -n, "sockets given by the service manager: %s", strerror(-n));
	if ((size_t)n > ARRAY_SIZE(l->list))
		return error_set(e, E2BIG, "more than %zu sockets given by the service manager",
				 ARRAY_SIZE(l->list));
	for (int i = 0; i < n; i++) {
		int fd = SD_LISTEN_FDS_START + i, r;

		r = check_activated(fd, o, e);
		if (r < 0)
			return r;
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
		r = add(l, fd);
		if (r < 0)
			return error_set(e, -r, "file descriptor %d: %s", fd, strerror(-r));
	}
	l->activated = n > 0;
	return n > 0;
}

static int listen_tcp(struct listeners *l, const char *text, struct error *e)
{
	_cleanup_close_ int fd = -1;
	struct address a;
	int one = 1, r;

	r = address_parse(text, &a);
	if (r < 0)
		return error_set(e, -r, "listen: %s is not ADDRESS:PORT", text);
	fd = socket(a.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_set(e, errno, "listen: %s: %s", text, strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (a.storage.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&a.storage, a.size) < 0 || listen(fd, BACKLOG) < 0) {
		if (errno == EADDRINUSE)
			return error_set(e, EADDRINUSE,
					 "listen: %s is in use, by another profd or program; stop "
					 "it, or choose another with --listen=ADDRESS:PORT",
					 text);
		return error_set(e, errno, "listen: %s: %s", text, strerror(errno));
	}
	r = add(l, fd);
	if (r < 0)
		return error_set(e, -r, "listen: %s: %s", text, strerror(-r));
	TAKE_FD(fd);
	return 0;
}

static int make_parent(const char *path)
{
	_cleanup_free_ char *parent = strdup(path);
	char *slash;

	if (!parent)
		return -ENOMEM;
	slash = strrchr(parent, '/');
	if (!slash || slash == parent)
		return 0;
	*slash = '\0';
	return mkdir(parent, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

static int lock_socket(struct listeners *l, const char *path, struct error *e)
{
	_cleanup_free_ char *lock = NULL;
	_cleanup_close_ int fd = -1;
	int r = make_parent(path);

	if (r < 0)
		return error_set(e, -r, "socket %s: its directory cannot be made: %s", path,
				 strerror(-r));
	if (asprintf(&lock, "%s.lock", path) < 0)
		return error_set(e, ENOMEM, "out of memory");
	fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return error_set(e, errno, "socket %s: %s: %s; choose another with --socket", path,
				 lock, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return error_set(e, errno == EWOULDBLOCK ? EBUSY : errno,
				 "socket %s: profd is running already; stop it, or give this one "
				 "another --socket, --listen and --directory",
				 path);
	l->lock_fd = TAKE_FD(fd);
	return 0;
}

/* Everybody may connect: who sees what is decided by peer (access.h). */
static int bind_unix(int fd, const struct sockaddr_un *address)
{
	if (unlink(address->sun_path) < 0 && errno != ENOENT)
		return -errno;
	if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		return -errno;
	if (chmod(address->sun_path, 0666) < 0 || listen(fd, BACKLOG) < 0)
		return -errno;
	return 0;
}

static int listen_unix(struct listeners *l, const char *path, struct error *e)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r;

	if (strlen(path) >= sizeof(address.sun_path))
		return error_set(e, ENAMETOOLONG, "socket %s: longer than %zu bytes", path,
				 sizeof(address.sun_path) - 1);
	strcpy(address.sun_path, path);
	r = lock_socket(l, path, e);
	if (r < 0)
		return r;
	if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
		return error_set(e, EEXIST,
				 "socket %s: there is a file that is no socket; remove it", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_set(e, errno, "socket %s: %s", path, strerror(errno));
	r = bind_unix(fd, &address);
	if (r == 0)
		r = add(l, fd);
	if (r < 0)
		return error_set(e, -r, "socket %s: %s", path, strerror(-r));
	TAKE_FD(fd);
	l->path = strdup(path);
	return 0;
}

int listeners_open(const struct options *o, struct listeners *ret, struct error *e)
{
	struct listeners l = { .lock_fd = -1 };
	int r = take_activated(&l, o, e);

	if (r == 0) {
		for (uint32_t i = 0; i < o->n_listen && r >= 0; i++)
			r = listen_tcp(&l, o->listen[i], e);
		if (r >= 0 && *o->socket)
			r = listen_unix(&l, o->socket, e);
	}
	if (r < 0) {
		listeners_close(&l);
		return r;
	}
	*ret = l;
	return 0;
}

void listeners_close(struct listeners *l)
{
	for (size_t i = 0; i < l->n; i++)
		closep(&l->list[i].fd);
	l->n = 0;
	if (l->path)
		unlink(l->path);
	free(l->path);
	l->path = NULL;
	closep(&l->lock_fd);
	l->lock_fd = -1;
}
