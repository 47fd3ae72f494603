/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sources PART SECONDS [LINGER]: waits that are not for locks, one kind in each part, and the
 * thread that does several. Every wait that is measured happens below a function named wait_for_*.
 */
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "wait.h"

#define FILE_SIZE   (32UL << 20)
#define DIRECT_SIZE (1UL << 20)
#define PAGE	    4096UL
#define DISK_HOGS   3

uint64_t end_ns;

static struct tally sleep_tally = { .name = "sleep" }, pipe_tally = { .name = "pipe" };
static struct tally lock_tally = { .name = "lock" }, socket_tally = { .name = "socket" };
static struct tally poll_tally = { .name = "poll" }, child_tally = { .name = "child" };
static struct tally signal_tally = { .name = "signal" }, disk_tally = { .name = "disk" };
static struct tally fault_tally = { .name = "fault" };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int request[2], reply[2]; /* read end, write end */
static atomic_bool done;	 /* nobody waits for a helper any more */

static void say(int fd)
{
	char c = 0;

	must(write(fd, &c, 1) == 1, "write");
}

static bool hear(int fd)
{
	char c;

	return read(fd, &c, 1) == 1;
}

/* --- thread A: 3 ms asleep, 5 ms for a pipe, 2 ms for a mutex, again and again -----------------
 */

void wait_for_time(void), wait_for_pipe(void), wait_for_lock(void), peer_holds(void);

NAMED void wait_for_time(void)
{
	MEASURED(&sleep_tally, pause_ns(3 * MSEC));
}

NAMED void wait_for_pipe(void)
{
	MEASURED(&pipe_tally, hear(reply[0]));
}

NAMED void wait_for_lock(void)
{
	MEASURED(&lock_tally, pthread_mutex_lock(&lock));
	pthread_mutex_unlock(&lock);
}

NAMED void peer_holds(void)
{
	pthread_mutex_lock(&lock);
	say(reply[1]);
	pause_ns(2 * MSEC);
	pthread_mutex_unlock(&lock);
	NOT_A_TAIL_CALL;
}

static void *peer_thread(void *argument)
{
	while (hear(request[0])) {
		pause_ns(5 * MSEC);
		peer_holds();
	}
	return argument;
}

static void mixed(void)
{
	pthread_t peer;

	must(pipe(request) == 0 && pipe(reply) == 0, "pipe");
	peer = begin_thread(peer_thread, NULL);
	while (!time_is_up()) {
		wait_for_time();
		say(request[1]);
		wait_for_pipe();
		wait_for_lock();
	}
	close(request[1]);
	pthread_join(peer, NULL);
	tally_print(&sleep_tally);
	tally_print(&pipe_tally);
	tally_print(&lock_tally);
	printf("tid=%d\n", thread_id());
}

/* --- one kind each: somebody else ends the wait after some ms ----------------------------------
 */

void wait_for_socket(int fd), wait_for_poll(int fd), wait_for_epoll(int epoll, int fd);
void wait_for_eventfd(int fd), wait_for_child(void), wait_for_signal(const sigset_t *set);
void wait_for_disk(int fd, void *buffer, off_t at), wait_for_fault(const volatile char *byte);

static void *sends(void *fd)
{
	while (!done) {
		pause_ns(4 * MSEC);
		say(*(int *)fd);
	}
	return NULL;
}

/* For when nobody waits any more. */
static void end_helper(pthread_t thread)
{
	done = true;
	pthread_join(thread, NULL);
}

NAMED void wait_for_socket(int fd)
{
	MEASURED(&socket_tally, hear(fd));
}

static void socket_part(void)
{
	pthread_t thread;
	int ends[2];

	must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair");
	thread = begin_thread(sends, &ends[1]);
	while (!time_is_up())
		wait_for_socket(ends[0]);
	end_helper(thread);
}

NAMED void wait_for_poll(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	MEASURED(&poll_tally, poll(&p, 1, 1000));
}

NAMED void wait_for_epoll(int epoll, int fd)
{
	struct epoll_event e;

	MEASURED(&poll_tally, epoll_wait(epoll, &e, 1, 1000));
	hear(fd);
}

static void poll_part(void)
{
	struct epoll_event e = { .events = EPOLLIN };
	int ends[2], epoll = epoll_create1(0);
	pthread_t thread;

	must(epoll >= 0 && pipe(ends) == 0, "pipe");
	must(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &e) == 0, "epoll_ctl");
	thread = begin_thread(sends, &ends[1]);
	while (!time_is_up()) {
		wait_for_poll(ends[0]);
		hear(ends[0]);
		wait_for_epoll(epoll, ends[0]);
	}
	end_helper(thread);
}

NAMED void wait_for_eventfd(int fd)
{
	uint64_t n;

	MEASURED(&pipe_tally, must(read(fd, &n, sizeof(n)) == sizeof(n), "eventfd"));
}

static void *adds(void *fd)
{
	while (!done) {
		pause_ns(4 * MSEC);
		must(eventfd_write(*(int *)fd, 1) == 0, "eventfd");
	}
	return NULL;
}

