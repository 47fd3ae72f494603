#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Where names come from: debug files in all their places, containers, replaced files, debuginfod."""

import http.server
import lzma
import os
import shutil
import signal
import threading

from harness import (LIBC, PROFCTL, ROOT, Daemon, Workload,
                     build_id, check, command, equal, new_mount_namespace, profile_of, run,
                     skip, start, temporary_directory, test, tool, wait_until)
from pprof import total

SOURCE = os.path.join(ROOT, "tests/workloads/chain.c")
FUNCTIONS = ["chain_leaf", "chain_middle", "chain_outer"]


def build(path, prefix, compiler="gcc", flags=()):
    """The chain program with functions PREFIX_leaf, PREFIX_middle and PREFIX_outer."""
    renamed = [f"-D{f}={f.replace('chain', prefix)}" for f in FUNCTIONS]
    status, _, err = command(tool(compiler), "-O1", "-D_GNU_SOURCE", "-I",
                             os.path.dirname(SOURCE), "-fno-omit-frame-pointer",
                             "-fno-optimize-sibling-calls", "-Wl,--build-id=sha1", *renamed, *flags,
                             "-o", path, SOURCE)
    equal(status, 0, err)
    return path


def split(path, debug):
    """Takes the symbols out of a program and puts them into a file of their own."""
    os.makedirs(os.path.dirname(debug), exist_ok=True)
    objcopy = tool("objcopy")
    for arguments in (["--only-keep-debug", path, debug], ["--strip-all", path]):
        status, _, err = command(objcopy, *arguments)
        equal(status, 0, err)


def by_build_id(directory, path):
    identity = build_id(path)
    return os.path.join(directory, ".build-id", identity[:2], identity[2:] + ".debug")


def leaves(profile, name):
    """The share of samples that are in this function or were called by it."""
    inside = [s for s in profile.samples if name in s.names]
    return total(inside) / max(1, total(profile.samples))


def named(profile, prefix):
    seen = sorted({f.name for f in profile.functions})
    for function in ("leaf", "middle", "outer"):
        check(leaves(profile, f"{prefix}_{function}") > 0.9, f"{prefix}_{function}: {seen}")


def unnamed(profile, base):
    check(leaves(profile, "main") == 0, "it has names")
    inside = [s for s in profile.samples if any(n.startswith(base + "+0x") for n in s.names)]
    check(total(inside) > 0.9 * total(profile.samples),
          f"{sorted({f.name for f in profile.functions})}")


def observe(daemon, workload):
    """A profile of a workload that already runs, when the daemon has its unwinding tables."""
    def complete():
        profile = profile_of(daemon, workload, 1)
        return all("no_table" not in f.name for f in profile.functions) and profile
    return wait_until(complete, "a profile without missing tables", timeout=30)


@test
def debug_directories():
    place = temporary_directory()
    program = build(os.path.join(place, "app"), "installed")
    debug = os.path.join(place, "second/debug")
    split(program, by_build_id(debug, program))
    workload = Workload(program, 60)
    with Daemon(debug_directories=f"{place}/first:{debug}") as daemon:
        named(observe(daemon, workload), "installed")


def name_parser(daemon):
    """The parser process that answers questions about names: the third that profd starts."""
    with open(f"/proc/{daemon.pid}/task/{daemon.pid}/children", encoding="ascii") as f:
        children = f.read().split()

    def name(pid):
        with open(f"/proc/{pid}/comm", encoding="ascii") as f:
            return f.read().strip()
    parsers = [int(pid) for pid in children if name(pid) == "profd-parser"]
    equal(len(parsers), 4, "parsers")
    return parsers[2]


