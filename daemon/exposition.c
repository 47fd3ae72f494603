/* SPDX-License-Identifier: Apache-2.0 */
#include "exposition.h"

#include <inttypes.h>

#include "base/clock.h"

/* In HELP a backslash and a newline are escaped, in label values the quote too. */
static void print_escaped(FILE *f, const char *text, int quote)
{
	for (; *text; text++) {
		if (*text == '\n') {
			fputs("\\n", f);
			continue;
		}
		if (*text == '\\' || *text == quote)
			fputc('\\', f);
		fputc(*text, f);
	}
}

static void describe(FILE *f, const char *name, const char *suffix, const char *type,
		     const char *help)
{
	fprintf(f, "# HELP profd_%s%s ", name, suffix);
	print_escaped(f, help, '\\');
	fprintf(f, "\n# TYPE profd_%s%s %s\n", name, suffix, type);
}

void exposition_counter(FILE *f, const char *name, const char *help)
{
	describe(f, name, "_total", "counter", help);
}

void exposition_gauge(FILE *f, const char *name, const char *help)
{
	describe(f, name, "", "gauge", help);
}

static void print_name(FILE *f, const char *name, const char *suffix, const char *label,
		       const char *label_value)
{
	fprintf(f, "profd_%s%s", name, suffix);
	if (label) {
		fprintf(f, "{%s=\"", label);
		print_escaped(f, label_value, '"');
		fputs("\"}", f);
	}
	fputc(' ', f);
}

void exposition_counter_value(FILE *f, const char *name, const char *label, const char *label_value,
			      uint64_t value)
{
	print_name(f, name, "_total", label, label_value);
	fprintf(f, "%" PRIu64 "\n", value);
}

void exposition_gauge_value(FILE *f, const char *name, const char *label, const char *label_value,
			    double value)
{
	print_name(f, name, "", label, label_value);
	fprintf(f, "%.17g\n", value);
}

void exposition_single_counter(FILE *f, const char *name, const char *help, uint64_t value)
{
	exposition_counter(f, name, help);
	exposition_counter_value(f, name, NULL, NULL, value);
}

void exposition_single_gauge(FILE *f, const char *name, const char *help, double value)
{
	exposition_gauge(f, name, help);
	exposition_gauge_value(f, name, NULL, NULL, value);
}

void exposition_seconds(FILE *f, const char *name, const char *help, uint64_t ns)
{
	exposition_counter(f, name, help);
	print_name(f, name, "_total", NULL, NULL);
	fprintf(f, "%llu.%09llu\n", ns / NS_PER_S, ns % NS_PER_S);
}
