#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What is left to chance, who moves, who ends: sums stay right, and nothing is left behind."""

import collections
import concurrent.futures
import functools
import math
import os
import signal
import subprocess
import time

from harness import (Daemon, Workload, check, equal, near, run, skip, start, test, tries, wait_until)
from waits import (BLOCK, MUTEX, contentions, daemon_of_all_waits, delay, fetch, finished, having,
                   kept, lost, lost_besides_hooks, sampling_daemon, settle, table, within)

# One stack for each millisecond of waiting: sampling_daemon().
RATE_NS = 1000000
# What block_rate=auto allows a second and CPU, see wait_rate.h.
AUTO_STACKS = 1000
sampling = functools.lru_cache(maxsize=None)(sampling_daemon)
daemon = functools.lru_cache(maxsize=None)(daemon_of_all_waits)


def five_runs_are_unbiased(running):
    """10,000 waits of 100 us and 10 of 100 ms, five times: about 1,000 of each 10,000 are kept."""
    workloads = [finished(running, "wait-lives", "lengths", 0) for _ in range(5)]
    measured = {key: sum(report[key] for _, report in workloads) for key in workloads[0][1]}
    samples = [s for workload, _ in workloads
               for s in fetch(running, BLOCK, workload.pid, reason="sleep").samples]
    for key, function in (("short", "wait_shortly"), ("long", "wait_long")):
        mine = having(samples, function)
        within(mine, measured[f"{key}_wait_ns"], key, of=samples)
        near(contentions(mine) / measured[f"{key}_count"], 1, 0.05, f"contentions, {key}")


@test
def short_and_long_waits_are_unbiased():
    running = sampling()
    begin = kept(running)
    tries(lambda: five_runs_are_unbiased(running))
    # No more stacks than time waited / rate, whoever waited: each stands for that much at least.
    end = kept(running)
    everything = running.profile(BLOCK, reason="all")
    stacks = end[1] - begin[1]
    check(stacks * RATE_NS <= 1.02 * delay(everything.samples), f"{stacks} stacks for "
          f"{delay(everything.samples) / 1e9:.1f} s")
    check(stacks < 0.7 * (end[0] - begin[0]), f"{stacks} stacks of {end[0] - begin[0]} waits")
    equal(end[2], begin[2], "waits lost")


def auto_state(running):
    """(stacks taken until now, the rate in force, seconds of some clock)."""
    metrics = running.metrics()
    return (metrics["profd_wait_stacks_taken_total"], metrics["profd_block_rate_seconds"],
            time.monotonic())


def stacks_a_second(before, after):
    return (after[0] - before[0]) / (after[2] - before[2])


@test
def flood_makes_the_rate_coarser():
    # Eight threads that sleep 100 us at a time wait for several seconds each second; with wakers and
    # delays that is more stacks at 1 ms than may be. Sums are right however the rate changes.
    aim = AUTO_STACKS * os.cpu_count()
    with sampling_daemon("auto") as running:
        workload = Workload("wait-lives", "lengths", 8)
        time.sleep(3)
        seen = [auto_state(running)]
        while workload.child.poll() is None:
            time.sleep(0.5)
            seen.append(auto_state(running))
        report = workload.report()
        settle(running)
        # The last one may be of a time after its end.
        rate = stacks_a_second(seen[0], seen[-2])
        coarsest = max(s[1] for s in seen)
        check(coarsest > 0.001, f"the rate is {coarsest} s, with {rate:.0f} stacks a second")
        check(rate < 1.5 * aim, f"{rate:.0f} stacks a second, aim {aim}: {seen}")
        samples = fetch(running, BLOCK, workload.pid, reason="sleep").samples
        mine = having(samples, "wait_shortly")
        # By chance, what was kept differs by this much (one in 10,000 times more).
        chance = 400 * math.sqrt(coarsest * 1e9 / report["short_wait_ns"])
        within(mine, report["short_wait_ns"], f"short, at up to {coarsest} s", 5 + chance, of=samples)
        equal(kept(running)[2], 0, "waits lost")
        # When it is over, it becomes finer again, unless others have gone on.
        before = auto_state(running)
        try:
            wait_until(lambda: auto_state(running)[1] < coarsest, "it becomes finer", 15, 0.5)
        except AssertionError:
            rate = stacks_a_second(before, auto_state(running))
            check(rate > 0.4 * aim, f"{rate:.0f} stacks a second, and it stays coarse")


