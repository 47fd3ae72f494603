/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages for people, on stderr: one line per problem that says what, where and what to do. With
 * the journal on the other end (JOURNAL_STREAM) each line carries its priority as "<N>".
 *
 * A cause that lasts is told when it begins and when it is over, not each time in between.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <syslog.h>

void log_open(void);
void log_message(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)	 log_message(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_message(LOG_WARNING, __VA_ARGS__)
#define log_notice(...)	 log_message(LOG_NOTICE, __VA_ARGS__)
#define log_info(...)	 log_message(LOG_INFO, __VA_ARGS__)

/* Whether stderr is a terminal: a person is watching. */
bool log_is_terminal(void);

struct log_cause {
	uint64_t times; /* since it began; 0 = all is well */
};

/* It happened: true if that is news. */
static inline bool log_begins(struct log_cause *c)
{
	return c->times++ == 0;
}

/* It did not happen this time: how often it had happened if that is over now, else 0. */
static inline uint64_t log_ends(struct log_cause *c)
{
	uint64_t times = c->times;

	c->times = 0;
	return times;
}
