/* SPDX-License-Identifier: Apache-2.0 */
/*
 * locks PART SECONDS [LINGER]: locks that are waited for, one kind in each part. Waits happen below
 * functions named *_wants, critical sections end in functions named *_holds. Parts with a mutex
 * also print what its releases must be charged (charges.h).
 */
#include <signal.h>
#include <sys/wait.h>

#include "charges.h"

uint64_t end_ns;

static struct tally lock_tally = { .name = "lock" };
static struct tally holder_tally = { .name = "holder" };
static struct log *book;

/* --- one holder, 20 ms at a time, against four waiters -----------------------------------------
 */

void holder_holds(void), waiter_wants(void);

NAMED void holder_holds(void)
{
	log_lock(book, &holder_tally);
	pause_ns(20 * MSEC);
	log_unlock(book, 0);
}

NAMED void waiter_wants(void)
{
	log_lock(book, &lock_tally);
	log_unlock(book, 1);
}

static void *holder_thread(void *argument)
{
	while (!time_is_up()) {
		holder_holds();
		pause_ns(2 * MSEC);
	}
	return argument;
}

static void *waiter_thread(void *argument)
{
	while (!time_is_up()) {
		waiter_wants();
		pause_ns(1 * MSEC);
	}
	return argument;
}

static void one_holder(void)
{
	pthread_t threads[5];

	for (int i = 0; i < 5; i++)
		threads[i] = begin_thread(i ? waiter_thread : holder_thread, NULL);
	for (int i = 0; i < 5; i++)
		pthread_join(threads[i], NULL);
	tally_print(&holder_tally);
	log_print(book, (const char *[]){ "holder_holds", "waiter_wants" }, 2);
}

static void holder_part(void)
{
	book = log_new();
	one_holder();
}

/*
 * One hold, until SIGUSR1, against three who ask for a few ms, and again and again, as threads do
 * that have other things to look after.
 */
#define ASKERS 3

static pthread_mutex_t held_long = PTHREAD_MUTEX_INITIALIZER;

void long_holds(void), asker_wants(void);

NAMED void long_holds(void)
{
	pthread_mutex_unlock(&held_long);
	NOT_A_TAIL_CALL;
}

NAMED void asker_wants(void)
{
	struct timespec until;
	uint64_t until_ns;

	do {
		until_ns = clock_ns(CLOCK_REALTIME) + 4 * MSEC;
		until.tv_sec = (time_t)(until_ns / (1000 * MSEC));
		until.tv_nsec = (long)(until_ns % (1000 * MSEC));
	} while (pthread_mutex_timedlock(&held_long, &until) != 0);
	pthread_mutex_unlock(&held_long);
}

static void *asker_thread(void *argument)
{
	asker_wants();
	return argument;
}

static void long_part(void)
{
	pthread_t threads[ASKERS];
	sigset_t told;
	int number;

	sigemptyset(&told);
	sigaddset(&told, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &told, NULL);
	pthread_mutex_lock(&held_long);
	for (int i = 0; i < ASKERS; i++)
		threads[i] = begin_thread(asker_thread, NULL);
	sigwait(&told, &number);
	long_holds();
	for (int i = 0; i < ASKERS; i++)
		pthread_join(threads[i], NULL);
}

/* The same with a mutex that lends its waiters' priority to the holder. */
static void pi_part(void)
{
	pthread_mutexattr_t attributes;

	book = log_new();
	pthread_mutexattr_init(&attributes);
	errno = pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
	must(errno == 0, "PTHREAD_PRIO_INHERIT");
	pthread_mutex_init(&book->mutex, &attributes);
	one_holder();
}

/* The waiters are another process. */
static void shared_part(void)
{
	pthread_mutexattr_t attributes;
	pid_t child;

	book = log_new();
	book->tally.name = "lock";
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&book->mutex, &attributes);
	child = fork();
	must(child >= 0, "fork");
	if (child == 0) {
		pthread_t threads[4];

		for (int i = 0; i < 4; i++)
			threads[i] = begin_thread(waiter_thread, NULL);
		for (int i = 0; i < 4; i++)
			pthread_join(threads[i], NULL);
		book->tally = lock_tally;
		_exit(0);
	}
	holder_thread(NULL);
	waitpid(child, NULL, 0);
	printf("child=%d\n", child);
	tally_print(&holder_tally);
	log_print(book, (const char *[]){ "holder_holds", "waiter_wants" }, 2);
	tally_print(&book->tally);
}

/* --- hand-offs: five threads, each with a critical section of its own length -------------------
 */

#define CHAIN(n, ms)                                                                               \
	void chain##n##_holds(void);                                                               \
	NAMED void chain##n##_holds(void)                                                          \
	{                                                                                          \
		log_lock(book, &lock_tally);                                                       \
		pause_ns((ms)*MSEC);                                                               \
		log_unlock(book, n);                                                               \
	}

CHAIN(0, 1)
CHAIN(1, 2)
CHAIN(2, 3)
CHAIN(3, 4)
CHAIN(4, 10)