@test
def threads_that_move_while_they_wait():
    if os.cpu_count() < 2:
        skip("there is one CPU")
    workload, report = finished(daemon(), "wait-lives", "migrate", 2)
    check(report["moved"] > 0.5 * report["pipe_count"], f"it did move: {report}")
    profile = fetch(daemon(), BLOCK, workload.pid, reason="all")
    mine = having(profile.samples, "wait_while_moved")
    within(mine, report["pipe_wait_ns"], "moved", count=report["pipe_count"], of=profile.samples)
    near(contentions(mine), report["pipe_count"], 2, "contentions")


def states(workload):
    """How many of its threads are in which state of proc(5)."""
    out = collections.Counter()
    for thread in os.listdir(f"/proc/{workload.pid}/task"):
        with open(f"/proc/{workload.pid}/task/{thread}/stat", encoding="ascii") as f:
            out[f.read().rsplit(")", 1)[1].split()[0]] += 1
    return out


def many_asleep(seconds):
    """A workload of 10,000 threads that all wait; they go on when it gets SIGUSR1."""
    workload = Workload("wait-lives", "many", seconds)
    # With the one that has begun them. While they are begun they sleep for nothing else.
    wait_until(lambda: states(workload) == {"S": 10001}, "all are asleep", 100, 0.2)
    return workload


def lost_in_ring(running):
    return kept(running)[2] + running.metrics().get("profd_samples_lost_ring_full_total", 0)


@test
def ten_thousand_threads():
    with sampling_daemon() as running:
        before = lost_in_ring(running)
        workload = many_asleep(8)
        wait_until(lambda: running.get(f"{BLOCK}?pid={workload.pid}").status == 200, "it is known")
        ongoing = fetch(running, BLOCK, workload.pid)
        mine = having(ongoing.samples, "wait_of_many", reason="pipe")
        # Not all are equally long at it, and all of them are above the rate.
        near(contentions(mine), 10000, 100, "contentions while they wait")
        os.kill(workload.pid, signal.SIGUSR1)
        report = workload.report()
        settle(running)
        ended = fetch(running, BLOCK, workload.pid)
        mine = having(ended.samples, "wait_of_many", reason="pipe")
        equal(lost_in_ring(running), before, "lost")
        within(mine, report["pipe_wait_ns"], "10,000 threads", of=ended.samples)
        near(contentions(mine), 10000, 100, "contentions")


@test
def many_threads_leave_nothing():
    # Whatever is kept of a thread goes with it.
    running = sampling()
    before = kept(running)
    for _ in range(3):
        workload = many_asleep(0)
        os.kill(workload.pid, signal.SIGUSR1)
        workload.report()
    equal(kept(running)[2], before[2], "waits lost for want of memory")


@test
def stuck_thread_is_visible():
    running = sampling()
    workload = Workload("wait-lives", "told", 12)
    time.sleep(3)
    begin = time.monotonic()
    first = having(fetch(running, BLOCK, workload.pid).samples, "wait_while_moved")
    near(delay(first) / 1e9, 3, 0.5, "a wait that goes on, s")
    equal(contentions(first), 1, "waits")
    delta = running.profile(BLOCK, pid=workload.pid, seconds=2)
    mine = having(delta.samples, "wait_while_moved")
    near(delay(mine) / 1e9, 2, 0.3, "the part of it in a delta of 2 s")
    second = having(fetch(running, BLOCK, workload.pid).samples, "wait_while_moved")
    near(delay(second) / 1e9, delay(first) / 1e9 + time.monotonic() - begin, 0.6, "it grows")
    report = workload.report()
    settle(running)
    ended = fetch(running, BLOCK, workload.pid).samples
    mine = having(ended, "wait_while_moved")
    within(mine, report["pipe_wait_ns"], f"the whole wait, once, {lost(running)} lost", of=ended)


