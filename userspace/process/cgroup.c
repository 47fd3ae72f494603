/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources of the rules: cgroup-util.c and unit-name.c of systemd (cg_path_get_unit, cg_skip_slices,
 * cg_unescape, unit_name_is_valid); the cgroup managers of runc, containerd, CRI-O, Podman and LXC.
 */
#include "process/cgroup.h"

#include <string.h>

#include "base/cleanup.h"

#define ID_LENGTH 64
#define DELETED	  " (deleted)"

/* A part of a path between slashes. */
struct component {
	const char *text;
	size_t length;
};

/* Takes the next component off *@path; false at its end. */
static bool next_component(const char **path, struct component *ret)
{
	*path += strspn(*path, "/");
	ret->text = *path;
	ret->length = strcspn(*path, "/");
	*path += ret->length;
	return ret->length > 0;
}

static bool starts_with(struct component c, const char *prefix)
{
	return c.length >= strlen(prefix) && memcmp(c.text, prefix, strlen(prefix)) == 0;
}

static bool ends_with(struct component c, const char *suffix)
{
	size_t n = strlen(suffix);

	return c.length >= n && memcmp(c.text + c.length - n, suffix, n) == 0;
}

static bool equals(struct component c, const char *text)
{
	return c.length == strlen(text) && starts_with(c, text);
}

static struct component skip(struct component c, size_t n)
{
	return (struct component){ c.text + n, c.length - n };
}

static struct component cut(struct component c, const char *suffix)
{
	return (struct component){ c.text, c.length - strlen(suffix) };
}

static bool has_unit_type(struct component c)
{
	static const char *const types[] = { ".service", ".scope",     ".slice", ".socket",
					     ".mount",	 ".automount", ".swap",	 ".target",
					     ".timer",	 ".path",      ".device" };

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (ends_with(c, types[i]) && c.length > strlen(types[i]))
			return true;
	return false;
}

/* A unit that can have processes: a plain one or an instance, not a template. */
static bool is_unit(struct component c)
{
	static const char allowed[] = "0123456789abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ:-_.\\@";
	const char *at, *dot;

	if (c.length >= CGROUP_NAME_MAX || !has_unit_type(c))
		return false;
	for (size_t i = 0; i < c.length; i++)
		if (!strchr(allowed, c.text[i]))
			return false;
	dot = memrchr(c.text, '.', c.length);
	at = memchr(c.text, '@', c.length);
	if (dot == c.text || at == c.text)
		return false;
	return !at || at + 1 < dot;
}

/* systemd puts "_" before names that the kernel would take for a file of its own. */
static struct component unescape(struct component c)
{
	return starts_with(c, "_") ? skip(c, 1) : c;
}

static void copy(struct component c, char ret[CGROUP_NAME_MAX])
{
	memcpy(ret, c.text, c.length);
	ret[c.length] = '\0';
}

bool cgroup_unit(const char *path, char ret_unit[CGROUP_NAME_MAX])
{
	struct component c;

	while (next_component(&path, &c)) {
		c = unescape(c);
		if (!is_unit(c))
			return false;
		if (ends_with(c, ".slice"))
			continue;
		copy(c, ret_unit);
		return true;
	}
	return false;
}

static bool is_id(struct component c)
{
	if (c.length != ID_LENGTH)
		return false;
	for (size_t i = 0; i < c.length; i++)
		if (!memchr("0123456789abcdef", c.text[i], 16))
			return false;
	return true;
}

/*
 * ID, PREFIX-ID.scope (docker, cri-containerd, crio, libpod), or SLICE:cri-containerd:ID (the
 * systemd notation, taken literally by the cgroupfs driver). crio-conmon-ID.scope holds the monitor
 * of a container, which is not inside it.
 */
