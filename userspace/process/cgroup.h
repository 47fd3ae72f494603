/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a cgroup's path says: the systemd unit and the container that its processes belong to. Pure
 * functions over the path.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define CGROUP_NAME_MAX 256 /* bytes, NUL included: of a unit (UNIT_NAME_MAX) or a container */

/*
 * The unit by the rules of sd_pid_get_unit(3): the first component below the slices. Processes of a
 * user's own manager belong to the system's unit user@UID.service. False if there is none.
 */
bool cgroup_unit(const char *path, char ret_unit[CGROUP_NAME_MAX]);

/*
 * The id of the innermost container: the 64 hexadecimal digits that Docker, containerd, CRI-O and
 * Podman put into their cgroups' names; for LXC and systemd-nspawn the machine's name.
 */
bool cgroup_container(const char *path, char ret_container[CGROUP_NAME_MAX]);

/*
 * Finds the path of the cgroup in the text of a /proc/PID/cgroup: the hierarchy of systemd
 * (name=systemd) if there is one, else the unified one (0::). " (deleted)" is taken off. False if
 * there is none or it does not fit.
 */
bool cgroup_of_proc(const char *text, char *ret_path, size_t size);
