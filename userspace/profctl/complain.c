/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "profctl/profctl.h"

void complain(const char *format, ...)
{
	va_list args;

	flockfile(stderr);
	fputs("profctl: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	funlockfile(stderr);
}

enum profctl_exit profctl_exit_code(int result)
{
	switch (-result) {
	case 0:
		return PROFCTL_OK;
	case ENOTCONN:
		return PROFCTL_NO_SOURCE;
	case ESRCH:
		return PROFCTL_NO_PROCESS;
	case ECANCELED:
		return PROFCTL_INTERRUPTED;
	default:
		return PROFCTL_FAILED;
	}
}
