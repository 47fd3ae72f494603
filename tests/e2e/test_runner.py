#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tests/run itself: what it is trusted with."""

import os

from harness import ROOT, check, command, equal, run, temporary_directory, test


def ran(*programs, arguments=()):
    """(exit status, last line, all output) of a run of these shell programs."""
    place = temporary_directory()
    paths = []
    for i, text in enumerate(programs):
        paths.append(os.path.join(place, f"t{i}"))
        with open(paths[-1], "w", encoding="ascii") as f:
            f.write("#!/bin/sh\n" + text + "\n")
        os.chmod(paths[-1], 0o755)
    code, out, err = command(os.path.join(ROOT, "tests/run"), *arguments, *paths)
    equal(err, "")
    return code, out.rstrip("\n").split("\n")[-1], out


@test
def cases_are_counted():
    code, last, _ = ran("echo 1..2; echo ok 1 - a; echo ok 2 - b", "echo 1..1; echo ok")
    equal((code, last), (0, "3 passed, 0 failed, 0 skipped"))


@test
def failures_are_shown():
    code, last, out = ran("echo 1..2; echo ok 1 - a; echo why >&2; echo not ok 2 - b; exit 1")
    equal((code, last), (1, "1 passed, 1 failed, 0 skipped"))
    check("| why" in out and "failed: b" in out, out)


@test
def skips_have_their_reasons():
    code, last, out = ran("echo 1..2; echo ok 1 - a '# SKIP no disk'; echo ok 2 - b",
                          "echo 1..0 '# SKIP no kernel'")
    equal((code, last), (0, "1 passed, 0 failed, 2 skipped"))
    check("a: no disk" in out and "no kernel" in out, out)
    # cmocka names the case where the reason should be; it is in the line before.
    code, last, out = ran("echo 1..2; echo skipped: no rights; echo ok 1 '# SKIP a'; echo ok 2 - b")
    equal((code, last), (0, "1 passed, 0 failed, 1 skipped"))
    check("a: no rights\n" in out, out)


@test
def slowest_are_shown():
    quick = "echo 1..1; echo ok 1"
    code, _, out = ran(*[quick] * 5, "sleep 0.3; " + quick, *[quick] * 5)
    equal(code, 0)
    slowest = out.split("Slowest:\n")[1].split("\n")[:-2]
    equal(len(slowest), 10, out)
    times = [float(line.split()[0]) for line in slowest]
    equal(times, sorted(times, reverse=True))
    check(times[0] >= 0.3, out)


@test
def a_crash_is_a_failure():
    code, last, out = ran("echo 1..2; echo ok 1; kill -SEGV $$")
    equal((code, last), (1, "1 passed, 1 failed, 0 skipped"))
    check("SIGSEGV" in out, out)


@test
def a_missing_case_is_a_failure():
    equal(ran("echo 1..2; echo ok 1")[:2], (1, "1 passed, 1 failed, 0 skipped"))
    equal(ran("echo 1..1; echo ok 1; echo ok 2")[:2], (1, "2 passed, 1 failed, 0 skipped"))
    equal(ran("echo ok 1")[:2], (1, "1 passed, 1 failed, 0 skipped"))
    equal(ran("true")[:2], (1, "0 passed, 1 failed, 0 skipped"))


@test
def an_exit_status_is_a_failure():
    equal(ran("echo 1..1; echo ok 1; exit 3")[:2], (1, "1 passed, 1 failed, 0 skipped"))


@test
def time_runs_out():
    code, last, out = ran("echo 1..1; sleep 30 & sleep 30", arguments=["--timeout", "0.5"])
    equal((code, last), (1, "0 passed, 1 failed, 0 skipped"))
    check("not done after 0.5 s" in out, out)


@test
def groups_come_one_after_the_other_but_for_those_beside():
    place = temporary_directory()

    def program(name, text):
        path = os.path.join(place, name)
        with open(path, "w", encoding="ascii") as f:
            f.write(f"#!/bin/sh\ncd {place}\necho 1..1\n{text}\n")
        os.chmod(path, 0o755)
        return path
    # The one beside waits for the last group and needs it to pass; the last needs the first done.
    beside = program("beside", "until [ -e last.seen ]; do sleep 0.1; done; chrt -p $$ | "
                               "grep -q SCHED_IDLE && echo ok 1 - idle || echo not ok 1 - idle")
    first = program("first", "sleep 0.5; : > first.seen; echo ok 1")
    last = program("last", "[ -e first.seen ] && echo ok 1 || echo not ok 1; : > last.seen; "
                           "chrt -p $$ | grep -q SCHED_OTHER || exit 2")
    code, out, err = command(os.path.join(ROOT, "tests/run"), "--beside", "1", beside,
                             "--jobs", "2", first, "--jobs", "1", last)
    equal((code, err), (0, ""), out)
    equal(out.rstrip("\n").split("\n")[-1], "3 passed, 0 failed, 0 skipped")
    equal(next(line.split()[2] for line in out.split("\n") if line.startswith("[")), first, out)


@test
def nothing_is_no_success():
    code, last, _ = ran()
    equal((code, last), (1, "0 passed, 0 failed, 0 skipped"))


if __name__ == "__main__":
    run(needs_root=False)
