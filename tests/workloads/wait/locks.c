/* SPDX-License-Identifier: Apache-2.0 */
/*
 * locks PART SECONDS [LINGER]: locks and what else is made of futexes, one kind in each part. Waits
 * happen below functions named *_wants, critical sections end in functions named *_holds.
 *
 * Parts with a mutex also print what a release must be charged: the time that others waited since
 * the release before, summed by the function that released, as "charge_NAME_ns="; and as
 * "unsure_NAME_ns=" how much of it may as well be another's: what others waited while a release
 * went on, before or after whose moment the thread may have been kept from its CPU.
 */
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "wait.h"

#define HOLDERS	    5
#define LOG_ENTRIES 65536

uint64_t end_ns;

static struct tally lock_tally = { .name = "lock" };
static struct tally holder_tally = { .name = "holder" };
static struct tally sync_tally = { .name = "sync" };

/* --- who must be charged: waits and releases are written down, and compared at the end ---------
 */

struct wait_entry {
	uint64_t begin_ns, end_ns;
};

struct release_entry {
	uint64_t at_ns, done_ns;
	int holder;
};

/* Shared with a child process in the part of that name. */
struct log {
	pthread_mutex_t mutex;
	struct tally tally; /* of waits in the other process */
	_Atomic uint32_t n_waits, n_releases;
	struct wait_entry waits[LOG_ENTRIES];
	struct release_entry releases[LOG_ENTRIES];
};

static struct log *book;

