#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""profctl, with a daemon and without one."""

import math
import os
import re
import signal
import subprocess
import time

from harness import (PROFCTL, WORKLOADS, Daemon, Workload, check, command, cpu_used, equal,
                     go_pprof_report, near, near_share, nobody, run, shared_daemon, start,
                     temporary_directory, test, wait_until)
from pprof import Profile, total

LONG = 60  # s, for workloads that are ended when they have been seen
daemon = shared_daemon(sample_frequency=499)
NOWHERE = "--socket=/nonexistent/profd.sock"


def profctl(*arguments, **options):
    """(exit status, stdout, stderr) with the daemon of this file."""
    subcommand, *rest = arguments
    return command(PROFCTL, subcommand, f"--socket={daemon().socket}", *rest, **options)


def read(path):
    with open(path, "rb") as f:
        decoded = Profile(f.read())
    equal(decoded.problems(), [], path)
    return decoded


def in_scratch():
    return os.path.join(temporary_directory(), "out.pb.gz")


def check_recorded(code, out, err, path, pid):
    equal(code, 0, err)
    check(path in out + err, f"where the file is: {out} {err}")
    check("go tool pprof" in out + err, f"how to open it: {out} {err}")
    profile = read(path)
    equal({s.pid for s in profile.samples}, {pid}, "pids")
    for name, wanted in (("work_sixty", 60), ("work_thirty", 30), ("work_ten", 10)):
        near_share(profile.samples, name, wanted)


@test
def record_a_pid_through_the_daemon():
    workload, path = Workload("shares", LONG), in_scratch()
    time.sleep(0.3)
    check_recorded(*profctl("record", "--pid", workload.pid, "--seconds", 2, "-o", path), path,
                   workload.pid)
    workload.end()


@test
def record_a_pid_without_a_daemon():
    workload, path = Workload("shares", LONG), in_scratch()
    time.sleep(0.3)
    check_recorded(*command(PROFCTL, "record", NOWHERE, "--pid", workload.pid, "--seconds", 2,
                            "-F", 999, "-o", path), path, workload.pid)
    near(read(path).period, 1e9 / 999, 2, "period")
    workload.end()


@test
def record_several_pids():
    workloads, path = [Workload("chain-pie", LONG) for _ in range(3)], in_scratch()
    time.sleep(0.3)
    code, _, err = profctl("record", "--pid", workloads[0].pid, "--pid", workloads[1].pid,
                           "--seconds", 2, "-o", path)
    equal(code, 0, err)
    equal({s.pid for s in read(path).samples}, {w.pid for w in workloads[:2]}, "pids")
    for w in workloads:
        w.end()


@test
def record_by_comm():
    workload, path = Workload("chain-pie", LONG), in_scratch()
    time.sleep(0.3)
    code, _, err = profctl("record", "--comm", "chain-pie", "--seconds", 1, "-o", path)
    equal(code, 0, err)
    equal({s.comm for s in read(path).samples}, {"chain-pie"}, "comms")
    workload.end()


