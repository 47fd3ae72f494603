/* SPDX-License-Identifier: Apache-2.0 */
#include "rights.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/cleanup.h"
#include "base/fileio.h"

/* CAP_KILL: the process that parses executables is another user, and may have to be ended. */
static const cap_value_t kept[] = {
	CAP_BPF,	CAP_PERFMON,	     CAP_SYSLOG,
	CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH, CAP_CHECKPOINT_RESTORE,
	CAP_KILL,
};

void rights_raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* Keeps those of @wanted that are permitted; the bounding set is left, no_new_privs closes it. */
static int keep(const cap_value_t *wanted, size_t n)
{
	cap_t before = cap_get_proc(), after = cap_init();
	int r = 0;

	if (!before || !after)
		r = -ENOMEM;
	for (size_t i = 0; i < n && r == 0; i++) {
		cap_flag_value_t have = CAP_CLEAR;

		/* A kernel that does not know it: EINVAL, and it is not there. */
		if (cap_get_flag(before, wanted[i], CAP_PERMITTED, &have) < 0 || have != CAP_SET)
			continue;
		if (cap_set_flag(after, CAP_PERMITTED, 1, &wanted[i], CAP_SET) < 0 ||
		    cap_set_flag(after, CAP_EFFECTIVE, 1, &wanted[i], CAP_SET) < 0)
			r = -errno;
	}
	if (r == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = -errno;
	if (r == 0 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		r = -errno;
	if (r == 0 && cap_set_proc(after) < 0)
		r = -errno;
	if (before)
		cap_free(before);
	if (after)
		cap_free(after);
	return r;
}

int rights_drop(struct error *e)
{
	int r = keep(kept, ARRAY_SIZE(kept));

	if (r < 0)
		return error_set(e, -r, "rights cannot be given up: %s", strerror(-r));
	return 0;
}

int rights_perf_event_paranoid(void)
{
	_cleanup_free_ char *text = NULL;

	if (file_read(AT_FDCWD, "/proc/sys/kernel/perf_event_paranoid", 64, &text, NULL) < 0)
		return 2;
	return atoi(text);
}

int rights_drop_to_perf_events(void)
{
	cap_value_t wanted = rights_perf_event_paranoid() > 2 ? CAP_SYS_ADMIN : CAP_PERFMON;

	return keep(&wanted, 1);
}
