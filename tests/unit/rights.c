/* SPDX-License-Identifier: Apache-2.0 */
#include "rights.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "collect/collector_system.h"
#include "collect/preflight.h"
#include "skip.h"

void needs_bpf(void)
{
	char missing[64];

	collector_system_missing(missing, sizeof(missing));
	if (*missing)
		skip_because("%s", missing);
	if (access(COLLECTOR_BTF_PATH, R_OK))
		skip_because("the kernel has no BTF");
}
