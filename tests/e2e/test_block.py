#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Block profiles: how long threads wait and for what, against what the programs measured themselves."""

import functools
import os

from harness import (Daemon, Workload, busy_cpus, check, equal, near, run, temporary_directory, test)
from waits import (BLOCK, EACH_NS, contentions, daemon_of_all_waits, delay, fetch, finished, having,
                   sampling_daemon, table, within)

daemon = functools.lru_cache(maxsize=None)(daemon_of_all_waits)
# At the rate that is the default.
sampling = functools.lru_cache(maxsize=None)(sampling_daemon)


def check_source(part, reason, function, calls, key=None, idle=False):
    """All of one kind of wait, below its function, with its reason and system call."""
    running = daemon()
    workload, report = finished(running, "wait-sources", part, 2, cwd=temporary_directory())
    profile = fetch(running, BLOCK, workload.pid, reason="all")
    mine = having(profile.samples, function)
    key = key or reason
    within(having(mine, reason=reason), report[f"{key}_wait_ns"], reason,
           count=report[f"{key}_count"], of=profile.samples)
    # A wait that is interrupted by another kind would be a wait of its own: there is none.
    check(delay(mine) <= 1.02 * delay(having(mine, reason=reason)) + 1e6, table(mine))
    equal({s.labels.get("syscall") for s in having(mine, reason=reason)} - set(calls), set(),
          "system calls")
    default = having(fetch(running, BLOCK, workload.pid).samples, function)
    equal(delay(having(default, reason=reason)) > 0, not idle, "part of the default profile")
    return report, having(mine, reason=reason)


@test
def a_thread_with_three_kinds_of_wait():
    running = daemon()
    workload, report = finished(running, "wait-sources", "mixed", 3)
    profile = fetch(running, BLOCK, workload.pid, reason="all")
    total = sum(report[f"{key}_wait_ns"] for key in ("sleep", "pipe", "lock"))
    for reason, function, nominal in (("sleep", "wait_for_time", 30), ("pipe", "wait_for_pipe", 50),
                                      ("lock", "wait_for_lock", 20)):
        wanted = report[f"{reason}_wait_ns"]
        mine = having(profile.samples, function, reason=reason)
        within(mine, wanted, reason, count=report[f"{reason}_count"], of=profile.samples)
        # This one is nominal: that the program is what it says.
        near(100 * wanted / total, nominal, 12, f"share of {reason}")
        check(all("main" in s.names for s in mine), "stacks are whole")


@test
def counts_are_those_of_the_waits():
    workload, report = finished(daemon(), "wait-sources", "sleep", 2)
    mine = having(fetch(daemon(), BLOCK, workload.pid, reason="all").samples, "wait_for_time")
    # A nap of which nothing was left when the thread came to it, preempted just before, is no wait.
    near(contentions(mine), report["sleep_count"], 2 + 0.02 * report["sleep_count"], "contentions")


@test
def columns_and_labels():
    workload, _ = finished(daemon(), "wait-sources", "eventfd", 0.5)
    profile = fetch(daemon(), BLOCK, workload.pid)
    equal(profile.sample_types, [("contentions", "count"), ("delay", "nanoseconds")])
    equal(profile.period_type, ("contentions", "count"))
    for s in profile.samples:
        equal(s.pid, workload.pid)
        check(s.labels.get("reason") and "comm" in s.labels, str(s.labels))
        equal("lock" in s.labels, s.labels["reason"] in ("lock", "sync"), str(s.labels))


@test
def sleep():
    check_source("sleep", "sleep", "wait_for_time", {"nanosleep", "clock_nanosleep"}, idle=True)


@test
def socket():
    check_source("socket", "socket", "wait_for_socket", {"read", "recvfrom"})


@test
def eventfd():
    check_source("eventfd", "pipe", "wait_for_eventfd", {"read"})


@test
def poll_and_epoll():
    _, mine = check_source("poll", "poll", "wait_for_", {"poll", "epoll_wait", "ppoll", "epoll_pwait"},
                           idle=True)
    check(having(mine, "wait_for_poll") and having(mine, "wait_for_epoll"), table(mine))


@test
def child():
    check_source("child", "child", "wait_for_child", {"wait4", "waitid"}, idle=True)


@test
def signal():
    check_source("signal", "signal", "wait_for_signal", {"rt_sigtimedwait"}, idle=True)


@test
def disk_without_cache():
    check_source("disk", "disk", "wait_for_disk", {"pread64"})