static bool container_id(struct component c, struct component *ret)
{
	struct component prefix;

	if (ends_with(c, ".scope"))
		c = cut(c, ".scope");
	if (c.length < ID_LENGTH)
		return false;
	prefix = (struct component){ c.text, c.length - ID_LENGTH };
	if (prefix.length > 0 &&
	    ((!ends_with(prefix, "-") && !ends_with(prefix, ":")) || ends_with(prefix, "conmon-")))
		return false;
	*ret = skip(c, prefix.length);
	return is_id(*ret);
}

/* lxc/NAME, lxc.payload/NAME, lxc.payload.NAME; systemd-nspawn@NAME.service, machine-NAME.scope. */
static bool machine_name(struct component parent, struct component c, struct component *ret)
{
	if (equals(parent, "lxc") || equals(parent, "lxc.payload"))
		*ret = c;
	else if (starts_with(c, "lxc.payload."))
		*ret = skip(c, strlen("lxc.payload."));
	else if (starts_with(c, "systemd-nspawn@") && ends_with(c, ".service"))
		*ret = cut(skip(c, strlen("systemd-nspawn@")), ".service");
	else if (equals(parent, "machine.slice") && starts_with(c, "machine-") &&
		 ends_with(c, ".scope"))
		*ret = cut(skip(c, strlen("machine-")), ".scope");
	else
		return false;
	return ret->length > 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* Copies with systemd's \xXX undone; what would be a control character stays escaped. */
static bool copy_unescaped(struct component c, char ret[CGROUP_NAME_MAX])
{
	size_t n = 0;

	if (c.length >= CGROUP_NAME_MAX)
		return false;
	for (size_t i = 0; i < c.length; i++) {
		if (c.length - i >= 4 && c.text[i] == '\\' && c.text[i + 1] == 'x' &&
		    hex_digit(c.text[i + 2]) >= 0 && hex_digit(c.text[i + 3]) >= 0) {
			int byte = hex_digit(c.text[i + 2]) * 16 + hex_digit(c.text[i + 3]);

			if (byte >= ' ' && byte < 0x7f) {
				ret[n++] = (char)byte;
				i += 3;
				continue;
			}
		}
		ret[n++] = c.text[i];
	}
	ret[n] = '\0';
	return true;
}

bool cgroup_container(const char *path, char ret_container[CGROUP_NAME_MAX])
{
	struct component c, parent = { path, 0 }, found;
	bool any = false;

	for (; next_component(&path, &c); parent = c)
		if (container_id(c, &found) || machine_name(parent, c, &found))
			any |= copy_unescaped(found, ret_container);
	return any;
}

/* The path of a line "ID:CONTROLLERS:PATH" if it is of the wanted hierarchy. */
static const char *path_of_line(const char *line, const char *hierarchy)
{
	const char *controllers = strchr(line, ':');

	if (!controllers)
		return NULL;
	if (strncmp(hierarchy, "0::", 3) == 0)
		return strncmp(line, "0::", 3) == 0 ? line + 3 : NULL;
	controllers++;
	if (strncmp(controllers, hierarchy, strlen(hierarchy)) != 0)
		return NULL;
	return controllers + strlen(hierarchy);
}

static const char *find_line(const char *text, const char *hierarchy)
{
	while (*text) {
		const char *path = path_of_line(text, hierarchy);
		size_t length = strcspn(text, "\n");

		if (path && *path == '/')
			return path;
		text += length + (text[length] == '\n');
	}
	return NULL;
}

bool cgroup_of_proc(const char *text, char *ret_path, size_t size)
{
	const char *path = find_line(text, "name=systemd:");
	size_t length;

	if (!path)
		path = find_line(text, "0::");
	if (!path)
		return false;
	length = strcspn(path, "\n");
	if (length > strlen(DELETED) &&
	    memcmp(path + length - strlen(DELETED), DELETED, strlen(DELETED)) == 0)
		length -= strlen(DELETED);
	if (length >= size)
		return false;
	memcpy(ret_path, path, length);
	ret_path[length] = '\0';
	return true;
}
