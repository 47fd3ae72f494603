/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of libraries of this system against another reader of call frame information: every
 * row that readelf prints must be what the table says for its address.
 */
#include "base/cleanup.h"
#include "elf/elf_image.h"
#include "unwind/table_builder.h"
#include "skip.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define MAX_COLUMNS 24

static const char *const register_names[] = { "rax", "rdx", "rcx", "rbx", "rsi", "rdi",
					      "rbp", "rsp", "r8",  "r9",  "r10", "r11",
					      "r12", "r13", "r14", "r15" };

struct comparison {
	struct elf_image image;
	struct unwind_table *table;
	char columns[MAX_COLUMNS][16]; /* what readelf put over the rows: LOC, CFA, rbx, ... ra */
	int n_columns;
	unsigned int rows, different;
};

static int split(char *line, char *words[MAX_COLUMNS])
{
	char *rest = NULL;
	int n = 0;

	for (char *w = strtok_r(line, " \n", &rest); w && n < MAX_COLUMNS;
	     w = strtok_r(NULL, " \n", &rest))
		if (w[0] != '(') /* "r3 (rbx)" is one column */
			words[n++] = w;
	return n;
}

static const char *column(const struct comparison *c, char *words[MAX_COLUMNS], int n,
			  const char *name)
{
	for (int i = 0; i < c->n_columns && i < n; i++)
		if (!strcmp(c->columns[i], name))
			return words[i];
	return NULL;
}

/* "c-16" is at the CFA minus 16; "u" and no column at all are the same value; else it is special.
 */
static bool place_agrees(const char *text, uint8_t place, int32_t offset)
{
	int expected;

	if (!text || !strcmp(text, "u") || !strcmp(text, "s"))
		return place == UNWIND_SAME || (text && place == UNWIND_UNKNOWN);
	if (sscanf(text, "c%d", &expected) == 1)
		return place == UNWIND_AT_CFA && offset == expected;
	return place != UNWIND_SAME;
}

static bool cfa_agrees(const char *text, const struct unwind_rule *rule)
{
	char reg[16];
	int offset;

	if (!strcmp(text, "exp"))
		return rule->cfa != UNWIND_CFA_GAP && rule->cfa != UNWIND_CFA_END;
	if (sscanf(text, "%15[a-z0-9]%d", reg, &offset) != 2)
		return false;
	return rule->cfa == UNWIND_CFA_REGISTER && rule->cfa_offset == offset &&
	       !strcmp(reg, register_names[rule->cfa_reg]);
}

static bool row_agrees(const struct comparison *c, char *words[MAX_COLUMNS], int n,
		       const struct unwind_rule *rule)
{
	const char *ra = column(c, words, n, "ra");

	if (ra && !strcmp(ra, "u"))
		return rule->cfa == UNWIND_CFA_END;
	/* A return address by an expression: a signal frame, or refused. */
	if (ra && strstr(ra, "exp"))
		return rule->cfa == UNWIND_CFA_SIGNAL || rule->cfa == UNWIND_CFA_UNSUPPORTED;
	if (rule->cfa == UNWIND_CFA_UNSUPPORTED)
		return true; /* counted elsewhere; never more than a few */
	return cfa_agrees(words[1], rule) &&
	       place_agrees(column(c, words, n, "rbp"), rule->bp, rule->bp_offset) &&
	       place_agrees(column(c, words, n, "rbx"), rule->bx, rule->bx_offset);
}

static void compare_row(struct comparison *c, char *line)
{
	char *words[MAX_COLUMNS], copy[512];
	const struct unwind_rule *rule;
	unsigned long long address;
	const Elf64_Phdr *p;
	int n;

	snprintf(copy, sizeof(copy), "%s", line);
	n = split(line, words);
	if (n < 2 || strlen(words[0]) != 16 || sscanf(words[0], "%llx", &address) != 1)
		return;
	p = elf_image_text_at(&c->image, address);
	assert_non_null(p);
	rule = unwind_table_find(c->table, address - p->p_vaddr + p->p_offset);
	c->rows++;
	if (row_agrees(c, words, n, rule))
		return;
	if (c->different++ < 5)
		print_message("# %s# cfa %d %s%+d, rbp %x%+d, rbx %x%+d\n", copy, rule->cfa,
			      register_names[rule->cfa_reg & 15], rule->cfa_offset, rule->bp,
			      rule->bp_offset, rule->bx, rule->bx_offset);
}

static void compare(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct comparison c = {};
	char command[256], line[512];
	bool in_rows = false;
	FILE *f;

	if (fd < 0)
		return;
	assert_int_equal(elf_image_open(fd, &c.image), 0);
	assert_int_equal(unwind_table_build(fd, -1, &c.table), 0);
	assert_int_equal(unwind_table_check(c.table, c.table->size), 0);
	snprintf(command, sizeof(command), "readelf -W -wF '%s' 2>/dev/null", path);
	f = popen(command, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		char *words[MAX_COLUMNS];

		if (strstr(line, "   LOC ")) {
			c.n_columns = split(line, words);
			for (int i = 0; i < c.n_columns; i++)
				snprintf(c.columns[i], sizeof(c.columns[i]), "%s", words[i]);
		} else if (strstr(line, " FDE ") || strstr(line, " CIE ")) {
			in_rows = strstr(line, " FDE ");
		} else if (in_rows && line[0] != '\n') {
			compare_row(&c, line);
		}
	}
	pclose(f);
	print_message("# %s: %u rows, %u different\n", path, c.rows, c.different);
	free(c.table);
	elf_image_done(&c.image);
	assert_true(c.rows > 100);
	assert_int_equal(c.different, 0);
}

static void test_libraries(void **state)
{
	static const char *const paths[] = {
		"/lib/x86_64-linux-gnu/libc.so.6",
		"/lib/x86_64-linux-gnu/libm.so.6",
		"/lib64/ld-linux-x86-64.so.2",
		"/usr/lib/x86_64-linux-gnu/libcrypto.so.3",
		"/usr/lib/x86_64-linux-gnu/libstdc++.so.6",
		"/bin/bash",
	};

	(void)state;
	if (system("readelf --version >/dev/null 2>&1"))
		skip_because("readelf is not installed");
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		compare(paths[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_libraries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
