/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options: key, type, range, default and help of each. Values live in struct options; the table
 * only knows where.
 */
#include <stddef.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "collect/collector.h"
#include "options_internal.h"
#include "process/debug_file.h"
#include "unwinding.h"

#define MINUTE (60 * NS_PER_S)
#define DAY    (86400 * NS_PER_S)
#define MIB    (1ULL << 20)

#define AT(member) offsetof(struct options, member)

const struct option_row options_table[] = {
	{ "listen", OPTION_ADDRESSES, AT(listen), .initial = "127.0.0.1:6061",
	  .help = "Address to serve HTTP on; may be given more than once; empty: none. Whoever can "
		  "connect sees every process." },
	{ "socket", OPTION_PATH, AT(socket), .initial = "/run/profd/profd.sock",
	  .help = "Unix socket to serve HTTP on; empty: none. Root and group profd see every "
		  "process there, others their own." },
	{ "directory", OPTION_PATH, AT(directory), .initial = "/var/lib/profd",
	  .help = "Where profiles are kept as files; empty: no files." },
	{ "split", OPTION_CHOICE, AT(split), .choices = "none process", .initial = "none",
	  .reloads = true, .help = "process: write one file per process instead of one for all." },
	{ "sample_frequency", OPTION_NUMBER, AT(sample_frequency), 1, COLLECTOR_MAX_FREQUENCY,
	  .initial = "99", .help = "Samples per second and CPU." },
	{ "window", OPTION_DURATION, AT(window), NS_PER_S, 10 * MINUTE, .initial = "10s",
	  .help = "Stretch of time that is rolled up together in memory." },
	{ "rotate_interval", OPTION_DURATION, AT(rotate_interval), NS_PER_S, 60 * MINUTE,
	  .initial = "1min", .reloads = true,
	  .help = "How often a file is written; earlier if memory_budget asks for it." },
	{ "retain_bytes", OPTION_SIZE, AT(retain_bytes), MIB, 1ULL << 50, .initial = "1G",
	  .reloads = true, .help = "Files are removed, oldest first, beyond this many bytes." },
	{ "retain_age", OPTION_DURATION, AT(retain_age), MINUTE, 3650 * DAY, .initial = "7d",
	  .reloads = true, .help = "Files are removed when they are older than this." },
	{ "memory_budget", OPTION_SIZE, AT(memory_budget), 16 * MIB, 1ULL << 40, .initial = "256M",
	  .help = "Memory for what grows: a quarter at most for symbol tables, a quarter at most "
		  "for unwinding tables, a quarter for profiles being collected, and windows get "
		  "what those and the other BPF maps leave, a half at most." },
	{ "unwind_memory", OPTION_SIZE, AT(unwind_memory), MIB, 4096 * MIB, .initial = "64M",
	  .help = "Kernel memory for unwinding tables, by which stacks of programs without frame "
		  "pointers are walked; never more than a quarter of memory_budget." },
	{ "unwind_cache", OPTION_PATH, AT(unwind_cache), .initial = UNWINDING_DEFAULT_CACHE,
	  .help = "Where unwinding tables are kept on disk, so that the next start is quick; "
		  "empty: "
		  "nowhere." },
	{ "preload", OPTION_CHOICE, AT(preload), .choices = "all running none", .initial = "all",
	  .help = "Whose unwinding tables are loaded before they are needed: running: of what runs "
		  "when profd starts; all: then also of what is installed; none: of nothing." },
	{ "debug_directories", OPTION_PATHS, AT(debug_directories),
	  .initial = DEBUG_FILE_DIRECTORIES,
	  .help = "Where separate debug files are looked for, by build id and by name; several are "
		  "separated by ':'; empty: only beside the executables." },
	{ "debuginfod_urls", OPTION_URLS, AT(debuginfod_urls), .initial = "",
	  .help = "Debuginfod servers to ask for debug files that are not installed, separated by "
		  "spaces; empty: none. They learn the build ids of what runs here." },
	{ "debuginfod_cache", OPTION_PATH, AT(debuginfod_cache),
	  .initial = "/var/cache/profd/debuginfod",
	  .help = "Where debug files from these servers are kept." },
	{ "debuginfod_cache_size", OPTION_SIZE, AT(debuginfod_cache_size), MIB, 1ULL << 40,
	  .initial = "1G",
	  .help = "Of those, the ones not used for longest are removed beyond this many bytes; a "
		  "single file may have half as many." },
	{ "demangle", OPTION_CHOICE, AT(demangle), .choices = "templates full none",
	  .initial = "templates",
	  .help = "What of C++, Rust and D names is shown: templates: arguments of templates, but "
		  "no "
		  "parameters and no return type; full: all of it; none: names as they are "
		  "mangled." },
	{ "slice_bytes", OPTION_SIZE, AT(slice_bytes), 0, ABI_SLICE_MAX_BYTES,
	  .step = sizeof(uint64_t), .initial = "16K",
	  .help = "How much of a stack is copied when a file in it has no unwinding table yet, to "
		  "be "
		  "walked when the table is there; 0: walk it by frame pointers instead." },
	{ "block_rate", OPTION_DURATION, AT(block_rate), 0, 4 * NS_PER_S, .choices = "auto",
	  .initial = "auto",
	  .help = "Of what processes wait for, one stack is taken per this much waiting, about; "
		  "1ns: of every wait; 0: of none; auto: 1ms, and coarser while that gives more "
		  "than "
		  "1000 stacks a second and CPU." },
	{ "wait_hook", OPTION_CHOICE, AT(wait_hook), .choices = "auto exit_tp kprobe switch_out",
	  .initial = "auto",
	  .help = "Where in the kernel those stacks are taken. auto: at the best place that this "
		  "kernel has; another one is for tests." },
	{ "wakers", OPTION_BOOL, AT(wakers), .initial = "yes",
	  .help = "Take also the stacks of those who end waits, for block profiles that ask for "
		  "them." },
	{ "insecure", OPTION_BOOL, AT(insecure), .initial = "no",
	  .help = "Allow listening beyond loopback, where anybody can read profiles: there is no "
		  "encryption and no password." },
};

const size_t options_table_size = ARRAY_SIZE(options_table);