@test
def names_that_come_late_are_in_the_next_profile():
    place = temporary_directory()
    program = build(os.path.join(place, "hidden"), "late")
    workload = Workload(program, 60)
    late = 'profd_symbolizer_unnamed_total{reason="late"}'
    with Daemon(rotate_interval="1h") as daemon:
        before = daemon.metrics()[late]
        parser = name_parser(daemon)
        os.kill(parser, signal.SIGSTOP)
        try:
            profile = daemon.profile(seconds=1, pid=workload.pid)
        finally:
            os.kill(parser, signal.SIGCONT)
        # Nobody waited for the parser: the profile is there, and says what it lacks.
        unnamed(profile, "hidden")
        check(int(profile.quality()["frames_unnamed_late"]) > 0, f"{profile.comments}")
        check(daemon.metrics()[late] > before, "it is not counted")
        profile = observe(daemon, workload)
        named(profile, "late")
        check("frames_unnamed_late" not in profile.quality(), f"{profile.comments}")


@test
def mini_debug_info():
    place = temporary_directory()
    program = build(os.path.join(place, "app"), "mini")
    split(program, os.path.join(place, "debug"))
    with open(os.path.join(place, "debug"), "rb") as f, \
            open(os.path.join(place, "packed"), "wb") as out:
        out.write(lzma.compress(f.read()))
    status, _, err = command(tool("objcopy"), "--add-section",
                             f".gnu_debugdata={place}/packed", program)
    equal(status, 0, err)
    os.unlink(os.path.join(place, "debug"))
    workload = Workload(program, 60)
    with Daemon() as daemon:
        named(observe(daemon, workload), "mini")


def container(tree):
    """For also=: the tree becomes the root of a mount namespace of its own."""
    def enter():
        new_mount_namespace()
        check(LIBC.mount(tree.encode(), tree.encode(), None, 0x1000, None) == 0, "bind mount")
        os.chdir(tree)
        check(LIBC.syscall(155, b".", b".") == 0, "pivot_root")
        check(LIBC.umount2(b".", 2) == 0, "umount")
        os.chdir("/")
    return enter


@test
def a_container_with_a_libc_of_its_own():
    place = temporary_directory()
    tree = os.path.join(place, "tree")
    for directory in ("bin", "lib", "proc"):
        os.makedirs(os.path.join(tree, directory))
    libc = "/lib/ld-musl-x86_64.so.1"
    check(os.path.exists(libc) or not tool("musl-gcc"), libc)
    shutil.copy(os.path.realpath(libc), tree + libc)
    # A path that leads to another file outside, and a debug file that is inside only.
    inside = build(tree + "/bin/sleep", "inside", compiler="musl-gcc", flags=["-g"])
    check(os.path.exists("/bin/sleep"), "there is no /bin/sleep")
    split(inside, by_build_id(tree + "/usr/lib/debug", inside))
    # The same path once more in a second container, with its symbols.
    other = os.path.join(place, "other")
    os.makedirs(other + "/bin")
    build(other + "/bin/sleep", "static", flags=["-static"])
    outside = Workload(build(os.path.join(place, "sleep"), "outside"), 60)
    with Daemon(sample_frequency=199) as daemon:
        first = start(["/bin/sleep", 60], also=container(tree))
        second = start(["/bin/sleep", 60], also=container(other))
        profile = observe(daemon, outside)
        named(profile, "outside")
        for child, prefix in ((first, "inside"), (second, "static")):
            named(daemon.profile(seconds=1, pid=child.pid), prefix)
        comes_with_lines(daemon, first, "inside")
        check(not lines_of(daemon.profile(seconds=1, pid=second.pid), "static_leaf") - {":0"},
              "lines of another file")
        everything = daemon.profile(seconds=1)
        for pid, prefix in ((first.pid, "inside"), (second.pid, "static"),
                            (outside.pid, "outside")):
            mine = everything.of(pid=pid)
            check(mine and all(f"{prefix}_leaf" in s.names for s in mine if s.user),
                  f"{prefix}: {[s.names for s in mine][:3]}")
    for child in (first, second):
        child.kill()
        child.wait()


