/* SPDX-License-Identifier: Apache-2.0 */
#include "command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "exit_code.h"
#include "options.h"
#include "replay.h"

#define DEFAULT_OUTPUT "replay.pb.gz"
#define DEFAULT_TYPE   "cpu"

struct arguments {
	int argc, next;
	char **argv;
};

/* Whether @arg is --NAME or --NAME=VALUE, with '-' and '_' alike; finds the value behind '='. */
static bool is_flag(const char *arg, const char *name, const char **ret_value)
{
	if (strncmp(arg, "--", 2) != 0)
		return false;
	for (arg += 2; *name; name++, arg++)
		if (*arg != *name && !(*arg == '-' && *name == '_'))
			return false;
	if (*arg && *arg != '=')
		return false;
	*ret_value = *arg ? arg + 1 : NULL;
	return true;
}

static int take_value(struct arguments *a, const char *arg, const char **value, struct error *e)
{
	if (*value)
		return 0;
	if (a->next == a->argc)
		return error_set(e, EINVAL, "%s needs a value", arg);
	*value = a->argv[a->next++];
	return 0;
}

static int add_flag(struct command *c, int option, const char *value)
{
	struct command_flag *flags = reallocarray(c->flags, c->n_flags + 1, sizeof(*flags));

	if (!flags)
		return -ENOMEM;
	c->flags = flags;
	flags[c->n_flags++] = (struct command_flag){ .option = option, .value = value };
	return 0;
}

/* 1 if @arg was one of the table's options, 0 if not. */
static int parse_option(struct command *c, struct arguments *a, const char *arg, struct error *e)
{
	for (size_t i = 0; i < options_count(); i++) {
		const char *value;
		int r;

		if (!is_flag(arg, options_key(i), &value))
			continue;
		if (!value && options_is_bool((int)i))
			value = "yes";
		r = take_value(a, arg, &value, e);
		if (r < 0)
			return r;
		r = add_flag(c, (int)i, value);
		return r < 0 ? error_set(e, -r, "out of memory") : 1;
	}
	return 0;
}

/* 1 if @arg was a flag that takes a text, which may not be empty, 0 if not. */
static int parse_text(struct command *c, struct arguments *a, const char *arg, struct error *e)
{
	const char *value;
	const char **where;

	if (is_flag(arg, "config", &value))
		where = &c->config;
	else if (is_flag(arg, "capture", &value))
		where = &c->capture;
	else if (is_flag(arg, "output", &value) || strcmp(arg, "-o") == 0)
		where = &c->output;
	else if (is_flag(arg, "type", &value))
		where = &c->type;
	else
		return 0;
	if (strcmp(arg, "-o") == 0)
		value = NULL;
	*where = NULL;
	if (take_value(a, arg, &value, e) < 0)
		return -EINVAL;
	if (!*value)
		return error_set(e, EINVAL, "%s needs a %s", arg,
				 where == &c->type ? "word" : "path");
	*where = value;
	return 1;
}

static int parse_action(struct command *c, struct arguments *a, const char *arg, struct error *e)
{
	static const struct {
		const char *name;
		enum command_action action;
	} actions[] = {
		{ "--check-config", COMMAND_CHECK_CONFIG },
		{ "--print-config", COMMAND_PRINT_CONFIG },
		{ "--version", COMMAND_VERSION },
		{ "-V", COMMAND_VERSION },
		{ "--help", COMMAND_HELP },
		{ "-h", COMMAND_HELP },
	};

	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		if (strcmp(arg, actions[i].name) == 0) {
			/* --help wins over whatever else was asked. */
			if (c->action != COMMAND_HELP)
				c->action = actions[i].action;
			return 0;
		}
	if (strcmp(arg, "replay") == 0 && c->action == COMMAND_RUN) {
		c->action = COMMAND_REPLAY;
		return 0;
	}
	if (c->action == COMMAND_REPLAY && !c->replay && *arg != '-') {
		c->replay = arg;
		return 0;
	}
	return error_set(e, EINVAL, "unknown %s '%.100s'; profd --help lists what there is",
			 *arg == '-' ? "option" : "argument", a->argv[a->next - 1]);
}

