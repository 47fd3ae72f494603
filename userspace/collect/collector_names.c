/* SPDX-License-Identifier: Apache-2.0 */
/* The words of abi.h. */
#include "base/cleanup.h"
#include "collect/collector.h"

static const struct {
	const char *name, *help;
} counters[] = {
#define X(counter, text) [ABI_COUNTER_##counter] = { #counter, text },
	ABI_COUNTERS(X)
#undef X
};

const char *collector_counter_name(unsigned int counter)
{
	return counter < ARRAY_SIZE(counters) ? counters[counter].name : NULL;
}

const char *collector_counter_help(unsigned int counter)
{
	return counter < ARRAY_SIZE(counters) ? counters[counter].help : NULL;
}

const char *collector_wait_hook_name(unsigned int hook)
{
	static const char *const names[] = {
#define X(name, help) #name,
		ABI_WAIT_HOOKS(X)
#undef X
	};

	return hook < ABI_WAIT_HOOKS_COUNT ? names[hook] : NULL;
}
