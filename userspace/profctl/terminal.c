/* SPDX-License-Identifier: Apache-2.0 */
#include "profctl/terminal.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* The alternate screen of xterm and all that follow it; the cursor hidden. */
#define ENTER "\033[?1049h\033[?25l"
#define LEAVE "\033[?25h\033[?1049l"

void terminal_take(struct terminal *t)
{
	*t = (struct terminal){ .taken = true };
	if (tcgetattr(STDIN_FILENO, &t->before) == 0) {
		struct termios now = t->before;

		now.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		now.c_cc[VMIN] = 1;
		now.c_cc[VTIME] = 0;
		/* Stopped or ended by these, it would leave the screen as it is. */
		now.c_cc[VSUSP] = _POSIX_VDISABLE;
		now.c_cc[VQUIT] = _POSIX_VDISABLE;
		t->keys = tcsetattr(STDIN_FILENO, TCSANOW, &now) == 0;
	}
	fputs(ENTER, stdout);
	fflush(stdout);
}

void terminal_restore(struct terminal *t)
{
	if (!t->taken)
		return;
	t->taken = false;
	fputs(LEAVE, stdout);
	fflush(stdout);
	if (t->keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &t->before);
}

void terminal_size(unsigned int *ret_rows, unsigned int *ret_columns)
{
	struct winsize size = {};

	ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	*ret_rows = size.ws_row ? size.ws_row : 24;
	*ret_columns = size.ws_col ? size.ws_col : 80;
}

int terminal_key(const struct terminal *t)
{
	struct pollfd p = { STDIN_FILENO, POLLIN, 0 };
	unsigned char key;

	if (!t->keys || poll(&p, 1, 0) != 1)
		return 0;
	/* A terminal that is gone reads as an end of file. */
	return read(STDIN_FILENO, &key, 1) == 1 ? key : 'q';
}
