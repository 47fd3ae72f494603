/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The opener: a tiny process that keeps the right to open perf events when profd gives it up, for
 * CPUs that come online later. It knows two kinds of event, the sampling one and the side-band, and
 * refuses all else; it ends with profd.
 */
#pragma once

#include <stdbool.h>

#include <linux/perf_event.h>

struct opener;

/* Forks it and waits until it is confined; to be called while there are rights, and before anything
 * that a child must not hold. */
int opener_new(struct opener **ret);
struct opener *opener_free(struct opener *o);

/* A collector_open_fn; @userdata is the opener. A descriptor or -errno. */
int opener_open(void *userdata, const struct perf_event_attr *attr, int cpu);

/* Whether the event is one that the opener opens. */
bool opener_allows(const struct perf_event_attr *attr);
