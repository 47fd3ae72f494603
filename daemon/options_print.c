/* SPDX-License-Identifier: Apache-2.0 */
/* Options as text: in the form of the file, and for --help. */
#include <inttypes.h>
#include <string.h>

#include "options_internal.h"

const char *option_format_number(enum option_type type, uint64_t value,
				 char buffer[static UNITS_TEXT_LEN])
{
	if (type == OPTION_SIZE)
		return units_format_size(value, buffer);
	if (type == OPTION_DURATION)
		return value == OPTIONS_AUTO ? "auto" : units_format_duration(value, buffer);
	snprintf(buffer, UNITS_TEXT_LEN, "%" PRIu64, value);
	return buffer;
}

const char *option_format(const struct options *o, const struct option_row *row,
			  char buffer[static UNITS_TEXT_LEN])
{
	const void *where = option_member(o, row);

	switch (row->type) {
	case OPTION_PATH:
	case OPTION_PATHS:
	case OPTION_URLS:
	case OPTION_CHOICE:
		return *(char *const *)where;
	case OPTION_BOOL:
		return *(const bool *)where ? "yes" : "no";
	case OPTION_NUMBER:
		return option_format_number(row->type, *(const uint32_t *)where, buffer);
	default:
		return option_format_number(row->type, *(const uint64_t *)where, buffer);
	}
}

/* Prints words with a prefix on every line, broken before column @width. */
static void print_wrapped(FILE *out, const char *prefix, const char *text, size_t width)
{
	size_t column = 0;

	for (const char *p = text; *p; p += strspn(p, " ")) {
		size_t n = strcspn(p, " ");

		if (column && column + 1 + n > width) {
			fputc('\n', out);
			column = 0;
		}
		if (!column)
			column = (size_t)fprintf(out, "%s", prefix);
		else
			column += (size_t)fprintf(out, " ");
		column += fwrite(p, 1, n, out);
		p += n;
	}
	fputc('\n', out);
}

void options_print(const struct options *o, const char *mark, FILE *out)
{
	char buffer[UNITS_TEXT_LEN];

	fprintf(out, "[Profd]\n");
	for (size_t i = 0; i < options_table_size; i++) {
		const struct option_row *row = &options_table[i];

		fputc('\n', out);
		print_wrapped(out, "# ", row->help, 80);
		if (row->type != OPTION_ADDRESSES) {
			fprintf(out, "%s%s=%s\n", mark, row->key, option_format(o, row, buffer));
			continue;
		}
		for (uint32_t k = 0; k < o->n_listen; k++)
			fprintf(out, "%s%s=%s\n", mark, row->key, o->listen[k]);
		if (o->n_listen == 0)
			fprintf(out, "%s%s=\n", mark, row->key);
	}
}

void options_print_help(FILE *out)
{
	static const char *const words[] = {
		[OPTION_ADDRESSES] = "ADDR:PORT", [OPTION_PATH] = "PATH", [OPTION_PATHS] = "PATHS",
		[OPTION_URLS] = "URLS",		  [OPTION_NUMBER] = "N",  [OPTION_SIZE] = "SIZE",
		[OPTION_DURATION] = "DURATION",	  [OPTION_BOOL] = "BOOL",
	};
	char indent[] = "      ";

	for (size_t i = 0; i < options_table_size; i++) {
		const struct option_row *row = &options_table[i];
		char flag[64];

		snprintf(flag, sizeof(flag), "%s", row->key);
		for (char *p = flag; *p; p++)
			if (*p == '_')
				*p = '-';
		fprintf(out, "  --%s=%s", flag,
			row->type == OPTION_CHOICE ? "WORD" : words[row->type]);
		if (row->type == OPTION_CHOICE)
			fprintf(out, " (%s)", row->choices);
		else if (row->choices)
			fprintf(out, " (or %s)", row->choices);
		fprintf(out, "   default: %s\n", row->initial[0] ? row->initial : "empty");
		print_wrapped(out, indent, row->help, 79);
	}
}
