/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A terminal whose whole screen is used, with keys that are read as they are pressed. What was on
 * it before comes back with terminal_restore(), which is to be called on every way out.
 */
#pragma once

#include <stdbool.h>
#include <termios.h>

struct terminal {
	bool taken;
	bool keys; /* standard input is a terminal too */
	struct termios before;
};

/* Standard output must be a terminal. */
void terminal_take(struct terminal *t);
void terminal_restore(struct terminal *t);
/* Rows and columns of standard output; 24 and 80 if it does not know. */
void terminal_size(unsigned int *ret_rows, unsigned int *ret_columns);
/* A key that was pressed, 0 if none was. */
int terminal_key(const struct terminal *t);
