/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lives PART SECONDS [LINGER]: threads that move, many threads, waits of very different lengths,
 * and processes that end, or become another program, while a thread waits.
 */
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "wait.h"

#define MANY	   10000
#define MANY_STACK (64UL << 10)
#define THREADS	   8

uint64_t end_ns;

static struct tally pipe_tally = { .name = "pipe" }, sleep_tally = { .name = "sleep" };
static struct tally short_tally = { .name = "short" }, long_tally = { .name = "long" };
static char *self;

static int ends[2];

/* --- the waiter is sent to another CPU before each wake-up -------------------------------------
 */

void wait_while_moved(void), waker_wakes(void);
static _Atomic uint64_t moved;
static _Atomic int waiter_tid;

NAMED void wait_while_moved(void)
{
	char c;

	MEASURED(&pipe_tally, must(read(ends[0], &c, 1) == 1, "read"));
}

static void *moved_thread(void *argument)
{
	int before = -1;

	waiter_tid = thread_id();
	while (!time_is_up()) {
		wait_while_moved();
		moved += sched_getcpu() != before;
		before = sched_getcpu();
	}
	waiter_tid = 0;
	return argument;
}

NAMED void waker_wakes(void)
{
	must(write(ends[1], "", 1) == 1, "write");
	NOT_A_TAIL_CALL;
}

/* The waiter may run on one CPU of those that the process may use, on another each time. */
static void move(int *cpu)
{
	cpu_set_t all, one;

	CPU_ZERO(&one);
	must(sched_getaffinity(0, sizeof(all), &all) == 0, "sched_getaffinity");
	do
		*cpu = (*cpu + 1) % CPU_SETSIZE;
	while (!CPU_ISSET(*cpu, &all));
	CPU_SET(*cpu, &one);
	sched_setaffinity(waiter_tid, sizeof(one), &one); /* it may just have ended */
}

static void migrate_part(void)
{
	pthread_t thread;
	int cpu = -1;

	must(pipe(ends) == 0, "pipe");
	thread = begin_thread(moved_thread, NULL);
	while (!waiter_tid)
		pause_ns(MSEC);
	while (waiter_tid) {
		/* It may be late, and not be waiting yet. */
		do
			pause_ns(3 * MSEC);
		while (waiter_tid && !is_asleep(waiter_tid));
		move(&cpu);
		pause_ns(2 * MSEC);
		waker_wakes();
	}
	pthread_join(thread, NULL);
	printf("moved=%llu\n", (unsigned long long)moved);
}

/* --- ten thousand threads, which wait for the same thing ---------------------------------------
 *
 * Nothing but that is contended: an eventfd has no mutex that its readers would queue for once they
 * are woken, as a pipe has, and stacks of our own need no system call when their threads end.
 */

void wait_of_many(void);
static int event;
static _Atomic uint32_t ready;
static _Atomic uint64_t begin_sum_us; /* since the program began: the sum of ns has no room */
static uint64_t many_began_ns;

/* They read nothing but the clock: ten thousand that look into /proc at once wait for that too. */
NAMED void wait_of_many(void)
{
	uint64_t one;

	ready++;
	begin_sum_us += (now_ns() - many_began_ns) / USEC;
	must(read(event, &one, sizeof(one)) == sizeof(one), "read");
}

static void *one_of_many(void *argument)
{
	wait_of_many();
	return argument;
}

static void begin_many(pthread_t threads[MANY])
{
	pthread_attr_t attributes;
	char *stacks;

	stacks = mmap(NULL, MANY * MANY_STACK, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	must(stacks != MAP_FAILED, "mmap");
	pthread_attr_init(&attributes);
	for (int i = 0; i < MANY; i++) {
		pthread_attr_setstack(&attributes, stacks + i * MANY_STACK, MANY_STACK);
		errno = pthread_create(&threads[i], &attributes, one_of_many, NULL);
		must(errno == 0, "pthread_create");
	}
	while (ready < MANY)
		pause_ns(MSEC);
}

/*
 * Wakes them all, and returns when that was. Each is woken at some time during the call, and those
 * that are woken may keep this thread from its CPU before the call returns: its CPU time tells how
 * long it took.
 */
static uint64_t wake_many(void)
{
	uint64_t cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID), begin = now_ns();

	must(eventfd_write(event, MANY) == 0, "eventfd");
	return begin + (clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu) / 2;
}

