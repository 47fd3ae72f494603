/* SPDX-License-Identifier: Apache-2.0 */
/* Tests that cannot be done here say why: tests/run shows the line before the skipped case. */
#pragma once

#include <stdbool.h>

/* After <cmocka.h>. The reason is a format string and what it needs. */
#define skip_because(...)                                                                          \
	do {                                                                                       \
		print_message("skipped: " __VA_ARGS__);                                            \
		print_message("\n");                                                               \
		skip();                                                                            \
	} while (0)

/* With gcc's word for it, which builds by clang are given too. */
static inline bool is_sanitized(void)
{
#ifdef __SANITIZE_ADDRESS__
	return true;
#else
	return false;
#endif
}
