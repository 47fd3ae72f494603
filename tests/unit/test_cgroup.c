/* SPDX-License-Identifier: Apache-2.0 */
/* Cgroup paths as systemd and the container managers make them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "process/cgroup.h"

#define ID   "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ID_2 "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"

static const struct {
	const char *path, *unit, *container; /* NULL = none */
} cases[] = {
	{ "", NULL, NULL },
	{ "/", NULL, NULL },
	{ "/init.scope", "init.scope", NULL },
	{ "/system.slice/nginx.service", "nginx.service", NULL },
	{ "/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service", NULL },
	{ "/system.slice/postgresql.service/worker", "postgresql.service", NULL },
	{ "/system.slice/boot-efi.mount", "boot-efi.mount", NULL },
	{ "/user.slice/user-1000.slice/session-2.scope", "session-2.scope", NULL },
	{ "/user.slice/user-1000.slice/user@1000.service/app.slice/foo.service",
	  "user@1000.service", NULL },
	/* Escaped: the name would be one of the kernel's own files, or begins with "_". */
	{ "/system.slice/_cpu.service", "cpu.service", NULL },
	{ "/system.slice/__x.service", "_x.service", NULL },
	{ "/_foo.slice/bar.service", "bar.service", NULL },
	/* Not units: a template, no name, a bad character, only slices. */
	{ "/system.slice/getty@.service", NULL, NULL },
	{ "/system.slice/@tty1.service", NULL, NULL },
	{ "/system.slice/.service", NULL, NULL },
	{ "/system.slice/a b.service", NULL, NULL },
	{ "/system.slice/plain", NULL, NULL },
	{ "/user.slice/user-1000.slice", NULL, NULL },
	{ "/foo/nginx.service", NULL, NULL },
	/* Containers. */
	{ "/system.slice/docker-" ID ".scope", "docker-" ID ".scope", ID },
	{ "/system.slice/docker-" ID ".scope/init", "docker-" ID ".scope", ID },
	{ "/docker/" ID, NULL, ID },
	{ "/docker/" ID "/docker/" ID_2, NULL, ID_2 },
	{ "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod1.slice/"
	  "cri-containerd-" ID ".scope",
	  "cri-containerd-" ID ".scope", ID },
	{ "/kubepods.slice/kubepods-pod1.slice/crio-" ID ".scope", "crio-" ID ".scope", ID },
	{ "/kubepods.slice/kubepods-pod1.slice/crio-conmon-" ID ".scope",
	  "crio-conmon-" ID ".scope", NULL },
	{ "/kubepods/burstable/pod12345678-1234-1234-1234-123456789012/" ID, NULL, ID },
	{ "/system.slice/containerd.service/kubepods-burstable-pod1.slice:cri-containerd:" ID,
	  "containerd.service", ID },
	{ "/machine.slice/libpod-" ID ".scope/container", "libpod-" ID ".scope", ID },
	{ "/machine.slice/libpod-conmon-" ID ".scope", "libpod-conmon-" ID ".scope", NULL },
	{ "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID ".scope",
	  "user@1000.service", ID },
	{ "/ecs/cluster/task/" ID, NULL, ID },
	{ "/lxc/web", NULL, "web" },
	{ "/lxc.payload.web/system.slice/nginx.service", NULL, "web" },
	{ "/lxc.payload/web", NULL, "web" },
	{ "/lxc.monitor.web", NULL, NULL },
	{ "/machine.slice/systemd-nspawn@web.service/payload", "systemd-nspawn@web.service",
	  "web" },
	{ "/machine.slice/machine-web\\x2done.scope", "machine-web\\x2done.scope", "web-one" },
	{ "/machine.slice/machine-a\\x0ab.scope", "machine-a\\x0ab.scope", "a\\x0ab" },
	{ "/system.slice/machine-web.scope", "machine-web.scope", NULL },
	/* Nearly ids. */
	{ "/docker/0123456789abcdef", NULL, NULL },
	{ "/docker/" ID "0", NULL, NULL },
	{ "/docker/g123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", NULL, NULL },
	{ "/system.slice/x" ID ".scope", "x" ID ".scope", NULL },
};

static void check(const char *path, const char *got, bool any, const char *expected)
{
	if (!expected && any)
		fail_msg("%s: \"%s\" instead of nothing", path, got);
	if (expected && (!any || strcmp(got, expected) != 0))
		fail_msg("%s: \"%s\" instead of \"%s\"", path, any ? got : "nothing", expected);
}

static void test_paths(void **state)
{
	char name[CGROUP_NAME_MAX];
	bool any;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		any = cgroup_unit(cases[i].path, name);
		check(cases[i].path, name, any, cases[i].unit);
		any = cgroup_container(cases[i].path, name);
		check(cases[i].path, name, any, cases[i].container);
	}
}

static void test_too_long(void **state)
{
	char path[600], name[CGROUP_NAME_MAX];

	(void)state;
	memset(path, 'a', sizeof(path));
	memcpy(path, "/lxc/", 5);
	memcpy(path + sizeof(path) - 9, ".service", 9);
	assert_false(cgroup_unit(path, name));
	assert_false(cgroup_container(path, name));
	memcpy(path, "/", 1);
	assert_false(cgroup_unit(path + 4, name));
	/* 255 bytes are the longest unit. */
	path[sizeof(path) - 256 - 1] = '/';
	assert_true(cgroup_unit(path + sizeof(path) - 256 - 1, name));
	assert_int_equal(strlen(name), 255);
}

static void test_proc(void **state)
{
	static const struct {
		const char *text, *path;
	} texts[] = {
		{ "0::/a.slice/b.service\n", "/a.slice/b.service" },
		{ "0::/\n", "/" },
		{ "0::/gone (deleted)\n", "/gone" },
		{ "12:memory:/m\n1:name=systemd:/init.scope\n0::/u\n", "/init.scope" },
		{ "12:memory:/m\n0::/u\n", "/u" },
		{ "0::/with:colon", "/with:colon" },
		{ "", NULL },
		{ "12:memory:/m\n", NULL },
		{ "0::relative\n", NULL },
		{ "nonsense", NULL },
		{ "10::/ten\n", NULL },
	};
	char path[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		bool any = cgroup_of_proc(texts[i].text, path, sizeof(path));

		check(texts[i].text, path, any, texts[i].path);
	}
	assert_false(cgroup_of_proc("0::/123\n", path, 4));
	assert_true(cgroup_of_proc("0::/123\n", path, 5));
}

static void test_damage(void **state)
{
	uint64_t seed = 3;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		char path[512], name[CGROUP_NAME_MAX];
		size_t length;

		strcpy(path, cases[hash_mix(++seed) % ARRAY_SIZE(cases)].path);
		length = strlen(path);
		for (int n = 0; n < 3 && length; n++) {
			uint64_t random = hash_mix(++seed);

			path[(random >> 8) % length] = (char)random;
		}
		if (cgroup_unit(path, name))
			assert_in_range(strlen(name), 1, CGROUP_NAME_MAX - 1);
		if (cgroup_container(path, name))
			assert_in_range(strlen(name), 1, CGROUP_NAME_MAX - 1);
		cgroup_of_proc(path, name, sizeof(name));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_proc),
		cmocka_unit_test(test_damage),
	};

	return cmocka_run_group_tests_name("cgroup", tests, NULL, NULL);
}
