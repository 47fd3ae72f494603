/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/collector_system.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/capability.h>

#include "base/cleanup.h"
#include "base/fileio.h"

#define SMALL_FILE 4096

static void cap_freep(cap_t *caps)
{
	if (*caps)
		cap_free(*caps);
}

int collector_system_number(const char *path, long *ret)
{
	_cleanup_free_ char *text = NULL;
	char *end;
	long number;
	int err;

	err = file_read(AT_FDCWD, path, SMALL_FILE, &text, NULL);
	if (err)
		return err;
	number = strtol(text, &end, 10);
	if (end == text)
		return -EINVAL;
	*ret = number;
	return 0;
}

static bool is_effective(int capability)
{
	_cleanup_(cap_freep)
	cap_t caps = cap_get_proc();
	cap_flag_value_t value = CAP_CLEAR;

	if (!caps || cap_get_flag(caps, capability, CAP_EFFECTIVE, &value))
		return false;
	return value == CAP_SET;
}

bool collector_system_has_capability(int capability)
{
	if ((capability == CAP_BPF || capability == CAP_PERFMON) && is_effective(CAP_SYS_ADMIN))
		return true;
	return is_effective(capability);
}

void collector_system_missing(char *text, size_t size)
{
	bool bpf = collector_system_has_capability(CAP_BPF);
	bool perfmon = collector_system_has_capability(CAP_PERFMON);

	snprintf(text, size, "%s%s%s", bpf ? "" : "CAP_BPF", !bpf && !perfmon ? " and " : "",
		 perfmon ? "" : "CAP_PERFMON");
}

bool collector_system_is_confidential(void)
{
	_cleanup_free_ char *text = NULL;

	if (file_read(AT_FDCWD, "/sys/kernel/security/lockdown", SMALL_FILE, &text, NULL))
		return false;
	return strstr(text, "[confidentiality]") != NULL;
}
