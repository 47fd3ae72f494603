/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/jit_runtime.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

#include "base/cleanup.h"

static const struct jit_runtime runtimes[] = {
	{ "beam.smp", "start erl with +JPperf true" },
	{ "chrome", "start it with --js-flags=--perf-basic-prof --no-sandbox" },
	{ "chromium", "start it with --js-flags=--perf-basic-prof --no-sandbox" },
	{ "deno", "start it with --v8-flags=--perf-basic-prof" },
	{ "dotnet", "start it with DOTNET_PerfMapEnabled=1" },
	{ "java", "run: jcmd PID Compiler.perfmap; whole stacks need -XX:+PreserveFramePointer" },
	{ "julia", "start it with ENABLE_JITPROFILING=1" },
	{ "luajit", "build it with LUAJIT_USE_PERFTOOLS" },
	{ "mono", "start it with --jitmap" },
	{ "node", "start it with --perf-basic-prof" },
	{ "nodejs", "start it with --perf-basic-prof" },
	{ "php", "set opcache.jit_debug=0x10" },
	{ "pypy", "" },
	{ "qemu-system", "start it with -perfmap" },
	{ "ruby", "start it with --yjit-perf" },
};

static int is_version(const char *rest)
{
	return rest[strspn(rest, "0123456789.-_")] == '\0' ||
	       (rest[0] == '-' && isalpha((unsigned char)rest[1]));
}

const struct jit_runtime *jit_runtime_of(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;
	const char *name = slash ? slash + 1 : path;

	for (size_t i = 0; name && i < ARRAY_SIZE(runtimes); i++) {
		size_t n = strlen(runtimes[i].program);

		if (strncmp(name, runtimes[i].program, n) == 0 && is_version(name + n))
			return &runtimes[i];
	}
	return NULL;
}
