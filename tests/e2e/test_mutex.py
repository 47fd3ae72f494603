#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Mutex profiles: who held the lock that others waited for; and the waiters' side of it."""

import concurrent.futures
import functools
import os
import signal
import time

from harness import Workload, check, equal, near, run, test, tries
from waits import (BLOCK, MUTEX, daemon_of_all_waits, delay, fetch, finished, having,
                   lost_or_spared, sampling_daemon, table, within)

daemon = functools.lru_cache(maxsize=None)(daemon_of_all_waits)
sampling = functools.lru_cache(maxsize=None)(sampling_daemon)


def both(running, pids, **query):
    """The samples of both profiles of some processes."""
    out = []
    for path in (BLOCK, MUTEX):
        out.append([s for pid in pids for s in fetch(running, path, pid, **query).samples])
    return out


def check_same_total(block, mutex, percent):
    """What was waited for locks is what their holders are charged."""
    waited, charged = delay(having(block, reason="lock")), delay(mutex)
    check(abs(waited - charged) <= percent / 100 * waited,
          f"waited {waited / 1e6:.2f} ms, charged {charged / 1e6:.2f} ms{table(block)}{table(mutex)}")


def check_charges(report, mutex, slack_percent=5):
    """Each function that released a lock has what the program computed, to 5 % of the whole."""
    everything = report["lock_wait_ns"]
    for key, wanted in report.items():
        if not key.startswith("charge_"):
            continue
        function = key[len("charge_"):-len("_ns")]
        unsure = report[f"unsure_{function}_ns"]
        seen = delay(having(mutex, function))
        slack = max(slack_percent / 100 * wanted, 0.01 * everything) + unsure
        check(abs(seen - wanted) <= slack,
              f"{function}: {seen / 1e6:.2f} ms, not within {slack / 1e6:.2f} of {wanted / 1e6:.2f}, "
              f"of {everything / 1e6:.2f}{table(mutex)}")


def check_holder(program, part="holder", lock="mutex", running=None, percent=1.5):
    running = running or daemon()
    workload, report = finished(running, program, part, 2)
    pids = [workload.pid] + ([int(report["child"])] if "child" in report else [])
    block, mutex = both(running, pids)
    waiters = having(block, "waiter_wants", reason="lock", lock=lock)
    within(waiters, report["lock_wait_ns"], "waiters", count=report["lock_count"], of=block)
    check_charges(report, mutex)
    equal({s.labels.get("lock") for s in having(mutex, "holder_holds")}, {lock}, "lock")
    check_same_total(block, mutex, percent)
    return workload, report, block, mutex


@test
def one_holder_and_four_waiters():
    _, report, block, mutex = check_holder("wait-locks")
    # The waiter's side is the way into the lock, the holder's the way out of it.
    check(all(any("lock" in n for n in s.names) for s in having(block, "waiter_wants")), table(block))
    check(having(mutex, "holder_holds") and all("pthread_mutex_unlock" in " ".join(s.names)
                                                for s in having(mutex, "holder_holds")), table(mutex))
    check(delay(having(mutex, "holder_holds")) > 0.9 * report["lock_wait_ns"], table(mutex))
    within(mutex, report["lock_wait_ns"] + report["holder_wait_ns"], "all of it",
           count=report["lock_count"], of=mutex)


@test
def at_the_default_rate():
    check_holder("wait-locks", running=sampling(), percent=5)


@test
def hand_offs():
    # Five threads, one lock, critical sections of 1, 2, 3, 4 and 10 ms: each pays for its own.
    workload, report = finished(daemon(), "wait-locks", "chain", 3)
    block, mutex = both(daemon(), [workload.pid])
    check_charges(report, mutex)
    check_same_total(block, mutex, 1.5)
    charges = [delay(having(mutex, f"chain{n}_holds")) for n in range(5)]
    equal(charges, sorted(charges), f"charges rise as critical sections do{table(mutex)}")


@test
def hand_offs_at_the_default_rate():
    workload, report = finished(sampling(), "wait-locks", "chain", 3)
    block, mutex = both(sampling(), [workload.pid])
    check_charges(report, mutex, slack_percent=10)
    check_same_total(block, mutex, 5)


@test
def mutex_with_priority_inheritance():
    check_holder("wait-locks", "pi")


