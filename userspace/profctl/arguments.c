/* SPDX-License-Identifier: Apache-2.0 */
#include "profctl/arguments.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "collect/collector.h"
#include "profctl/arguments_table.h"
#include "profctl/profctl.h"

/* A whole number from @min to @max. */
static bool read_number(const char *text, unsigned long min, unsigned long max, uint32_t *ret)
{
	unsigned long value;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || *end || value < min || value > max)
		return false;
	*ret = (uint32_t)value;
	return true;
}

static int read_seconds(const char *text, struct arguments *a, struct error *e)
{
	double value;
	char *end;

	value = strtod(text, &end);
	/* strtod() also reads "inf", "0x1p3" and leading space. */
	if (strspn(text, "0123456789.") != strlen(text) || end == text || *end ||
	    !(value >= 0.001) || value > ARGUMENTS_MAX_SECONDS)
		return error_set(e, EINVAL, "--seconds '%s': wants seconds from 0.001 to %d", text,
				 ARGUMENTS_MAX_SECONDS);
	a->duration = (uint64_t)(value * (double)NS_PER_S + 0.5);
	return 0;
}

static bool selection_has_pid(const struct selection *s, uint32_t pid)
{
	for (size_t i = 0; i < s->n_pids; i++)
		if (s->pids[i] == pid)
			return true;
	return false;
}

static int read_pids(const char *text, struct arguments *a, struct error *e)
{
	_cleanup_free_ char *copy = strdup(text);
	struct selection *s = &a->selection;
	char *rest = copy, *word;

	if (!copy)
		return error_set(e, ENOMEM, "out of memory");
	while ((word = strsep(&rest, ","))) {
		uint32_t pid;

		if (!read_number(word, 1, INT_MAX, &pid))
			return error_set(e, EINVAL, "--pid '%s': wants process ids", text);
		if (selection_has_pid(s, pid))
			continue;
		if (s->n_pids == SELECTION_MAX_PIDS)
			return error_set(e, EINVAL,
					 "--pid '%s': more than %d processes; use --comm or --unit",
					 text, SELECTION_MAX_PIDS);
		s->pids[s->n_pids++] = pid;
	}
	return 0;
}

static int read_name(const char *option, const char *text, char **name, struct error *e)
{
	if (!*text)
		return error_set(e, EINVAL, "--%s '': wants a name", option);
	free(*name);
	*name = strdup(text);
	return *name ? 0 : error_set(e, ENOMEM, "out of memory");
}

static int read_types(const char *text, struct arguments *a, struct error *e)
{
	if (wanted_add(&a->wanted, text) < 0)
		return error_set(e, EINVAL, "--type '%s': wants cpu, block or mutex", text);
	if (a->verb == VERB_TOP && a->wanted.n > 1)
		return error_set(e, EINVAL, "--type '%s': top shows one at a time", text);
	return 0;
}

static int bad_word(const char *option, const char *word, void (*list)(char *text, size_t size),
		    struct error *e)
{
	char allowed[256];

	list(allowed, sizeof(allowed));
	return error_set(e, EINVAL, "--%s '%s': is none of: %s", option, word, allowed);
}

static int read_option(int letter, const char *text, struct arguments *a, struct error *e)
{
	char bad[32];
	uint32_t set;

	switch (letter) {
	case 'p':
		return read_pids(text, a, e);
	case 'c':
		return read_name("comm", text, &a->selection.comm, e);
	case 'u':
		return read_name("unit", text, &a->selection.unit, e);
	case OPTION_SECONDS:
		return read_seconds(text, a, e);
	case 'F':
		if (!read_number(text, 1, COLLECTOR_MAX_FREQUENCY, &a->frequency))
			return error_set(e, EINVAL, "--frequency '%s': wants 1 to %d Hz", text,
					 COLLECTOR_MAX_FREQUENCY);
		return 0;
	case 'n':
		if (!read_number(text, 0, 1000000, &a->lines))
			return error_set(e, EINVAL, "--lines '%s': wants a number from 0", text);
		if (!a->lines)
			a->lines = UINT32_MAX;
		return 0;
	case 'o':
		if (!*text)
			return error_set(e, EINVAL, "--output '': wants a file name");
		a->output = text;
		return 0;
	case OPTION_SOCKET:
		a->socket = text;
		return 0;
	case 't':
		return read_types(text, a, e);
	case OPTION_REASON:
		a->wanted.reasons = text;
		return wait_reasons_parse(text, &set, bad) == 0
			       ? 0
			       : bad_word("reason", bad, wait_list_reasons, e);
	case OPTION_LOCK:
		a->wanted.locks = text;
		return wait_locks_parse(text, &set, bad) == 0
			       ? 0
			       : bad_word("lock", bad, wait_list_locks, e);
	case OPTION_WAKERS:
		a->wanted.wakers = true;
		return 0;
	case OPTION_CUM:
		a->cumulative = true;
		return 0;
	case OPTION_ONCE:
		a->once = true;
		return 0;
	case OPTION_EXECUTABLES:
		a->executables = true;
		return 0;
	case OPTION_LOCAL:
		a->local = true;
		return 0;
	default:
		a->help = true;
		return 0;
	}
}

/* What getopt_long() wants, of the options of a verb. The string begins with "+:". */
static void getopt_tables(unsigned int verb_bits, char *letters, struct option *longs)
{
	letters = stpcpy(letters, "+:");
	for (size_t i = 0; i < ARGUMENTS_N_OPTIONS; i++) {
		if (!(arguments_options[i].verbs & verb_bits))
			continue;
		*longs++ = (struct option){
			.name = arguments_options[i].name,
			.has_arg = arguments_options[i].argument ? required_argument : no_argument,
			.val = arguments_options[i].letter,
		};
		if (arguments_options[i].letter >= OPTION_LOCAL)
			continue;
		*letters++ = (char)arguments_options[i].letter;
		if (arguments_options[i].argument)
			*letters++ = ':';
	}
	*letters = '\0';
	*longs = (struct option){};
}

