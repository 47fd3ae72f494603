# SPDX-License-Identifier: Apache-2.0
"""What the tests of block and mutex profiles share: sums by reason, lock and function, and bounds.

Profiles are compared with what the programs of tests/workloads/wait measured themselves. Waits that
the programs cannot see are few and short: that of the thread that starts the others, say.
"""

import os
import re
import time

from harness import ROOT, Daemon, Workload, check, skip, wait_until

BLOCK = "/debug/pprof/block"
MUTEX = "/debug/pprof/mutex"
SOURCES = os.path.join(ROOT, "tests/workloads/wait")
# Of each wait: the program's reads of the clock, and the interrupt that tells another CPU that it has
# to run the thread. For profd a wait is over before that, for the kernel's count of run_delay after.
EACH_NS = 10000


def sampling_daemon(block_rate="1ms", **options):
    """A daemon that keeps one stack for each ms of waiting, and has nothing else to do any more.

    While it learns what runs on the machine it copies stacks, for which the ring may be too small.
    """
    running = Daemon(sample_frequency=19, block_rate=block_rate, preload="running", **options)
    wait_until(lambda: running.metrics().get("profd_unwind_tables_waiting", 0) == 0, "tables", 120, 0.2)
    time.sleep(0.5)
    return running


def daemon_of_all_waits(**options):
    """One that keeps every wait, so that nothing is left to chance."""
    return sampling_daemon(block_rate="1ns", **options)


def lost(running):
    """Waits, and samples of any kind, that did not reach their profiles until now."""
    return sum(value for name, value in running.metrics().items()
               if re.match(r"profd_(waits|locks|samples|slices)_lost", name))


def lost_besides_hooks(running):
    """For the rung switch-out: on some machines a switch in a thousand is not seen (its counter says
    how many), and no hook sees after it who is back."""
    return lost(running) - running.metrics().get("profd_waits_lost_hook_total", 0)


def fetch(daemon, path, pid, **query):
    """The cumulative profile of one process, which may have ended."""
    return daemon.named_profile(path, pid=pid, **query)


def delay(samples):
    return sum(s.values[1] for s in samples)


def contentions(samples):
    return sum(s.values[0] for s in samples)


def having(samples, function=None, **labels):
    """Those with all of the labels, and with the function anywhere on the stack."""
    return [s for s in samples
            if all(s.labels.get(k) == v for k, v in labels.items()) and
            (function is None or any(function in n for n in s.names))]


def table(samples):
    """What there is, for messages: sums by reason, lock, system call and innermost user functions."""
    sums = {}
    for s in samples:
        names = [f.name for loc in s.user for f in loc.functions][:4]
        key = (s.labels.get("reason"), s.labels.get("lock"), s.labels.get("syscall"), " < ".join(names))
        count, ns = sums.get(key, (0, 0))
        sums[key] = count + s.values[0], ns + s.values[1]
    rows = sorted(sums.items(), key=lambda item: -item[1][1])
    return "\n" + "\n".join(f"{ns / 1e6:10.2f} ms {count:7} {' '.join(str(w) for w in key)}"
                            for key, (count, ns) in rows[:25])


def within(samples, wanted_ns, what, percent=5, count=0, of=None):
    """The samples' delay is what was measured, to the given percent of it."""
    seen = delay(samples)
    slack = wanted_ns * percent / 100 + count * EACH_NS
    check(abs(seen - wanted_ns) <= slack,
          f"{what}: {seen / 1e6:.2f} ms, not within {slack / 1e6:.2f} of {wanted_ns / 1e6:.2f} ms"
          f"{table(of if of is not None else samples)}")


def settle(running):
    """Until what has happened is in the profiles.

    The ring is read every 200 ms; a stack that waits for a table holds up all later ones, 1.5 s at most.
    """
    time.sleep(0.5)
    wait_until(lambda: running.metrics().get("profd_pipeline_slices_waiting", 0) == 0, "no slices wait")
    time.sleep(0.3)


def lost_or_spared(running):
    """With wakers and delays, which give way before the ring is full."""
    return lost(running) + sum(value for name, value in running.metrics().items()
                               if name.startswith("profd_waits_spared"))


def finished(running, program, *arguments, lost=lost, **options):
    """(workload, its report) of a program that has run to its end under the eyes of a daemon.

    A machine that is so busy that samples are lost says nothing: it is tried again.
    """
    for _ in range(3):
        before = lost(running)
        workload = Workload(program, *arguments, **options)
        report = workload.report()
        settle(running)
        if lost(running) == before:
            return workload, report
    skip(f"samples are lost on this machine: {lost(running) - before:.0f} in one run")


def kept(daemon):
    """(waits seen, stacks taken, waits lost), of the whole machine, from /metrics."""
    values = {"waits": 0, "waits_kept": 0, "waits_lost": 0}
    for name, value in daemon.metrics().items():
        base = name.split("{")[0]
        if base == "profd_waits_total":
            values["waits"] += value
        elif base == "profd_waits_kept_total":
            values["waits_kept"] += value
        elif base.startswith("profd_waits_lost"):
            values["waits_lost"] += value
    return values["waits"], values["waits_kept"], values["waits_lost"]