static void (*const chain[HOLDERS])(void) = { chain0_holds, chain1_holds, chain2_holds,
					      chain3_holds, chain4_holds };

static void *chain_thread(void *argument)
{
	while (!time_is_up()) {
		chain[(intptr_t)argument]();
		pause_ns(1 * MSEC); /* the next one gets it */
	}
	return NULL;
}

static void chain_part(void)
{
	pthread_t threads[HOLDERS];

	book = log_new();
	for (intptr_t i = 0; i < HOLDERS; i++)
		threads[i] = begin_thread(chain_thread, (void *)i);
	for (int i = 0; i < HOLDERS; i++)
		pthread_join(threads[i], NULL);
	log_print(book,
		  (const char *[]){ "chain0_holds", "chain1_holds", "chain2_holds", "chain3_holds",
				    "chain4_holds" },
		  HOLDERS);
}

/* --- a read-write lock: both sides wait, both sides hold, in turns ------------------------------
 *
 * Nobody leaves before those of the other side sleep for the lock, and nobody asks for it again
 * before they are inside: in each round readers wait for the writer, and the writer for a reader.
 */

#define WRITER	0
#define READERS 2

static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static _Atomic int asks[1 + READERS]; /* thread ids of those that are not inside yet, or 0 */
static bool rwlock_over;	      /* written by who holds the lock alone */

void writer_wants(void), reader_wants(void), writer_holds(void), reader_holds(void);

NAMED void writer_wants(void)
{
	MEASURED(&lock_tally, pthread_rwlock_wrlock(&rwlock));
}

NAMED void reader_wants(void)
{
	MEASURED(&lock_tally, pthread_rwlock_rdlock(&rwlock));
}

NAMED void writer_holds(void)
{
	pause_ns(10 * MSEC);
	pthread_rwlock_unlock(&rwlock);
	NOT_A_TAIL_CALL;
}

NAMED void reader_holds(void)
{
	pause_ns(3 * MSEC);
	pthread_rwlock_unlock(&rwlock);
	NOT_A_TAIL_CALL;
}

static void enter(int who, void (*wants)(void))
{
	asks[who] = thread_id();
	wants();
	asks[who] = 0;
}

/* There is nothing else that it could sleep for while it asks. */
static void until_it_sleeps(int who)
{
	while (!asks[who] || !is_asleep(asks[who]))
		pause_ns(MSEC);
}

static void until_it_is_inside(int who)
{
	while (asks[who])
		pause_ns(MSEC);
}

static void *writer_thread(void *argument)
{
	for (;;) {
		enter(WRITER, writer_wants);
		for (int i = 1; i <= READERS; i++)
			until_it_sleeps(i);
		rwlock_over = time_is_up();
		if (rwlock_over)
			break;
		writer_holds();
		for (int i = 1; i <= READERS; i++)
			until_it_is_inside(i);
	}
	writer_holds();
	return argument;
}

static void *reader_thread(void *argument)
{
	int me = (int)(intptr_t)argument;

	for (;;) {
		enter(me, reader_wants);
		if (rwlock_over)
			break;
		until_it_sleeps(WRITER);
		reader_holds();
		until_it_is_inside(WRITER);
	}
	reader_holds();
	return NULL;
}

static void rwlock_part(void)
{
	pthread_t threads[1 + READERS];

	threads[WRITER] = begin_thread(writer_thread, NULL);
	for (intptr_t i = 1; i <= READERS; i++)
		threads[i] = begin_thread(reader_thread, (void *)i);
	for (int i = 0; i <= READERS; i++)
		pthread_join(threads[i], NULL);
}

/* --- for the bench: as many critical sections as there is time for, and nothing measured -------
 */

#define FIGHTERS 8

static pthread_mutex_t ring = PTHREAD_MUTEX_INITIALIZER;
static _Atomic uint64_t rounds;

static void *fighter_thread(void *argument)
{
	uint64_t n = 0;

	while (n % 256 || !time_is_up()) {
		pthread_mutex_lock(&ring);
		burn(500);
		pthread_mutex_unlock(&ring);
		burn(50);
		n++;
	}
	rounds += n;
	return argument;
}

static void fight_part(void)
{
	pthread_t threads[FIGHTERS];
	uint64_t begin = now_ns();

	for (int i = 0; i < FIGHTERS; i++)
		threads[i] = begin_thread(fighter_thread, NULL);
	for (int i = 0; i < FIGHTERS; i++)
		pthread_join(threads[i], NULL);
	printf("rounds=%llu\n", (unsigned long long)rounds);
	printf("rounds_per_s=%.0f\n", (double)rounds * 1e9 / (double)(now_ns() - begin));
}

static const struct part parts[] = {
	{ "holder", holder_part, &lock_tally },
	{ "chain", chain_part, &lock_tally },
	{ "long", long_part, NULL },
	{ "pi", pi_part, &lock_tally },
	{ "shared", shared_part, NULL },
	{ "rwlock", rwlock_part, &lock_tally },
	{ "fight", fight_part, NULL },
};

int main(int argc, char **argv)
{
	return run_part(parts, sizeof(parts) / sizeof(parts[0]), argc, argv);
}
