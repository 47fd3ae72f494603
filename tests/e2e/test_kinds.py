#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every kind of executable: how it is linked, where it lies, and whether it is still there."""

import os
import re
import shutil
import sys
import time

from harness import (WORKLOADS, Daemon, Workload, another, build_id, check, command, equal,
                     new_mount_namespace, profile_of, run, shared_daemon, temporary_directory,
                     test, tool, wait_until)
from pprof import total

CHAIN = ["chain_leaf", "chain_middle", "chain_outer", "main"]
LONG = 60  # s, for workloads that are ended when they have been seen
daemon = shared_daemon(sample_frequency=499)


def symbol_ranges(path):
    """{name: (start, end)} of a file's symbols, as virtual addresses of the file."""
    _, out, _ = command(tool("nm"), "-S", "--defined-only", path)
    rows = (line.split() for line in out.split("\n"))
    return {r[3]: (int(r[0], 16), int(r[0], 16) + int(r[1], 16)) for r in rows if len(r) == 4}


def check_chain(profile, wanted, file, mapped=None, ids=None):
    """All but a few samples show the wanted stack; names, mapping and addresses are of the file."""
    samples = [s for s in profile.samples if s.user]
    check(total(samples) > 200, f"only {total(samples)} samples")
    good = []
    for s in samples:
        names = [loc.name for loc in s.user]
        if any(names[i:i + len(wanted)] == wanted for i in range(3)):
            good.append(s)
    seen = sorted({" < ".join(loc.name for loc in s.user[:6]) for s in samples})
    check(total(good) > 0.9 * total(samples), f"{total(good)} of {total(samples)}: {seen[:10]}")
    ranges, ids = symbol_ranges(file), ids or build_id(file)
    for s in good:
        for loc in s.user:
            if loc.name not in wanted:
                continue
            low, high = ranges[loc.name]
            check(low <= loc.address < high, f"{loc.name} at {loc.address:#x}, not {low:#x}")
            equal(loc.mapping.build_id, ids, f"build id of {loc.mapping.file}")
            if mapped:
                equal(loc.mapping.file, mapped, "the mapping's file")
    return good


def chain_of(running, workload):
    return profile_of(running, workload, 2, samples=200)


def check_linked(program):
    file = another(program, os.path.join(temporary_directory(), program))
    workload = Workload(file, LONG)
    check_chain(chain_of(daemon(), workload), CHAIN, file, file)
    workload.end()


@test
def position_independent():
    check_linked("chain-pie")


@test
def at_a_fixed_address():
    check_linked("chain-fixed")


@test
def statically_linked():
    check_linked("chain-static")


@test
def static_and_position_independent():
    check_linked("chain-static-pie")


@test
def stripped_with_a_debug_link():
    file = os.path.join(WORKLOADS, "chain-stripped")
    workload = Workload("chain-stripped", LONG)
    check_chain(chain_of(daemon(), workload), CHAIN, file + ".debug", file)
    workload.end()


@test
def stripped_of_everything():
    # No name is no reason to lose a frame: file+0xaddress stands for it.
    place = temporary_directory()
    file = another("chain-stripped", os.path.join(place, "nameless"))
    workload = Workload(file, LONG)
    profile = profile_of(daemon(), workload, 2)
    ours = [loc.name for s in profile.samples for loc in s.user if loc.mapping.file == file]
    check(ours, "no frame of the program")
    for name in ours:
        # What it calls of others is known by name.
        check(re.fullmatch(r"nameless\+0x[0-9a-f]+|\w+@plt", name), name)
    check(profile.quality()["frames_unnamed"] > 0, "frames_unnamed counts them")
    workload.end()


@test
def shared_library():
    workload = Workload("uselib", LONG)
    library = os.path.join(WORKLOADS, "libburn.so")
    profile = chain_of(daemon(), workload)
    check_chain(profile, ["library_inner", "library_work"], library, library)
    callers = [s for s in profile.samples if "library_work" in s.names]
    equal({"call_library" in s.names and "main" in s.names for s in callers}, {True}, "callers")
    workload.end()


