#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Stacks of programs without frame pointers, one case for each row of workloads/unwind/programs.py.

Several programs run beside each other, and each has a profile of its own, whose quality record says
how many of its stacks reached the end.
"""

import collections
import concurrent.futures
import os
import shutil
import sys
import time

from harness import (ROOT, WORKLOADS, Workload, check, run, shared_daemon, skip, temporary_directory,
                     test)

sys.path.insert(0, os.path.join(ROOT, "tests/workloads/unwind"))

from programs import PROGRAMS, Chain, command_line, path_of  # noqa: E402

DIRECTORY = os.path.join(WORKLOADS, "unwind")
TOGETHER = 8
SECONDS = 3
# Fewer samples than this say nothing about one in 200.
ENOUGH = 150

daemon = shared_daemon(sample_frequency=999)
profiles = {}


class Runs:
    """A program of the table, running."""

    def __init__(self, program):
        self.program = program
        words = command_line(program, DIRECTORY, SECONDS + 30)
        if program.by_comm:
            # A name of its own, so that its children are selected with it.
            copy = os.path.join(temporary_directory(), f"u-{program.name}"[:15])
            os.symlink(path_of(program, DIRECTORY), copy)
            words[0] = copy
        self.query = {"comm": os.path.basename(words[0])} if program.by_comm else None
        self.workload = Workload(tool_path(words[0]), *words[1:])
        self.query = self.query or {"pid": self.workload.pid}


def tool_path(word):
    return word if "/" in word else shutil.which(word) or os.path.join(DIRECTORY, word)


def exists(program):
    return os.path.exists(tool_path(command_line(program, DIRECTORY, 0)[0]))


def record(batch):
    """Runs these programs at the same time and keeps a profile of each."""
    d = daemon()
    running = [Runs(p) for p in batch if exists(p)]
    time.sleep(1)
    with concurrent.futures.ThreadPoolExecutor(len(running) or 1) as pool:
        fetched = [pool.submit(d.profile, seconds=SECONDS, **r.query) for r in running]
    for r, f in zip(running, fetched):
        dead = r.workload.child.poll()
        r.workload.end()
        Workload.running.remove(r.workload)
        profiles[r.program.name] = f.result()
        check(dead is None, f"{r.program.name} ended early, with {dead}")


def profile_of(program):
    if not exists(program):
        skip(f"{program.file or program.name} was not built")
    if program.name not in profiles:
        at = PROGRAMS.index(program)
        wanted = os.environ.get("PROFD_TEST", "")
        record([p for p in PROGRAMS[at:at + TOGETHER] if wanted in case_name(p)])
    return profiles[program.name]


def case_name(program):
    return "chain_" + program.name.replace("-", "_")


def judged(program, profile):
    """({verdict: samples}, {stack: samples} of those that are wrong) of what has a user stack."""
    chain, counts, wrong = Chain(program.chain), collections.Counter(), collections.Counter()
    for s in profile.samples:
        if s.user:
            names = [f.name for loc in s.user for f in loc.functions]
            verdict = chain.judge(names)
            counts[verdict] += s.values[0]
            if verdict != "whole":
                wrong[verdict, " < ".join(names[:24])] += s.values[0]
    return counts, wrong


def examine(program):
    profile = profile_of(program)
    counts, others = judged(program, profile)
    quality = profile.quality()
    n, attempted = sum(counts.values()), quality["user_stacks_attempted"]
    ends = {k.removeprefix("user_stacks_truncated_"): v for k, v in quality.items()
            if k.startswith("user_stacks_truncated_")}
    complete = quality["user_stacks_complete"] / max(attempted, 1)
    seen = (f"{n} samples, {100 * counts['whole'] / max(n, 1):.1f} % with the chain, "
            f"{100 * complete:.2f} % complete, {quality['user_frames_guessed']} frames guessed, "
            f"{ends or 'nothing truncated'}, {dict(counts)}")
    if os.environ.get("PROFD_TEST_FIGURES"):
        print(f"# {program.name}: {seen}")
        for (verdict, stack), k in others.most_common(3):
            print(f"#     {k} {verdict}: {stack}")
    seen += "; most of the others: " + str(others.most_common(3))
    check(n >= ENOUGH, f"too few: {seen}")
    check(counts["wrong"] <= program.wrong * n, f"wrong callers: {seen}")
    check(counts["whole"] >= program.share * n, f"chain {program.chain!r}: {seen}")
    if program.complete is not None:
        check(complete >= program.complete, f"complete: {seen}")


def add_case(program):
    def case():
        examine(program)
    case.__name__ = case_name(program)
    test(case)


for row in PROGRAMS:
    add_case(row)


if __name__ == "__main__":
    run()
