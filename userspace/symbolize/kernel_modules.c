/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/kernel_modules.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fileio.h"
#include "base/search.h"
#include "elf/debug_identity.h"
#include "elf/elf_image.h"
#include "elf/relocations.h"
#include "process/debug_file.h"
#include "process/executable.h"

#define MAX_LIST       ((size_t)4 << 20)
#define MAX_PATHS      ((size_t)16 << 20) /* of modules.dep */
#define MAX_SMALL_FILE ((size_t)64 << 10)
#define MAX_MODULES    4096U
#define MAX_NAME       64U /* of a module: MODULE_NAME_LEN of the kernel is 56 */
#define MAX_SECTIONS   16U
/* Files that are held open. */
#define MAX_FILES 128U

/* A section with code, where the loader has put it. */
struct section {
	uint64_t address, size;
	uint32_t index; /* in the file */
};

struct module {
	char name[MAX_NAME];
	uint64_t base; /* its lowest code */
	bool seen;     /* in the list that is being read */
	uint64_t retry_at;
	int fd;
	struct section sections[MAX_SECTIONS];
	uint32_t n_sections;
	struct executable executable; /* readable = the file was found */
};

struct kernel_modules {
	struct vmlinux_search search;
	const char *list;
	uint64_t retry_ns, look_at;
	struct module **modules; /* by rising base */
	uint32_t n, n_files;
};

int kernel_modules_new(const struct vmlinux_search *search, const char *list, uint64_t retry_ns,
		       struct kernel_modules **ret)
{
	struct kernel_modules *k = calloc(1, sizeof(*k));

	if (!k)
		return -ENOMEM;
	k->search = *search;
	k->list = list;
	k->retry_ns = retry_ns;
	*ret = k;
	return 0;
}

static struct module *module_free(struct kernel_modules *k, struct module *m)
{
	if (!m)
		return NULL;
	if (m->executable.lines)
		m->executable.lines_free(m->executable.lines);
	k->n_files -= m->fd >= 0;
	closep(&m->fd);
	free(m->executable.path);
	free(m);
	return NULL;
}

struct kernel_modules *kernel_modules_free(struct kernel_modules *k)
{
	if (!k)
		return NULL;
	for (uint32_t i = 0; i < k->n; i++)
		module_free(k, k->modules[i]);
	free(k->modules);
	free(k);
	return NULL;
}

static uint32_t first_not_below(const struct kernel_modules *k, uint64_t base)
{
	return SEARCH(k->n, i, k->modules[i]->base < base);
}

static void insert(struct kernel_modules *k, uint32_t at, const char *name, uint64_t base)
{
	struct module *m = calloc(1, sizeof(*m)), **bigger;

	bigger = m ? reallocarray(k->modules, k->n + 1U, sizeof(*bigger)) : NULL;
	if (bigger)
		k->modules = bigger;
	if (m)
		m->fd = -1;
	if (!bigger || asprintf(&m->executable.path, "[%s]", name) < 0) {
		free(m);
		return;
	}
	snprintf(m->name, sizeof(m->name), "%s", name);
	m->base = base;
	m->seen = true;
	memmove(&k->modules[at + 1], &k->modules[at], (k->n - at) * sizeof(struct module *));
	k->modules[at] = m;
	k->n++;
}

/* "ext4 995328 1 mbcache,jbd2, Live 0xffffffffc0300000"; the address is 0 for who may not see it.
 */
static void take_line(struct kernel_modules *k, const char *line)
{
	const char *at = strrchr(line, 'x');
	size_t length = strcspn(line, " ");
	uint64_t base = at ? strtoull(at + 1, NULL, 16) : 0;
	char name[MAX_NAME];
	uint32_t i = first_not_below(k, base);

	if (base == 0 || length == 0 || length >= sizeof(name) || memchr(line, '/', length) ||
	    line[0] == '.' || k->n >= MAX_MODULES)
		return;
	memcpy(name, line, length);
	name[length] = '\0';
	if (i < k->n && k->modules[i]->base == base && strcmp(k->modules[i]->name, name) == 0)
		k->modules[i]->seen = true;
	else
		insert(k, i, name, base);
}

static void drop_gone(struct kernel_modules *k)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < k->n; i++)
		if (k->modules[i]->seen)
			k->modules[kept++] = k->modules[i];
		else
			module_free(k, k->modules[i]);
	k->n = kept;
}

void kernel_modules_look(struct kernel_modules *k, uint64_t now)
{
	_cleanup_free_ char *text = NULL;
	char *line, *rest = NULL;

	if (now < k->look_at)
		return;
	k->look_at = now + KERNEL_MODULES_REREAD_NS;
	if (file_read(AT_FDCWD, k->list, MAX_LIST, &text, NULL) < 0)
		return;
	for (uint32_t i = 0; i < k->n; i++)
		k->modules[i]->seen = false;
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		take_line(k, line);
	drop_gone(k);
}

static int read_told(const struct kernel_modules *k, const struct module *m, const char *what,
		     char **ret, size_t *ret_size)
{
	char path[PATH_MAX];

	if ((size_t)snprintf(path, sizeof(path), "%s/sys/module/%s/%s", k->search.root, m->name,
			     what) >= sizeof(path))
		return -ENOENT;
	return file_read(AT_FDCWD, path, MAX_SMALL_FILE, ret, ret_size);
}

/* Where a section is in memory; 0 = nowhere, or it is not ours to know. */
static uint64_t section_address(const struct kernel_modules *k, const struct module *m,
				const char *name)
{
	_cleanup_free_ char *text = NULL;
	char path[NAME_MAX];

	/* It is freed when the module has begun, and what comes there is another's. */
	if (strncmp(name, ".init", 5) == 0 || strchr(name, '/') ||
	    (size_t)snprintf(path, sizeof(path), "sections/%s", name) >= sizeof(path) ||
	    read_told(k, m, path, &text, NULL) < 0)
		return 0;
	return strtoull(text, NULL, 16);
}

