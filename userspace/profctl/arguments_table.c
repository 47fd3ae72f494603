/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs and options of profctl, and their help. */
#include "profctl/arguments_table.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "profctl/profctl.h"

#define COLLECTING (VERB_BIT(VERB_RECORD) | VERB_BIT(VERB_TOP) | VERB_BIT(VERB_LIST))
#define SELECTING  (VERB_BIT(VERB_RECORD) | VERB_BIT(VERB_TOP))
#define ALL_VERBS  (~0U)

const struct option_entry arguments_options[] = {
	{ 'p', "pid", "PID[,PID...]", SELECTING, "Only these processes; may be repeated" },
	{ 'c', "comm", "NAME", SELECTING, "Only processes of this name (/proc/PID/comm)" },
	{ 'u', "unit", "UNIT", SELECTING, "Only processes of this systemd unit" },
	{ 't', "type", "TYPE[,TYPE...]", VERB_BIT(VERB_RECORD),
	  "cpu (unless given), block: where processes wait,\nmutex: who holds locks they wait "
	  "for; a file each" },
	{ 't', "type", "TYPE", VERB_BIT(VERB_TOP), "cpu (unless given), block or mutex" },
	{ OPTION_REASON, "reason", "WORD[,WORD...]", SELECTING,
	  "Only waits for: lock, sync, disk, fault, socket,\npipe, poll, sleep, child, signal, "
	  "runqueue, other\nor all (without runqueue). Else all but the idle\nones (poll to "
	  "runqueue)" },
	{ OPTION_LOCK, "lock", "WORD[,WORD...]", SELECTING,
	  "Only waits for: mutex, rwlock, monitor, kernel,\nfile, condition, semaphore, barrier, "
	  "join, futex\nor all. With mutex else the first four" },
	{ OPTION_WAKERS, "wakers", NULL, SELECTING,
	  "With block: below each stack who ended the wait" },
	{ OPTION_SECONDS, "seconds", "N", VERB_BIT(VERB_RECORD),
	  "How long; 30 unless given, fractions allowed.\nWith a COMMAND: until it ends" },
	{ OPTION_SECONDS, "seconds", "N", VERB_BIT(VERB_TOP),
	  "Collect for this long per report; 3 unless given" },
	{ OPTION_SECONDS, "seconds", "N", VERB_BIT(VERB_LIST),
	  "CPU use over so long: the last 60 seconds as the\ndaemon saw them; without a daemon the "
	  "next 1" },
	{ 'F', "frequency", "HZ", COLLECTING,
	  "Samples per second and CPU, 1 to 10000. One that\ndiffers from the daemon's makes "
	  "profctl "
	  "collect\nby itself (root)" },
	{ 'o', "output", "FILE", VERB_BIT(VERB_RECORD),
	  "Write the profile there; - is standard output" },
	{ 'n', "lines", "N", VERB_BIT(VERB_TOP) | VERB_BIT(VERB_LIST),
	  "At most so many lines; 0 = all" },
	{ OPTION_CUM, "cum", NULL, VERB_BIT(VERB_TOP), "Sort by cumulative instead of flat value" },
	{ OPTION_ONCE, "once", NULL, VERB_BIT(VERB_TOP), "One report, also on a terminal" },
	{ OPTION_EXECUTABLES, "executables", NULL, VERB_BIT(VERB_STATUS),
	  "List executables and their unwinding tables, most\nrows first (root or group profd)" },
	{ OPTION_LOCAL, "local", NULL, COLLECTING, "Collect without the daemon (root)" },
	{ OPTION_SOCKET, "socket", "PATH", ALL_VERBS,
	  "The daemon's socket;\n" PROFCTL_DEFAULT_SOCKET " unless given" },
	{ 'h', "help", NULL, ALL_VERBS, "This text" },
};

const struct verb_entry arguments_verbs[] = {
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

_Static_assert(ARRAY_SIZE(arguments_options) == ARGUMENTS_N_OPTIONS, "as the header says");
_Static_assert(ARRAY_SIZE(arguments_verbs) == ARGUMENTS_N_VERBS, "as the header says");

int arguments_verb(const char *name, enum verb *ret)
{
	for (size_t i = 0; i < ARGUMENTS_N_VERBS; i++)
		if (strcmp(arguments_verbs[i].name, name) == 0) {
			*ret = (enum verb)i;
			return 0;
		}
	return -EINVAL;
}

const char *arguments_verb_name(enum verb verb)
{
	return arguments_verbs[verb].name;
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
	fprintf(f, "Usage: profctl %s%s%s\n\n%s\n\nOptions:\n", arguments_verbs[verb].name,
		*arguments_verbs[verb].arguments ? " " : "", arguments_verbs[verb].arguments,
		arguments_verbs[verb].text);
	for (size_t i = 0; i < ARGUMENTS_N_OPTIONS; i++)
		if (arguments_options[i].verbs & VERB_BIT(verb))
			help_option(f, &arguments_options[i]);
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
	for (size_t i = 0; i < ARGUMENTS_N_VERBS; i++)
		fprintf(f, "  %-10s%s\n", arguments_verbs[i].name, arguments_verbs[i].summary);
	fputs("\n'profctl help COMMAND' explains one; profctl(1) explains all.\n", f);
}