@test
def a_file_that_was_replaced_while_it_ran():
    # As package managers do it: the new file gets the old one's name. Both before and after the
    # daemon has seen the process.
    place = temporary_directory()
    program = build(os.path.join(place, "app"), "running", flags=["-g"])
    split(program, by_build_id(os.path.join(place, "debug"), program))
    early = Workload(program, 60)
    os.rename(build(os.path.join(place, "new"), "upgraded", flags=["-g"]), program)
    with Daemon(debug_directories=f"{place}/debug") as daemon:
        named(observe(daemon, early), "running")
        late = Workload(program, 60)
        named(observe(daemon, late), "upgraded")
        os.rename(build(os.path.join(place, "new"), "newest"), program)
        os.unlink(program)
        named(daemon.profile(seconds=1, pid=late.pid), "upgraded")
        named(daemon.profile(seconds=1, pid=early.pid), "running")
        # One has its lines in a debug file, the other in the file that has no name any more.
        comes_with_lines(daemon, early, "running")
        comes_with_lines(daemon, late, "upgraded")


def lines_of(profile, function):
    """Where samples of a function are, as "file:line"."""
    return {f"{f.file}:{line}" for location in profile.locations
            for f, line in zip(location.functions, location.lines) if f.name == function}


def comes_with_lines(daemon, child, prefix):
    """What is too late for one profile is in one of the next."""
    functions = [f"{prefix}_{f}" for f in ("leaf", "middle", "outer")]

    def all_there():
        profile = daemon.profile(seconds=1, pid=child.pid)
        return all(SOURCE in str(lines_of(profile, f)) for f in functions) and profile

    profile = wait_until(all_there, f"{prefix} has lines", timeout=40)
    has_lines(profile, functions)
    named(profile, prefix)


def has_lines(profile, functions, source=SOURCE):
    with open(source, encoding="utf-8") as f:
        count = len(f.readlines())
    for function in functions:
        seen = lines_of(profile, function)
        check(seen and all(place.rsplit(":", 1)[0] == source and
                           0 < int(place.rsplit(":", 1)[1]) <= count for place in seen),
              f"{function}: {seen}")


class Debuginfod:
    """A server of debug files by build id, which it keeps back until it is told to give them."""

    def __init__(self, files):
        self.asked = []
        self.gate = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append(self.path)
                path = files.get(self.path.removeprefix("/buildid/").removesuffix("/debuginfo"))
                if not path:
                    self.send_error(404)
                    return
                outer.gate.wait(60)
                with open(path, "rb") as f:
                    content = f.read()
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@test
def debuginfod_improves_the_next_profile():
    place = temporary_directory()
    program = build(os.path.join(place, "app"), "fetched", flags=["-g"])
    identity = build_id(program)
    split(program, os.path.join(place, "elsewhere/debug"))
    server = Debuginfod({identity: os.path.join(place, "elsewhere/debug")})
    workload = Workload(program, 60)
    options = {"debuginfod_urls": server.url, "debuginfod_cache": os.path.join(place, "cache")}
    with Daemon(**options) as daemon:
        # The server does not answer, and the profile does not wait for it.
        unnamed(observe(daemon, workload), "app")
        wait_until(lambda: any(identity in path for path in server.asked), "it was asked")
        metrics = daemon.metrics()
        check(metrics["profd_debuginfod_waiting"] >= 1, "it is waited for")
        check(metrics['profd_symbolizer_unnamed_total{reason="stripped"}'] > 0, "counted")
        unnamed(daemon.profile(seconds=1, pid=workload.pid), "app")
        status, out, err = command(PROFCTL, "status", "--executables", "--socket", daemon.socket)
        equal(status, 0, err)
        told = out[out.index("Frames without a name"):].split(f"  {program}: ")[1].split("\n")
        check(told[0].endswith(" frames, stripped"), told[0])
        equal(told[1].strip(), "build it with symbols, or put its debug file into "
              "/usr/lib/debug/.build-id; debuginfod has none yet", "what would mend it")
        equal(sum(identity in path for path in server.asked), 1, "times that it was asked for")
        server.gate.set()
        wait_until(lambda: daemon.metrics()["profd_debuginfod_found_total"] >= 1, "it has arrived")
        comes_with_lines(daemon, workload, "fetched")
        check(daemon.metrics()["profd_debuginfod_bytes_total"] > 0, "bytes")
    # The next daemon has it already.
    asked = len(server.asked)
    server.server.shutdown()
    with Daemon(**options) as daemon:
        observe(daemon, workload)
        comes_with_lines(daemon, workload, "fetched")
    equal(len(server.asked), asked, "requests")