static int read_sections(const struct kernel_modules *k, struct module *m, int fd)
{
	_cleanup_(elf_image_done)
	struct elf_image image = { .fd = -1 };
	int r = elf_image_open(fd, &image);

	if (r == 0)
		r = image.header.e_type == ET_REL ? image.sections_error : -ENOEXEC;
	if (r < 0)
		return r;
	m->n_sections = 0;
	/* A debug file keeps their headers, not their content. */
	for (uint32_t i = 1; i < image.n_sections && m->n_sections < MAX_SECTIONS; i++) {
		const Elf64_Shdr *s = &image.sections[i];
		uint64_t address = 0;

		if (s->sh_flags & SHF_EXECINSTR && s->sh_name < image.names_size &&
		    s->sh_size < RELOCATABLE_SPACE)
			address = section_address(k, m, image.names + s->sh_name);
		if (address > 0)
			m->sections[m->n_sections++] = (struct section){ address, s->sh_size, i };
	}
	return m->n_sections > 0 ? 0 : -ENOENT;
}

struct attempt {
	const struct kernel_modules *modules;
	struct module *module;
	struct debug_identity identity;
};

static bool has_dwarf(int fd)
{
	_cleanup_(elf_image_done)
	struct elf_image image = { .fd = -1 };

	return elf_image_open(fd, &image) == 0 && elf_image_section(&image, ".debug_info");
}

static int try_file(int fd, void *userdata)
{
	struct attempt *a = userdata;

	if (!debug_identity_fits(&a->identity, fd) || !has_dwarf(fd) ||
	    read_sections(a->modules, a->module, fd) < 0)
		return -ENOENT;
	a->module->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return a->module->fd < 0 ? -errno : 0;
}

/* Behind the ".ko" of "kernel/fs/nls/nls-base.ko.xz", if that is the module nls_base; else NULL. */
static const char *end_of_path(const char *path, size_t length, const char *name)
{
	const char *slash = memrchr(path, '/', length), *end = path + length;
	const char *at = slash ? slash + 1 : path;

	for (; *name; at++, name++)
		if (at >= end || (*at == '-' ? '_' : *at) != *name)
			return NULL;
	return end - at >= 3 && memcmp(at, ".ko", 3) == 0 ? at + 3 : NULL;
}

/* The path in modules.dep, without what tells how the file is compressed. */
static int find_path(const struct kernel_modules *k, const struct module *m, char ret[PATH_MAX])
{
	_cleanup_free_ char *text = NULL;
	char file[PATH_MAX];

	snprintf(file, sizeof(file), "%s/lib/modules/%s/modules.dep", k->search.root,
		 k->search.release);
	if (file_read(AT_FDCWD, file, MAX_PATHS, &text, NULL) < 0)
		return -ENOENT;
	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		const char *end = end_of_path(line, strcspn(line, ":\n"), m->name);

		if (end && line[0] != '/')
			return (size_t)snprintf(ret, PATH_MAX, "lib/modules/%s/%.*s",
						k->search.release, (int)(end - line),
						line) < PATH_MAX
				       ? 0
				       : -ENOENT;
	}
	return -ENOENT;
}

static int find_file(struct kernel_modules *k, struct module *m)
{
	const struct debug_file_search by_build_id = {
		.directories = k->search.directories,
		.root = k->search.root,
		.path = "",
		.debuginfod = k->search.debuginfod,
	};
	struct attempt a = { .modules = k, .module = m };
	_cleanup_free_ char *notes = NULL;
	char path[PATH_MAX];
	const char *const names[] = { path };
	size_t size;
	int r = read_told(k, m, "notes/.note.gnu.build-id", &notes, &size);

	if (r < 0)
		return r;
	a.identity.build_id_size = (uint32_t)build_id_of_notes(notes, size, a.identity.build_id);
	if (a.identity.build_id_size == 0)
		return -ENOENT;
	r = find_path(k, m, path);
	if (r == 0)
		r = vmlinux_each(&k->search, names, 1, try_file, &a);
	return r == -ENOENT ? debug_file_each(&a.identity, &by_build_id, try_file, &a) : r;
}

static struct module *module_at(const struct kernel_modules *k, uint64_t address)
{
	uint32_t i = SEARCH(k->n, m, k->modules[m]->base <= address);

	return i > 0 ? k->modules[i - 1] : NULL;
}

struct executable *kernel_modules_of(struct kernel_modules *k, uint64_t address, uint64_t now,
				     uint64_t *ret_address)
{
	struct module *m = module_at(k, address);

	if (!m)
		return NULL;
	if (m->fd < 0 && now > 0 && now >= m->retry_at && k->n_files < MAX_FILES) {
		m->retry_at = now + k->retry_ns;
		m->executable.readable = find_file(k, m) == 0;
		k->n_files += m->fd >= 0;
	}
	for (uint32_t i = 0; m->fd >= 0 && i < m->n_sections; i++) {
		const struct section *s = &m->sections[i];

		if (address < s->address || address - s->address >= s->size)
			continue;
		*ret_address = RELOCATABLE_ADDRESS(s->index, address - s->address);
		return &m->executable;
	}
	return NULL;
}

int kernel_modules_open(const struct kernel_modules *k, const struct executable *x)
{
	for (uint32_t i = 0; i < k->n; i++)
		if (x == &k->modules[i]->executable)
			return k->modules[i]->fd;
	return -ENOENT;
}

void kernel_modules_look_again(struct kernel_modules *k)
{
	for (uint32_t i = 0; i < k->n; i++)
		k->modules[i]->retry_at = 0;
}
