/* SPDX-License-Identifier: Apache-2.0 */
/* Defaults, what no single option shows, and what may change while profd runs. */
#include "options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "options_internal.h"

size_t options_count(void)
{
	return options_table_size;
}

const char *options_key(size_t option)
{
	return options_table[option].key;
}

int options_find(const char *key)
{
	for (size_t i = 0; i < options_table_size; i++)
		if (strcmp(options_table[i].key, key) == 0)
			return (int)i;
	return -1;
}

bool options_is_bool(int option)
{
	return options_table[option].type == OPTION_BOOL;
}

void options_clear_addresses(struct options *o)
{
	while (o->n_listen > 0)
		free(o->listen[--o->n_listen]);
}

int options_init(struct options *o, struct error *e)
{
	struct options_setter s = { .options = o, .layer = OPTIONS_DEFAULT };

	memset(o, 0, sizeof(*o));
	for (size_t i = 0; i < options_table_size; i++) {
		int r = options_set(&s, (int)i, options_table[i].initial, e);

		if (r < 0) {
			options_done(o);
			return r;
		}
	}
	return 0;
}

void options_done(struct options *o)
{
	options_clear_addresses(o);
	free(o->socket);
	free(o->directory);
	free(o->split);
	free(o->unwind_cache);
	free(o->preload);
	free(o->debug_directories);
	free(o->debuginfod_urls);
	free(o->debuginfod_cache);
	free(o->wait_hook);
	free(o->demangle);
	memset(o, 0, sizeof(*o));
}

int options_check(const struct options *o, struct error *e)
{
	for (uint32_t i = 0; i < o->n_listen && !o->insecure; i++) {
		struct address a;

		if (address_parse(o->listen[i], &a) == 0 && !address_is_loopback(&a))
			return error_set(
				e, EINVAL,
				"listen: %s can be reached from other machines, and anybody "
				"there could read profiles; listen on 127.0.0.1 or [::1], "
				"or set insecure=yes if that is meant",
				o->listen[i]);
	}
	if (*o->debuginfod_urls && !*o->debuginfod_cache)
		return error_set(e, EINVAL,
				 "debuginfod_cache: is empty, and what debuginfod_urls gives has "
				 "no place; name a directory");
	return 0;
}

static bool equal(const struct options *a, const struct options *b, const struct option_row *row)
{
	char x[UNITS_TEXT_LEN], y[UNITS_TEXT_LEN];

	if (row->type != OPTION_ADDRESSES)
		return strcmp(option_format(a, row, x), option_format(b, row, y)) == 0;
	if (a->n_listen != b->n_listen)
		return false;
	for (uint32_t i = 0; i < a->n_listen; i++)
		if (strcmp(a->listen[i], b->listen[i]) != 0)
			return false;
	return true;
}

/* Strings are exchanged: what @from holds afterwards is freed with it. */
static void exchange(struct options *o, struct options *from, const struct option_row *row)
{
	size_t size = row->type == OPTION_BOOL	   ? sizeof(bool)
		      : row->type == OPTION_NUMBER ? sizeof(uint32_t)
						   : sizeof(uint64_t);
	char saved[sizeof(uint64_t)];

	_Static_assert(sizeof(char *) <= sizeof(uint64_t), "strings are exchanged by pointer");
	memcpy(saved, option_member(o, row), size);
	memcpy(option_member(o, row), option_member(from, row), size);
	memcpy(option_member(from, row), saved, size);
}

void options_reload(struct options *o, struct options *from,
		    void (*changed)(const char *key, const char *value, void *userdata),
		    void (*refused)(const char *key, void *userdata), void *userdata)
{
	char buffer[UNITS_TEXT_LEN];

	for (size_t i = 0; i < options_table_size; i++) {
		const struct option_row *row = &options_table[i];

		if (equal(o, from, row))
			continue;
		if (!row->reloads) {
			refused(row->key, userdata);
			continue;
		}
		exchange(o, from, row);
		changed(row->key, option_format(o, row, buffer), userdata);
	}
}