static struct log *log_new(void)
{
	void *memory = mmap(NULL, sizeof(struct log), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	must(memory != MAP_FAILED, "mmap");
	return memory;
}

/* pthread_mutex_lock(), measured. The time after the wake-up is not a wait any more. */
static void lock_measured(struct tally *t, pthread_mutex_t *m)
{
	struct moment begin = moment_now();
	uint64_t began = now_ns(), waited;
	uint32_t i;

	pthread_mutex_lock(m);
	waited = moment_end(t, begin);
	i = book->n_waits++;
	must(i < LOG_ENTRIES, "too many waits");
	book->waits[i] = (struct wait_entry){ began, began + waited };
}

static void unlock_as(int holder, pthread_mutex_t *m)
{
	uint32_t i = book->n_releases++;

	must(i < LOG_ENTRIES, "too many releases");
	book->releases[i] = (struct release_entry){ .at_ns = now_ns(), .holder = holder };
	pthread_mutex_unlock(m);
	book->releases[i].done_ns = now_ns();
	NOT_A_TAIL_CALL;
}

static int by_time(const void *a, const void *b)
{
	const struct release_entry *x = a, *y = b;

	return (x->at_ns > y->at_ns) - (x->at_ns < y->at_ns);
}

/* What @w has in common with the time between two releases. */
static uint64_t overlap(const struct wait_entry *w, uint64_t from, uint64_t to)
{
	uint64_t begin = w->begin_ns > from ? w->begin_ns : from;
	uint64_t end = w->end_ns < to ? w->end_ns : to;

	return end > begin ? end - begin : 0;
}

static void charges_print(const char *const *holders, int n)
{
	uint64_t charged[HOLDERS] = { 0 }, unsure[HOLDERS] = { 0 };
	uint64_t before = 0, meanwhile = 0;
	uint32_t first = 0;

	qsort(book->releases, book->n_releases, sizeof(book->releases[0]), by_time);
	for (uint32_t r = 0; r < book->n_releases; r++) {
		const struct release_entry *release = &book->releases[r];

		/* Waits are logged as they end, so those long over are in front. */
		while (first < book->n_waits && book->waits[first].end_ns + 1000 * MSEC < before)
			first++;
		/* The release before is a matter of this one as well. */
		unsure[release->holder] += meanwhile;
		meanwhile = 0;
		for (uint32_t w = first; w < book->n_waits; w++) {
			charged[release->holder] +=
				overlap(&book->waits[w], before, release->at_ns);
			meanwhile += overlap(&book->waits[w], release->at_ns, release->done_ns);
		}
		unsure[release->holder] += meanwhile;
		before = release->at_ns;
	}
	for (int i = 0; i < n; i++) {
		printf("charge_%s_ns=%llu\n", holders[i], (unsigned long long)charged[i]);
		printf("unsure_%s_ns=%llu\n", holders[i], (unsigned long long)unsure[i]);
	}
}

/* --- one holder, 20 ms at a time, against four waiters -----------------------------------------
 */

void holder_holds(void), waiter_wants(void);

NAMED void holder_holds(void)
{
	lock_measured(&holder_tally, &book->mutex);
	pause_ns(20 * MSEC);
	unlock_as(0, &book->mutex);
}

NAMED void waiter_wants(void)
{
	lock_measured(&lock_tally, &book->mutex);
	unlock_as(1, &book->mutex);
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
	charges_print((const char *[]){ "holder_holds", "waiter_wants" }, 2);
}

static void holder_part(void)
{
	book = log_new();
	one_holder();
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
	charges_print((const char *[]){ "holder_holds", "waiter_wants" }, 2);
	tally_print(&book->tally);
}

/* --- hand-offs: five threads, each with a critical section of its own length -------------------
 */

#define CHAIN(n, ms)                                                                               \
	void chain##n##_holds(void);                                                               \
	NAMED void chain##n##_holds(void)                                                          \
	{                                                                                          \
		lock_measured(&lock_tally, &book->mutex);                                          \
		pause_ns((ms)*MSEC);                                                               \
		unlock_as(n, &book->mutex);                                                        \
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
	charges_print((const char *[]){ "chain0_holds", "chain1_holds", "chain2_holds",
					"chain3_holds", "chain4_holds" },
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

/* --- not locks: nobody holds them --------------------------------------------------------------
 */

static pthread_mutex_t queue_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t queue_filled = PTHREAD_COND_INITIALIZER;
static unsigned int queue_length;
static bool queue_closed;

bool consumer_wants(void);
void producer_puts(void), poster_posts(void), poster_wants(void), barrier_wants(void);
void join_wants(pthread_t thread);

NAMED bool consumer_wants(void)
{
	bool taken = false;

	pthread_mutex_lock(&queue_mutex);
	while (!queue_length && !queue_closed)
		MEASURED(&sync_tally, pthread_cond_wait(&queue_filled, &queue_mutex));
	if (queue_length) {
		queue_length--;
		taken = true;
	}
	pthread_mutex_unlock(&queue_mutex);
	return taken;
}

NAMED void producer_puts(void)
{
	pthread_mutex_lock(&queue_mutex);
	queue_length++;
	pthread_mutex_unlock(&queue_mutex);
	pthread_cond_signal(&queue_filled);
	NOT_A_TAIL_CALL;
}

static void *consumer_thread(void *argument)
{
	while (consumer_wants())
		;
	return argument;
}

static void condition_part(void)
{
	pthread_t threads[3];

	for (int i = 0; i < 3; i++)
		threads[i] = begin_thread(consumer_thread, NULL);
	while (!time_is_up()) {
		pause_ns(4 * MSEC);
		producer_puts();
	}
	pthread_mutex_lock(&queue_mutex);
	queue_closed = true;
	pthread_mutex_unlock(&queue_mutex);
	pthread_cond_broadcast(&queue_filled);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
}

static sem_t posted;

NAMED void poster_posts(void)
{
	sem_post(&posted);
	NOT_A_TAIL_CALL;
}

NAMED void poster_wants(void)
{
	MEASURED(&sync_tally, sem_wait(&posted));
}

static void *poster_thread(void *argument)
{
	for (;;) {
		poster_wants();
		if (time_is_up())
			return argument;
	}
}

static void semaphore_part(void)
{
	pthread_t thread;

	sem_init(&posted, 0, 0);
	thread = begin_thread(poster_thread, NULL);
	while (!time_is_up()) {
		pause_ns(5 * MSEC);
		poster_posts();
	}
	poster_posts();
	pthread_join(thread, NULL);
}

/* Several words at once; the one that is rung is not the first. */
#define BELLS	    2
#define FUTEX_WAITV 449 /* futex_waitv(2), which musl does not know */

/* struct futex_waitv */
struct bell {
	uint64_t value, address;
	uint32_t flags, reserved;
};

static _Atomic uint32_t bells[BELLS];

void bell_wants(void), bell_rings(void);

NAMED void bell_rings(void)
{
	bells[1]++;
	syscall(SYS_futex, &bells[1], 1 | 128, 1, NULL, NULL, 0); /* FUTEX_WAKE, private */
	NOT_A_TAIL_CALL;
}

NAMED void bell_wants(void)
{
	struct bell wanted[BELLS];

	for (int i = 0; i < BELLS; i++)
		wanted[i] = (struct bell){ bells[i], (uintptr_t)&bells[i], 2 | 128, 0 };
	MEASURED(&sync_tally, syscall(FUTEX_WAITV, wanted, BELLS, 0, NULL, 0));
}

static void *bell_thread(void *argument)
{
	while (!time_is_up())
		bell_wants();
	bells[0] = 1; /* that was the last one */
	return argument;
}

static void vector_part(void)
{
	pthread_t thread;

	must(syscall(FUTEX_WAITV, NULL, 0, 0, NULL, 0) < 0 && errno == EINVAL, "futex_waitv");
	thread = begin_thread(bell_thread, NULL);
	while (!bells[0]) {
		pause_ns(5 * MSEC);
		bell_rings();
	}
	pthread_join(thread, NULL);
}

static pthread_barrier_t barrier;
static bool barrier_ends;

NAMED void barrier_wants(void)
{
	MEASURED(&sync_tally, pthread_barrier_wait(&barrier));
}

static void *barrier_thread(void *argument)
{
	do {
		pause_ns((uint64_t)(intptr_t)argument * MSEC);
		barrier_wants();
		/* Everybody has to see the same, or some would wait for the others for ever. */
		if (argument == (void *)9)
			barrier_ends = time_is_up();
		pthread_barrier_wait(&barrier);
	} while (!barrier_ends);
	return NULL;
}

static void barrier_part(void)
{
	pthread_t threads[3];

	pthread_barrier_init(&barrier, NULL, 3);
	for (intptr_t i = 0; i < 3; i++)
		threads[i] = begin_thread(barrier_thread, (void *)(1 + 4 * i));
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
}

NAMED void join_wants(pthread_t thread)
{
	MEASURED(&sync_tally, pthread_join(thread, NULL));
}

static void *short_thread(void *argument)
{
	pause_ns(10 * MSEC);
	return argument;
}

static void join_part(void)
{
	while (!time_is_up())
		join_wants(begin_thread(short_thread, NULL));
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
	{ "pi", pi_part, &lock_tally },
	{ "shared", shared_part, NULL },
	{ "rwlock", rwlock_part, &lock_tally },
	{ "condition", condition_part, &sync_tally },
	{ "semaphore", semaphore_part, &sync_tally },
	{ "vector", vector_part, &sync_tally },
	{ "barrier", barrier_part, &sync_tally },
	{ "join", join_part, &sync_tally },
	{ "fight", fight_part, NULL },
};

int main(int argc, char **argv)
{
	return run_part(parts, sizeof(parts) / sizeof(parts[0]), argc, argv);
}
