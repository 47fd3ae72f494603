/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/jit_programs.h"

#include <stdlib.h>
#include <string.h>

void jit_programs_count(struct jit_programs *p, const char *path)
{
	for (size_t i = 0; i < p->n; i++)
		if (strcmp(p->list[i].path, path) == 0) {
			p->list[i].frames++;
			return;
		}
	if (p->n == JIT_PROGRAMS_MAX)
		return;
	p->list[p->n] = (struct jit_program){ .path = strdup(path), .frames = 1 };
	if (p->list[p->n].path)
		p->n++;
}

void jit_programs_done(struct jit_programs *p)
{
	while (p->n > 0)
		free(p->list[--p->n].path);
}
