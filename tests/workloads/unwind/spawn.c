/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spawn SECONDS MODE: children that work without having called exec: fork, or vfork (in the memory
 * and on the stack of the parent); or that have, by posix_spawn ("posix"), and are "child"; or
 * threads, a thousand of them, a few at a time.
 */
#include <pthread.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>

#include "frames.h"

#define THREADS 1000

void child_leaf(void), thread_leaf(void), child_body(void), start_fork(void), start_vfork(void);
void *thread_body(void *argument);

NAMED void child_leaf(void)
{
	/* Many times what it costs to begin a process beside others that want the CPUs. */
	burn(UNIT * 150);
}

NAMED void thread_leaf(void)
{
	burn(UNIT * 10);
}

NAMED void child_body(void)
{
	child_leaf();
	NOT_A_TAIL_CALL;
}

NAMED void start_fork(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		child_body();
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

NAMED void start_vfork(void)
{
	pid_t pid = vfork();

	if (pid == 0) {
		child_body();
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

static void start_posix(char *path)
{
	char *const arguments[] = { path, (char[]){ "0" }, (char[]){ "child" }, NULL };
	pid_t pid;

	if (posix_spawn(&pid, path, NULL, NULL, arguments, NULL))
		exit(3);
	waitpid(pid, NULL, 0);
}

/* All live at the same time; each works once in a while, together a fraction of a CPU. */
NAMED void *thread_body(void *argument)
{
	while (!is_over()) {
		thread_leaf();
		usleep(4000000);
	}
	return argument;
}

static int threads(void)
{
	static pthread_t all[THREADS];
	pthread_attr_t small;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 65536);
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&all[i], &small, thread_body, NULL))
			return 3;
	for (int i = 0; i < THREADS; i++)
		pthread_join(all[i], NULL);
	return 0;
}

int main(int argc, char **argv)
{
	const char *mode = mode_argument(argc, argv);

	run_for(argc, argv);
	if (!strcmp(mode, "threads"))
		return threads();
	if (!strcmp(mode, "child"))
		for (int i = 0; i < 4; i++)
			child_body();
	while (!is_over()) {
		if (!strcmp(mode, "vfork"))
			start_vfork();
		else if (!strcmp(mode, "posix"))
			start_posix(argv[0]);
		else
			start_fork();
	}
	return 0;
}
