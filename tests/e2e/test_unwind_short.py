#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whole stacks of processes that live for milliseconds, of programs known and never seen before."""

import os
import shutil
import subprocess
import time

from harness import (WORKLOADS, Daemon, Workload, check, in_background, run, shared_daemon,
                     temporary_directory, test, wait_until)
from pprof import total
from unwind import (BY_NAME, DIRECTORY, endings, judged, need, path_of, say, truncated)
from programs import NEW_ID

TRUE = "/bin/true"
STORM = int(os.environ.get("PROFD_TEST_STORM", "2000"))
NEW_COUNT, NEW_MS = 50, 20

daemon = shared_daemon(sample_frequency=997, preload="running", unwind_cache="")


def sleeper(name):
    """A process of that name, because profiles are of names that are there; it does nothing."""
    path = os.path.join(temporary_directory(), name)
    shutil.copy("/bin/sleep", path)
    Workload(path, "60")
    wait_until(lambda: daemon().get(f"/debug/pprof/profile?comm={name}&seconds=1").status == 200,
               f"{name} is known")


@test
def exec_storm():
    # What is asked for is a program that has run before.
    for _ in range(20):
        subprocess.run([TRUE], check=True)
    sleeper("true")
    fetched = in_background(daemon(), 4 + STORM // 400, comm="true")
    begin = time.monotonic()
    Workload("launcher", STORM, TRUE, TRUE, 1).report()
    profile = fetched()
    attempted, complete, reasons = endings(profile)
    say(f"{STORM} times {TRUE} in {time.monotonic() - begin:.1f} s: {attempted} user stacks, "
        f"{100 * complete / max(attempted, 1):.2f} % complete, {reasons}, "
        f"{profile.quality()['user_stacks_from_slices']} from slices, "
        f"{profile.quality().get('user_stacks_in_exec', 0)} more amid exec")
    for stack, n in truncated(profile).most_common(5):
        say(f"    {n} {stack}")
    check(attempted > 100, f"{attempted} user stacks of {STORM} processes")
    allowed = {os.path.realpath(TRUE), os.path.realpath("/lib64/ld-linux-x86-64.so.2"), "[vdso]"}
    strangers = {}
    for s in profile.samples:
        for loc in s.user:
            file = os.path.realpath(loc.mapping.file) if loc.mapping else f"no file {loc.name}"
            if loc.mapping and loc.mapping.file == "[vdso]":
                file = "[vdso]"
            name = os.path.basename(file)
            if file not in allowed and not name.startswith(("libc.so", "libc-")) and \
                    not loc.name.startswith("[truncated"):
                strangers[file] = strangers.get(file, 0) + s.values[0]
    # Between fork and exec it is still the launcher.
    strangers.pop(os.path.realpath(os.path.join(WORKLOADS, "launcher")), None)
    check(not strangers, f"files that it does not use: {strangers}")
    check(complete >= 0.98 * attempted, f"{complete} of {attempted} complete: {reasons}")


def new_programs(count):
    """Copies of a program, each another executable for whoever looks at build ids or content."""
    place = temporary_directory()
    with open(path_of(BY_NAME["new"], DIRECTORY), "rb") as f:
        data = f.read()
    wanted = bytes.fromhex(NEW_ID)
    check(data.count(wanted) == 1, "the build id is there once")
    unique = os.urandom(8)
    for i in range(count):
        path = os.path.join(place, f"new{i}", "u-new")
        os.mkdir(os.path.dirname(path))
        with open(path, "wb") as f:
            f.write(data.replace(wanted, wanted[:8] + unique + i.to_bytes(4, "big")))
        os.chmod(path, 0o755)
        yield path


@test
def programs_never_seen_before():
    need(BY_NAME["new"])
    paths = list(new_programs(NEW_COUNT))
    sleeper("u-new")
    seconds, ran, begin = 8, 0, time.monotonic()
    fetched = in_background(daemon(), seconds, comm="u-new")
    time.sleep(0.5)
    for path in paths:
        subprocess.run([path, str(NEW_MS)], check=True)
        # Their files are gone before anybody could come for them leisurely.
        shutil.rmtree(os.path.dirname(path))
        ran += time.monotonic() < begin + seconds  # as long as the profile at least
    profile = fetched()
    attempted, complete, reasons = endings(profile)
    counts, others = judged(BY_NAME["new"], profile)
    quality = profile.quality()
    n = sum(counts.values())
    say(f"{NEW_COUNT} new programs of {NEW_MS} ms: {attempted} user stacks, "
        f"{100 * complete / max(attempted, 1):.2f} % complete, {reasons}, "
        f"{quality['user_stacks_from_slices']} from slices, {dict(counts)}, {others.most_common(4)}")
    seen = len({s.pid for s in profile.samples})
    check(ran >= 10, f"{ran} of {NEW_COUNT} processes in {seconds} s: this machine is too busy")
    check(seen >= 0.9 * ran, f"{seen} of {ran} processes were sampled")
    check(quality["user_stacks_from_slices"] > 0, f"no slices: {quality}")
    check(counts["wrong"] == 0, f"{dict(counts)}: {others.most_common(5)}")
    check(complete >= 0.95 * attempted, f"{complete} of {attempted} complete: {reasons}")
    check(counts["whole"] >= 0.8 * n, f"{dict(counts)}: {others.most_common(5)}")


@test
def slices_that_are_too_short():
    need(BY_NAME["new"])
    with Daemon(sample_frequency=997, preload="running", unwind_cache="", slice_bytes="64") as d:
        fetched = in_background(d, 3)
        time.sleep(0.5)
        for path in new_programs(10):
            subprocess.run([path, str(2 * NEW_MS)], check=True)
        profile = fetched()
    profile.samples = profile.of(comm="u-new")
    reasons = endings(profile)[2]
    stacks = truncated(profile)
    say(f"slices of 64 bytes: {reasons}, {stacks.most_common(2)}")
    cut = sum(n for stack, n in stacks.items() if stack.endswith("[truncated: slice_cut]"))
    # Each program gets its table within a few samples.
    check(cut > 4, f"{reasons}: {stacks.most_common(5)}")
    check(reasons["slice_cut"] >= cut, f"{reasons}")
    check(not any("unreadable" in stack for stack in stacks), f"{stacks}")


@test
def replaced_and_deleted_programs():
    # Old and new at once under one name, the old one deleted by that.
    need(BY_NAME["o2-gcc"]), need(BY_NAME["noreturn-gcc"])
    path = os.path.join(temporary_directory(), "program")
    shutil.copy(path_of(BY_NAME["o2-gcc"], DIRECTORY), path)
    old = Workload(path, 20)
    time.sleep(0.2)
    shutil.copy(path_of(BY_NAME["noreturn-gcc"], DIRECTORY), path + ".new")
    os.rename(path + ".new", path)
    new = Workload(path, 20)
    time.sleep(0.5)
    first, second = in_background(daemon(), 3, pid=old.pid), in_background(daemon(), 3, pid=new.pid)
    for fetched, name in ((first, "o2-gcc"), (second, "noreturn-gcc")):
        check_whole(BY_NAME[name], fetched())


@test
def program_in_a_memfd():
    need(BY_NAME["o2-gcc"])
    memory = os.memfd_create("u-memfd")
    with open(path_of(BY_NAME["o2-gcc"], DIRECTORY), "rb") as f:
        os.write(memory, f.read())
    os.set_inheritable(memory, True)
    child = subprocess.Popen([f"/proc/self/fd/{memory}", "20"], pass_fds=[memory])
    try:
        os.close(memory)
        time.sleep(0.5)
        check_whole(BY_NAME["o2-gcc"], daemon().profile(seconds=3, pid=child.pid))
    finally:
        child.kill()
        child.wait()


def check_whole(program, profile):
    counts, others = judged(program, profile)
    attempted, complete, reasons = endings(profile)
    say(f"{program.name}: {dict(counts)}, {complete} of {attempted} complete, {reasons}")
    check(total(profile.samples) > 50, f"{total(profile.samples)} samples")
    check(counts["whole"] >= 0.98 * sum(counts.values()), f"{dict(counts)}: {others.most_common(3)}")
    check(attempted - complete <= 1, f"{complete} of {attempted} complete: {reasons}")


if __name__ == "__main__":
    run()