@test
def deleted_while_it_runs():
    place = temporary_directory()
    file = another("chain-pie", os.path.join(place, "deleted"))
    ids = build_id(file)
    workload = Workload(file, LONG)
    os.unlink(file)
    check_chain(chain_of(daemon(), workload), CHAIN, os.path.join(WORKLOADS, "chain-pie"), file,
                ids)
    workload.end()


@test
def replaced_while_it_runs():
    # Another program now has the name; the symbols must be those of the one that runs.
    place = temporary_directory()
    file = another("chain-pie", os.path.join(place, "replaced"))
    ids = build_id(file)
    workload = Workload(file, LONG)
    os.unlink(file)
    shutil.copy(os.path.join(WORKLOADS, "decoy"), file)
    check_chain(chain_of(daemon(), workload), CHAIN, os.path.join(WORKLOADS, "chain-pie"), file,
                ids)
    workload.end()


@test
def deleted_before_profd_came():
    place = temporary_directory()
    file = another("chain-pie", os.path.join(place, "early"))
    ids = build_id(file)
    workload = Workload(file, LONG)
    os.unlink(file)
    with Daemon(sample_frequency=499) as late:
        check_chain(chain_of(late, workload), CHAIN,
                    os.path.join(WORKLOADS, "chain-pie"), file,
                ids)
    workload.end()


@test
def without_a_file_system():
    # An executable that only ever existed in memory (memfd_create).
    file = another("chain-pie", os.path.join(temporary_directory(), "to-memory"))
    run_it = ("import os,sys\n"
              "fd = os.memfd_create('in-memory')\n"
              "os.write(fd, open(sys.argv[1], 'rb').read())\n"
              "os.execve(fd, ['in-memory', '60'], os.environ)\n")
    workload = Workload(sys.executable, "-c", run_it, file)
    profile = chain_of(daemon(), workload)
    good = check_chain(profile, CHAIN, file)
    equal({loc.mapping.file for s in good for loc in s.user if loc.name == "chain_leaf"},
          {"/memfd:in-memory"}, "the mapping's file")
    workload.end()


@test
def in_another_mount_namespace():
    # The path is there only inside; outside, the same path is another program.
    place = temporary_directory()
    file = os.path.join(place, "program")
    shutil.copy(os.path.join(WORKLOADS, "decoy"), file)

    real = another("chain-pie", os.path.join(temporary_directory(), "real"))
    ids = build_id(real)

    def inside():
        new_mount_namespace()
        if os.system(f"mount -t tmpfs tmpfs {place}") != 0:
            os._exit(99)
        shutil.copy(real, file)
    workload = Workload(file, LONG, also=inside)
    check_chain(chain_of(daemon(), workload), CHAIN, os.path.join(WORKLOADS, "chain-pie"), file,
                ids)
    workload.end()


@test
def in_another_pid_namespace():
    # The pid is the one that the host knows it by.
    file = another("chain-pie", os.path.join(temporary_directory(), "inside"))
    outer = Workload(tool("unshare"), "--pid", "--fork", "--kill-child", file, LONG)
    children = f"/proc/{outer.pid}/task/{outer.pid}/children"
    outer.pid = int(wait_until(lambda: open(children, encoding="ascii").read().split(), "its child")[0])
    pid = outer.pid
    profile = chain_of(daemon(), outer)
    equal({s.pid for s in profile.samples}, {pid}, "pids")
    check_chain(profile, CHAIN, file, file)
    outer.end()


@test
def process_that_has_just_started():
    # It was there before it was asked for, so it is not "no process".
    for _ in range(5):
        workload = Workload("chain-pie", 3)
        response = daemon().get(f"/pid/{workload.pid}/debug/pprof/profile?seconds=1")
        equal(response.status, 200, response.text[:200])


