#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What others say of the same stacks: gdb frame by frame, perf by shares; and shares that are known."""

import functools
import os
import re
import tempfile
import time

from harness import chance, check, command, near, near_share, run, shared_daemon, test, tool
from pprof import share, total
from unwind import BY_NAME, Running, endings, exists, record, say
from programs import SHARES

WANTED = {"work_sixty": 60, "work_thirty": 30, "work_ten": 10}
# Programs that are always in one chain, and whose C library has rules.
COMPARED = ["o2-gcc", "o3fp-clang", "mixed-clang", "static-pie", "noreturn-gcc", "cold",
            "alloca-gcc", "realign-gcc", "large-clang", "rust", "jumps-switch", "signal-first"]

# gdb.INLINE_FRAME and so on.
INLINE, TAIL_CALL, SIGNAL = 2, 3, 4

daemon = shared_daemon(sample_frequency=999)


def file_mappings(pid):
    """[(start, end, file offset of start, path)]"""
    out = []
    with open(f"/proc/{pid}/maps", encoding="utf-8") as f:
        for line in f:
            words = line.split(maxsplit=5)
            if len(words) == 6:
                start, end = (int(x, 16) for x in words[0].split("-"))
                out.append((start, end, int(words[2], 16), words[5].strip()))
    return out


def in_file(mappings, address):
    """An address as a place in a file."""
    for start, end, offset, path in mappings:
        if start <= address < end:
            return f"{os.path.basename(path)}+{address - start + offset:#x}"
    return hex(address)


def gdb_stack(pid):
    """The return addresses of the process as it stands, innermost first."""
    status, out, err = command(
        tool("gdb"), "-nx", "-batch", "-iex", "set debuginfod enabled off", "-p", str(pid),
        "-ex", "set print address on", "-ex", "set backtrace past-main on",
        "-ex", "set backtrace past-entry on", "-ex", "set print frame-arguments none",
        "-ex", "python\nf = gdb.newest_frame()\nwhile f:\n"
        "  print('FRAME %x %d' % (f.pc(), f.type()))\n  f = f.older()\nend", timeout=60)
    frames = [(int(m[1], 16), int(m[2])) for m in re.finditer(r"^FRAME (\w+) (\d+)", out, re.M)]
    check(frames, f"gdb on {pid}: {status} {err[-300:]}")
    # Inlined functions and undone tail calls are no frames of the stack.
    return [(pc, kind) for pc, kind in frames if kind not in (INLINE, TAIL_CALL)]


def gdb_callers(pid):
    """Places in files of all frames but the innermost: one less than the return addresses."""
    mappings, out, before = file_mappings(pid), [], None
    for pc, kind in gdb_stack(pid):
        if before is not None:
            # A trampoline is not called; what it interrupted was not calling.
            exact = kind == SIGNAL or before == SIGNAL
            out.append(in_file(mappings, pc if exact else pc - 1))
        before = kind
    return out


def our_callers(profile):
    """{all frames but the innermost: samples}"""
    out = {}
    for s in profile.samples:
        places = [f"{os.path.basename(l.mapping.file)}+{l.address - l.mapping.start + l.mapping.offset:#x}"
                  if l.mapping else hex(l.address) for l in s.user
                  if not l.name.startswith("[truncated")]
        key = tuple(places[1:])
        out[key] = out.get(key, 0) + s.values[0]
    return out


@test
def gdb_sees_the_same_frames():
    tool("gdb")
    same = frames = 0
    wrong = []
    for i in range(0, len(COMPARED), 6):
        running = [Running(BY_NAME[n]) for n in COMPARED[i:i + 6] if exists(BY_NAME[n])]
        time.sleep(0.5)
        profile = daemon().profile(seconds=2)
        for r in running:
            ours = our_callers(type("P", (), {"samples": profile.of(pid=r.pid)}))
            theirs = tuple(gdb_callers(r.pid))
            # It was stopped somewhere in its chain: that very stack has been sampled.
            best = max(ours, key=lambda k: (k == theirs, agreeing(k, theirs)), default=())
            frames += len(theirs)
            same += agreeing(best, theirs)
            if best != theirs:
                wrong.append((r.program.name, theirs, best))
            r.end()
    say(f"gdb: {same} of {frames} frames are the same")
    for name, theirs, ours in wrong:
        say(f"    {name}: gdb {theirs}, profd {ours}")
    check(frames > 50, f"only {frames} frames")
    check(same >= 0.99 * frames, f"{same} of {frames} frames: {wrong[:3]}")


def agreeing(ours, theirs):
    n = 0
    for a, b in zip(ours, theirs):
        if a != b:
            break
        n += 1
    return n


@functools.lru_cache(maxsize=None)
def recorded():
    return record(daemon(), SHARES, 6)


@test
def known_shares_without_frame_pointers():
    for name, profile in recorded().items():
        attempted, complete, reasons = endings(profile)
        seen = {w: share(profile.samples, w) for w in WANTED}
        say(f"{name}: {total(profile.samples)} samples, " +
            ", ".join(f"{w} {v:.1f} %" for w, v in seen.items()) +
            f", {complete} of {attempted} complete, {reasons}")
    for name, profile in recorded().items():
        n = total(profile.samples)
        check(n > 200, f"{name}: {n} samples")
        for function, wanted in WANTED.items():
            near_share(profile.samples, function, wanted, program=name)
            chain = function.replace("work", "chain")
            outside = [s for s in profile.samples if function in s.names and chain not in s.names]
            check(total(outside) <= max(4, n / 100),
                  f"{name}: {function} outside of {chain}: {total(outside)} of {n} samples")


@test
def perf_sees_the_same_shares():
    perf = tool("perf")
    r = Running(BY_NAME["shares-gcc"])
    time.sleep(0.3)
    profile = daemon().profile(seconds=4, pid=r.pid)
    with tempfile.TemporaryDirectory() as place:
        data = os.path.join(place, "perf.data")
        status, _, err = command(perf, "record", "-q", "-e", "cpu-clock", "-F", "499",
                                 "--call-graph", "dwarf,4096", "-p", str(r.pid), "-o", data, "--",
                                 "sleep", "4", timeout=60)
        check(status == 0 and os.path.exists(data), f"perf record: {err[-300:]}")
        _, out, err = command(perf, "script", "--no-inline", "-F", "ip,sym", "-i", data, timeout=120)
    r.end()
    stacks = [[line.split()[1] for line in block.split("\n") if len(line.split()) > 1]
              for block in out.split("\n\n")]
    stacks = [s for s in stacks if s]
    check(len(stacks) > 200, f"perf has {len(stacks)} samples: {err[-300:]}")
    for function, wanted in WANTED.items():
        tolerance = 3 + chance(wanted, len(stacks), total(profile.samples))
        for name in (function, function.replace("work", "chain")):
            theirs = 100 * sum(name in s for s in stacks) / len(stacks)
            ours = share(profile.samples, name, cumulative=True)
            say(f"{name}: perf {theirs:.1f} %, profd {ours:.1f} %")
            near(ours, theirs, tolerance, f"{name}, against perf's")


if __name__ == "__main__":
    run()
