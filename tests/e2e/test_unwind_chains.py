#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Stacks of programs without frame pointers, one case for each row of workloads/unwind/programs.py.

Several programs run beside each other, and each has a profile of its own, whose quality record says
how many of its stacks reached the end.
"""

import math
import os

from harness import check, run, shared_daemon, skip, test
from unwind import endings, judged, need, record, say, tables_of
from programs import PROGRAMS

TOGETHER = 6
SECONDS = 3

daemon = shared_daemon(sample_frequency=999)
profiles = {}


def case_name(program):
    return "chain_" + program.name.replace("-", "_")


def profile_of(program):
    need(program)
    if program.name not in profiles:
        at = PROGRAMS.index(program)
        wanted = os.environ.get("PROFD_TEST", "")
        batch = [p for p in PROGRAMS[at:at + TOGETHER] if wanted in case_name(p)]
        profiles.update(record(daemon(), batch, SECONDS))
    return profiles[program.name]


def chance(share, n):
    """By how much chance lets this share of n samples differ; nothing is left to it at 0 and 1."""
    return 3 * math.sqrt(n * share * (1 - share))


def examine(program):
    profile = profile_of(program)
    counts, others = judged(program, profile)
    attempted, complete, reasons = endings(profile)
    n = sum(counts.values())
    seen = (f"{program.name}: {n} samples, {100 * counts['whole'] / max(n, 1):.1f} % with the chain, "
            f"{100 * complete / max(attempted, 1):.2f} % complete, {reasons or 'nothing truncated'}, "
            f"{profile.quality()['user_frames_guessed']} frames guessed, {dict(counts)}")
    say(seen)
    for (verdict, stack), k in others.most_common(3):
        say(f"    {k} {verdict}: {stack}")
    seen += f"; most of the others: {others.most_common(3)}; tables: {tables_of(daemon())}"
    check(n >= program.fewest, f"too few: {seen}")
    check(counts["wrong"] <= program.wrong * n + chance(program.wrong, n), f"wrong callers: {seen}")
    check(counts["whole"] >= program.share * n - chance(program.share, n),
          f"chain {program.chain!r}: {seen}")
    if program.reason:
        expected = sum(reasons.get(r, 0) for r in program.reason.split("|"))
        check(sum(reasons.values()) - expected <= 1, f"other reasons: {seen}")
        check(expected > 0.5 * attempted, f"not truncated: {seen}")
    if program.complete is not None:
        # One is what any program has that is caught between two states.
        allowed = (1 - program.complete) * attempted + chance(program.complete, attempted)
        check(attempted - complete <= max(1, allowed), f"incomplete stacks: {seen}")


def add_case(program):
    def case():
        try:
            examine(program)
        except AssertionError as e:
            if not program.known:
                raise
            say(str(e))
            skip(program.known)
    case.__name__ = case_name(program)
    test(case)


for row in PROGRAMS:
    add_case(row)


if __name__ == "__main__":
    run()
