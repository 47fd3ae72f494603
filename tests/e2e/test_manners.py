#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Command line manners: help to stdout within 80 columns, problems to stderr in one line."""

import os
import re

from harness import PROFCTL, PROFD, check, command, equal, nobody, run, skip, test

SUBCOMMANDS = ("record", "top", "list", "status", "doctor", "version", "help")


def check_help(*arguments):
    code, out, err = command(*arguments)
    equal((code, err), (0, ""), " ".join(arguments))
    check(out.strip(), f"{arguments}: no text")
    wide = [line for line in out.expandtabs().split("\n") if len(line) > 80]
    equal(wide, [], f"{arguments}: wider than 80 columns")
    check(not re.search(r"[ \t]+$", out, re.M), f"{arguments}: space at a line's end")
    return out


def check_refused(program, *arguments):
    code, out, err = command(program, *arguments)
    equal((code, out), (2, ""), f"{arguments}: {err}")
    lines = err.rstrip("\n").split("\n")
    equal(len(lines), 1, err)
    check(lines[0].startswith(os.path.basename(program) + ": "), err)
    check(arguments[-1].lstrip("-").split("=")[0] in lines[0], f"{err} does not name the argument")


@test
def help_of_profd():
    out = check_help(PROFD, "--help")
    equal(check_help(PROFD, "-h"), out)
    for option in ("listen", "socket", "directory", "sample-frequency", "rotate-interval",
                   "retain-bytes", "retain-age", "memory-budget", "config", "capture",
                   "check-config", "print-config"):
        check(f"--{option}" in out, f"--{option} is not in the help")


@test
def help_of_profctl():
    check_help(PROFCTL, "help")
    check_help(PROFCTL, "--help")
    for sub in SUBCOMMANDS:
        check_help(PROFCTL, sub, "--help")


@test
def versions_agree():
    _, profd, _ = command(PROFD, "--version")
    _, profctl, _ = command(PROFCTL, "version")
    equal(profd.split()[-1], profctl.split()[-1] if "\n" not in profctl.strip() else
          profctl.split("\n")[0].split()[-1], "versions")


@test
def bad_arguments_are_named():
    check_refused(PROFD, "--nonsense")
    check_refused(PROFD, "--sample-frequency=x")
    check_refused(PROFCTL, "nonsense")
    check_refused(PROFCTL, "record", "--nonsense")
    check_refused(PROFCTL, "record", "--pid=x")
    check_refused(PROFCTL, "record", "--seconds=-1")


@test
def nothing_to_do():
    code, out, err = command(PROFCTL)
    equal((code, out), (2, ""), err)
    check("help" in err, err)


@test
def output_that_is_full():
    if not os.path.exists("/dev/full"):
        skip("no /dev/full")
    for arguments in ((PROFD, "--help"), (PROFCTL, "help"), (PROFD, "--print-config")):
        import subprocess
        with open("/dev/full", "wb") as full:
            child = subprocess.run(arguments, stdout=full, stderr=subprocess.PIPE, check=False)
        check(child.returncode != 0, f"{arguments}: what could not be written was not noticed")


@test
def closed_descriptors():
    # Started without stdin, stdout and stderr, no file of ours takes their place.
    def close():
        os.closerange(0, 3)
    code, _, _ = command("/bin/sh", "-c", f'"{PROFD}" --check-config <&- >&- 2>&-')
    check(code in (0, 2), f"{code}")


if __name__ == "__main__":
    run(needs_root=False)
