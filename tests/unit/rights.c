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

bool may_load_bpf(void)
{
	char missing[64];

	collector_system_missing(missing, sizeof(missing));
	if (!*missing && !access(COLLECTOR_BTF_PATH, R_OK))
		return true;
	print_message("skipped: %s\n", *missing ? missing : "no BTF");
	return false;
}
