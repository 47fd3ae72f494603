/* SPDX-License-Identifier: Apache-2.0 */
#include "profctl/signals.h"

#include <errno.h>
#include <sys/signalfd.h>
#include <unistd.h>

int signals_block(struct signals *ret)
{
	struct signals s;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &set, &s.before) < 0)
		return -errno;
	s.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s.fd < 0) {
		int r = -errno;

		sigprocmask(SIG_SETMASK, &s.before, NULL);
		return r;
	}
	*ret = s;
	return 0;
}

int signals_take(struct signals *s)
{
	struct signalfd_siginfo info;

	if (read(s->fd, &info, sizeof(info)) != sizeof(info))
		return 0;
	return (int)info.ssi_signo;
}

void signals_done(struct signals *s)
{
	if (s->fd < 0)
		return;
	close(s->fd);
	s->fd = -1;
	sigprocmask(SIG_SETMASK, &s->before, NULL);
}