@test
def mutex_of_two_processes():
    # The one that holds is charged, the other one has waited.
    workload, report, block, mutex = check_holder("wait-locks", "shared")
    equal({s.pid for s in having(block, "waiter_wants", reason="lock")}, {int(report["child"])})
    equal({s.pid for s in having(mutex, "holder_holds")}, {workload.pid})


@test
def musl():
    # Debian's musl has neither unwinding tables nor frame pointers: its callers stay unknown.
    workload, report = finished(daemon(), "wait-locks-musl", "holder", 2)
    block, mutex = both(daemon(), [workload.pid])
    locks = having(block, reason="lock", lock="mutex")
    within(locks, report["lock_wait_ns"] + report["holder_wait_ns"], "both sides",
           count=report["lock_count"], of=block)
    check_same_total(block, mutex, 1.5)


@test
def read_write_lock():
    workload, report = finished(daemon(), "wait-locks", "rwlock", 2)
    block, mutex = both(daemon(), [workload.pid])
    waits = having(block, "_wants", reason="lock")
    within(waits, report["lock_wait_ns"], "rwlock", count=report["lock_count"], of=block)
    equal({s.labels.get("lock") for s in waits}, {"rwlock"}, "lock")
    for function in ("writer_wants", "reader_wants"):
        check(having(waits, function), f"{function}{table(block)}")
    for function in ("writer_holds", "reader_holds"):
        check(having(mutex, function, lock="rwlock"), f"{function}{table(mutex)}")
    check_same_total(block, mutex, 2)


def check_sync(part, function, lock, waker=None, program="wait-syncs"):
    """Waits of which nobody is guilty: in the block profile, and in that of mutexes if asked for."""
    running = daemon()
    workload, report = finished(running, program, part, 2)
    block, mutex = both(running, [workload.pid])
    waits = having(block, function, reason="sync")
    within(waits, report["sync_wait_ns"], part, count=report["sync_count"], of=block)
    check(delay(having(waits, lock=lock)) > 0.98 * delay(waits), table(waits))
    equal(having(mutex, lock=lock), [], "they are no locks")
    if waker:
        every = fetch(running, MUTEX, workload.pid, lock="all").samples
        charged = having(every, waker, lock=lock)
        check(delay(charged) > 0.5 * report["sync_wait_ns"], f"{waker}{table(every)}")


@test
def condition_variable():
    check_sync("condition", "consumer_wants", "condition", "producer_puts")


@test
def condition_variable_that_is_asked_again_and_again():
    # Who gives up and waits again does so in the other of its two words, if there was a signal. On a
    # crowded machine it is so late that it counts as one who comes for the first time.
    running = daemon()
    for _ in range(4):
        workload, report = finished(running, "wait-syncs", "impatient", 2)
        samples = fetch(running, MUTEX, workload.pid, lock="all").samples
        charged = delay(having(samples, "producer_puts", lock="condition"))
        if charged > 0.92 * report["sync_wait_ns"]:
            break
    within(having(samples, "producer_puts"), report["sync_wait_ns"], "charged", percent=8, of=samples)


@test
def condition_variable_of_musl():
    check_sync("condition", None, "condition", program="wait-syncs-musl")


@test
def semaphore():
    check_sync("semaphore", "poster_wants", "semaphore", "poster_posts")


@test
def several_words_at_once():
    # futex_waitv(), woken by the second of them.
    check_sync("vector", "bell_wants", "futex", "bell_rings")


@test
def barrier():
    check_sync("barrier", "barrier_wants", "barrier")


@test
def join():
    check_sync("join", "join_wants", "join")


def check_language(program, holder, waiter, key, lock, report, block, queued, mutex):
    """These measure by the clock alone: what they queued for a CPU is in it."""
    waits = having(block, waiter, reason="lock", lock=lock)
    check(waits, f"{waiter}{table(block)}")
    within(waits + having(queued, waiter), report[f"{key}_wall_ns"], f"{program} {key}", of=block,
           percent=6)
    check(delay(having(mutex, holder, lock=lock)) > 0.8 * delay(waits), f"{holder}{table(mutex)}")


