/* SPDX-License-Identifier: Apache-2.0 */
/*
 * launcher COUNT PROGRAM-A PROGRAM-B MILLISECONDS: runs the two programs in turns, COUNT processes
 * in all, two at a time. Prints one line for each: "child PID A|B CPU_US".
 */
#include <spawn.h>
#include <sys/wait.h>

#include "burn.h"

static char which[1 << 22]; /* by pid: pid_max is at most this */

static void reap(void)
{
	struct rusage u;
	pid_t pid = wait4(-1, NULL, 0, &u);

	if (pid > 0)
		printf("child %d %c %lld\n", pid, which[pid],
		       (long long)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 +
			       u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

int main(int argc, char **argv)
{
	int count = argc == 5 ? atoi(argv[1]) : 0;

	for (int i = 0; i < count; i++) {
		char *arguments[] = { argv[2 + i % 2], argv[4], NULL };
		pid_t pid;

		if (posix_spawn(&pid, arguments[0], NULL, NULL, arguments, environ))
			return 1;
		which[pid] = (char)('A' + i % 2);
		if (i > 0)
			reap();
	}
	reap();
	print_usage();
	return 0;
}