INLINED = """\
static inline __attribute__((always_inline)) long a_function_that_is_inlined(long x)
{
	for (volatile int i = 0; i < 100000; i++)
		x += i;
	return x;
}
int main(void)
{
	for (volatile long x = 0;;)
		x += a_function_that_is_inlined(x);
}
"""


@test
def debuginfod_has_what_debug_files_share():
    # dwz has moved the function's name to a file for both programs, which only the server has.
    dwz, gcc, place = tool("dwz"), tool("gcc"), temporary_directory()
    debug, source = os.path.join(place, "debug"), os.path.join(place, "inlined.c")
    with open(source, "w", encoding="utf-8") as f:
        f.write(INLINED)
    programs = [os.path.join(place, name) for name in ("one", "two")]
    for program in programs:
        status, _, err = command(gcc, "-O1", "-g", "-Wl,--build-id=sha1", "-o", program, source)
        equal(status, 0, err)
    there, shared = os.path.join(place, "there"), os.path.join(place, "elsewhere")
    status, _, err = command(dwz, "-m", there, *programs)
    if status != 0 or not os.path.exists(there):
        skip(f"dwz: {err}")
    os.rename(there, shared)
    split(programs[0], by_build_id(debug, programs[0]))
    server = Debuginfod({build_id(shared): shared})
    workload = Workload(programs[0])
    with Daemon(debuginfod_urls=server.url, debuginfod_cache=os.path.join(place, "cache"),
                debug_directories=debug) as daemon:
        before = wait_until(lambda: lines_of(observe(daemon, workload), "[inlined]"),
                            "lines of a function without a name")
        check(all(line.startswith(source) for line in before), f"{before}")
        wait_until(lambda: any(build_id(shared) in path for path in server.asked), "it was asked")
        server.gate.set()
        wait_until(lambda: daemon.metrics()["profd_debuginfod_found_total"] >= 1, "it has arrived")
        after = daemon.profile(seconds=1, pid=workload.pid)
        has_lines(after, ["a_function_that_is_inlined", "main"], source)
        equal(lines_of(after, "[inlined]"), set(), "lines of functions without a name")


@test
def the_fetcher_has_no_rights():
    with Daemon(debuginfod_urls="http://127.0.0.1:9", debuginfod_cache=temporary_directory()) as d:
        _, out, _ = command("ps", "--ppid", d.pid, "-o", "pid=,comm=")
        fetchers = [line.split()[0] for line in out.split("\n") if "profd-fetcher" in line]
        equal(len(fetchers), 1, out)
        with open(f"/proc/{fetchers[0]}/status", encoding="ascii") as f:
            status = {key: value.strip() for key, _, value in (line.partition(":") for line in f)}
        for key in ("CapPrm", "CapEff", "CapAmb", "CapInh"):
            equal(int(status[key], 16), 0, key)
        equal(status["NoNewPrivs"], "1", "no_new_privs")
        equal(status["Seccomp"], "2", "seccomp")
        equal(status["Uid"].split()[0], "65534", "user")
    with Daemon() as d:
        _, out, _ = command("ps", "--ppid", d.pid, "-o", "comm=")
        check("profd-fetcher" not in out, f"nobody asked for one: {out}")


if __name__ == "__main__":
    run()