@test
def record_everything_to_stdout():
    workload = Workload("shares", LONG)
    time.sleep(0.3)
    child = start([PROFCTL, "record", f"--socket={daemon().socket}", "--seconds", 1, "-o", "-"],
                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = child.communicate(timeout=30)
    equal(child.returncode, 0, err)
    profile = Profile(out)
    equal(profile.problems(), [])
    check(total(profile.of(pid=workload.pid)) > 0, "the workload is in it")
    workload.end()


def check_command(path, *how):
    program = os.path.join(WORKLOADS, "shares")
    code, out, err = command(PROFCTL, "record", *how, "-o", path, "--", program, 2)
    equal(code, 0, err)
    check("cpu_ns=" in out, f"the command's own output: {out!r}")
    profile = read(path)
    check(profile.samples, "no samples")
    inside = [s for s in profile.samples if s.comm == "shares"]
    # It is followed from its first instruction, its whole CPU time is there.
    used = int(re.search(r"cpu_ns=(\d+)", out)[1])
    # Chance has a say where others leave it little of the CPUs.
    slack = 5 if total(inside) > 500 else 5 + 300 / math.sqrt(max(1, total(inside)))
    near(100 * total(inside, 1) / used, 100, slack, "sampled in % of the command's own CPU time")
    near_share(inside, "work_sixty", 60)


@test
def record_a_command_through_the_daemon():
    check_command(in_scratch(), f"--socket={daemon().socket}")


@test
def record_a_command_without_a_daemon():
    check_command(in_scratch(), NOWHERE, "-F", "499")


@test
def exit_status_of_the_command():
    path = in_scratch()
    code, _, err = profctl("record", "-o", path, "--", "/bin/sh", "-c", "exit 7")
    check(code == 7 or "7" in err, f"{code} {err}")
    check(os.path.exists(path), "the profile is kept")
    code, _, err = profctl("record", "-o", in_scratch(), "--", "/nonexistent/program")
    equal(code, 127, err)
    check("/nonexistent/program" in err, err)


def check_interrupt(*how):
    workload, path = Workload("shares", LONG), in_scratch()
    time.sleep(0.3)
    child = start([PROFCTL, "record", *how, "--pid", workload.pid, "--seconds", 60, "-o", path],
                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    begin = cpu_used(workload.pid)
    time.sleep(3)
    wait_until(lambda: cpu_used(workload.pid) > begin + 1.5, "it was seen at work", 60)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=15)
    equal(child.returncode, 0, f"{out} {err}")
    profile = read(path)
    check(total(profile.samples) > 0, "no samples")
    check(0.3e9 < profile.duration_nanos < 50e9, f"duration {profile.duration_nanos}")
    workload.end()


@test
def interrupt_keeps_what_there_is_with_a_daemon():
    check_interrupt(f"--socket={daemon().socket}")


@test
def interrupt_keeps_what_there_is_without_one():
    check_interrupt(NOWHERE)


@test
def process_that_does_not_exist():
    for how in (f"--socket={daemon().socket}", NOWHERE):
        path = in_scratch()
        code, _, err = command(PROFCTL, "record", how, "--pid", 4194303, "--seconds", 1, "-o", path)
        equal(code, 4, err)
        lines = [line for line in err.split("\n") if line]
        equal(len(lines), 1, err)
        check("4194303" in lines[0] and lines[0].startswith("profctl: "), err)
        check(not os.path.exists(path), "no file is made")


@test
def process_that_ends_while_recorded():
    for seconds in (1.5, 10):  # if it takes profctl that long to begin
        workload, path = Workload("shares", seconds), in_scratch()
        time.sleep(0.3)
        code, _, err = profctl("record", "--pid", workload.pid, "--seconds", seconds + 2.5, "-o", path)
        if code == 0 and total(read(path).samples) > 0:
            break
    equal(code, 0, err)
    check(total(read(path).samples) > 0, "what it did is kept")
    workload.end()


@test
def output_that_cannot_be_written():
    code, _, err = profctl("record", "--seconds", 1, "-o", "/nonexistent/dir/out.pb.gz")
    equal(code, 1, err)
    check("/nonexistent/dir/out.pb.gz" in err, err)


@test
def top():
    workload = Workload("shares", LONG)
    time.sleep(0.3)
    for how in (f"--socket={daemon().socket}", NOWHERE):
        for seconds in (2, 20):  # the longer, the less of the CPUs others leave it
            code, out, err = command(PROFCTL, "top", how, "--pid", workload.pid, "--seconds", seconds)
            equal(code, 0, err)
            check("\x1b" not in out, "no terminal codes in a pipe")
            rows = {line.split()[-1]: line for line in out.split("\n") if "%" in line}
            shares = [float(x) for x in re.findall(r"([\d.]+)%", rows.get("work_sixty", "0%"))]
            if abs(shares[0] - 60) <= 8:
                break
        near(shares[0], 60, 8, f"flat % of work_sixty: {out}")
        check(out.index("work_sixty") < out.index("work_thirty") < out.index("work_ten"), out)
    workload.end()


@test
def list_of_processes():
    workload = Workload("shares", 12)
    time.sleep(2)  # a daemon's list is of the past
    for how in (f"--socket={daemon().socket}", NOWHERE):
        code, out, err = command(PROFCTL, "list", how, "--seconds", 2)
        equal(code, 0, err)
        row = next((line for line in out.split("\n") if str(workload.pid) in line.split()), None)
        check(row and "shares" in row, out)
    workload.end()


@test
def status():
    code, out, err = profctl("status")
    equal(code, 0, err)
    check("499" in out, f"the frequency: {out}")
    code, out, err = command(PROFCTL, "status", NOWHERE)
    check(code != 0 and "/nonexistent/profd.sock" in out + err, f"{code} {out} {err}")


@test
def doctor():
    code, out, err = profctl("doctor")
    equal(code, 0, f"{out} {err}")
    for word in ("BTF", "perf_event_paranoid"):
        check(word in out, out)
    check(re.search(r"daemon waits +a stack per \d+ms \(auto\) of waiting, taken by \w+", out), out)
    code, out, err = command(PROFCTL, "doctor", NOWHERE, also=nobody)
    check(code != 0, f"without rights something is missing: {out}")
    check("root" in out or "CAP_" in out, out)


@test
def version_and_help():
    code, out, err = command(PROFCTL, "version")
    equal((code, err), (0, ""))
    check(re.search(r"\d", out), out)
    code, out, err = command(PROFCTL, "help")
    equal((code, err), (0, ""))
    for word in ("record", "top", "list", "status", "doctor", "version", "help"):
        check(word in out, f"{word} is not in\n{out}")


@test
def without_daemon_and_rights():
    code, out, err = command(PROFCTL, "record", NOWHERE, "--seconds", 1, "-o", "/tmp/x.pb.gz",
                             also=nobody)
    equal(code, 3, err)
    lines = [line for line in err.split("\n") if line]
    equal(len(lines), 1, err)
    check("root" in lines[0] and "/nonexistent/profd.sock" in lines[0], err)


@test
def report_of_what_was_recorded():
    workload, path = Workload("shares", LONG), in_scratch()
    time.sleep(0.3)
    equal(profctl("record", "--pid", workload.pid, "--seconds", 1, "-o", path)[0], 0)
    check("work_sixty" in go_pprof_report(path, "-top"), "pprof reads the file")
    workload.end()


@test
def daemon_that_ends_while_asked():
    d = Daemon()
    child = start([PROFCTL, "record", f"--socket={d.socket}", "--seconds", 30, "-o", in_scratch()],
                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(1)
    d.kill()
    out, err = child.communicate(timeout=15)
    check(child.returncode != 0, f"{out} {err}")
    equal(len([line for line in err.decode().split("\n") if line]), 1, f"{err}")


if __name__ == "__main__":
    run()
