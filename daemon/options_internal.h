/* SPDX-License-Identifier: Apache-2.0 */
/* The table of options, shared by what reads, sets, prints and reloads them. */
#pragma once

#include "options.h"
#include "units.h"

enum option_type {
	OPTION_ADDRESSES, /* a list of ADDR:PORT */
	OPTION_PATH,	  /* absolute, or empty */
	OPTION_PATHS,	  /* several, separated by ':' */
	OPTION_URLS,	  /* of HTTP, separated by spaces */
	OPTION_CHOICE,	  /* one of the words in .choices */
	OPTION_NUMBER,
	OPTION_SIZE,
	OPTION_DURATION,
	OPTION_BOOL,
};

struct option_row {
	const char *key;
	enum option_type type;
	size_t offset;	     /* in struct options */
	uint64_t min, max;   /* numbers, sizes and durations */
	uint64_t step;	     /* the value must be a multiple of it; 0 = any */
	const char *choices; /* of a duration: one word, which stands for OPTIONS_AUTO */
	const char *initial; /* as it would be written in the file */
	bool reloads;	     /* may change while profd runs */
	const char *help;
};

extern const struct option_row options_table[];
extern const size_t options_table_size;

/* Where the value of a row is. */
static inline void *option_member(const struct options *o, const struct option_row *row)
{
	return (char *)o + row->offset;
}

/* The value of an option that is no list, as it would be written in the file. */
const char *option_format(const struct options *o, const struct option_row *row,
			  char buffer[static UNITS_TEXT_LEN]);
/* A number of this type, as it would be written there. Returns @buffer. */
const char *option_format_number(enum option_type type, uint64_t value,
				 char buffer[static UNITS_TEXT_LEN]);
void options_clear_addresses(struct options *o);
