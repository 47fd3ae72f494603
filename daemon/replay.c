/* SPDX-License-Identifier: Apache-2.0 */
#include "replay.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fileio.h"
#include "exit_code.h"
#include "log.h"
#include "profile/pprof.h"
#include "profiler.h"

DEFINE_CLEANUP(struct replay *, replay_free);

static int write_output(const char *path, const void *data, size_t size, struct error *e)
{
	_cleanup_close_ int fd = -1;
	int r, out = STDOUT_FILENO;

	if (strcmp(path, "-") != 0) {
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
		if (fd < 0)
			return error_set(e, errno, "%s: cannot be written: %s", path,
					 strerror(errno));
		out = fd;
	}
	r = fd_write_full(out, data, size);
	if (r < 0)
		return error_set(e, -r, "%s: cannot be written: %s", path, strerror(-r));
	return 0;
}

uint8_t replay_kind(const char *type)
{
	if (strcmp(type, "block") == 0)
		return ABI_KIND_BLOCK;
	if (strcmp(type, "mutex") == 0)
		return ABI_KIND_MUTEX;
	return strcmp(type, "cpu") == 0 ? ABI_KIND_CPU : 0;
}

int replay_command(const char *capture, const char *type, const char *output, struct error *e)
{
	_cleanup_(replay_freep)
	struct replay *replay = NULL;
	_cleanup_free_ void *data = NULL;
	struct window *window;
	struct pprof_options o;
	struct quality quality;
	size_t size;
	int r;

	r = replay_run(capture, &replay, e);
	if (r < 0)
		return EXIT_CODE_RUNTIME;
	window = replay_window(replay);
	o = (struct pprof_options){
		.kind = replay_kind(type),
		.period = replay_period(replay),
		.time = (int64_t)window_start(window) + replay_wall_offset(replay),
		.duration = (int64_t)(window_end(window) - window_start(window)),
	};
	r = pprof_encode(&window, 1, &o, replay_symbolizer(replay), &data, &size, &quality);
	if (r < 0) {
		error_set(e, -r, "The profile cannot be made: %s", strerror(-r));
		return EXIT_CODE_RUNTIME;
	}
	if (write_output(output, data, size, e) < 0)
		return EXIT_CODE_DIRECTORY;
	if (strcmp(output, "-") != 0)
		log_info("%llu samples written to %s; go tool pprof %s shows them",
			 (unsigned long long)(quality.samples_attempted - quality.samples_lost),
			 output, output);
	return EXIT_CODE_OK;
}
