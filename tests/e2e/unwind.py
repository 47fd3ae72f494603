# SPDX-License-Identifier: Apache-2.0
"""What the tests of unwinding share: the programs of workloads/unwind, run beside each other."""

import collections
import concurrent.futures
import os
import re
import shutil
import sys
import time

from harness import ROOT, WORKLOADS, Workload, check, skip, temporary_directory, wait_until

sys.path.insert(0, os.path.join(ROOT, "tests/workloads/unwind"))

from pprof import total  # noqa: E402
from programs import BY_NAME, Chain, command_line, path_of, patterns  # noqa: E402

DIRECTORY = os.path.join(WORKLOADS, "unwind")
LONGEST = 12  # s, of profiles that are tried again
FIGURES = os.environ.get("PROFD_TEST_FIGURES")


def say(text):
    """A figure, for who asked for figures."""
    if FIGURES:
        print(f"# {text}", flush=True)


def tool_path(word):
    return word if "/" in word else shutil.which(word) or os.path.join(DIRECTORY, word)


def exists(program):
    return os.path.exists(tool_path(command_line(program, DIRECTORY, 0)[0]))


def need(program):
    if not exists(program):
        skip(f"{program.file or program.name} was not built")


class Running:
    """A program of the table, and how its samples are selected."""

    def __init__(self, program, seconds=600):
        self.program = program
        words = command_line(program, DIRECTORY, seconds)
        if program.by_comm:
            # A name of its own, so that its children are selected with it.
            link = os.path.join(temporary_directory(), f"u-{program.name}"[:15])
            os.symlink(path_of(program, DIRECTORY), link)
            words[0] = link
        # node leaves a file where it is.
        self.workload = Workload(tool_path(words[0]), *words[1:], cwd=temporary_directory())
        self.pid = self.workload.pid
        self.query = {"comm": os.path.basename(words[0])} if program.by_comm else {"pid": self.pid}

    def wait_known(self, daemon):
        """On a busy machine the daemon may hear of it late, and profiles are of what it knows."""
        query = "&".join(f"{k}={v}" for k, v in self.query.items())
        wait_until(lambda: daemon.get(f"/debug/pprof/cmdline?{query}").status == 200,
                   f"{self.program.name} is known")

    def end(self):
        """Fails if it had ended by itself."""
        dead = self.workload.child.poll()
        self.workload.end()
        Workload.running.remove(self.workload)
        check(dead is None, f"{self.program.name} ended early, with {dead}")


def record(daemon, programs, seconds, settle=1.0):
    """Runs these at the same time: {name: profile} of those that were built.

    Those that others leave so little of the CPUs that they have too few samples have a longer one.
    """
    running = [Running(p) for p in programs if exists(p)]
    time.sleep(settle)
    for r in running:
        r.wait_known(daemon)
    out = {}
    while running:
        with concurrent.futures.ThreadPoolExecutor(len(running)) as pool:
            fetched = [pool.submit(daemon.named_profile, seconds=seconds, **r.query)
                       for r in running]
        again = []
        for r, f in zip(running, fetched):
            out[r.program.name] = f.result()
            if total(f.result().samples) < r.program.fewest and seconds < LONGEST:
                again.append(r)
            else:
                r.end()
        running, seconds = again, 2 * seconds
    return out


def user_names(sample):
    """Names of the user frames, leaf first, without what stands for the missing rest."""
    return [f.name for loc in sample.user for f in loc.functions
            if not f.name.startswith("[truncated")]


def judged(program, profile):
    """({verdict: samples}, {(verdict, stack): samples} of all that is not whole)."""
    chain, counts, others = Chain(program.chain), collections.Counter(), collections.Counter()
    for s in profile.samples:
        names = user_names(s)
        if names:
            verdict = chain.judge(names)
            counts[verdict] += s.values[0]
            if verdict != "whole":
                others[verdict, " < ".join(names[:24])] += s.values[0]
    return counts, others


def disordered(program, profile):
    """{stack: samples} with a function of the chain above one that calls it."""
    tokens, out = [p for p in patterns(program.chain) if "*?" not in p], collections.Counter()
    for s in profile.samples:
        at = 0
        for name in user_names(s):
            # One that stands for several functions may come again.
            matching = [i for i, t in enumerate(tokens) if re.fullmatch(t, name + "\n")]
            below = [i for i in matching if i >= at or (i == at - 1 and stands_for_several(tokens[i]))]
            if matching and not below:
                out[" < ".join(user_names(s)[:24])] += s.values[0]
                break
            at = below[0] + 1 if below else at
    return out


def stands_for_several(token):
    return "|" in token


def endings(profile):
    """(stacks attempted, complete, {reason: truncated})."""
    quality = profile.quality()
    prefix = "user_stacks_truncated_"
    return (quality["user_stacks_attempted"], quality["user_stacks_complete"],
            {k[len(prefix):]: v for k, v in quality.items() if k.startswith(prefix)})


def tables_of(daemon):
    """What the daemon says of its tables: most failures begin there."""
    return {k.removeprefix("profd_unwind_"): v for k, v in daemon.metrics().items()
            if k.startswith("profd_unwind_") and v}


def truncated(profile):
    """{stack: samples} of those that say themselves that they are cut."""
    out = collections.Counter()
    for s in profile.samples:
        names = [f.name for loc in s.locations for f in loc.functions]
        if any(n.startswith("[truncated") for n in names):
            out[" < ".join(names[-12:])] += s.values[0]
    return out
