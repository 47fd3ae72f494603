#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Starting: what is wrong is said in one line with what, where and what to do, and an exit code.

And ending: however profd ends, the next start finds nothing in its way.
"""

import json
import os
import re
import signal
import socket
import sys
import time

from harness import (PROFD, WORKLOADS, Daemon, Workload, check, command, equal, free_port, nobody,
                     run, skip, temporary_directory, test, tool, wait_until)
from pprof import Profile, total

USAGE, RIGHTS, KERNEL, BUSY, DIRECTORY = 2, 3, 4, 5, 6


def refused(status, *says, arguments=(), also=None, isolated=True):
    """Runs profd, which must refuse to run: exit status, and one line that says these things."""
    place = temporary_directory()
    flags = [f"--listen=127.0.0.1:{free_port()}", f"--socket={place}/s", f"--directory={place}/d"]
    code, out, err = command(PROFD, *(flags if isolated else ()), *arguments, also=also, timeout=30)
    equal(code, status, f"exit status; stderr: {err}")
    equal(out, "", "stdout")
    lines = [line for line in err.split("\n") if line]
    equal(len(lines), 1, f"lines on stderr: {lines}")
    check(lines[0].startswith("profd: "), lines[0])
    for word in says:
        check(word in lines[0], f"{lines[0]!r} does not say {word!r}")
    return lines[0]


def config(text):
    path = os.path.join(temporary_directory(), "profd.conf")
    with open(path, "wb") as f:
        f.write(text if isinstance(text, bytes) else text.encode())
    return path


@test
def unknown_option():
    refused(USAGE, "--nonsense", arguments=["--nonsense"])
    refused(USAGE, "nonsense", arguments=["nonsense"])


@test
def option_out_of_range():
    refused(USAGE, "--sample-frequency", "10000", arguments=["--sample-frequency=10001"])
    refused(USAGE, "--sample-frequency", "1", arguments=["--sample-frequency=0"])
    refused(USAGE, "--rotate-interval", arguments=["--rotate-interval=soon"])
    refused(USAGE, "--retain-bytes", arguments=["--retain-bytes=99999999999999999999G"])


@test
def option_without_value():
    refused(USAGE, "--listen", "value", arguments=["--listen"], isolated=False)


@test
def bad_address():
    refused(USAGE, "listen", "nowhere:1", arguments=["--listen=nowhere:1"])
    refused(USAGE, "listen", arguments=["--listen=127.0.0.1:99999"])


@test
def beyond_loopback_needs_insecure():
    refused(USAGE, "insecure", arguments=["--listen=0.0.0.0:7"])


@test
def bad_config_lines_are_named():
    good = "[Profd]\nsample_frequency=99\n"
    for bad, *says in (("nonsense=1\n", "nonsense"), ("sample_frequency=much\n", "10000"),
                       ("just words\n",), ("=5\n",), ("split=perhaps\n", "process")):
        path = config(good + bad)
        refused(USAGE, f"{path}:3:", *says, arguments=[f"--config={path}"])
    path = config("sample_frequency=99\n")
    refused(USAGE, f"{path}:1:", "[Profd]", arguments=[f"--config={path}"])


@test
def config_that_is_no_text():
    for data in (b"\0" * 100, os.urandom(5000), b"[Profd]\n" + b"a" * 1000000):
        refused(USAGE, arguments=[f"--config={config(data)}"])


@test
def config_that_is_not_there():
    refused(USAGE, "/nonexistent/profd.conf", arguments=["--config=/nonexistent/profd.conf"])


@test
def check_config():
    path = config("[Profd]\nsample_frequency=11\nlisten=127.0.0.1:7\nlisten=[::1]:7\n")
    code, _, err = command(PROFD, f"--config={path}", "--check-config", also=nobody)
    equal(code, 0, err)
    path = config("[Profd]\nsample_frequency=0\n")
    code, _, err = command(PROFD, f"--config={path}", "--check-config", also=nobody)
    equal(code, USAGE, err)
    check(f"{path}:2:" in err, err)


@test
def print_config_can_be_read_again():
    path = config("[Profd]\nsample_frequency=11\nretain_bytes=3G\nlisten=127.0.0.1:7\n"
                  "listen=[::1]:7\n# a comment\n; another\nrotate_interval = 90\n")
    code, first, err = command(PROFD, f"--config={path}", "--print-config", "--retain-age=2d")
    equal(code, 0, err)
    for wanted in ("sample_frequency=11", "retain_bytes=3G", "listen=127.0.0.1:7",
                   "listen=[::1]:7", "rotate_interval=90s", "retain_age=2d"):
        check(re.search(rf"^{re.escape(wanted)}$", first.replace(" = ", "="), re.M),
              f"no {wanted} in\n{first}")
    code, second, err = command(PROFD, f"--config={config(first)}", "--print-config")
    equal(code, 0, err)
    equal(second, first)


@test
def busy_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        place = temporary_directory()
        code, _, err = command(PROFD, f"--listen=127.0.0.1:{port}", f"--socket={place}/s",
                               f"--directory={place}/d")
        equal(code, BUSY, err)
        lines = [line for line in err.split("\n") if line]
        check(any(f"127.0.0.1:{port}" in line and "in use" in line.lower() for line in lines), err)


@test
def second_instance():
    with Daemon() as first:
        place = temporary_directory()
        code, _, err = command(PROFD, f"--listen=127.0.0.1:{free_port()}",
                               f"--socket={first.socket}", f"--directory={place}/d")
        equal(code, BUSY, err)
        check(first.socket in err, err)
        equal(first.get("/healthz").status, 200, "the first goes on")
        check(os.path.exists(first.socket), "its socket is still there")
        code, _, err = command(PROFD, f"--listen=127.0.0.1:{free_port()}",
                               f"--socket={place}/s", f"--directory={first.directory}")
        equal(code, BUSY, err)
        check(first.directory in err, err)


@test
def without_rights():
    for path in (PROFD, os.path.dirname(PROFD)):
        if not os.stat(path).st_mode & 0o005:
            skip("nobody cannot reach the binary")
    place = temporary_directory()
    os.chmod(place, 0o777)
    code, _, err = command(PROFD, f"--listen=127.0.0.1:{free_port()}", f"--socket={place}/s",
                           f"--directory={place}/d", also=nobody)
    equal(code, RIGHTS, err)
    check("root" in err or "CAP_" in err, err)
    equal(len([line for line in err.split("\n") if line]), 1, f"lines on stderr: {err}")


@test
def with_some_of_the_rights():
    # CAP_BPF alone: what is missing is said by name.
    place = temporary_directory()
    os.chmod(place, 0o777)
    code, _, err = command(tool("setpriv"), "--reuid=65534", "--regid=65534", "--clear-groups",
                           "--inh-caps=-all,+bpf", "--ambient-caps=-all,+bpf", PROFD,
                           f"--listen=127.0.0.1:{free_port()}", f"--socket={place}/s",
                           f"--directory={place}/d")
    if "setpriv" in err:
        skip(err.strip())
    equal(code, RIGHTS, err)
    check("CAP_" in err or "perf_event_paranoid" in err, err)


@test
def without_btf():
    from harness import new_mount_namespace

    def hide():
        new_mount_namespace()
        if os.system("mount -t tmpfs tmpfs /sys/kernel/btf") != 0:
            os._exit(99)
    refused(KERNEL, "BTF", also=hide)


@test
def directory_that_cannot_be():
    place = temporary_directory()
    with open(os.path.join(place, "file"), "wb"):
        pass
    code, _, err = command(PROFD, f"--listen=127.0.0.1:{free_port()}", f"--socket={place}/s",
                           f"--directory={place}/file/d")
    equal(code, DIRECTORY, err)
    check(f"{place}/file/d" in err, err)


@test
def first_sample_comes_soon():
    # The aim is half a second on an idle machine; here only that it is not a matter of minutes.
    with Daemon() as d:
        check(d.ready_after < 10, f"{d.ready_after:.2f} s until /healthz")
        print(f"# /healthz after {d.ready_after * 1000:.0f} ms")


@test
def says_where_to_look():
    with Daemon() as d:
        check(f"http://127.0.0.1:{d.port}" in d.log() or f"127.0.0.1:{d.port}" in d.log(), d.log())
        check(d.directory in d.log(), d.log())


@test
def without_files_and_sockets():
    port = free_port()
    with Daemon(port=port, socket="", directory="") as d:
        profile = d.profile(seconds=1)
        check(profile.mappings, "it serves")


@test
def options_of_the_file_and_of_the_command_line():
    with Daemon(config="[Profd]\nsample_frequency=501\nrotate_interval=77\n",
                sample_frequency=201) as d:
        profile = d.profile(seconds=1)
        check(abs(profile.period - 1e9 / 201) < 1000, f"the flag wins: period {profile.period}")


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        return [int(child) for child in f.read().split()]


@test
def sigterm_and_sigint_end_it():
    # Not even helpers that do not run any more hold it up.
    for number, stopped in ((signal.SIGTERM, False), (signal.SIGINT, False), (signal.SIGTERM, True)):
        d = Daemon()
        for child in children_of(d.pid) if stopped else []:
            os.kill(child, signal.SIGSTOP)
        d.signal(number)
        equal(d.child.wait(30), 0, f"exit status after {number.name}")
        check(not os.path.exists(d.socket), "the socket is gone")
        Daemon.running.remove(d)


@test
def sigterm_with_requests_open():
    d = Daemon()
    with socket.create_connection(("127.0.0.1", d.port), timeout=5) as s:
        s.sendall(b"GET /debug/pprof/profile?seconds=60 HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.3)
        start = time.monotonic()
        equal(d.stop(), 0, "exit status")
        check(time.monotonic() - start < 5, "it does not wait for the minute")
        answer = b"".join(iter(lambda: s.recv(65536), b""))
    head, body = answer.split(b"\r\n\r\n", 1)
    check(head.startswith(b"HTTP/1.1 200 "), head)
    equal(Profile(body).problems(), [], "what there is was answered")


def bpf_objects(pid):
    """(programs, maps): ids of those that a process holds."""
    text = ""
    for fd in os.listdir(f"/proc/{pid}/fdinfo"):
        try:
            with open(f"/proc/{pid}/fdinfo/{fd}", encoding="ascii") as f:
                text += f.read()
        except FileNotFoundError:
            pass
    return tuple({int(i) for i in re.findall(rf"^{what}_id:\s*(\d+)$", text, re.M)}
                 for what in ("prog", "map"))


def there(ids):
    """Which of (programs, maps) the kernel still has."""
    bpftool = tool("bpftool", "/usr/sbin", "/sbin")
    have = [{o["id"] for o in json.loads(command(bpftool, "-j", what, "list")[1])}
            for what in ("prog", "map")]
    return [mine & all_ids for mine, all_ids in zip(ids, have)]


@test
def sigkill_leaves_nothing():
    d = Daemon()
    mine = bpf_objects(d.pid)
    check(mine[0] and mine[1], "it has programs and maps")
    equal([len(i) for i in there(mine)], [len(i) for i in mine], "bpftool sees them")
    d.kill()
    # The kernel frees them after a grace period.
    wait_until(lambda: not any(there(mine)), "programs and maps are gone", timeout=30)
    check(os.path.exists(d.socket), "nobody could remove the socket")
    again = Daemon(port=d.port, directory=d.directory, socket=d.socket)
    equal(again.get("/healthz").status, 200, "the next one starts in the same place")
    equal(again.stop(), 0)


@test
def sigkill_while_writing_leaves_whole_files():
    import pprof
    place = temporary_directory()
    d = Daemon(directory=place, rotate_interval="1s", window="1s")
    time.sleep(2.5)
    d.kill()
    again = Daemon(directory=place, rotate_interval="1s", window="1s")
    time.sleep(1.5)
    equal(again.stop(), 0)
    names = [os.path.join(base, n) for base, _, files in os.walk(place) for n in files]
    profiles = [n for n in names if n.endswith(".pb.gz")]
    check(profiles, f"{names}")
    for name in profiles:
        with open(name, "rb") as f:
            equal(pprof.Profile(f.read()).problems(), [], name)
    equal([n for n in names if n.endswith((".tmp", "~")) or "/." in n and ".pb" in n], [],
          "unfinished files")


@test
def tells_when_what_runs_can_be_unwound():
    name = "profd_unwind_running_loaded_seconds"
    cache = os.path.join(temporary_directory(), "cache")
    for loaded_from in ("built", "from_cache"):
        with Daemon(preload="running", unwind_cache=cache) as d:
            wait_until(lambda: name in d.metrics(), "the tables of what runs are loaded")
            metrics = d.metrics()
            check(0 < metrics[name] <= metrics["profd_uptime_seconds"], f"{metrics[name]} s")
            check(metrics[f"profd_unwind_tables_{loaded_from}_total"] > 1, loaded_from)
            check("unwind_running_loaded_ms: " in d.get("/status").text, "status tells it too")
    with Daemon(preload="none", unwind_cache="") as d:
        check(name not in d.metrics(), "nothing is preloaded, so it is never finished")


@test
def sighup_reloads():
    d = Daemon(config="[Profd]\nretain_bytes=2G\nsample_frequency=77\n")
    with open(d.config, "w", encoding="ascii") as f:
        f.write("[Profd]\nretain_bytes=3G\nsample_frequency=88\n")
    d.signal(signal.SIGHUP)
    wait_until(lambda: "sample_frequency" in d.log(), "the log says what cannot change")
    line = next(x for x in d.log().split("\n") if "sample_frequency" in x)
    check("restart" in line.lower(), line)
    period = d.profile(seconds=1).period
    check(abs(period - 1e9 / 77) < 1000, f"it still samples at 77 Hz: {period}")
    with open(d.config, "w", encoding="ascii") as f:
        f.write("[Profd]\nretain_bytes=lots\n")
    d.signal(signal.SIGHUP)
    wait_until(lambda: f"{d.config}:2:" in d.log(), "the log names the bad line")
    equal(d.get("/healthz").status, 200, "it goes on as before")
    equal(d.stop(), 0)


@test
def pid_that_is_used_again():
    # Two programs, one after the other under one pid: each sample has its own.
    script = "import os,sys,time\ne=time.time()+float(sys.argv[2])\nwhile time.time()<e: pass\n" \
             "os.execv(sys.argv[1],['chain-pie','60'])\n"
    with Daemon(sample_frequency=499) as d:
        for seconds in (3, 12, 30):  # the longer, the less of the CPUs others leave it
            w = Workload(sys.executable, "-c", script, os.path.join(WORKLOADS, "chain-pie"),
                         seconds / 2)
            time.sleep(0.3)
            profile = d.profile(seconds=seconds, pid=w.pid)
            w.end()
            before = [s for s in profile.samples if s.comm.startswith("python")]
            after = profile.of(comm="chain-pie")
            if total(before) > 100 and total(after) > 100:
                break
        check(total(before) > 100 and total(after) > 100, f"{ {s.comm for s in profile.samples} }")
        check(not any("chain_leaf" in s.names for s in before), "no new name on old samples")
        inside = [s for s in after if "chain_leaf" in s.names]
        check(total(inside) > 0.8 * total(after), "named after the exec")


if __name__ == "__main__":
    run()
