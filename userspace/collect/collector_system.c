/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/collector_system.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/btf.h>
#include <sys/capability.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/fileio.h"

#define SMALL_FILE 4096

/* The inode of the initial pid namespace (PROC_PID_INIT_INO, include/linux/proc_ns.h). */
#define INITIAL_PID_NAMESPACE 0xEFFFFFFCU

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

bool collector_system_has_tracepoint(const char *name)
{
	struct btf *btf;
	char type[64];
	bool has;

	if (access(COLLECTOR_BTF_PATH, R_OK)) /* libbpf would complain for itself */
		return false;
	btf = btf__load_vmlinux_btf();
	if (!btf)
		return false;
	snprintf(type, sizeof(type), "btf_trace_%s", name);
	has = btf__find_by_name_kind(btf, type, BTF_KIND_TYPEDEF) > 0;
	btf__free(btf);
	return has;
}

/* "ADDRESS TYPE NAME\n" or "... NAME\t[MODULE]\n"; modules come last and are not meant. */
static bool is_function(const char *line, const char *name, char *ret, size_t size)
{
	size_t length = strlen(name), all;
	const char *found;
	char type;
	int at = 0;

	if (sscanf(line, "%*x %c %n", &type, &at) != 1 || !at || (type != 't' && type != 'T'))
		return false;
	found = line + at;
	all = strcspn(found, " \t\n");
	if (strncmp(found, name, length) != 0 || (all > length && found[length] != '.') ||
	    all >= size || found[all] == '\t')
		return false;
	memcpy(ret, found, all);
	ret[all] = '\0';
	return !strstr(ret, ".cold");
}

int collector_system_kernel_function(const char *name, char *ret, size_t size)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/kallsyms", "re");
	_cleanup_free_ char *line = NULL;
	size_t capacity = 0;

	if (!f)
		return -errno;
	while (getline(&line, &capacity, f) > 0) {
		if (is_function(line, name, ret, size))
			return 0;
	}
	return ferror(f) ? -EIO : -ENOENT;
}

int collector_system_is_container(void)
{
	struct stat st;

	if (stat("/proc/self/ns/pid", &st))
		return -errno;
	return st.st_ino != INITIAL_PID_NAMESPACE;
}

uint64_t collector_system_threads(void)
{
	_cleanup_free_ char *text = NULL;
	unsigned int threads = 0;

	if (!file_read(AT_FDCWD, "/proc/loadavg", SMALL_FILE, &text, NULL))
		sscanf(text, "%*s %*s %*s %*u/%u", &threads);
	return threads;
}
