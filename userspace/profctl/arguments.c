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
#include "profctl/profctl.h"

#define BIT(verb)  (1U << (verb))
#define COLLECTING (BIT(VERB_RECORD) | BIT(VERB_TOP) | BIT(VERB_LIST))
#define SELECTING  (BIT(VERB_RECORD) | BIT(VERB_TOP))
#define ALL_VERBS  (~0U)

/* Long options without a letter; above every char. */
enum {
	OPTION_LOCAL = 256,
	OPTION_SOCKET,
	OPTION_CUM,
	OPTION_ONCE,
	OPTION_SECONDS,
	OPTION_EXECUTABLES,
	OPTION_REASON,
	OPTION_LOCK,
	OPTION_WAKERS,
	OPTION_VERSION
};

struct option_entry {
	int letter; /* or one of the numbers above */
	const char *name;
	const char *argument; /* what help calls it; NULL = takes none */
	unsigned int verbs;
	const char *help; /* lines after the first are indented by arguments_help_verb() */
};

static const struct option_entry entries[] = {
	{ 'p', "pid", "PID[,PID...]", SELECTING, "Only these processes; may be repeated" },
	{ 'c', "comm", "NAME", SELECTING, "Only processes of this name (/proc/PID/comm)" },
	{ 'u', "unit", "UNIT", SELECTING, "Only processes of this systemd unit" },
	{ 't', "type", "TYPE[,TYPE...]", BIT(VERB_RECORD),
	  "cpu (unless given), block: where processes wait,\nmutex: who holds locks they wait "
	  "for; a file each" },
	{ 't', "type", "TYPE", BIT(VERB_TOP), "cpu (unless given), block or mutex" },
	{ OPTION_REASON, "reason", "WORD[,WORD...]", SELECTING,
	  "Only waits for: lock, sync, disk, fault, socket,\npipe, poll, sleep, child, signal, "
	  "runqueue, other\nor all. Else all but the idle ones (poll to\nrunqueue)" },
	{ OPTION_LOCK, "lock", "WORD[,WORD...]", SELECTING,
	  "Only waits for: mutex, rwlock, monitor, kernel,\nfile, condition, semaphore, barrier, "
	  "join, futex\nor all. With mutex else the first five" },
	{ OPTION_WAKERS, "wakers", NULL, SELECTING,
	  "With block: below each stack who ended the wait" },
	{ OPTION_SECONDS, "seconds", "N", BIT(VERB_RECORD),
	  "How long; 30 unless given, fractions allowed.\nWith a COMMAND: until it ends" },
	{ OPTION_SECONDS, "seconds", "N", BIT(VERB_TOP),
	  "Collect for this long per report; 3 unless given" },
	{ OPTION_SECONDS, "seconds", "N", BIT(VERB_LIST),
	  "CPU use over so long: the last 60 seconds as the\ndaemon saw them; without a daemon the "
	  "next 1" },
	{ 'F', "frequency", "HZ", COLLECTING,
	  "Samples per second and CPU, 1 to 10000. One that\ndiffers from the daemon's makes "
	  "profctl "
	  "collect\nby itself (root)" },
	{ 'o', "output", "FILE", BIT(VERB_RECORD),
	  "Write the profile there; - is standard output" },
	{ 'n', "lines", "N", BIT(VERB_TOP) | BIT(VERB_LIST), "At most so many lines; 0 = all" },
	{ OPTION_CUM, "cum", NULL, BIT(VERB_TOP), "Sort by cumulative instead of flat value" },
	{ OPTION_ONCE, "once", NULL, BIT(VERB_TOP), "One report, also on a terminal" },
	{ OPTION_EXECUTABLES, "executables", NULL, BIT(VERB_STATUS),
	  "List executables and their unwinding tables, most\nrows first (root or group profd)" },
	{ OPTION_LOCAL, "local", NULL, COLLECTING, "Collect without the daemon (root)" },
	{ OPTION_SOCKET, "socket", "PATH", ALL_VERBS,
	  "The daemon's socket;\n" PROFCTL_DEFAULT_SOCKET " unless given" },
	{ 'h', "help", NULL, ALL_VERBS, "This text" },
};

