/* SPDX-License-Identifier: Apache-2.0 */
/*
 * syncs PART SECONDS [LINGER]: what is made of futexes and is no lock, since nobody holds it, one
 * kind in each part. Waits happen below functions named *_wants.
 */
#include <semaphore.h>

#include "wait.h"

#define CONSUMERS 3

uint64_t end_ns;

static struct tally sync_tally = { .name = "sync" };

/* --- condition variables ------------------------------------------------------------------------
 */

static pthread_mutex_t queue_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t queue_filled = PTHREAD_COND_INITIALIZER;
static unsigned int queue_length;
static bool queue_closed;
static uint64_t patience_ns; /* of a consumer, after which it asks again; 0 = all */

bool consumer_wants(void);
void producer_puts(void), poster_posts(void), poster_wants(void), barrier_wants(void);
void join_wants(pthread_t thread);

static void queue_wait(void)
{
	uint64_t until_ns = clock_ns(CLOCK_REALTIME) + patience_ns;
	struct timespec until = { (time_t)(until_ns / (1000 * MSEC)),
				  (long)(until_ns % (1000 * MSEC)) };

	if (patience_ns)
		pthread_cond_timedwait(&queue_filled, &queue_mutex, &until);
	else
		pthread_cond_wait(&queue_filled, &queue_mutex);
	NOT_A_TAIL_CALL;
}

NAMED bool consumer_wants(void)
{
	bool taken = false;

	pthread_mutex_lock(&queue_mutex);
	while (!queue_length && !queue_closed)
		MEASURED(&sync_tally, queue_wait());
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
	pthread_t threads[CONSUMERS];

	for (int i = 0; i < CONSUMERS; i++)
		threads[i] = begin_thread(consumer_thread, NULL);
	while (!time_is_up()) {
		pause_ns(patience_ns ? 12 * MSEC : 4 * MSEC);
		producer_puts();
	}
	pthread_mutex_lock(&queue_mutex);
	queue_closed = true;
	pthread_mutex_unlock(&queue_mutex);
	pthread_cond_broadcast(&queue_filled);
	for (int i = 0; i < CONSUMERS; i++)
		pthread_join(threads[i], NULL);
}

static void impatient_part(void)
{
	patience_ns = 5 * MSEC;
	condition_part();
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

static const struct part parts[] = {
	{ "condition", condition_part, &sync_tally }, { "impatient", impatient_part, &sync_tally },
	{ "semaphore", semaphore_part, &sync_tally }, { "vector", vector_part, &sync_tally },
	{ "barrier", barrier_part, &sync_tally },     { "join", join_part, &sync_tally },
};

int main(int argc, char **argv)
{
	return run_part(parts, sizeof(parts) / sizeof(parts[0]), argc, argv);
}