/* Until SIGUSR1 says that who looks at the waits has seen them, and for SECONDS at least. */
static void many_part(void)
{
	static pthread_t threads[MANY];
	sigset_t told;
	int number;

	many_began_ns = now_ns();
	sigemptyset(&told);
	sigaddset(&told, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &told, NULL);
	event = eventfd(0, EFD_SEMAPHORE);
	must(event >= 0, "eventfd");
	begin_many(threads);
	sigwait(&told, &number);
	while (!time_is_up())
		pause_ns(10 * MSEC);
	pipe_tally.wait_ns = ((wake_many() - many_began_ns) / USEC * MANY - begin_sum_us) * USEC;
	pipe_tally.count = MANY;
	for (int i = 0; i < MANY; i++)
		pthread_join(threads[i], NULL);
}

/* --- 10,000 waits of 100 us and 10 of 100 ms, as often as SECONDS says -------------------------
 */

void wait_shortly(void), wait_long(void);

NAMED void wait_shortly(void)
{
	MEASURED(&short_tally, pause_ns(100 * USEC));
}

NAMED void wait_long(void)
{
	MEASURED(&long_tally, pause_ns(100 * MSEC));
}

static void *lengths_thread(void *argument)
{
	prctl(PR_SET_TIMERSLACK, 1);
	for (int i = 0; i < 10000 / THREADS; i++)
		wait_shortly();
	return argument;
}

static void *long_thread(void *argument)
{
	for (int i = 0; i < 10 / 2; i++)
		wait_long();
	return argument;
}

static void lengths_part(void)
{
	pthread_t threads[THREADS + 2];

	do {
		for (int i = 0; i < THREADS + 2; i++)
			threads[i] = begin_thread(i < THREADS ? lengths_thread : long_thread, NULL);
		for (int i = 0; i < THREADS + 2; i++)
			pthread_join(threads[i], NULL);
	} while (!time_is_up());
	tally_print(&short_tally);
	tally_print(&long_tally);
}

/* --- naps, so short of CPU time that only others can make them late ----------------------------
 */

void wait_beside_others(void);

NAMED void wait_beside_others(void)
{
	MEASURED(&sleep_tally, pause_ns(2 * MSEC));
}

static void queue_part(void)
{
	while (!time_is_up())
		wait_beside_others();
}

/* --- a thread that waits until the process is something else -----------------------------------
 */

void wait_for_ever(void);

NAMED void wait_for_ever(void)
{
	char c;

	if (read(ends[0], &c, 1) != 1)
		NOT_A_TAIL_CALL;
}

static void *stuck_thread(void *argument)
{
	wait_for_ever();
	return argument;
}

/* Until it is killed, or the time is up and the process ends without caring for the thread. */
static void stuck_part(void)
{
	must(pipe(ends) == 0, "pipe");
	begin_thread(stuck_thread, NULL);
	while (!time_is_up())
		pause_ns(MSEC);
}

/* The other thread becomes a program that sleeps. */
static void exec_part(void)
{
	must(pipe(ends) == 0, "pipe");
	begin_thread(stuck_thread, NULL);
	while (!time_is_up())
		pause_ns(MSEC);
	execl(self, "lives", "queue", "3", NULL);
	must(false, "execl");
}

/* What nobody waits for: the thread that waits is told at the end. */
static void told_part(void)
{
	pthread_t thread;

	must(pipe(ends) == 0, "pipe");
	thread = begin_thread(moved_thread, NULL);
	while (!time_is_up())
		pause_ns(MSEC);
	waker_wakes();
	pthread_join(thread, NULL);
}

static const struct part parts[] = {
	{ "migrate", migrate_part, &pipe_tally },
	{ "many", many_part, &pipe_tally },
	{ "lengths", lengths_part, NULL },
	{ "queue", queue_part, &sleep_tally },
	{ "stuck", stuck_part, NULL },
	{ "exec", exec_part, NULL },
	{ "told", told_part, &pipe_tally },
};

int main(int argc, char **argv)
{
	self = realpath("/proc/self/exe", NULL);
	return run_part(parts, sizeof(parts) / sizeof(parts[0]), argc, argv);
}
