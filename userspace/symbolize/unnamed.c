/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/unnamed.h"

#include <errno.h>
#include <stddef.h>

enum unnamed_reason unnamed_reason_of(int error)
{
	switch (error) {
	case -ENOENT:
		return UNNAMED_gone;
	case -EFBIG:
	case -ENOMEM:
		return UNNAMED_too_large;
	case -ECHILD:
	case -ETIME:
		return UNNAMED_parser_failed;
	default:
		return UNNAMED_refused;
	}
}

const char *unnamed_reason_name(enum unnamed_reason reason)
{
	static const char *const names[UNNAMED_COUNT] = {
#define X(name, help) [UNNAMED_##name] = #name,
		UNNAMED_REASONS(X)
#undef X
	};

	return (unsigned int)reason < UNNAMED_COUNT ? names[reason] : NULL;
}
