/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Byte strings that many hold and that go away with their last holder: paths, cgroups. Equal ones
 * of one set are one object. (base/intern.h keeps what it has seen for ever; a machine that builds
 * software shows new paths for ever.)
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct shared_set;

struct shared {
	uint32_t size; /* of data, the NUL that is put behind it not counted */
	char data[];
};

/* NULL when out of memory. */
struct shared_set *shared_set_new(void);
/* What is still held stays with its holders. Accepts NULL; returns NULL. */
struct shared_set *shared_set_free(struct shared_set *set);
/* Bytes of memory in use. */
size_t shared_set_memory(const struct shared_set *set);

/* A reference to the string with these bytes, which are copied on first sight. NULL: no memory. */
struct shared *shared_get(struct shared_set *set, const void *data, size_t size);
/* Both accept NULL. unref returns NULL. */
struct shared *shared_ref(struct shared *s);
struct shared *shared_unref(struct shared *s);
