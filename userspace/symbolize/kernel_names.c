/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/kernel_names.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fileio.h"
#include "base/hash.h"
#include "base/search.h"
#include "symbolize/kallsyms.h"

#define MAX_DYNAMIC	 65536
#define UNKNOWN_SIZE_MAX ((uint64_t)64 << 10)
#define MAX_MODULES_FILE ((size_t)4 << 20)

/* Code that comes and goes. */
struct dynamic {
	uint64_t address, size;
	char *name;
	bool gone; /* named until its addresses are used again */
};

struct kernel_names {
	char *path, *modules_path;
	struct kallsyms kallsyms;
	bool read, lost;
	uint64_t checked_at;
	uint32_t modules;	 /* a hash of those that there were when kallsyms was read */
	struct dynamic *dynamic; /* sorted by address, not overlapping */
	uint32_t n_dynamic, allocated;
	size_t dynamic_bytes; /* of names */
};

int kernel_names_new(const char *kallsyms, const char *modules, struct kernel_names **ret)
{
	struct kernel_names *k = calloc(1, sizeof(*k));

	if (!k)
		return -ENOMEM;
	k->path = strdup(kallsyms);
	k->modules_path = strdup(modules);
	if (!k->path || !k->modules_path) {
		kernel_names_free(k);
		return -ENOMEM;
	}
	*ret = k;
	return 0;
}

struct kernel_names *kernel_names_free(struct kernel_names *k)
{
	if (!k)
		return NULL;
	for (uint32_t i = 0; i < k->n_dynamic; i++)
		free(k->dynamic[i].name);
	free(k->dynamic);
	kallsyms_done(&k->kallsyms);
	free(k->path);
	free(k->modules_path);
	free(k);
	return NULL;
}

/* The number of entries that begin at @address or below. */
static uint32_t dynamic_up_to(const struct kernel_names *k, uint64_t address)
{
	return SEARCH(k->n_dynamic, i, k->dynamic[i].address <= address);
}

static void dynamic_drop(struct kernel_names *k, uint32_t first, uint32_t end)
{
	for (uint32_t i = first; i < end; i++) {
		k->dynamic_bytes -= strlen(k->dynamic[i].name) + 1;
		free(k->dynamic[i].name);
	}
	memmove(&k->dynamic[first], &k->dynamic[end], (k->n_dynamic - end) * sizeof(*k->dynamic));
	k->n_dynamic -= end - first;
}

static void dynamic_drop_gone(struct kernel_names *k)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < k->n_dynamic; i++) {
		struct dynamic d = k->dynamic[i];

		if (d.gone) {
			k->dynamic_bytes -= strlen(d.name) + 1;
			free(d.name);
		} else {
			k->dynamic[kept++] = d;
		}
	}
	k->n_dynamic = kept;
}

static bool dynamic_has_room(struct kernel_names *k)
{
	uint32_t allocated = k->allocated ? k->allocated * 2 : 64;
	struct dynamic *p;

	if (k->n_dynamic >= MAX_DYNAMIC)
		dynamic_drop_gone(k);
	if (k->n_dynamic < k->allocated)
		return true;
	if (k->n_dynamic >= MAX_DYNAMIC)
		return false;
	p = reallocarray(k->dynamic, allocated, sizeof(*p));
	if (!p)
		return false;
	k->dynamic = p;
	k->allocated = allocated;
	return true;
}

/* What the new code overlaps is gone: cut if it begins before, dropped if it begins inside. */
static void dynamic_insert(struct kernel_names *k, uint64_t address, uint64_t size,
			   const char *name)
{
	uint32_t first, end;
	char *copy;

	if (!dynamic_has_room(k))
		return;
	copy = strdup(name);
	if (!copy)
		return;
	first = address > 0 ? dynamic_up_to(k, address - 1) : 0;
	if (first > 0 && k->dynamic[first - 1].size > address - k->dynamic[first - 1].address)
		k->dynamic[first - 1].size = address - k->dynamic[first - 1].address;
	end = size > 0 ? dynamic_up_to(k, address + size - 1) : first;
	dynamic_drop(k, first, end);
	memmove(&k->dynamic[first + 1], &k->dynamic[first],
		(k->n_dynamic - first) * sizeof(*k->dynamic));
	k->dynamic[first] = (struct dynamic){ .address = address, .size = size, .name = copy };
	k->n_dynamic++;
	k->dynamic_bytes += strlen(copy) + 1;
}

/* The name that kallsyms shows; a KSYMBOL record has it without the mark. */
static void mark_bpf(const char *name, char *ret, size_t size)
{
	snprintf(ret, size, "%s%s", name, strncmp(name, "bpf_", 4) == 0 ? " [bpf]" : "");
}