static void eventfd_part(void)
{
	int fd = eventfd(0, 0);
	pthread_t thread = begin_thread(adds, &fd);

	while (!time_is_up())
		wait_for_eventfd(fd);
	end_helper(thread);
}

NAMED void wait_for_child(void)
{
	pid_t child = fork();

	must(child >= 0, "fork");
	if (child == 0) {
		pause_ns(10 * MSEC);
		_exit(0);
	}
	MEASURED(&child_tally, waitpid(child, NULL, 0));
}

static void child_part(void)
{
	while (!time_is_up())
		wait_for_child();
}

NAMED void wait_for_signal(const sigset_t *set)
{
	int number;

	MEASURED(&signal_tally, sigwait(set, &number));
}

static void signal_part(void)
{
	struct itimerspec every = { { 0, 5 * MSEC }, { 0, 5 * MSEC } };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	timer_t timer;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	must(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0, "timer_create");
	timer_settime(timer, 0, &every, NULL);
	while (!time_is_up())
		wait_for_signal(&set);
	timer_delete(timer);
}

static void sleep_part(void)
{
	while (!time_is_up())
		wait_for_time();
}

/* --- the disk ----------------------------------------------------------------------------------
 */

/* A file in the current directory, without a name, whose blocks are on the disk. */
static int file_on_disk(int flags)
{
	char *buffer = NULL;
	char path[32];
	int fd = open(".", O_TMPFILE | O_RDWR, 0600);

	must(fd >= 0, "O_TMPFILE");
	must(posix_memalign((void **)&buffer, PAGE, DIRECT_SIZE) == 0, "posix_memalign");
	for (size_t i = 0; i < DIRECT_SIZE; i++)
		buffer[i] = (char)(i * 7 + i / PAGE);
	for (size_t at = 0; at < FILE_SIZE; at += DIRECT_SIZE)
		must(write(fd, buffer, DIRECT_SIZE) == (ssize_t)DIRECT_SIZE, "write");
	free(buffer);
	must(fsync(fd) == 0, "fsync");
	if (!flags)
		return fd;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	fd = open(path, O_RDONLY | flags);
	must(fd >= 0, "O_DIRECT");
	return fd;
}

NAMED void wait_for_disk(int fd, void *buffer, off_t at)
{
	MEASURED(&disk_tally, must(pread(fd, buffer, DIRECT_SIZE, at) > 0, "pread"));
}

static void disk_part(void)
{
	void *buffer = NULL;
	int fd = file_on_disk(O_DIRECT);

	must(posix_memalign(&buffer, PAGE, DIRECT_SIZE) == 0, "posix_memalign");
	for (size_t at = 0; !time_is_up(); at = (at + DIRECT_SIZE) % FILE_SIZE)
		wait_for_disk(fd, buffer, (off_t)at);
}

/* Keeps the disk so busy that a page takes a while, or little would be left to measure. */
static void *disk_hog_thread(void *fd)
{
	void *buffer = NULL;

	must(posix_memalign(&buffer, PAGE, DIRECT_SIZE) == 0, "posix_memalign");
	for (size_t at = 0; !done; at = (at + DIRECT_SIZE) % FILE_SIZE)
		must(pread(*(int *)fd, buffer, DIRECT_SIZE, (off_t)at) > 0, "pread");
	free(buffer);
	return NULL;
}

NAMED void wait_for_fault(const volatile char *byte)
{
	MEASURED(&fault_tally, (void)*byte);
}

static void fault_part(void)
{
	struct rusage u;
	int fd = file_on_disk(0), direct = file_on_disk(O_DIRECT);
	char *memory = mmap(NULL, FILE_SIZE, PROT_READ, MAP_SHARED, fd, 0);
	pthread_t hogs[DISK_HOGS];

	must(memory != MAP_FAILED, "mmap");
	for (int i = 0; i < DISK_HOGS; i++)
		hogs[i] = begin_thread(disk_hog_thread, &direct);
	madvise(memory, FILE_SIZE, MADV_RANDOM); /* no page is read before it is touched */
	while (!time_is_up()) {
		madvise(memory, FILE_SIZE, MADV_DONTNEED);
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
		for (size_t at = 0; at < FILE_SIZE && !time_is_up(); at += 16 * PAGE)
			wait_for_fault(memory + at);
	}
	done = true;
	for (int i = 0; i < DISK_HOGS; i++)
		pthread_join(hogs[i], NULL);
	getrusage(RUSAGE_SELF, &u);
	printf("major_faults=%ld\n", u.ru_majflt);
}

static const struct part parts[] = {
	{ "mixed", mixed, NULL },
	{ "sleep", sleep_part, &sleep_tally },
	{ "socket", socket_part, &socket_tally },
	{ "poll", poll_part, &poll_tally },
	{ "eventfd", eventfd_part, &pipe_tally },
	{ "child", child_part, &child_tally },
	{ "signal", signal_part, &signal_tally },
	{ "disk", disk_part, &disk_tally },
	{ "fault", fault_part, &fault_tally },
};

int main(int argc, char **argv)
{
	return run_part(parts, sizeof(parts) / sizeof(parts[0]), argc, argv);
}