@test
def woken_without_a_cpu():
    # Its wait is over, and it cannot say so yet. For a second the kernel lets nobody run beside a hog
    # of real time; where it does, the thread comes back, and all the more is its wait known.
    running, one = sampling(), {0}
    if os.cpu_count() < 2:
        skip("it takes two CPUs")
    out, into = os.pipe()
    reader = start(["cat"], stdin=out, stdout=subprocess.DEVNULL)
    os.close(out)
    os.sched_setaffinity(reader.pid, one)
    begin = time.monotonic()
    time.sleep(2)
    hog = Workload("shares", 10)
    os.sched_setaffinity(hog.pid, one)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        fetched = pool.submit(running.profile, BLOCK, pid=reader.pid, seconds=1)
        time.sleep(0.8)
        try:
            os.sched_setscheduler(hog.pid, os.SCHED_FIFO, os.sched_param(1))
        except PermissionError:
            skip("real time is not allowed here")
        waited = time.monotonic() - begin
        os.write(into, b"x")
        delta = fetched.result()
    everything = fetch(running, BLOCK, reader.pid)
    hog.end()
    os.close(into)
    reader.wait()
    mine = having(delta.samples, reason="pipe")
    check(delay(mine) > 0.3e9, f"its part of a second{table(delta.samples)}")
    mine = having(everything.samples, reason="pipe")
    check(delay(mine) > 0.9e9 * waited, f"all of {waited:.2f} s{table(everything.samples)}")


@test
def stuck_before_profd_came():
    workload = Workload("wait-lives", "told", 60)
    wait_until(lambda: states(workload) == {"S": 2}, "both threads sleep")
    time.sleep(1)
    with Daemon(sample_frequency=19) as late:
        ready = time.monotonic()
        time.sleep(2)
        wait_until(lambda: late.metrics()["profd_unwind_tables_waiting"] == 0, "tables", 60)
        least = time.monotonic() - ready
        samples = fetch(late, BLOCK, workload.pid, reason="all").samples
        most = time.monotonic() - late.started_at
        mine = having(samples, "wait_while_moved")
        check(mine, f"it is there{table(samples)}")
        # It counts from some moment of the daemon's start.
        check(least - 0.1 < delay(mine) / 1e9 < most + 0.1,
              f"{delay(mine) / 1e9:.2f} s, not {least:.2f} to {most:.2f}")
        check(contentions(mine) <= 1, "waits")
    workload.end()


def check_nothing_left(running, pid):
    """A dead process waits for nothing, whoever asks."""
    delta = running.profile(BLOCK, seconds=1, reason="all")
    equal(delta.of(pid=pid), [], f"waits of {pid} after its end")


@test
def killed_while_it_waits():
    running = sampling()
    workload = Workload("wait-lives", "stuck", 20)
    time.sleep(2)
    workload.child.kill()
    workload.child.wait()
    settle(running)
    mine = having(fetch(running, BLOCK, workload.pid).samples, "wait_for_ever")
    near(delay(mine) / 1e9, 2, 0.4, "what it had waited, s")
    equal(contentions(mine), 1, "waits")
    check_nothing_left(running, workload.pid)
    again = having(fetch(running, BLOCK, workload.pid).samples, "wait_for_ever")
    equal(delay(again), delay(mine), "it does not grow after the end")


@test
def stopped_is_a_wait_for_a_signal():
    running = sampling()
    workload = Workload("shares", 6)
    time.sleep(0.3)
    os.kill(workload.pid, signal.SIGSTOP)
    time.sleep(1.5)
    os.kill(workload.pid, signal.SIGCONT)
    time.sleep(0.7)
    samples = fetch(running, BLOCK, workload.pid, reason="all").samples
    near(delay(having(samples, reason="signal")) / 1e9, 1.5, 0.3, f"stopped, s{table(samples)}")
    workload.end()


@test
def exits_while_a_thread_waits():
    running = sampling()
    workload, _ = finished(running, "wait-lives", "stuck", 1.5)
    mine = having(fetch(running, BLOCK, workload.pid).samples, "wait_for_ever")
    near(delay(mine) / 1e9, 1.5, 0.3, "what it had waited, s")
    check_nothing_left(running, workload.pid)


