/* SPDX-License-Identifier: Apache-2.0 */
#include "history.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fileio.h"
#include "history_internal.h"

#define SUFFIX	   ".pb.gz"
#define PROBE_NAME ".probe" HISTORY_TEMPORARY
#define COMM_SIZE  32 /* of a process in the name of its file, with its NUL */

/* Profiles tell what runs on the machine: for root and the directory's group. */
#define DIRECTORY_MODE 0750
#define FILE_MODE      0640

/* Names that are taken are stepped over, second by second, no further than this. */
#define NAME_ATTEMPTS 120

/* Reads exactly @n digits. */
static bool digits(const char *text, int n, int *ret)
{
	int value = 0;

	for (int i = 0; i < n; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		value = value * 10 + (text[i] - '0');
	}
	*ret = value;
	return true;
}

static bool parse_day(const char *day, struct tm *tm)
{
	if (strlen(day) != 10 || day[4] != '-' || day[7] != '-')
		return false;
	if (!digits(day, 4, &tm->tm_year) || !digits(day + 5, 2, &tm->tm_mon) ||
	    !digits(day + 8, 2, &tm->tm_mday))
		return false;
	tm->tm_year -= 1900;
	tm->tm_mon -= 1;
	return tm->tm_mon >= 0 && tm->tm_mon < 12 && tm->tm_mday >= 1 && tm->tm_mday <= 31;
}

/* What is left of a comm in a file's name. */
static bool is_safe(char c, bool is_first)
{
	return isalnum((unsigned char)c) || c == '_' || (c != '\0' && strchr(".+", c) && !is_first);
}

/* "-COMM-PID" before the suffix; or nothing. Returns what follows, NULL if it is none of ours. */
static const char *skip_process(const char *text)
{
	size_t n = 0;

	if (*text != '-')
		return text;
	for (text++; is_safe(text[n], n == 0);)
		n++;
	if (n >= COMM_SIZE || text[n] != '-')
		return NULL;
	text += n + 1;
	n = strspn(text, "0123456789");
	return n > 0 ? text + n : NULL;
}

/* What make_name() puts behind the time. */
static bool is_our_rest(const char *text)
{
	static const char *const kinds[] = { "cpu", "block", "mutex" };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strncmp(text, kinds[i], strlen(kinds[i])) == 0) {
			text = skip_process(text + strlen(kinds[i]));
			return text && strcmp(text, SUFFIX) == 0;
		}
	return false;
}

static bool parse_file(const char *file, struct tm *tm)
{
	return strlen(file) > 8 && digits(file, 2, &tm->tm_hour) &&
	       digits(file + 2, 2, &tm->tm_min) && digits(file + 4, 2, &tm->tm_sec) &&
	       tm->tm_hour < 24 && tm->tm_min < 60 && tm->tm_sec < 61 && file[6] == 'Z' &&
	       file[7] == '-' && is_our_rest(file + 8);
}

int history_name_time(const char *day, const char *file, int64_t *ret_time)
{
	struct tm tm = { 0 };

	if (!parse_day(day, &tm) || !parse_file(file, &tm))
		return -EINVAL;
	*ret_time = (int64_t)timegm(&tm) * (int64_t)NS_PER_S;
	return 0;
}

bool history_is_day(const char *name)
{
	struct tm tm = { 0 };

	return parse_day(name, &tm);
}

/* What a file takes from the disk: whole blocks; less where a file system compresses, which is not
 * relied on. */
uint64_t history_file_bytes(const struct stat *st)
{
	return MAX((uint64_t)st->st_size, (uint64_t)st->st_blocks * 512);
}

static int make_parents(const char *path)
{
	_cleanup_free_ char *copy = strdup(path);

	if (!copy)
		return -ENOMEM;
	for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(copy, 0755) < 0 && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	if (mkdir(copy, DIRECTORY_MODE) < 0 && errno != EEXIST)
		return -errno;
	return 0;
}

/* Finds out now, rather than at the first rotation, that nothing can be written. */
static int probe(int fd)
{
	_cleanup_close_ int file = openat(
		fd, PROBE_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);

	if (file < 0)
		return errno == ENOSPC || errno == EDQUOT ? 0 : -errno;
	unlinkat(fd, PROBE_NAME, 0);
	return 0;
}

