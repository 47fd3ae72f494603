#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The rotated files: names, contents, retention, and days on which the disk is no help."""

import contextlib
import datetime
import gzip
import os
import re
import time

from harness import (Daemon, Workload, check, command, cpu_used, equal, go_pprof_report, profile_of,
                     protoc_decode, read_profile, run, skip, temporary_directory, test, wait_until)
from pprof import total

NAME = re.compile(r"\d{4}-\d{2}-\d{2}/\d{6}Z-cpu(-\d+)?\.pb\.gz")


def files(place):
    """Paths of all files below, relative, sorted."""
    return sorted(os.path.relpath(os.path.join(base, n), place)
                  for base, _, names in os.walk(place) for n in names)


def bytes_in(place):
    """Of all files, while the daemon deletes some."""
    size = 0
    for name in files(place):
        with contextlib.suppress(FileNotFoundError):
            size += os.stat(os.path.join(place, name)).st_size
    return size


def profiles(place):
    """Those of CPU: test_wait_http.py has those of waits."""
    return [n for n in files(place) if n.endswith(".pb.gz") and "Z-cpu" in n]


def read(place, name):
    return read_profile(os.path.join(place, name))


@test
def files_rotate_and_cover_the_time():
    place = temporary_directory()
    workload = Workload("shares", 60)
    first = cpu_used(workload.pid)
    with Daemon(directory=place, rotate_interval="2s", window="1s", sample_frequency=499):
        before = cpu_used(workload.pid)
        time.sleep(7.5)
        used = cpu_used(workload.pid) - before
    used_at_most = cpu_used(workload.pid) - first
    names = profiles(place)
    check(len(names) >= 3, f"{files(place)}")
    decoded = []
    for name in names:
        check(NAME.fullmatch(name), name)
        p = read(place, name)
        decoded.append(p)
        at = datetime.datetime.strptime(name[:17], "%Y-%m-%d/%H%M%S")
        at = at.replace(tzinfo=datetime.timezone.utc).timestamp()
        check(abs(at - p.time_nanos / 1e9) < 1.1, f"{name} began at {p.time_nanos}")
        check(p.duration_nanos > 0, f"{name}: duration {p.duration_nanos}")
        equal(os.stat(os.path.join(place, name)).st_mode & 0o007, 0, f"others' rights to {name}")
    decoded.sort(key=lambda p: p.time_nanos)
    for a, b in zip(decoded, decoded[1:]):
        gap = b.time_nanos - a.time_nanos - a.duration_nanos
        check(abs(gap) < 20e6, f"{gap / 1e6} ms between two files")
    covered = sum(p.duration_nanos for p in decoded) / 1e9
    check(covered > 6, f"{covered} s are covered")
    work = total([s for p in decoded for s in p.of(pid=workload.pid)], 1) / 1e9
    # Sampling begins before the daemon is ready and ends after it was told to.
    check(0.97 * used - 0.1 <= work <= 1.03 * used_at_most + 0.1,
          f"{work:.2f} s of the workload are in the files, it used {used:.2f} to {used_at_most:.2f}")
    equal([n for n in files(place) if not n.endswith(".pb.gz")], [], "other files")
    workload.end()


@test
def protoc_reads_every_file():
    place = temporary_directory()
    workload = Workload("shares", 60)
    with Daemon(directory=place, rotate_interval="1s", window="1s"):
        time.sleep(4)
    names = profiles(place)
    check(names, "no files")
    for name in names:
        with gzip.open(os.path.join(place, name)) as f:
            text = protoc_decode(f.read())
        p = read(place, name)
        equal(text.count("\nsample {") + text.startswith("sample {"), len(p.samples), name)
        equal(text.count("\nlocation {"), len(p.locations), name)
        check("sample_type {" in text and "period_type {" in text, text[:300])
    workload.end()


@test
def pprof_merges_files():
    place = temporary_directory()
    workload = Workload("shares", 60)
    with Daemon(directory=place, rotate_interval="1s", window="1s", sample_frequency=499):
        time.sleep(4.5)
    names = profiles(place)
    wanted = sum(total(read(place, n).samples) for n in names)
    out = go_pprof_report(os.path.join(place, names[0]), "-raw",
                          *[os.path.join(place, n) for n in names[1:]])
    counted = sum(int(m[1]) for m in re.finditer(r"^\s+(\d+)\s+\d+: ", out, re.M))
    equal(counted, wanted, "samples after merging")
    equal(len(re.findall(r" work_sixty ", out)) > 0, True, "named")
    workload.end()


@test
def what_is_served_is_in_the_files():
    place = temporary_directory()
    workload = Workload("shares", 60)
    with Daemon(directory=place, rotate_interval="1s", window="1s", sample_frequency=999) as d:
        time.sleep(0.5)
        served = d.profile(seconds=3, pid=workload.pid)
        time.sleep(0.5)
    kept = [s for n in profiles(place) for s in read(place, n).of(pid=workload.pid)]
    check(total(kept) >= total(served.samples), f"{total(kept)} kept, {total(served.samples)} served")
    workload.end()


