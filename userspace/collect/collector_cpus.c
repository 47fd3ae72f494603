/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/collector_cpus.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fileio.h"

#define ONLINE_PATH   "/sys/devices/system/cpu/online"
#define POSSIBLE_PATH "/sys/devices/system/cpu/possible"
#define LIST_MAX_SIZE 65536

static int parse_number(const char **text, unsigned long *ret)
{
	char *end;

	if (**text < '0' || **text > '9')
		return -EINVAL;
	*ret = strtoul(*text, &end, 10);
	if (*ret >= COLLECTOR_MAX_CPUS)
		return -EINVAL;
	*text = end;
	return 0;
}

int collector_cpus_parse(const char *text, struct collector_cpus *ret)
{
	struct collector_cpus set = { 0 };
	unsigned long first, last, i;

	while (*text && *text != '\n') {
		if (parse_number(&text, &first))
			return -EINVAL;
		last = first;
		if (*text == '-') {
			text++;
			if (parse_number(&text, &last) || last < first)
				return -EINVAL;
		}
		for (i = first; i <= last; i++)
			set.words[i / 64] |= 1ULL << (i % 64);
		if (*text == ',')
			text++;
		else if (*text && *text != '\n')
			return -EINVAL;
	}
	*ret = set;
	return 0;
}

unsigned int collector_cpus_end(const struct collector_cpus *set)
{
	unsigned int cpu = COLLECTOR_MAX_CPUS;

	while (cpu > 0 && !collector_cpus_has(set, cpu - 1))
		cpu--;
	return cpu;
}

static int read_list(const char *path, struct collector_cpus *ret)
{
	_cleanup_free_ char *text = NULL;
	int err;

	err = file_read(AT_FDCWD, path, LIST_MAX_SIZE, &text, NULL);
	return err ? err : collector_cpus_parse(text, ret);
}

int collector_cpus_online(struct collector_cpus *ret)
{
	return read_list(ONLINE_PATH, ret);
}

int collector_cpus_possible(struct collector_cpus *ret)
{
	return read_list(POSSIBLE_PATH, ret);
}
