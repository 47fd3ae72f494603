/* SPDX-License-Identifier: Apache-2.0 */
/* profctl doctor: what this machine and these rights allow, and how the daemon is. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "collect/preflight.h"
#include "profctl/arguments.h"
#include "profctl/client.h"
#include "profctl/profctl.h"
#include "profctl/text.h"

DEFINE_CLEANUP(struct client *, client_free);

static void print_result(const struct preflight_result *r)
{
	static const char *const words[] = {
		[PREFLIGHT_OK] = "ok",
		[PREFLIGHT_WARN] = "warn",
		[PREFLIGHT_FAIL] = "FAIL",
	};

	printf("%-4s  %-22s  %s\n", words[r->status], r->name, r->found);
	if (*r->remedy)
		printf("      %-22s  -> %s\n", "", r->remedy);
}

/* No daemon is no fault: root profiles without one. */
static int check_connection(const char *socket, struct preflight_result *r)
{
	int result = client_probe(socket);

	r->name = "daemon";
	r->status = result < 0 ? PREFLIGHT_WARN : PREFLIGHT_OK;
	if (result == 0) {
		snprintf(r->found, sizeof(r->found), "listens at %.200s", socket);
	} else if (result == -EACCES) {
		snprintf(r->found, sizeof(r->found), "no permission to connect to %.200s", socket);
		snprintf(r->remedy, sizeof(r->remedy), "run profctl as root, or join group profd");
	} else {
		snprintf(r->found, sizeof(r->found), "none at %.200s (%s)", socket,
			 strerror(-result));
		snprintf(r->remedy, sizeof(r->remedy),
			 "start profd; as root, profctl works without it");
	}
	return result;
}

static void check_health(struct client *c, struct preflight_result *r)
{
	struct error e = {};
	struct reply reply;

	r->name = "daemon health";
	if (client_get(c, "/healthz", &reply, &e) == 0) {
		free(reply.body);
		snprintf(r->found, sizeof(r->found), "it takes samples in");
		return;
	}
	r->status = PREFLIGHT_FAIL;
	snprintf(r->found, sizeof(r->found), "%.255s", e.text);
	snprintf(r->remedy, sizeof(r->remedy), "look at its log: journalctl -u profd");
}

static void check_version(struct client *c, struct preflight_result *r)
{
	_cleanup_free_ char *body = NULL;
	struct error e = {};
	char version[128];
	struct reply reply;

	r->name = "daemon version";
	if (client_get(c, "/status", &reply, &e) < 0) {
		r->status = PREFLIGHT_WARN;
		snprintf(r->found, sizeof(r->found), "%.255s", e.text);
		return;
	}
	body = reply.body;
	if (text_value(body, "version", version, sizeof(version)) < 0)
		strcpy(version, "unknown");
	snprintf(r->found, sizeof(r->found), "%s", version);
	if (strcmp(version, PROFD_VERSION) == 0)
		return;
	r->status = PREFLIGHT_WARN;
	snprintf(r->remedy, sizeof(r->remedy),
		 "profctl is %s: restart the daemon, or install both from one build",
		 PROFD_VERSION);
}

#define DAEMON_RESULTS 3

static size_t check_daemon(const char *socket, struct preflight_result ret[DAEMON_RESULTS])
{
	_cleanup_(client_freep)
	struct client *client = NULL;
	struct error e = {};

	memset(ret, 0, DAEMON_RESULTS * sizeof(*ret));
	if (check_connection(socket, &ret[0]) < 0 || client_new(socket, &client, &e) < 0)
		return 1;
	check_health(client, &ret[1]);
	check_version(client, &ret[2]);
	return 3;
}

int doctor_run(const struct arguments *a)
{
	struct preflight_result results[PREFLIGHT_MAX_RESULTS + DAEMON_RESULTS];
	size_t n = preflight_run(results), failed = 0, warned = 0;

	n += check_daemon(a->socket, results + n);
	for (size_t i = 0; i < n; i++) {
		print_result(&results[i]);
		failed += results[i].status == PREFLIGHT_FAIL;
		warned += results[i].status == PREFLIGHT_WARN;
	}
	if (failed || warned)
		printf("\n%zu to mend, %zu to know of\n", failed, warned);
	else
		puts("\nAll is well");
	return failed ? PROFCTL_FAILED : PROFCTL_OK;
}
