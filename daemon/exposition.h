/* SPDX-License-Identifier: Apache-2.0 */
/* The text format of Prometheus: one HELP, one TYPE, then the samples, for each metric. */
#pragma once

#include <stdint.h>
#include <stdio.h>

/* "# HELP" and "# TYPE" of profd_NAME; counters get the suffix _total. */
void exposition_counter(FILE *f, const char *name, const char *help);
void exposition_gauge(FILE *f, const char *name, const char *help);

/* A sample of the metric above. @label may be NULL; @label_value is escaped. */
void exposition_counter_value(FILE *f, const char *name, const char *label, const char *label_value,
			      uint64_t value);
void exposition_gauge_value(FILE *f, const char *name, const char *label, const char *label_value,
			    double value);

/* All lines of a metric that has one sample. */
void exposition_single_counter(FILE *f, const char *name, const char *help, uint64_t value);
void exposition_single_gauge(FILE *f, const char *name, const char *help, double value);
/* A counter of seconds, whose @name ends with that, from ns. */
void exposition_seconds(FILE *f, const char *name, const char *help, uint64_t ns);