static int read_options(int argc, char **argv, struct arguments *a, struct error *e)
{
	char letters[3 + 2 * ARGUMENTS_N_OPTIONS];
	struct option longs[ARGUMENTS_N_OPTIONS + 1];

	getopt_tables(VERB_BIT(a->verb), letters, longs);
	optind = 0; /* glibc: begin anew, also after another argv */
	opterr = 0;
	for (;;) {
		int r, letter = getopt_long(argc, argv, letters, longs, NULL);

		if (letter < 0)
			break;
		if (letter == ':')
			return error_set(e, EINVAL, "%s: wants a value", argv[optind - 1]);
		if (letter == '?' && optopt > 0 && optopt < OPTION_LOCAL &&
		    strncmp(argv[optind - 1], "--", 2) != 0)
			return error_set(e, EINVAL, "unknown option '-%c'; see 'profctl help %s'",
					 optopt, arguments_verb_name(a->verb));
		if (letter == '?' && optopt)
			return error_set(e, EINVAL, "'%s': takes no value", argv[optind - 1]);
		if (letter == '?')
			return error_set(e, EINVAL, "unknown option '%s'; see 'profctl help %s'",
					 argv[optind - 1], arguments_verb_name(a->verb));
		r = read_option(letter, optarg, a, e);
		if (r < 0)
			return r;
	}
	return optind;
}

/* What stands after the options. */
static int read_operands(int argc, char **argv, int first, struct arguments *a, struct error *e)
{
	bool dashes = first > 1 && strcmp(argv[first - 1], "--") == 0;

	if (a->verb == VERB_RECORD && dashes) {
		if (first == argc)
			return error_set(e, EINVAL, "'--': wants a program to start");
		a->command = argv + first;
		return 0;
	}
	if (a->verb == VERB_HELP && first < argc)
		a->topic = argv[first++];
	if (first < argc && a->verb == VERB_RECORD)
		return error_set(e, EINVAL, "'%s': unexpected; a program to start goes after --",
				 argv[first]);
	if (first < argc)
		return error_set(e, EINVAL, "'%s': unexpected; see 'profctl help %s'", argv[first],
				 arguments_verb_name(a->verb));
	return 0;
}

static int check_together(const struct arguments *a, struct error *e)
{
	bool about_waits = a->wanted.reasons || a->wanted.locks || a->wanted.wakers;
	enum verb topic;

	if (about_waits && !wanted_has_waits(&a->wanted))
		return error_set(e, EINVAL,
				 "--reason, --lock and --wakers are of waits; add --type block");
	if (a->output && strcmp(a->output, "-") == 0 && a->wanted.n > 1)
		return error_set(e, EINVAL, "--output -: takes one --type at a time");
	if (a->command && !selection_is_everything(&a->selection))
		return error_set(e, EINVAL,
				 "--pid, --comm and --unit cannot be used with a program to start");
	if (a->topic && arguments_verb(a->topic, &topic) < 0)
		return error_set(e, EINVAL, "'%s': no such command; see 'profctl help'", a->topic);
	return 0;
}

/*
 * Options before the verb: those that every verb has. Returns where the verb stands, or argc.
 */
static int read_globals(int argc, char **argv, struct arguments *a, struct error *e)
{
	static const struct option longs[] = {
		{ "socket", required_argument, NULL, OPTION_SOCKET },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, OPTION_VERSION },
		{},
	};

	optind = 0;
	opterr = 0;
	a->verb = VERB_HELP;
	for (;;) {
		int letter = getopt_long(argc, argv, "+:h", longs, NULL);

		if (letter < 0)
			return optind;
		if (letter == ':')
			return error_set(e, EINVAL, "%s: wants a value", argv[optind - 1]);
		if (letter == '?')
			return error_set(e, EINVAL,
					 "unknown option '%s' before a command; see 'profctl help'",
					 argv[optind > 1 ? optind - 1 : 1]);
		if (letter == OPTION_SOCKET)
			a->socket = optarg;
		else if (letter == OPTION_VERSION)
			a->verb = VERB_VERSION;
		else
			a->help = true;
	}
}

int arguments_parse(int argc, char **argv, struct arguments *ret, struct error *e)
{
	int verb_at, r;

	*ret = (struct arguments){ .socket = PROFCTL_DEFAULT_SOCKET };
	verb_at = read_globals(argc, argv, ret, e);
	if (verb_at < 0)
		return verb_at;
	if (verb_at == argc) {
		if (ret->help || ret->verb == VERB_VERSION)
			return 0;
		return error_set(e, EINVAL, "wants a command; see 'profctl help'");
	}
	if (arguments_verb(argv[verb_at], &ret->verb) < 0)
		return error_set(e, EINVAL, "'%s': no such command; see 'profctl help'",
				 argv[verb_at]);
	argc -= verb_at;
	argv += verb_at;
	r = read_options(argc, argv, ret, e);
	if (r < 0 || ret->help)
		return r < 0 ? r : 0;
	r = read_operands(argc, argv, r, ret, e);
	if (r < 0)
		return r;
	r = check_together(ret, e);
	if (ret->wanted.n == 0)
		ret->wanted = wanted_cpu;
	return r;
}

void arguments_done(struct arguments *a)
{
	selection_done(&a->selection);
}
