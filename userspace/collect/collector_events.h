/* SPDX-License-Identifier: Apache-2.0 */
/* The perf events of one CPU: what they ask the kernel for, and what their errors mean. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "collect/collector.h"

struct collector_opener {
	collector_open_fn open; /* NULL = perf_event_open(2) itself */
	void *userdata;
};

/*
 * Opens the sampling event of @cpu with @program attached, running. Hardware cycles where the CPU
 * has them, else cpu-clock; @ret_hardware tells which. -ENODEV: the CPU is not online.
 */
int collector_events_open_sampling(const struct collector_opener *opener, int cpu,
				   uint32_t frequency, int program, bool *ret_hardware,
				   int *ret_fd);

/* Opens the side-band event of @cpu, whose buffer of @size bytes is to be mapped. */
int collector_events_open_sideband(const struct collector_opener *opener, int cpu, size_t size,
				   int *ret_fd);

/* -ERANGE with words if the kernel does not allow @frequency now. */
int collector_events_check_frequency(uint32_t frequency, struct error *e);

/* Explains @number (positive errno) of an open above: returns -@number. */
int collector_events_explain(int number, int cpu, struct error *e);
