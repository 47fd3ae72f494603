/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be set, from one table (options.c): key, type, range, default and help of every option.
 * The configuration file, the flags, --help, --print-config and their messages all come from it.
 *
 * What is set later wins: defaults, then the file, then the flags. A list is replaced as a whole by
 * the first value that a file or the flags give; an empty value leaves it empty.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"

#define OPTIONS_DEFAULT_FILE "/etc/profd/profd.conf"
#define OPTIONS_MAX_LISTEN   16
#define OPTIONS_AUTO	     UINT64_MAX /* the word auto, for a number */

struct options {
	char *listen[OPTIONS_MAX_LISTEN];
	uint32_t n_listen;
	char *socket;	 /* "" = none */
	char *directory; /* "" = write no files */
	char *split;	 /* "none" or "process" */
	uint32_t sample_frequency;
	uint64_t window;	  /* ns */
	uint64_t rotate_interval; /* ns */
	uint64_t retain_bytes;
	uint64_t retain_age;		/* ns */
	uint64_t memory_budget;		/* bytes */
	uint64_t unwind_memory;		/* bytes */
	char *unwind_cache;		/* directory; "" = none */
	char *preload;			/* "all", "running" or "none" */
	char *demangle;			/* "templates", "full" or "none" */
	char *debug_directories;	/* separated by ':' */
	char *debuginfod_urls;		/* separated by spaces; "" = none */
	char *debuginfod_cache;		/* directory */
	uint64_t debuginfod_cache_size; /* bytes */
	uint64_t slice_bytes;		/* 0 = no slices */
	uint64_t block_rate;		/* ns; 0 = waits are not sampled; may be OPTIONS_AUTO */
	char *wait_hook;		/* "auto", or the name of an enum abi_wait_hook */
	bool wakers;
	bool insecure;
};

/* What set a value: a later layer replaces the lists of an earlier one. */
enum options_layer {
	OPTIONS_DEFAULT,
	OPTIONS_FILE,
	OPTIONS_FLAGS,
};

struct options_setter {
	struct options *options;
	enum options_layer layer;
	uint32_t lists_seen; /* bit i: this layer has set option i, a list */
};

/* Fills in the defaults. */
int options_init(struct options *o, struct error *e);
void options_done(struct options *o);

/* How many options there are; their keys; whether a flag of this name is a bool. */
size_t options_count(void);
const char *options_key(size_t option);
/* The option of a key, -1 if there is none. */
int options_find(const char *key);
bool options_is_bool(int option);

/* Sets one. The error names the key, the value and what is allowed, but not where it was read. */
int options_set(struct options_setter *s, int option, const char *value, struct error *e);
/* Reads a file. Errors begin with "FILE:LINE: ". A missing one is -ENOENT. */
int options_read_file(struct options_setter *s, const char *path, struct error *e);
/* What no single option shows: a listener beyond loopback that nobody called insecure. */
int options_check(const struct options *o, struct error *e);

/* In the form of the file, each option after its help; @mark is put before each "key=value". */
void options_print(const struct options *o, const char *mark, FILE *out);
/* The lines of --help for the options, at most 80 columns. */
void options_print_help(FILE *out);

/*
 * Moves from @from to @o what may change while running. Calls @refused for each option that
 * differs and may not, @changed for each that was taken over.
 */
void options_reload(struct options *o, struct options *from,
		    void (*changed)(const char *key, const char *value, void *userdata),
		    void (*refused)(const char *key, void *userdata), void *userdata);

/* Reads an INI text; options_read_file() is this with a file around it. For tests. */
int options_read_text(struct options_setter *s, const char *name, const char *text, size_t size,
		      struct error *e);
