/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /debug/pprof/symbol: names for addresses. Without a prefix they are kernel addresses; with
 * /pid/N they are addresses in that process, looked up through its mappings. What has no name is
 * left out. It never fails: pprof gives up its whole report if this answers anything but 200.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "http_request.h"
#include "http_select.h"
#include "manager.h"
#include "profile/sample.h"

/* Where the kernel's half of the address space begins, on 64-bit machines. */
#define KERNEL_HALF (1ULL << 63)

/* Makes a frame of a user address; false if nothing is known there. */
static bool find_user_frame(struct http_request *r, struct process *process, uint64_t address,
			    struct frame *ret)
{
	struct profiler *p = r->manager->profiler;
	struct process_mapping mapping;
	struct executable *x;

	if (process_table_mapping(profiler_processes(p), process->tgid, process->start_boottime,
				  address, &mapping) < 0) {
		*ret = (struct frame){ .kind = FRAME_ADDRESS, .address = address };
		return true;
	}
	if (!mapping.path)
		return false;
	x = executable_table_find(profiler_executables(p), &mapping);
	if (!x)
		return false;
	*ret = (struct frame){ .kind = FRAME_FILE,
			       .address = address - mapping.start + mapping.offset,
			       .executable = x };
	return true;
}

/* False if it has no name, or not for this client. */
static bool find_frame(struct http_request *r, struct process *process, uint64_t address,
		       struct frame *ret)
{
	*ret = (struct frame){ .kind = FRAME_KERNEL, .address = address };
	/* Where the kernel lies is not for everybody. */
	if (address >= KERNEL_HALF)
		return r->access.everything;
	return process && find_user_frame(r, process, address, ret);
}

struct symbol_query {
	struct http_request *request;
	struct process *process; /* NULL = there is none, or none that may be seen */
	struct wanted_frame *wanted;
	size_t n;
	FILE *page;
};

/* There is room for as many as the text can have. */
static void want_symbol(struct symbol_query *q, uint64_t address)
{
	struct wanted_frame *w = &q->wanted[q->n];

	w->process = q->process;
	q->n += find_frame(q->request, q->process, address, &w->frame);
}

static void print_symbol(struct symbol_query *q, uint64_t address)
{
	struct symbolizer *symbolizer = profiler_symbolizer(q->request->manager->profiler);
	struct symbol symbols[SYMBOL_MAX_INLINED];
	struct frame frame;
	size_t n;

	if (!find_frame(q->request, q->process, address, &frame))
		return;
	n = symbolizer_frame(symbolizer, &frame, q->process, symbols, ARRAY_SIZE(symbols));
	if (n > 0 && !symbols[n - 1].unnamed)
		fprintf(q->page, "0x%" PRIx64 " %s\n", address, symbols[n - 1].name);
}

/* An address with its base by prefix, as Go reads it; false if it is none. */
static bool parse_address(const char *text, size_t length, uint64_t *ret)
{
	char copy[72], *end;

	if (length == 0 || length >= sizeof(copy) || *text < '0' || *text > '9')
		return false;
	memcpy(copy, text, length);
	copy[length] = '\0';
	errno = 0;
	*ret = strtoull(copy, &end, 0);
	return errno == 0 && *end == '\0';
}

static void each_address(struct symbol_query *q, const char *text,
			 void (*visit)(struct symbol_query *q, uint64_t address))
{
	while (*text) {
		size_t length = strcspn(text, "+");
		uint64_t address;

		if (parse_address(text, length, &address))
			visit(q, address);
		text += length + (text[length] == '+');
	}
}

/* The process of the prefix, if there is one, it lives, and the client may see it. */
static struct process *find_process(struct http_request *r)
{
	struct selection s;
	const char *bad;
	uint32_t pid;

	if (r->route.selector == HTTP_SELECT_NONE || http_selection(&r->route, "", &s, &bad) < 0)
		return NULL;
	pid = http_select_first(r, &s);
	selection_done(&s);
	if (pid == 0 || !access_allows(&r->access, pid))
		return NULL;
	return process_table_find(profiler_processes(r->manager->profiler), pid);
}

/* Names are asked for together, before the first is printed. */
static void print_symbols(struct symbol_query *q, const char *text)
{
	struct symbolizer *symbolizer = profiler_symbolizer(q->request->manager->profiler);

	q->wanted = calloc(strlen(text) / 2 + 1, sizeof(*q->wanted));
	if (q->wanted) {
		each_address(q, text, want_symbol);
		symbolizer_prepare(symbolizer, q->wanted, q->n, 0);
		free(q->wanted);
	}
	each_address(q, text, print_symbol);
	symbolizer_trim(symbolizer);
}

void http_symbol(struct http_request *r)
{
	struct symbol_query q = { .request = r, .process = find_process(r) };
	struct http_page page;

	q.page = http_page_open(&page);
	if (!q.page)
		return;
	fputs("num_symbols: 1\n", q.page);
	print_symbols(&q, r->is_post ? r->body : r->query);
	http_page_send(r, &page, HTTP_TEXT);
}