static int check(const struct command *c, struct error *e)
{
	if (c->action == COMMAND_REPLAY && !c->replay)
		return error_set(e, EINVAL, "replay needs the capture file to read");
	if (c->action == COMMAND_REPLAY && (c->capture || c->n_flags))
		return error_set(e, EINVAL, "replay takes no option but -o FILE and --type");
	if (c->type && !replay_kind(c->type))
		return error_set(e, EINVAL, "--type '%s': it must be one of: cpu block mutex",
				 c->type);
	if (c->action == COMMAND_RUN && (c->output || c->type))
		return error_set(e, EINVAL, "%s is an option of replay",
				 c->output ? "-o" : "--type");
	return 0;
}

int command_parse(int argc, char *argv[], struct command *ret, struct error *e)
{
	struct arguments a = { .argc = argc, .next = 1, .argv = argv };
	struct command c = { .action = COMMAND_RUN };
	int r = 0;

	while (r >= 0 && a.next < argc) {
		const char *arg = argv[a.next++];

		r = parse_option(&c, &a, arg, e);
		if (r == 0)
			r = parse_text(&c, &a, arg, e);
		if (r == 0)
			r = parse_action(&c, &a, arg, e);
	}
	if (r >= 0)
		r = check(&c, e);
	if (r < 0) {
		command_done(&c);
		return r;
	}
	if (!c.output)
		c.output = DEFAULT_OUTPUT;
	if (!c.type)
		c.type = DEFAULT_TYPE;
	*ret = c;
	return 0;
}

void command_done(struct command *c)
{
	free(c->flags);
	c->flags = NULL;
	c->n_flags = 0;
}

static int read_config(const struct command *c, struct options *o, struct error *e)
{
	struct options_setter s = { .options = o, .layer = OPTIONS_FILE };
	int r = options_read_file(&s, c->config ? c->config : OPTIONS_DEFAULT_FILE, e);

	return r == -ENOENT && !c->config ? 0 : r;
}

/* A message begins with the key of its option; people type a flag with '-'. */
static void name_as_flag(struct error *e, int option)
{
	for (size_t i = strlen(options_key((size_t)option)); i-- > 0;)
		if (e->text[i] == '_')
			e->text[i] = '-';
}

static int apply_flags(const struct command *c, struct options *o, struct error *e)
{
	struct options_setter s = { .options = o, .layer = OPTIONS_FLAGS };

	for (size_t i = 0; i < c->n_flags; i++) {
		struct error inner;
		int r = options_set(&s, c->flags[i].option, c->flags[i].value, &inner);

		if (r == -ENOMEM)
			return error_set(e, ENOMEM, "out of memory");
		if (r < 0) {
			name_as_flag(&inner, c->flags[i].option);
			return error_set(e, -r, "--%.500s", inner.text);
		}
	}
	return 0;
}

int command_options(const struct command *c, struct options *ret, struct error *e)
{
	struct options o;
	int r = options_init(&o, e);

	if (r < 0)
		return r;
	r = read_config(c, &o, e);
	if (r == 0)
		r = apply_flags(c, &o, e);
	if (r == 0)
		r = options_check(&o, e);
	if (r < 0) {
		options_done(&o);
		return r;
	}
	*ret = o;
	return 0;
}

void command_print_help(void)
{
	printf("profd: continuous profiles of every process of this machine, over HTTP.\n"
	       "\n"
	       "  profd [OPTIONS]                  run in the foreground (as root)\n"
	       "  profd replay FILE [-o OUT]       make a profile of a capture (no root needed)\n"
	       "                                   OUT: " DEFAULT_OUTPUT
	       " unless given; - is stdout\n"
	       "                                   --type=block or mutex: of waits, not of CPU\n"
	       "\n"
	       "  --config=FILE       read this, not " OPTIONS_DEFAULT_FILE "\n"
	       "  --capture=FILE      also write the raw stream there, for profd replay\n"
	       "  --check-config      say whether the configuration is right\n"
	       "  --print-config      print the configuration in force\n"
	       "  -V, --version       print the version\n"
	       "  -h, --help          print this\n"
	       "\n"
	       "Each of these is also a line key=value (with '_' for '-') in section [Profd]\n"
	       "of the configuration file:\n");
	options_print_help(stdout);
	printf("\nExit codes:\n");
#define X(name, number, meaning) printf("  %d  %s\n", number, meaning);
	EXIT_CODES(X)
#undef X
}