@test
def last_file_is_written_at_the_end():
    place = temporary_directory()
    with Daemon(directory=place):  # rotates once a minute
        time.sleep(1.5)
    equal(len(profiles(place)), 1, "files")


@test
def one_file_for_each_process():
    place = temporary_directory()
    workload = Workload("shares", 60)
    with Daemon(directory=place, rotate_interval="2s", window="1s", split="process",
                sample_frequency=499):
        time.sleep(4.5)
    names = profiles(place)
    mine = [n for n in names if n.endswith(f"Z-cpu-shares-{workload.pid}.pb.gz")]
    check(mine, f"{names}")
    for name in names:
        pids = {s.pid for s in read(place, name).samples}
        check(re.search(r"Z-cpu-.+-(\d+)\.pb\.gz$", name), name)
        equal(pids, {int(re.search(r"-(\d+)\.pb\.gz$", name)[1])}, name)
    workload.end()


@test
def names_of_processes_cannot_leave_the_directory():
    # comm may hold anything: slashes, dots, newlines, bytes that are no UTF-8.
    place = temporary_directory()
    evil = b"../../\n\xff\xfe/etc"

    def rename():
        from harness import LIBC
        LIBC.prctl(15, evil, 0, 0, 0)  # PR_SET_NAME; exec undoes it, so the child is Python itself
    import sys
    code = ("import ctypes,time\nctypes.CDLL(None).prctl(15, b'../../\\n\\xff\\xfe/etc', 0, 0, 0)\n"
            "e=time.time()+60\nwhile time.time()<e: pass\n")
    workload = Workload(sys.executable, "-c", code)
    time.sleep(0.3)
    with Daemon(directory=place, rotate_interval="2s", window="1s", split="process") as d:
        profile = d.profile(seconds=2, pid=workload.pid)
        check(profile.samples, "samples")
        for s in profile.samples:
            check("\n" not in s.comm or True, s.comm)
        time.sleep(1)
    mine = [n for n in profiles(place) if n.endswith(f"-{workload.pid}.pb.gz")]
    check(mine, f"{files(place)}")
    for name in files(place):
        check(re.fullmatch(r"\d{4}-\d{2}-\d{2}/[^/\n]+", name), repr(name))
    workload.end()


@test
def retention_by_age():
    place = temporary_directory()
    old = os.path.join(place, "2020-01-01")
    os.makedirs(old)
    for name in ("000000Z-cpu.pb.gz", "120000Z-cpu.pb.gz", "somebody-elses.txt"):
        with open(os.path.join(old, name), "wb") as f:
            f.write(b"x" * 1000)
    with Daemon(directory=place, rotate_interval="1s", window="1s", retain_age="1h"):
        wait_until(lambda: not [n for n in profiles(place) if n.startswith("2020")],
                   "old files are gone")
        wait_until(lambda: profiles(place), "new files are there")
    equal([n for n in files(place) if n.startswith("2020")], ["2020-01-01/somebody-elses.txt"])


@test
def retention_by_bytes():
    place = temporary_directory()
    for hour in range(10):
        day = os.path.join(place, "2030-01-01")
        os.makedirs(day, exist_ok=True)
        with open(os.path.join(day, f"{hour:02}0000Z-cpu.pb.gz"), "wb") as f:
            f.write(os.urandom(300000))
    with Daemon(directory=place, rotate_interval="1s", window="1s", retain_bytes="1M",
                retain_age="3650d"):
        wait_until(lambda: bytes_in(place) <= 1 << 20, "one megabyte is left")


@test
def full_disk_is_said_once_and_sampling_goes_on():
    place = temporary_directory()
    status, _, err = command("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", place)
    if status:
        skip(f"no tmpfs: {err.strip()}")
    try:
        with open(os.path.join(place, "filler"), "wb") as f:
            try:
                f.write(b"\0" * (8 << 20))
                f.flush()  # until it is full
            except OSError:
                pass
        workload = Workload("shares", 60)
        d = Daemon(directory=place, rotate_interval="1s", window="1s", sample_frequency=499)
        wait_until(lambda: d.metrics()["profd_files_failures_total"] >= 4, "failures are counted")
        said = [line for line in d.log().split("\n") if "No space left" in line]
        equal(len(said), 1, f"times it was said in 2 rotations at least:\n{d.log()}")
        check(place in said[0], said[0])
        profile = profile_of(d, workload, 1)
        check(total(profile.samples) > 50, "it samples and serves")
        equal([n for n in files(place) if n != "filler" and not n.endswith(".pb.gz")], [],
              "unfinished files")
        os.unlink(os.path.join(place, "filler"))
        wait_until(lambda: profiles(place), "it writes again when there is room")
        equal(d.stop(), 0)
        workload.end()
    finally:
        command("umount", "-l", place)


@test
def directory_that_vanishes():
    place = os.path.join(temporary_directory(), "profiles")
    d = Daemon(directory=place, rotate_interval="1s", window="1s")
    wait_until(lambda: profiles(place), "a file")
    os.rename(place, place + ".moved")
    time.sleep(2.5)
    equal(d.get("/healthz").status, 200, "it goes on")
    check(d.profile(seconds=1).mappings, "it serves")
    equal(d.stop(), 0)


if __name__ == "__main__":
    run()
