#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Capture with root, replay without: the same pipeline gives the same profile."""

import functools
import os
import time

from harness import (PROFD, WORKLOADS, Daemon, Workload, check, command, equal, near_share, nobody, run,
                     skip, temporary_directory, test)
from pprof import Profile, total


@functools.lru_cache(maxsize=None)
def captured():
    """(path of a capture, pid of what ran, the profile served meanwhile)."""
    path = os.path.join(temporary_directory(), "stream.capture")
    workload = Workload("shares", 60, 2)
    with Daemon("--capture=" + path, sample_frequency=499) as d:
        time.sleep(0.3)
        served = d.profile(seconds=3, pid=workload.pid)
    workload.end()
    equal(os.stat(path).st_mode & 0o777, 0o600, "mode of the capture")
    os.chmod(path, 0o644)
    return path, workload.pid, served


def replay(path):
    """(exit status, stderr, the decoded profile or None), as a user without any rights."""
    place = temporary_directory()
    os.chmod(place, 0o777)
    output = os.path.join(place, "out.pb.gz")
    if not os.stat(os.path.dirname(PROFD)).st_mode & 0o001:
        skip("nobody cannot reach the binary")
    code, _, err = command(PROFD, "replay", path, "-o", output, also=nobody, cwd=place)
    if not os.path.exists(output):
        return code, err, None
    with open(output, "rb") as f:
        data = f.read()
    return code, err, Profile(data)


@test
def replay_gives_the_shares():
    path, pid, _ = captured()
    code, err, profile = replay(path)
    equal(code, 0, err)
    equal(profile.problems(), [])
    samples = profile.of(pid=pid)
    for name, wanted in (("work_sixty", 60), ("work_thirty", 30), ("work_ten", 10)):
        near_share(samples, name, wanted)


@test
def replay_holds_what_was_served():
    path, pid, served = captured()
    _, _, profile = replay(path)
    check(total(profile.of(pid=pid)) >= total(served.samples),
          f"{total(profile.of(pid=pid))} replayed, {total(served.samples)} served")
    stacks = {tuple(s.names) for s in profile.of(pid=pid)}
    user_only = {tuple(s.names) for s in served.samples if not s.kernel}
    check(user_only <= stacks, f"stacks that are missing: {list(user_only - stacks)[:3]}")
    equal({s.comm for s in profile.of(pid=pid)}, {"shares"}, "comm")
    equal(profile.period, served.period, "period")


@test
def replay_is_repeatable():
    # Of what else runs on the machine, the files may go between the one and the other.
    path, pid, _ = captured()
    _, _, first = replay(path)
    _, _, second = replay(path)
    equal(total(first.samples), total(second.samples), "samples of all processes")
    key = [(s.names, s.values, sorted(s.labels.items())) for s in first.of(pid=pid)]
    again = [(s.names, s.values, sorted(s.labels.items())) for s in second.of(pid=pid)]
    equal(sorted(map(repr, key)), sorted(map(repr, again)), "samples")


@test
def replay_to_stdout():
    path, _, _ = captured()
    from harness import start
    import subprocess
    child = start([PROFD, "replay", path, "-o", "-"], stdout=subprocess.PIPE,
                  stderr=subprocess.PIPE, also=nobody)
    out, err = child.communicate(timeout=60)
    equal(child.returncode, 0, err)
    equal(Profile(out).problems(), [])


@test
def cut_and_damaged_captures_are_refused():
    path, _, _ = captured()
    with open(path, "rb") as f:
        data = f.read()
    place = temporary_directory()
    cases = {"empty": b"", "not one": b"hello world\n" * 100, "header": data[:20],
             "cut": data[:len(data) // 2 + 3], "big": data[:4096] + b"\xff" * 64}
    for name, content in cases.items():
        bad = os.path.join(place, name)
        with open(bad, "wb") as f:
            f.write(content)
        code, err, _ = replay(bad)
        check(0 < code < 100, f"{name}: exit status {code}, {err}")
        lines = [line for line in err.split("\n") if line]
        equal(len(lines), 1, f"{name}: {err}")
        check(bad in lines[0], f"{name}: {err}")


@test
def no_byte_can_crash_the_replay():
    import random
    path, _, _ = captured()
    with open(path, "rb") as f:
        data = f.read(300000)
    random.seed(1)
    place = temporary_directory()
    bad = os.path.join(place, "flipped")
    for _ in range(30):
        changed = bytearray(data)
        for _ in range(random.randrange(1, 200)):
            changed[random.randrange(len(changed))] = random.randrange(256)
        with open(bad, "wb") as f:
            f.write(changed)
        code, err, _ = replay(bad)
        check(0 <= code < 100, f"ended by signal or sanitizer: {code} {err[:2000]}")


@test
def replay_of_nothing():
    code, err, _ = replay("/nonexistent/capture")
    check(code in (1, 2, 6) and "/nonexistent/capture" in err, f"{code} {err}")
    code, _, err = command(PROFD, "replay", also=nobody)
    equal(code, 2, err)


@test
def capture_file_that_exists_is_kept():
    place = temporary_directory()
    path = os.path.join(place, "precious")
    with open(path, "wb") as f:
        f.write(b"precious")
    code, _, err = command(PROFD, "--listen=127.0.0.1:0", f"--capture={path}",
                           f"--socket={place}/s", f"--directory={place}/d")
    check(code in (2, 6), f"{code} {err}")
    with open(path, "rb") as f:
        equal(f.read(), b"precious", "its content")


if __name__ == "__main__":
    run()
