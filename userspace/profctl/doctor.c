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

static void check_version(const char *status, struct preflight_result *r)
{
	char version[128];

	r->name = "daemon version";
	if (text_value(status, "version", version, sizeof(version)) < 0)
		strcpy(version, "unknown");
	snprintf(r->found, sizeof(r->found), "%s", version);
	if (strcmp(version, PROFD_VERSION) == 0)
		return;
	r->status = PREFLIGHT_WARN;
	snprintf(r->remedy, sizeof(r->remedy),
		 "profctl is %s: restart the daemon, or install both from one build",
		 PROFD_VERSION);
}

/* What the hook of its waits is, and why not a better one; the trial above may have another. */
static void check_waits(const char *status, struct preflight_result *r)
{
	char rate[64] = "", hook[32] = "none", why[160] = "";

	r->name = "daemon waits";
	text_value(status, "block_rate", rate, sizeof(rate));
	text_value(status, "wait_hook", hook, sizeof(hook));
	text_value(status, "wait_hook_reason", why, sizeof(why));
	if (strcmp(hook, "none") != 0) {
		snprintf(r->found, sizeof(r->found), "a stack per %s of waiting, taken by %s%s%s%s",
			 rate, hook, *why ? " (" : "", why, *why ? ")" : "");
		return;
	}
	/* Without a reason it was told so: block_rate=0. */
	r->status = *why ? PREFLIGHT_WARN : PREFLIGHT_OK;
	snprintf(r->found, sizeof(r->found), "not sampled%s%s", *why ? ": " : " (block_rate=0)",
		 why);
}

#define DAEMON_RESULTS 4

static size_t check_daemon(const char *socket, struct preflight_result ret[DAEMON_RESULTS])
{
	_cleanup_(client_freep)
	struct client *client = NULL;
	_cleanup_free_ char *status = NULL;
	struct error e = {};
	struct reply reply;

	memset(ret, 0, DAEMON_RESULTS * sizeof(*ret));
	if (check_connection(socket, &ret[0]) < 0 || client_new(socket, &client, &e) < 0)
		return 1;
	check_health(client, &ret[1]);
	if (client_get(client, "/status", &reply, &e) < 0) {
		ret[2].name = "daemon status";
		ret[2].status = PREFLIGHT_WARN;
		snprintf(ret[2].found, sizeof(ret[2].found), "%.255s", e.text);
		return 3;
	}
	status = reply.body;
	check_version(status, &ret[2]);
	check_waits(status, &ret[3]);
	return DAEMON_RESULTS;
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