void kernel_names_add(struct kernel_names *k, uint64_t address, uint64_t size, const char *name)
{
	char text[512];

	if (size == 0 || size - 1 > UINT64_MAX - address)
		return;
	mark_bpf(name, text, sizeof(text));
	dynamic_insert(k, address, size, text);
}

void kernel_names_remove(struct kernel_names *k, uint64_t address)
{
	uint32_t i = dynamic_up_to(k, address);

	if (i > 0 && k->dynamic[i - 1].address == address)
		k->dynamic[i - 1].gone = true;
}

/* kallsyms tells no sizes: up to the next one. What an event told exactly is kept. */
static void add_from_kallsyms(void *userdata, uint64_t address, const char *name)
{
	struct kernel_names *k = userdata;
	uint32_t i = dynamic_up_to(k, address);
	uint64_t size = UNKNOWN_SIZE_MAX;
	char text[512];

	mark_bpf(name, text, sizeof(text));
	if (i > 0 && k->dynamic[i - 1].address == address) {
		if (strcmp(k->dynamic[i - 1].name, text) == 0) {
			k->dynamic[i - 1].gone = false;
			return;
		}
		size = MIN(size, k->dynamic[i - 1].size);
	}
	if (i < k->n_dynamic)
		size = MIN(size, k->dynamic[i].address - address);
	dynamic_insert(k, address, MIN(size, UINT64_MAX - address), text);
}

/*
 * Who is loaded where: of each line ("ext4 995328 1 - Live 0xffffffffc0300000") all but how often a
 * module is used, and by whom.
 */
static uint32_t hash_modules(const char *path)
{
	_cleanup_free_ char *text = NULL;
	char *line, *rest = NULL;
	uint32_t hash = 0;

	if (file_read(AT_FDCWD, path, MAX_MODULES_FILE, &text, NULL) < 0)
		return 0;
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		char *word, *words = NULL;
		int i = 0;

		for (word = strtok_r(line, " ", &words); word; word = strtok_r(NULL, " ", &words))
			if (++i != 3 && i != 4)
				hash = hash * 31 + hash_bytes(word, strlen(word));
	}
	return hash;
}

static void read_all(struct kernel_names *k, uint32_t modules)
{
	struct kallsyms fresh;

	k->read = true;
	k->lost = false;
	k->modules = modules;
	if (k->path[0] == '\0' || kallsyms_read(k->path, add_from_kallsyms, k, &fresh) < 0)
		return;
	kallsyms_done(&k->kallsyms);
	k->kallsyms = fresh;
}

static void keep_current(struct kernel_names *k, uint64_t now)
{
	uint32_t modules;

	if (k->read && now - k->checked_at < KERNEL_NAMES_REREAD_NS)
		return;
	k->checked_at = now;
	/* First: one that is loaded in between is seen the next time. */
	modules = hash_modules(k->modules_path);
	if (!k->read || k->lost || modules != k->modules)
		read_all(k, modules);
}

static const char *find(const struct kernel_names *k, uint64_t address)
{
	uint32_t i = dynamic_up_to(k, address);

	if (i > 0 && address - k->dynamic[i - 1].address < k->dynamic[i - 1].size)
		return k->dynamic[i - 1].name;
	return kallsyms_find(&k->kallsyms, address);
}

const char *kernel_names_find(struct kernel_names *k, uint64_t address, uint64_t now)
{
	keep_current(k, now);
	return find(k, address);
}

void kernel_names_range(struct kernel_names *k, uint64_t now, uint64_t *ret_start,
			uint64_t *ret_end)
{
	keep_current(k, now);
	*ret_start = k->kallsyms.text_start;
	*ret_end = k->kallsyms.text_end;
}

void kernel_names_lost(struct kernel_names *k)
{
	k->lost = true;
}

void kernel_names_scheduler(struct kernel_names *k, uint64_t now, uint64_t *ret_start,
			    uint64_t *ret_end)
{
	keep_current(k, now);
	*ret_start = k->kallsyms.scheduler_start;
	*ret_end = k->kallsyms.scheduler_end;
}

uint32_t kernel_names_count(const struct kernel_names *k)
{
	return k->kallsyms.n_text + k->n_dynamic;
}

size_t kernel_names_memory(const struct kernel_names *k)
{
	return sizeof(*k) + k->kallsyms.n * sizeof(struct kallsyms_entry) + k->kallsyms.names_size +
	       k->allocated * sizeof(*k->dynamic) + k->dynamic_bytes;
}
