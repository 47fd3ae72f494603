/* SPDX-License-Identifier: Apache-2.0 */
#include "profctl/child.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "profctl/profctl.h"

/* The child's side: between fork() and exec only what is safe there. */
static _Noreturn void run(char *const argv[], const sigset_t *mask, int gate, int result)
{
	int number;
	char byte;

	if (read(gate, &byte, 1) != 1)
		_exit(PROFCTL_COMMAND_FAILED);
	sigprocmask(SIG_SETMASK, mask, NULL);
	execvp(argv[0], argv);
	number = errno;
	(void)!write(result, &number, sizeof(number));
	_exit(number == ENOENT ? PROFCTL_COMMAND_NOT_FOUND : PROFCTL_COMMAND_NOT_EXECUTABLE);
}

int child_start(char *const argv[], const sigset_t *mask, struct child *ret, struct error *e)
{
	int gate[2], result[2];
	pid_t pid;

	if (pipe2(gate, O_CLOEXEC) < 0)
		return error_set(e, errno, "cannot make a pipe: %s", strerror(errno));
	if (pipe2(result, O_CLOEXEC) < 0) {
		error_set(e, errno, "cannot make a pipe: %s", strerror(errno));
		close(gate[0]);
		close(gate[1]);
		return -e->number;
	}
	pid = fork();
	if (pid == 0) {
		close(gate[1]);
		close(result[0]);
		run(argv, mask, gate[0], result[1]);
	}
	if (pid < 0)
		error_set(e, errno, "cannot start a process: %s", strerror(errno));
	close(gate[0]);
	close(result[1]);
	*ret = (struct child){
		.argv = argv,
		.pid = pid,
		.pidfd = -1,
		.gate = gate[1],
		.result = result[0],
	};
	if (pid < 0)
		return -e->number;
	ret->pidfd = pidfd_open(pid, 0);
	if (ret->pidfd < 0)
		return error_set(e, errno, "cannot watch process %d: %s", (int)pid,
				 strerror(errno));
	return 0;
}

int child_release(struct child *c, struct error *e)
{
	int number = 0;
	ssize_t n;

	if (c->gate < 0)
		return 0;
	n = write(c->gate, "", 1);
	close(TAKE_FD(c->gate));
	if (n == 1)
		do
			n = read(c->result, &number, sizeof(number));
		while (n < 0 && errno == EINTR);
	close(TAKE_FD(c->result));
	if (n == 0)
		return 0;
	if (!number)
		number = EIO;
	return error_set(e, number, "cannot run '%s': %s", c->argv[0], strerror(number));
}

int child_wait(struct child *c)
{
	int status;
	pid_t r;

	do
		r = waitpid(c->pid, &status, 0);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return PROFCTL_COMMAND_FAILED;
	c->pid = -1;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

void child_done(struct child *c)
{
	bool held = c->gate >= 0;

	if (c->gate >= 0)
		close(TAKE_FD(c->gate));
	if (c->result >= 0)
		close(TAKE_FD(c->result));
	if (c->pidfd >= 0)
		close(TAKE_FD(c->pidfd));
	if (held && c->pid > 0)
		child_wait(c);
}