@test
def page_faults_of_a_file():
    report, mine = check_source("fault", "fault", "wait_for_fault", {None})
    check(report["major_faults"] > 20, f"pages were read: {report['major_faults']}")
    check(all(s.kernel for s in mine), "kernel frames")


@test
def preemption_is_no_wait():
    # More hogs than CPUs: each is off the CPU half of the time, and waits for nothing.
    running = daemon()
    count = 2 * os.cpu_count()
    hogs = [Workload("shares", 4) for _ in range(count)]
    reports = [h.report() for h in hogs]
    used = sum(r["cpu_ns"] for r in reports)
    check(used < 0.75 * 4e9 * count, f"they had to share: {used / 1e9:.1f} s of CPU time")
    for hog in hogs:
        samples = fetch(running, BLOCK, hog.pid, reason="all").samples
        check(delay(samples) < 0.01 * 4e9, f"{table(samples)}")


@test
def queueing_for_a_cpu_is_kept_apart():
    # A thread that nobody lets run: at lowest priority beside hogs.
    running = daemon()
    hogs = busy_cpus(6) + busy_cpus(6)
    workload, report = finished(running, "wait-lives", "queue", 4, also=lambda: os.nice(19))
    waits = fetch(running, BLOCK, workload.pid, reason="all")
    # Each nap is of 2 ms at least. What the program knows is its time less run_delay, in which a part
    # of the queueing was missing more than once: up to 17 % of the naps' sum.
    slept = delay(having(waits.samples, "wait_beside_others", reason="sleep"))
    least = 2e6 * report["sleep_count"]
    check(0.95 * least < slept < 1.1 * report["sleep_wait_ns"] + report["sleep_count"] * EACH_NS,
          f"slept {slept / 1e6:.1f} ms, not {least / 1e6:.1f} to {report['sleep_wait_ns'] / 1e6:.1f}"
          f"{table(waits.samples)}")
    equal(having(waits.samples, reason="runqueue"), [], "in a profile that did not ask for it")
    queued = fetch(running, BLOCK, workload.pid, reason="runqueue")
    equal({s.labels["reason"] for s in queued.samples}, {"runqueue"})
    check(report["sleep_runqueue_ns"] > 50e6, "it had to queue")
    # The program's figure has the times in it that it was preempted without having waited.
    seen = delay(having(queued.samples, "wait_beside_others"))
    wanted = report["sleep_runqueue_ns"]
    check(0.5 * wanted < seen < 1.05 * wanted + report["sleep_count"] * EACH_NS,
          f"{seen / 1e6:.1f} ms of at most {wanted / 1e6:.1f}{table(queued.samples)}")
    for hog in hogs:
        hog.end()


@test
def reasons_that_are_asked_for():
    running = daemon()
    workload, _ = finished(running, "wait-sources", "mixed", 1)

    def reasons(**query):
        return {s.labels["reason"] for s in fetch(running, BLOCK, workload.pid, **query).samples}
    check(reasons(reason="all") >= {"sleep", "pipe", "lock"}, str(reasons(reason="all")))
    check("sleep" not in reasons() and reasons() >= {"pipe", "lock"}, str(reasons()))
    equal(reasons(reason="pipe"), {"pipe"})
    equal(reasons(reason="lock,sleep"), {"lock", "sleep"})
    equal(reasons(reason="disk"), set())


@test
def at_the_default_rate():
    # What is left to chance: 300 waits of 3 ms and more are all kept, as they are above the rate.
    workload, report = finished(sampling(), "wait-sources", "mixed", 3)
    profile = fetch(sampling(), BLOCK, workload.pid, reason="all")
    for reason, function in (("sleep", "wait_for_time"), ("pipe", "wait_for_pipe"),
                             ("lock", "wait_for_lock")):
        within(having(profile.samples, function, reason=reason), report[f"{reason}_wait_ns"], reason,
               count=report[f"{reason}_count"], of=profile.samples)


@test
def switched_off():
    with Daemon(block_rate="0") as off:
        metrics = off.metrics()
        equal(metrics.get("profd_waits_total", 0), 0, "waits")
        workload, _ = finished(off, "wait-sources", "eventfd", 0.5)
        response = off.get(f"{BLOCK}?pid={workload.pid}")
        check(response.status in (200, 404, 503), f"{response.status} {response.text[:200]}")
        if response.status == 200:
            equal(fetch(off, BLOCK, workload.pid).samples, [])


if __name__ == "__main__":
    run()
