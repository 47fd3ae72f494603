#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A program with known shares: what is sampled, and what go tool pprof shows of it."""

import collections
import functools
import os
import re
import time

from harness import (Workload, check, equal, go_pprof_report, meanwhile, near, near_share, profile_of,
                     run, shared_daemon, test)
from pprof import total

SHARES = {"work_sixty": 60, "work_thirty": 30, "work_ten": 10}
CHAIN_DEPTH = 16
daemon = shared_daemon(sample_frequency=999)


Recording = collections.namedtuple("Recording", "pid threads profile used")


@functools.lru_cache(maxsize=None)
def recorded():
    """Ten seconds of the program; used: the CPUs that it had, by its own CPU time."""
    running = daemon()
    workload = Workload("shares", 60, 2)
    time.sleep(0.5)
    threads = {int(t) for t in os.listdir(f"/proc/{workload.pid}/task")}
    profile, (used,) = meanwhile([workload], lambda: profile_of(running, workload, 10, settle=0))
    workload.end()
    return Recording(workload.pid, threads, profile, used)


@test
def shares_are_within_three_points():
    profile = recorded().profile
    for name, wanted in SHARES.items():
        near_share(profile.samples, name, wanted)


@test
def ten_seconds_of_two_threads_are_there():
    # On CPUs that others use as well, now less and then more.
    _, threads, profile, used = recorded()
    equal(len(threads), 2, "threads")
    near(total(profile.samples, 1) / profile.duration_nanos, used, 0.2 * used, "CPUs in use")
    near(profile.duration_nanos / 1e9, 10, 0.5, "duration")
    near(profile.period, 1e9 / 999, 2, "period")


@test
def values_are_counts_times_the_period():
    profile = recorded().profile
    equal(profile.sample_types, [("samples", "count"), ("cpu", "nanoseconds")])
    equal(profile.period_type, ("cpu", "nanoseconds"))
    near(total(profile.samples, 1) / total(profile.samples, 0) / profile.period, 1, 0.02,
         "nanoseconds for each sample, in periods")


@test
def chains_are_whole():
    profile = recorded().profile
    whole = 0
    for s in profile.samples:
        names = [loc.name for loc in s.user]
        kind = names[0].removeprefix("work_") if names else ""
        if names[1:] and names[1:2 + CHAIN_DEPTH] == [f"chain_{kind}"] * CHAIN_DEPTH + ["thread_main"]:
            whole += s.values[0]
    # What interrupts the program is charged to it as well; and where there are only frame pointers,
    # the caller is missed in a function's first two instructions.
    check(whole > 0.98 * total(profile.samples), f"{whole} of {total(profile.samples)} samples")


@test
def main_thread_reaches_main():
    pid, _, profile = recorded()[:3]
    mine = [s for s in profile.samples if s.labels["tid"] == pid]
    reached = [s for s in mine if "main" in s.names]
    check(mine, "no samples of the main thread")
    check(total(reached) > 0.97 * total(mine), f"{total(reached)} of {total(mine)} reach main()")


@test
def labels_name_process_and_threads():
    pid, threads, profile = recorded()[:3]
    equal({s.labels["pid"] for s in profile.samples}, {pid}, "pids")
    equal({s.labels["tid"] for s in profile.samples}, threads, "tids")
    equal({s.comm for s in profile.samples}, {"shares"}, "comms")


@test
def quality_record_is_there():
    pid, _, profile = recorded()[:3]
    threads = [s for s in profile.samples if s.labels["tid"] != pid]
    quality = profile.quality()
    for key in ("samples_attempted", "samples_lost", "user_stacks_complete", "frames_unnamed"):
        check(key in quality, f"no {key} in {profile.comments}")
    equal(quality["samples_lost"], 0, "samples_lost")
    # The thread's stack ends as a stack should; whether main()'s does depends on the C library.
    check(quality["user_stacks_complete"] > 0.97 * total(threads), str(quality))


@test
def pprof_top():
    profile = recorded().profile
    out = go_pprof_report(profile, "-top", "-nodecount=20")
    check("Type: cpu" in out, out)
    check(re.search(r"Duration: (9|10)\.\d+s", out) or "Duration: 10s" in out, out)
    flat = {}
    for line in out.split("\n"):
        words = line.split()
        if len(words) >= 6 and words[1].endswith("%"):
            flat[words[5]] = (float(words[1][:-1]), float(words[4][:-1]))
    for name, wanted in SHARES.items():
        check(name in flat, out)
        near(flat[name][0], wanted, 3, f"flat % of {name}")
        chain = name.replace("work", "chain")
        near(flat[chain][1], wanted, 3, f"cumulative % of {chain}")
        equal(flat[chain][0] < 1, True, f"{chain} has next to no time of its own")


@test
def pprof_traces():
    profile = recorded().profile
    out = go_pprof_report(profile, "-traces")
    whole = (r"\bwork_sixty\n" + r"\s+chain_sixty\n" * CHAIN_DEPTH + r"\s+thread_main\n\s+main\n")
    check(re.search(whole, out), out[:3000])


@test
def pprof_tags():
    pid, threads, profile = recorded()[:3]
    out = go_pprof_report(profile, "-tags")
    for key in ("pid", "tid", "comm"):
        check(re.search(rf"^\s*{key}: Total", out, re.M), out)
    check("shares" in out, out)
    for number in {pid, *threads}:
        check(re.search(rf":\s*{number}\b", out), f"{number} is not in\n{out}")


@test
def pprof_tagfocus_on_a_pid():
    # In a profile of everything: two programs run, the focus shows one.
    here, there = Workload("shares", 6), Workload("chain-pie", 6)
    profile = daemon().profile(seconds=3)
    check(total(profile.of(pid=here.pid)) and total(profile.of(pid=there.pid)), "both were sampled")
    out = go_pprof_report(profile, "-top", f"-tagfocus=pid={here.pid}")
    check("work_sixty" in out and "chain_leaf" not in out, out)
    out = go_pprof_report(profile, "-top", f"-tagfocus=pid={there.pid}")
    check("work_sixty" not in out and "chain_leaf" in out, out)
    here.report(), there.report()


@test
def pprof_raw():
    pid, _, profile = recorded()[:3]
    out = go_pprof_report(profile, "-raw")
    check("samples/count cpu/nanoseconds" in out, out[:500])
    check(f"pid:[{pid}" in out, out[:2000])
    counted = sum(int(m[1]) for m in re.finditer(r"^\s+(\d+)\s+\d+: ", out, re.M))
    equal(counted, total(profile.samples), "pprof's sum of samples and ours")


@test
def daemon_ends_cleanly():
    equal(daemon().stop(), 0, "exit status of SIGTERM")


if __name__ == "__main__":
    run()