def check_condition(function, report, block, queued):
    waits = having(block, function, reason="sync", lock="condition")
    within(waits + having(queued, function), report["condition_wall_ns"], "condition", of=block,
           percent=6)


def of_program(program):
    running = daemon()
    workload, report = finished(running, program, 2)
    block, mutex = both(running, [workload.pid])
    queued = fetch(running, BLOCK, workload.pid, reason="runqueue").samples
    check_same_total(block, mutex, 3)
    return report, block, queued, mutex


def cplusplus_once():
    seen = of_program("wait-classes")
    check_language("C++", "Desk::holds_mutex", "Desk::wants_mutex", "mutex", "mutex", *seen)
    check_language("C++", "Desk::holds_shared_mutex", "Desk::wants_shared_mutex", "rwlock", "rwlock",
                   *seen)
    check_condition("Desk::takes", *seen[:3])


def rust_once():
    seen = of_program("wait-rust")
    check_language("Rust", "rust_holds_mutex", "rust_wants_mutex", "mutex", "mutex", *seen)
    check_language("Rust", "rust_holds_rwlock", "rust_wants_rwlock", "rwlock", "rwlock", *seen)
    check_condition("rust_takes", *seen[:3])


# Whenever they lose their CPU otherwise than by waiting, their clocks go on.
@test
def cplusplus():
    tries(cplusplus_once)


@test
def rust():
    tries(rust_once)


@test
def who_ended_the_wait():
    workload, report = finished(daemon(), "wait-syncs", "semaphore", 1, lost=lost_or_spared)
    plain = fetch(daemon(), BLOCK, workload.pid, reason="sync")
    equal([s for s in plain.samples if "poster_wants" in s.names and "poster_posts" in s.names], [],
          "wakers that nobody asked for")
    joined = fetch(daemon(), BLOCK, workload.pid, reason="sync", wakers=1)
    mine = having(joined.samples, "poster_wants")
    with_waker = having(mine, "poster_posts")
    near(delay(mine) / report["sync_wait_ns"], 1, 0.05, "wakers do not change what was waited")
    check(delay(with_waker) > 0.95 * delay(mine), table(mine))
    for s in with_waker:
        # As in off-wake flame graphs: on top of the waiter its waker, upside down, a marker between.
        waker, waiter = s.names.index("poster_posts"), s.names.index("poster_wants")
        check(waker < waiter and s.names.index("sem_post") > waker, " < ".join(s.names))
        check(any(n.startswith("---") for n in s.names[waker:waiter]), " < ".join(s.names))


@test
def wakers_that_are_not_there():
    # Time ended these, in an interrupt: who was interrupted has nothing to do with it.
    workload, _ = finished(daemon(), "wait-sources", "sleep", 1)
    samples = fetch(daemon(), BLOCK, workload.pid, reason="sleep", wakers=1).samples
    mine = having(samples, "wait_for_time")
    check(mine, table(samples))
    markers = {n for s in mine for n in s.names if n.startswith("---")}
    check("--- woken by interrupt ---" in markers, str(markers))
    for s in mine:
        first = next(loc.name for loc in s.user if not loc.name.startswith("---"))
        check("nanosleep" in first, str(s.names))


@test
def long_hold_has_its_part_of_a_profile():
    # What is charged began long before the profile, though each wait is of 4 ms.
    running = daemon()
    workload = Workload("wait-locks", "long", 60)
    time.sleep(3)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        fetched = pool.submit(running.named_profile, MUTEX, pid=workload.pid, seconds=2, lock="all")
        time.sleep(1)
        os.kill(workload.pid, signal.SIGUSR1)
        profile = fetched.result()
    workload.report()
    charged = delay(having(profile.samples, "long_holds"))
    # Three wait all the time; until the release, which is a second after the profile's beginning.
    most = 3 * profile.duration_nanos
    check(0.1 * most < charged <= 1.02 * most,
          f"{charged / 1e9:.2f} s in {profile.duration_nanos / 1e9:.2f} s{table(profile.samples)}")


@test
def count_of_a_release_is_not_zero():
    workload, _ = finished(sampling(), "wait-locks", "chain", 1)
    for s in fetch(sampling(), MUTEX, workload.pid).samples:
        check(s.values[0] > 0 and s.values[1] > 0, str(s.values))


if __name__ == "__main__":
    run()
