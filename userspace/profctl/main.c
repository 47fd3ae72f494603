/* SPDX-License-Identifier: Apache-2.0 */
/* profctl: the command line of libprofd. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "profctl/arguments.h"
#include "profctl/profctl.h"

static int (*const runs[])(const struct arguments *a) = {
	[VERB_RECORD] = record_run, [VERB_TOP] = top_run,	[VERB_LIST] = list_run,
	[VERB_STATUS] = status_run, [VERB_DOCTOR] = doctor_run, [VERB_VERSION] = version_run,
	[VERB_HELP] = help_run,
};

int version_run(const struct arguments *a)
{
	(void)a;
	puts("profctl " PROFD_VERSION);
	return PROFCTL_OK;
}

int help_run(const struct arguments *a)
{
	enum verb verb;

	if (a->topic && arguments_verb(a->topic, &verb) == 0)
		arguments_help_verb(stdout, verb);
	else
		arguments_help(stdout);
	return PROFCTL_OK;
}

int main(int argc, char **argv)
{
	_cleanup_(arguments_done)
	struct arguments a = {};
	struct error e = {};
	int status;

	if (arguments_parse(argc, argv, &a, &e) < 0) {
		complain("%s", e.text);
		return PROFCTL_USAGE;
	}
	if (a.help && a.verb != VERB_HELP) {
		arguments_help_verb(stdout, a.verb);
		status = PROFCTL_OK;
	} else {
		status = runs[a.verb](&a);
	}
	if (fflush(stdout) != 0 || ferror(stdout)) {
		complain("cannot write to standard output: %s", strerror(errno));
		return status ? status : PROFCTL_FAILED;
	}
	return status;
}
