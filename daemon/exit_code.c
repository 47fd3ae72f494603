/* SPDX-License-Identifier: Apache-2.0 */
#include "exit_code.h"

#include <errno.h>

enum exit_code exit_code_of_error(int error)
{
	switch (error < 0 ? -error : error) {
	case 0:
		return EXIT_CODE_OK;
	case EPERM:
	case EACCES:
		return EXIT_CODE_RIGHTS;
	case EOPNOTSUPP: /* ENOTSUP has the same number */
	case ENOSYS:
		return EXIT_CODE_KERNEL;
	case ERANGE:
	case EINVAL:
		return EXIT_CODE_USAGE;
	case EADDRINUSE:
	case EBUSY:
		return EXIT_CODE_BUSY;
	case EEXIST:
	case EROFS:
	case ENOSPC:
	case ENOTDIR:
		return EXIT_CODE_DIRECTORY;
	default:
		return EXIT_CODE_RUNTIME;
	}
}
