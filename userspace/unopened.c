/* SPDX-License-Identifier: Apache-2.0 */
#include "unopened.h"

#include <errno.h>
#include <stdlib.h>

#include <utlist.h>

#include "base/clock.h"
#include "process/executable.h"

#define PATIENCE_NS (2 * NS_PER_S)

struct unopened {
	uint32_t file_id;
	uint64_t give_up;
	struct unopened *prev, *next;
};

int unopened_add(struct unopened **list, uint32_t file_id, uint64_t time)
{
	struct unopened *u = calloc(1, sizeof(*u));

	if (!u)
		return -ENOMEM;
	u->file_id = file_id;
	u->give_up = time + PATIENCE_NS;
	DL_APPEND(*list, u);
	return 0;
}

void unopened_retry(struct unopened **list, struct executable_table *executables, uint64_t now,
		    void (*settled)(void *userdata, uint32_t file_id, struct executable *x),
		    void *userdata)
{
	struct unopened *u, *next;

	DL_FOREACH_SAFE(*list, u, next) {
		struct executable *x = executable_table_get(executables, u->file_id);
		uint32_t file_id = u->file_id;

		if (x && !x->readable)
			x = NULL;
		if (!x && now < u->give_up)
			continue;
		DL_DELETE(*list, u);
		free(u);
		settled(userdata, file_id, x);
	}
}

void unopened_free(struct unopened **list)
{
	struct unopened *u, *next;

	DL_FOREACH_SAFE(*list, u, next)
		free(u);
	*list = NULL;
}
