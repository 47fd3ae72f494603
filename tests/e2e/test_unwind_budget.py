#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tables that come and go all the time: a stack may be short, but it never shows what is not there."""

import concurrent.futures
import os
import time

from harness import Daemon, check, run, start, temporary_directory, test
from unwind import BY_NAME, Running, disordered, endings, exists, judged, say

PROGRAMS = ["o2-gcc", "static", "plugins", "alloca-gcc", "realign-gcc", "exceptions", "rust", "cold"]


def compile_all_the_time(place):
    """Compilers and linkers, one after the other: many and big tables."""
    with open(os.path.join(place, "x.c"), "w", encoding="ascii") as f:
        f.write("#include <stdio.h>\n" + "".join(f"int f{i}(int x) {{ return x * {i}; }}\n"
                                                 for i in range(200)) + "int main(void) { return 0; }")
    with open(os.path.join(place, "run"), "w", encoding="ascii") as f:
        f.write("while :; do gcc -O1 -o x x.c; clang -O1 -o x x.c; openssl version; perl -e 1; "
                "python3 -c 'import json, ssl'; done >/dev/null 2>&1\n")
    return start(["sh", "run"], cwd=place)


def counters(daemon):
    return {k: v for k, v in daemon.metrics().items() if "table" in k or "rows" in k or "evict" in k}


def under_pressure(seconds, **options):
    """([(program, profile)], what of the tables' counters changed)"""
    load = compile_all_the_time(temporary_directory())
    try:
        with Daemon(sample_frequency=999, unwind_cache="", **options) as daemon:
            running = [Running(BY_NAME[n]) for n in PROGRAMS if exists(BY_NAME[n])]
            before = counters(daemon)
            time.sleep(1)
            for r in running:
                r.wait_known(daemon)
            with concurrent.futures.ThreadPoolExecutor(len(running)) as pool:
                fetched = [pool.submit(daemon.profile, seconds=seconds, **r.query)
                           for r in running]
            profiles = [(r.program, f.result()) for r, f in zip(running, fetched)]
            after = counters(daemon)
            for r in running:
                r.end()
            return profiles, {k: v - before.get(k, 0) for k, v in after.items()
                              if v != before.get(k, 0)}
    finally:
        load.kill()
        load.wait()


def check_no_wrong_frame(profiles):
    for program, profile in profiles:
        counts, others = judged(program, profile)
        attempted, complete, reasons = endings(profile)
        say(f"{program.name}: {dict(counts)}, {complete} of {attempted} complete, {reasons}, "
            f"{profile.quality()['user_stacks_from_slices']} from slices")
        # Where there is no table a guess can miss callers, and says so; all there is is in order.
        guessed = profile.quality()["user_frames_guessed"]
        wrong = [(k, n) for (verdict, k), n in others.most_common() if verdict == "wrong"]
        check(sum(n for _, n in wrong) <= guessed, f"{program.name}: {wrong[:4]}")
        check(not disordered(program, profile),
              f"{program.name}: {disordered(program, profile).most_common(4)}")


@test
def a_tiny_budget_under_load():
    profiles, changed = under_pressure(14, unwind_memory="1M", preload="running")
    say(f"{changed}")
    check_no_wrong_frame(profiles)
    pressed = sum(v for k, v in changed.items() if "evicted_total" in k or "refused_total" in k)
    check(pressed > 0, f"there was room for all: {changed}")


@test
def nothing_preloaded():
    profiles, changed = under_pressure(4, preload="none")
    say(f"{changed}")
    check_no_wrong_frame(profiles)


if __name__ == "__main__":
    run()
