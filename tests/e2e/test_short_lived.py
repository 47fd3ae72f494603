#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Processes that live for milliseconds: every sample has its process, its program and its names."""

import collections
import os

from harness import (Daemon, Workload, another, check, command, equal, in_background, near, run,
                     read_profile, shared_daemon, temporary_directory, test, tool, tries)
from pprof import total

COUNT = 2000
daemon = shared_daemon(sample_frequency=999)


def check_samples(samples, programs):
    """Each has a comm and, where there are user frames, the files they are in. {comm: [sample]}"""
    by_comm = {}
    for s in samples:
        check(s.comm, f"a sample of {s.pid} without comm")
        by_comm.setdefault(s.comm, []).append(s)
        for loc in s.user:
            check(loc.mapping is not None and loc.mapping.file, f"no file: {s.comm} {s.names}")
    for comm, path in programs.items():
        mine = [s for s in by_comm.get(comm, []) if s.user]
        check(mine, f"no sample of {comm}")
        inside = [s for s in mine
                  if any(os.path.realpath(loc.mapping.file) == os.path.realpath(path)
                         or "/ld-linux" in loc.mapping.file for loc in s.user)]
        strangers = sorted({tuple((loc.name, loc.mapping.file) for loc in s.user)
                            for s in mine if s not in inside})
        # libc without frame pointers can hide its caller; that is counted, and rare here.
        check(total(inside) >= 0.95 * total(mine),
              f"{comm}: {total(inside)} of {total(mine)} are in {path}: {strangers[:5]}")
    return by_comm


def two_thousand_once():
    place = temporary_directory()
    programs = {name: another("brief", os.path.join(place, name))
                for name in ("brief_a", "brief_b")}
    # However long it takes: what the daemon keeps as files, from its start to its end.
    kept = Daemon(sample_frequency=999, rotate_interval="1h")
    launcher = Workload("launcher", COUNT, programs["brief_a"], programs["brief_b"], 4)
    launcher.report()
    children = {}
    for line in launcher.output.split("\n"):
        words = line.split()
        if words and words[0] == "child":
            children[int(words[1])] = (words[2], int(words[3]))
    # A pid can come again; then the table above has its last life only.
    equal(kept.stop(), 0, "exit status")
    profile, = (read_profile(os.path.join(base, name)) for base, _, names in os.walk(kept.directory)
                for name in names if "-cpu." in name)
    equal(len(children), COUNT, "children")
    names = {"A": "brief_a", "B": "brief_b"}
    samples = [s for s in profile.samples if s.pid in children]
    sampled = {s.pid for s in samples}
    check(len(sampled) > 0.95 * COUNT, f"{len(sampled)} of {COUNT} processes have samples")
    for s in samples:
        check(s.comm in (names[children[s.pid][0]], "launcher"), f"{s.pid}: comm {s.comm}")
        for loc in s.user:
            if loc.name.startswith("brief_"):
                equal(loc.mapping.file, programs[names[children[s.pid][0]]], f"file of {s.pid}")
    by_comm = check_samples(samples, programs)
    for name in programs:
        working = [s for s in by_comm[name] if s.user and s.user[0].name == "brief_leaf"]
        check(total(working) > 0.5 * total(by_comm[name]), f"{name}: named from the first ms")
        for s in working:
            equal([loc.name for loc in s.user[:3]], ["brief_leaf", "brief_work", "main"], name)
    used = sum(us for _, us in children.values()) * 1000
    near(100 * total(samples, 1) / used, 100, 5, "sampled in % of what wait4() says they used")
    equal(profile.quality()["samples_lost"], 0, "samples_lost")
    equal(profile.quality().get("sideband_lost", 0), 0, "sideband_lost")


@test
def two_thousand_processes():
    # What the others on the machine do meanwhile decides how much of them is the start of a program.
    tries(two_thousand_once)


@test
def compile_job():
    place = temporary_directory()
    for i in range(250):
        with open(os.path.join(place, f"f{i}.c"), "w", encoding="ascii") as f:
            f.write("#include <stdio.h>\n" +
                    "".join(f"int f{i}_{k}(int x) {{ return x * {k} + printf(\"%d\", x); }}\n"
                            for k in range(20)))
    with open(os.path.join(place, "Makefile"), "w", encoding="ascii") as f:
        f.write("all: $(patsubst %.c,%.o,$(wildcard *.c))\n%.o: %.c\n\tgcc -O1 -c -o $@ $<\n")
    fetched = in_background(daemon(), 25)
    status, _, err = command(tool("make"), "-s", "-j", os.cpu_count(), "-C", place, timeout=400)
    equal(status, 0, err)
    profile = fetched()
    _, cc1, _ = command("gcc", "-print-prog-name=cc1")
    compilers = [s for s in profile.samples if s.comm == "cc1"]
    check(len({s.pid for s in compilers}) > 100, "many compilers were seen")
    user = [s for s in compilers if s.user]
    inside = [s for s in user if any(os.path.realpath(loc.mapping.file) ==
                                     os.path.realpath(cc1.strip()) for loc in s.user if loc.mapping)]
    check(total(inside) > 0.5 * total(user), f"{total(inside)} of {total(user)} are in cc1, "
          f"{collections.Counter(loc.mapping.file for s in user for loc in s.user if loc.mapping)}")
    for s in profile.samples:
        check(s.comm, f"a sample of {s.pid} without comm")
        if s.comm in ("cc1", "as", "gcc", "make"):
            for loc in s.user:
                check(loc.mapping is not None and loc.mapping.file, f"{s.comm}: {s.names}")


if __name__ == "__main__":
    run()
