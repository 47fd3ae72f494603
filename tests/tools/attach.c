/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attach FILE PREFIX: loads the programs of a BPF object whose names begin so, attaches them, says
 * "attached", and keeps them until it is ended. What is done to a machine by a profiler can so be
 * compared with what is done by its hooks alone.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/libbpf.h>

static int no_output(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

static bool is_wanted(const struct bpf_program *program, const char *prefix)
{
	return strncmp(bpf_program__name(program), prefix, strlen(prefix)) == 0;
}

/* The name of the program that cannot be attached, NULL if all are. */
static const char *attach(struct bpf_object *object, const char *prefix)
{
	struct bpf_program *program;

	bpf_object__for_each_program(
		program,
		object) if (is_wanted(program, prefix) &&
			    !bpf_program__attach(program)) return bpf_program__name(program);
	return NULL;
}

int main(int argc, char **argv)
{
	struct bpf_program *program;
	struct bpf_object *object;
	const char *failed;

	if (argc != 3) {
		fputs("usage: attach FILE PREFIX\n", stderr);
		return 2;
	}
	libbpf_set_print(no_output);
	object = bpf_object__open_file(argv[1], NULL);
	if (!object) {
		fprintf(stderr, "attach: %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	bpf_object__for_each_program(program, object)
		bpf_program__set_autoload(program, is_wanted(program, argv[2]));
	if (bpf_object__load(object) < 0) {
		fprintf(stderr, "attach: %s cannot be loaded: %s\n", argv[1], strerror(errno));
		return 1;
	}
	failed = attach(object, argv[2]);
	if (failed) {
		fprintf(stderr, "attach: %s cannot be attached: %s\n", failed, strerror(errno));
		return 1;
	}
	puts("attached");
	fflush(stdout);
	pause();
	return 0;
}
