/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/unnamed.h"

#include <stddef.h>

const char *unnamed_reason_name(enum unnamed_reason reason)
{
	static const char *const names[UNNAMED_COUNT] = {
#define X(name, help) [UNNAMED_##name] = #name,
		UNNAMED_REASONS(X)
#undef X
	};

	return (unsigned int)reason < UNNAMED_COUNT ? names[reason] : NULL;
}