static const struct {
	const char *name;
	const char *arguments;
	const char *summary;
	const char *text;
} verbs[] = {
	[VERB_RECORD] = { "record", "[OPTION]... [-- COMMAND [ARG]...]",
			  "Record a profile into a file",
			  "Records what processes do on the CPU, or what they wait for (--type), "
			  "and\n"
			  "writes it as a profile that 'go tool pprof' opens. Without a "
			  "selection:\n"
			  "the whole machine. With COMMAND: starts it and records it until it\n"
			  "ends; as root with all its descendants, else (through the daemon) it\n"
			  "alone.\n"
			  "Ctrl-C ends the recording and keeps it, a second one throws it away." },
	[VERB_TOP] = { "top", "[OPTION]...", "Show the functions that use the CPU, or wait",
		       "Shows the functions that use the CPU, or with --type those that wait or\n"
		       "hold locks, as 'go tool pprof -top' does. On a\n"
		       "terminal it goes on until q or Ctrl-C; c sorts by cumulative, f by flat "
		       "value." },
	[VERB_LIST] = { "list", "[OPTION]...", "List processes by CPU use",
			"Lists the processes that use the CPU, most first." },
	[VERB_STATUS] = { "status", "[OPTION]...", "Show the state of the daemon",
			  "Shows what the daemon says about itself." },
	[VERB_DOCTOR] = { "doctor", "[OPTION]...", "Check what profiling needs on this machine",
			  "Checks what profiling needs on this machine, and says how to mend what "
			  "is\n"
			  "missing. Exit status 0 if nothing is." },
	[VERB_VERSION] = { "version", "", "Print the version", "Prints the version of profctl." },
	[VERB_HELP] = { "help", "[COMMAND]", "Explain a command", "Explains a command." },
};

int arguments_verb(const char *name, enum verb *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (strcmp(verbs[i].name, name) == 0) {
			*ret = (enum verb)i;
			return 0;
		}
	return -EINVAL;
}

const char *arguments_verb_name(enum verb verb)
{
	return verbs[verb].name;
}

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

#define MAX_ENTRIES ARRAY_SIZE(entries)

/* What getopt_long() wants, of the options of a verb. The string begins with "+:". */
static void getopt_tables(unsigned int verb_bits, char *letters, struct option *longs)
{
	letters = stpcpy(letters, "+:");
	for (size_t i = 0; i < MAX_ENTRIES; i++) {
		if (!(entries[i].verbs & verb_bits))
			continue;
		*longs++ = (struct option){
			.name = entries[i].name,
			.has_arg = entries[i].argument ? required_argument : no_argument,
			.val = entries[i].letter,
		};
		if (entries[i].letter >= OPTION_LOCAL)
			continue;
		*letters++ = (char)entries[i].letter;
		if (entries[i].argument)
			*letters++ = ':';
	}
	*letters = '\0';
	*longs = (struct option){};
}

static int read_options(int argc, char **argv, struct arguments *a, struct error *e)
{
	char letters[3 + 2 * MAX_ENTRIES];
	struct option longs[MAX_ENTRIES + 1];

	getopt_tables(BIT(a->verb), letters, longs);
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

#define HELP_COLUMN 28

/* "  -p, --pid PID[,PID...]", then the text from HELP_COLUMN on. */
static void help_option(FILE *f, const struct option_entry *entry)
{
	char letter[5] = "    ";
	const char *text = entry->help;
	int width;

	if (entry->letter < OPTION_LOCAL)
		snprintf(letter, sizeof(letter), "-%c, ", entry->letter);
	width = fprintf(f, "  %s--%s%s%s", letter, entry->name, entry->argument ? " " : "",
			entry->argument ? entry->argument : "");
	if (width >= HELP_COLUMN - 1) {
		fputc('\n', f);
		width = 0;
	}
	for (;;) {
		size_t n = strcspn(text, "\n");

		fprintf(f, "%*s%.*s\n", HELP_COLUMN - width, "", (int)n, text);
		if (!text[n])
			break;
		text += n + 1;
		width = 0;
	}
}

void arguments_help_verb(FILE *f, enum verb verb)
{
	fprintf(f, "Usage: profctl %s%s%s\n\n%s\n\nOptions:\n", verbs[verb].name,
		*verbs[verb].arguments ? " " : "", verbs[verb].arguments, verbs[verb].text);
	for (size_t i = 0; i < MAX_ENTRIES; i++)
		if (entries[i].verbs & BIT(verb))
			help_option(f, &entries[i]);
	if (verb == VERB_RECORD)
		fputs("\nExamples:\n"
		      "  profctl record --pid 1234 --seconds 10\n"
		      "  profctl record --unit nginx.service -o nginx.pb.gz\n"
		      "  profctl record --pid 1234 --type cpu,block,mutex\n"
		      "  profctl record -- make -j4\n",
		      f);
}

void arguments_help(FILE *f)
{
	fputs("Usage: profctl [--socket PATH] COMMAND [OPTION]...\n\n"
	      "Takes profiles of this machine: from the daemon profd where it runs, else\n"
	      "(as root) by itself.\n\nCommands:\n",
	      f);
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		fprintf(f, "  %-10s%s\n", verbs[i].name, verbs[i].summary);
	fputs("\n'profctl help COMMAND' explains one; profctl(1) explains all.\n", f);
}