static int open_directory(struct history *h, struct error *e)
{
	int r = make_parents(h->path);

	if (r == 0) {
		h->fd = open(h->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = h->fd < 0 ? -errno : 0;
	}
	if (r == 0 && flock(h->fd, LOCK_EX | LOCK_NB) < 0)
		return error_set(e, errno == EWOULDBLOCK ? EBUSY : errno,
				 "directory %s: another profd writes there; stop it, or give this "
				 "one another --directory",
				 h->path);
	if (r == 0)
		r = probe(h->fd);
	if (r < 0)
		return error_set(e, -r,
				 "directory %s: %s; make it writable for profd, or choose another "
				 "with --directory (empty: no files)",
				 h->path, strerror(-r));
	return 0;
}

int history_new(const char *path, struct history **ret, struct error *e)
{
	struct history *h = calloc(1, sizeof(*h));
	int r;

	if (!h)
		return error_set(e, ENOMEM, "out of memory");
	h->fd = -1;
	h->path = strdup(path);
	r = h->path ? open_directory(h, e) : error_set(e, ENOMEM, "out of memory");
	if (r == 0) {
		r = history_scan(h, true);
		if (r < 0)
			error_set(e, -r, "directory %s: cannot be read: %s", path, strerror(-r));
	}
	if (r < 0) {
		history_free(h);
		return r;
	}
	*ret = h;
	return 0;
}

struct history *history_free(struct history *h)
{
	if (!h)
		return NULL;
	if (h->fd >= 0)
		close(h->fd);
	free(h->path);
	free(h);
	return NULL;
}

/* A comm may hold anything: what is left is safe in a file name and in a shell. */
static void sanitise(const char *comm, char *name, size_t size)
{
	size_t n = 0;

	for (; *comm && n + 1 < size; comm++, n++)
		name[n] = is_safe(*comm, n == 0) ? *comm : '_';
	name[n] = '\0';
}

static void make_name(char *name, size_t size, const struct tm *tm, const char *kind,
		      const char *comm, uint32_t pid)
{
	char clean[COMM_SIZE];

	if (!comm) {
		snprintf(name, size, "%02d%02d%02dZ-%s" SUFFIX, tm->tm_hour, tm->tm_min, tm->tm_sec,
			 kind);
		return;
	}
	sanitise(comm, clean, sizeof(clean));
	snprintf(name, size, "%02d%02d%02dZ-%s-%s-%" PRIu32 SUFFIX, tm->tm_hour, tm->tm_min,
		 tm->tm_sec, kind, clean, pid);
}

static int open_day(struct history *h, const struct tm *tm, int *ret_fd)
{
	char day[16];
	int fd;

	strftime(day, sizeof(day), "%Y-%m-%d", tm);
	if (mkdirat(h->fd, day, DIRECTORY_MODE) < 0) {
		if (errno != EEXIST)
			return -errno;
	} else if (fsync(h->fd) < 0) {
		return -errno;
	}
	fd = openat(h->fd, day, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

/* Renames without replacing, also where the file system cannot do that in one step. */
static int rename_new(int dir, const char *from, const char *to)
{
	if (renameat2(dir, from, dir, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	if (faccessat(dir, to, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return -EEXIST;
	return renameat(dir, from, dir, to) < 0 ? -errno : 0;
}

static int write_whole(int dir, const char *temporary, const void *data, size_t size,
		       uint64_t *ret_bytes)
{
	_cleanup_close_ int fd = openat(
		dir, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
	struct stat st;
	int r;

	if (fd < 0)
		return -errno;
	r = fd_write_full(fd, data, size);
	if (r < 0)
		return r;
	if (fsync(fd) < 0 || fstat(fd, &st) < 0)
		return -errno;
	/* Some errors (quota on network file systems) are told at close only. */
	if (close(TAKE_FD(fd)) < 0)
		return -errno;
	*ret_bytes = history_file_bytes(&st);
	return 0;
}

int history_write(struct history *h, int64_t time, const char *kind, const char *comm, uint32_t pid,
		  const void *data, size_t size)
{
	time_t second = (time_t)(time / (int64_t)NS_PER_S);
	int r = -EEXIST;

	for (int attempt = 0; attempt < NAME_ATTEMPTS && r == -EEXIST; attempt++, second++) {
		_cleanup_close_ int dir = -1;
		char name[128], temporary[160];
		uint64_t bytes = 0;
		struct tm tm;

		gmtime_r(&second, &tm);
		r = open_day(h, &tm, &dir);
		if (r < 0)
			return r;
		make_name(name, sizeof(name), &tm, kind, comm, pid);
		if (faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
			r = -EEXIST;
			continue;
		}
		snprintf(temporary, sizeof(temporary), ".%s" HISTORY_TEMPORARY, name);
		r = write_whole(dir, temporary, data, size, &bytes);
		if (r == 0)
			r = rename_new(dir, temporary, name);
		if (r < 0) {
			unlinkat(dir, temporary, 0);
			continue;
		}
		if (fsync(dir) < 0)
			return -errno;
		h->stats.bytes += bytes;
		h->stats.files++;
		h->stats.written++;
		h->stats.written_bytes += size;
	}
	return r;
}

void history_get_stats(const struct history *h, struct history_stats *ret)
{
	*ret = h->stats;
}
