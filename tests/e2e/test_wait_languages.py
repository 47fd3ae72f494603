#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Locks that are not the C library's: Go's runtime, Python's global lock, the JVM's monitors, sqlite."""

import functools
import os
import sys

from harness import WORKLOADS, Workload, check, equal, run, skip, temporary_directory, test, tool
from waits import (BLOCK, MUTEX, SOURCES, daemon_of_all_waits, delay, fetch, finished, having, settle,
                   table, within)

daemon = functools.lru_cache(maxsize=None)(daemon_of_all_waits)


def both(pid, **query):
    return (fetch(daemon(), BLOCK, pid, **query).samples, fetch(daemon(), MUTEX, pid).samples)


@test
def go():
    workload, _ = finished(daemon(), "wait-go", 3)
    block, mutex = both(workload.pid, reason="all")
    # A thread without a goroutine is parked: that is no lock, whatever futex it is done with.
    parked = having(block, "runtime.stopm")
    check(parked, table(block))
    equal({(s.labels["reason"], s.labels.get("lock")) for s in parked}, {("poll", None)},
          f"parked threads{table(parked)}")
    equal(having(fetch(daemon(), BLOCK, workload.pid).samples, "runtime.stopm"), [], "unless asked for")
    locks = having(block, "runtime.lock2")
    if not locks:
        skip("the runtime's lock was not contended this time")
    equal({s.labels["reason"] for s in locks if s.labels.get("syscall") == "futex"}, {"lock"},
          table(locks))
    check(having(locks, "main.channelFight"), table(locks))
    check(having(mutex, "runtime.unlock2") and not having(mutex, "runtime.notewakeup"), table(mutex))


@test
def python():
    workload, report = finished(daemon(), sys.executable, os.path.join(SOURCES, "gil.py"), 2)
    block, mutex = both(workload.pid)
    waits = having(block, "take_gil", reason="lock", lock="monitor")
    if not having(block, "take_gil"):
        skip(f"this interpreter has no names, or no global lock{table(block)}")
    within(having(waits, "thread_run"), report["gil_wait_ns"], "global lock", percent=8, of=block)
    check(delay(having(mutex, "drop_gil")) > 0.8 * delay(waits), table(mutex))


@test
def jvm():
    java = tool("java")
    place = os.path.join(WORKLOADS, "wait-java")
    if not os.path.exists(os.path.join(place, "Monitor.class")):
        skip("there was no javac")
    workload, _ = finished(daemon(), java, "-cp", place, "Monitor", 3)
    block, mutex = both(workload.pid)
    monitors = having(block, "ObjectMonitor::enter", reason="lock")
    if not having(block, "ObjectMonitor"):
        skip(f"this virtual machine has no names{table(block)}")
    check(monitors, table(block))
    equal({s.labels.get("lock") for s in monitors}, {"monitor"})
    check(having(mutex, "ObjectMonitor", lock="monitor"), table(mutex))
    # Its own threads that wait for work hold nobody up.
    equal(having(block, "GangWorker::loop", reason="lock"), [], "idle workers")


@test
def sqlite():
    database = os.path.join(temporary_directory(), "waits.db")
    running = daemon()
    workload = Workload(sys.executable, os.path.join(SOURCES, "writers.py"), database, 2)
    workload.report()
    settle(running)
    samples = running.profile(BLOCK, comm="writers", reason="all").samples
    inside = [s for s in samples if any("sqlite" in loc.mapping.file for loc in s.user if loc.mapping)]
    if not inside:
        skip(f"sqlite is not a library of its own here{table(samples)}")
    # Writers wait for the disk, for sqlite's mutex, and asleep until another process is done.
    seen = {s.labels["reason"] for s in inside}
    check({"disk", "lock"} <= seen, f"{seen}{table(inside)}")
    check(having(running.profile(MUTEX, comm="writers").samples, "sqlite3_step"), table(inside))


if __name__ == "__main__":
    run()