@test
def one_mapping_for_many_processes():
    file = another("chain-pie", os.path.join(temporary_directory(), "three-of-us"))
    workloads = [Workload(file, LONG) for _ in range(3)]
    time.sleep(0.5)
    profile = daemon().named_profile("/comm/three-of-us/debug/pprof/profile", seconds=2)
    equal({s.pid for s in profile.samples}, {w.pid for w in workloads}, "pids")
    equal(len([m for m in profile.mappings if m.file == file]), 1, "mappings of the program")
    equal(len([f for f in profile.functions if f.name == "chain_leaf"]), 1, "functions chain_leaf")
    for w in workloads:
        w.end()


@test
def two_hundred_frames_deep():
    workload = Workload("chain-pie", LONG, 200)
    profile = chain_of(daemon(), workload)
    good = check_chain(profile, ["chain_leaf"] + ["chain_middle"] * 200 + ["chain_outer", "main"],
                       os.path.join(WORKLOADS, "chain-pie"))
    check(good, "no whole stack")
    workload.end()


@test
def too_deep_is_cut_and_said():
    workload = Workload("chain-pie", LONG, 2000)
    profile = profile_of(daemon(), workload, 2)
    deepest = max(len(s.user) for s in profile.samples)
    check(deepest >= 256, f"{deepest} frames of at least 256")
    quality = profile.quality()
    check(quality.get("user_stacks_truncated_too_deep", 0) > 0.9 * total(profile.samples),
          str(quality))
    workload.end()


def corrupt(data, how, random):
    """A copy that still runs (the loader reads program headers only), but lies to who reads more."""
    import struct
    out = bytearray(data)
    table, = struct.unpack_from("<Q", data, 40)  # e_shoff
    size, count, _ = struct.unpack_from("<HHH", data, 58)
    sections = [struct.unpack_from("<IIQQQQIIQQ", data, table + i * size) for i in range(count)]
    named = {"symtab": 2, "strtab": 3, "note": 7}
    if how == "table":
        struct.pack_into("<Q", out, 40, random.choice([2**64 - 64, len(data) - 3, 2**63, 1]))
    elif how == "count":
        struct.pack_into("<HHH", out, 58, 64, 65535, 65534)
    elif how == "entries":
        for _ in range(40):
            out[table + random.randrange(size * count)] = random.randrange(256)
    else:
        for kind, offset, length in ((s[1], s[4], s[5]) for s in sections):
            if kind == named[how]:
                for _ in range(max(1, length // 4)):
                    out[offset + random.randrange(length)] = random.randrange(256)
    return bytes(out)


@test
def hostile_symbol_tables():
    import random
    random.seed(7)
    place = temporary_directory()
    with open(os.path.join(WORKLOADS, "chain-pie"), "rb") as f:
        good = f.read()
    workloads = []
    for i, how in enumerate(["table", "count", "entries", "symtab", "strtab", "note"] * 4):
        path = os.path.join(place, f"{how}{i}")
        with open(path, "wb") as f:
            f.write(corrupt(good, how, random))
        os.chmod(path, 0o755)
        workloads.append(Workload(path, LONG))
    for seconds in (3, 6, 12):
        profile = daemon().profile(seconds=seconds)
        sampled = {s.pid for s in profile.samples}
        if sum(w.pid in sampled for w in workloads) > 15:
            break
    else:
        check(False, f"of {len(workloads)} few were sampled: {sampled}")
    for s in profile.samples:
        if s.pid in {w.pid for w in workloads}:
            check(all(loc.mapping.file for loc in s.user), f"{s.names}")
    equal(daemon().get("/healthz").status, 200, "health")
    for w in workloads:
        w.end()


@test
def daemon_ends_cleanly():
    equal(daemon().stop(), 0, "exit status")


if __name__ == "__main__":
    run()