@test
def executes_while_a_thread_waits():
    running = sampling()
    workload = Workload("wait-lives", "exec", 1.5)
    time.sleep(2.5)
    mine = having(fetch(running, BLOCK, workload.pid).samples, "wait_for_ever")
    near(delay(mine) / 1e9, 1.5, 0.4, f"what the thread had waited, s{table(mine)}")
    report = workload.report()
    settle(running)
    delta = fetch(running, BLOCK, workload.pid, reason="all").samples
    after = having(delta, "wait_beside_others", reason="sleep")
    within(after, report["sleep_wait_ns"], "the new program", count=report["sleep_count"], of=delta)
    check_nothing_left(running, workload.pid)


@test
def lock_waiters_that_are_killed():
    # What they waited is nobody's fault any more, and the word may be used again by others.
    running = daemon()
    for _ in range(3):
        workload = Workload("wait-locks", "holder", 10)
        time.sleep(0.8)
        workload.child.kill()
        workload.child.wait()
    workload, report = finished(running, "wait-locks", "holder", 1)
    mutex = fetch(running, MUTEX, workload.pid).samples
    within(mutex, report["lock_wait_ns"], "the next one's", of=mutex)
    check_nothing_left(running, workload.pid)


@test
def rungs_give_the_same_totals():
    # The switch-out rung keeps a flat part of the waits: more chance, so more of them.
    totals = {}
    for hook in ("exit_tp", "switch_out"):
        with Daemon(sample_frequency=19, wait_hook=hook, block_rate="1ms") as running:
            metrics = running.metrics()
            active = [name for name, value in metrics.items() if "wait_hook" in name and value]
            check(any(hook in name for name in active), f"{hook}: {active}")
            workload, report = finished(running, "wait-sources", "mixed", 4,
                                        lost=lost if hook == "exit_tp" else lost_besides_hooks)
            samples = fetch(running, BLOCK, workload.pid, reason="all").samples
            for reason, function in (("sleep", "wait_for_time"), ("pipe", "wait_for_pipe"),
                                     ("lock", "wait_for_lock")):
                mine = having(samples, function, reason=reason)
                check(mine, f"{hook}: {reason}: {report}{table(samples)}")
                totals[hook, reason] = delay(mine) / report[f"{reason}_wait_ns"]
    for (hook, reason), ratio in totals.items():
        near(ratio, 1, 0.05 if hook == "exit_tp" else 0.2, f"{hook}, {reason}, of what was measured")


@test
def every_wait_at_switch_out():
    # With a rate that keeps all, chance has no say on that rung either.
    with Daemon(sample_frequency=19, wait_hook="switch_out", block_rate="1ns") as running:
        workload, report = finished(running, "wait-sources", "mixed", 2, lost=lost_besides_hooks)
        samples = fetch(running, BLOCK, workload.pid, reason="all").samples
        for reason, function in (("sleep", "wait_for_time"), ("pipe", "wait_for_pipe"),
                                 ("lock", "wait_for_lock")):
            within(having(samples, function, reason=reason), report[f"{reason}_wait_ns"], reason,
                   count=report[f"{reason}_count"], of=samples)
        workload, report = finished(running, "wait-locks", "holder", 2, lost=lost_besides_hooks)
        mutex = fetch(running, MUTEX, workload.pid).samples
        within(mutex, report["lock_wait_ns"], "mutex", of=mutex)


@test
def hook_that_this_kernel_has_not():
    with Daemon(wait_hook="auto") as running:
        if any("wait_hook" in n and "kprobe" in n and v for n, v in running.metrics().items()):
            skip("kprobes work here")
        log = running.log()
        equal([n for n, v in running.metrics().items() if "wait_hook" in n and v],
              ['profd_wait_hook{hook="exit_tp"}'], log)
    refused = Daemon(wait_hook="kprobe", wait=False)
    equal(refused.child.wait(20), 4, "status of one that was told to use what is not there")
    Daemon.running.remove(refused)
    check("kprobe" in refused.log() and refused.log().count("\n") == 0, refused.log())


if __name__ == "__main__":
    run()
