/* SPDX-License-Identifier: Apache-2.0 */
/* What the subcommands of profctl share: exit codes, and how a problem is said. */
#pragma once

#define PROFCTL_DEFAULT_SOCKET "/run/profd/profd.sock"

/* Documented in profctl(1). "record -- COMMAND" has the codes of env(1) on top of these. */
enum profctl_exit {
	PROFCTL_OK = 0,
	PROFCTL_FAILED = 1,	   /* it could not be done, or only in part */
	PROFCTL_USAGE = 2,	   /* the command line is wrong */
	PROFCTL_NO_SOURCE = 3,	   /* no daemon to ask, and no rights to collect */
	PROFCTL_NO_PROCESS = 4,	   /* the selection matches no process */
	PROFCTL_INTERRUPTED = 130, /* a second Ctrl-C: nothing was kept */
	/* record -- COMMAND */
	PROFCTL_COMMAND_FAILED = 125,	      /* instead of 1, 3 and 4 */
	PROFCTL_COMMAND_NOT_EXECUTABLE = 126, /* COMMAND is there but cannot be run */
	PROFCTL_COMMAND_NOT_FOUND = 127,
};

struct arguments;

int record_run(const struct arguments *a);
int top_run(const struct arguments *a);
int list_run(const struct arguments *a);
int status_run(const struct arguments *a);
int doctor_run(const struct arguments *a);
int version_run(const struct arguments *a);
int help_run(const struct arguments *a);

/* One line to stderr: "profctl: ", the text, a newline. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The exit code for 0 or -errno: ENOTCONN is no source, ESRCH no process, ECANCELED interrupted. */
enum profctl_exit profctl_exit_code(int result);
