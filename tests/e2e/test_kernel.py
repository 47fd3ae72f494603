#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Kernel and user frames in one stack, the kernel's on the leaf side."""

import ctypes
import os
import re
import struct
import sys
import time

from harness import (LIBC, Workload, check, equal, profile_of, run, shared_daemon, skip, start, test,
                     tool)
from pprof import is_kernel, total

daemon = shared_daemon(sample_frequency=999)


def check_order(profile):
    """No kernel frame below a user frame."""
    for s in profile.samples:
        sides = [is_kernel(loc) for loc in s.locations]
        equal(sides, sorted(sides, reverse=True), f"{s.names}")


@test
def page_faults():
    workload = Workload("faults", 60)
    profile = profile_of(daemon(), workload, 3)
    check_order(profile)
    both = [s for s in profile.samples if s.kernel and s.user]
    check(total(both) > 0.5 * total(profile.samples), f"{total(both)} of {total(profile.samples)}")
    touching = [s for s in both if s.user[0].name == "touch_pages"]
    check(total(touching) > 0.3 * total(profile.samples), "faults of touch_pages()")
    faulting = [s for s in touching if any("page_fault" in loc.name or "exc_page" in loc.name
                                           for loc in s.kernel)]
    check(total(faulting) > 0.9 * total(touching), f"{touching[0].names}")
    called = [s for s in faulting if "fault_loop" in s.names and "main" in s.names]
    check(total(called) > 0.98 * total(faulting), f"{total(called)} of {total(faulting)}: callers")
    workload.end()


@test
def dd():
    workload = Workload(tool("dd"), "if=/dev/zero", "of=/dev/null", "bs=64k", "count=100000000")
    profile = profile_of(daemon(), workload, 3)
    check_order(profile)
    reading = [s for s in profile.samples
               if s.user and any(re.search("read_iter_zero|read_zero|vfs_read", loc.name)
                                 for loc in s.kernel)]
    check(total(reading) > 0.3 * total(profile.samples),
          f"{total(reading)} of {total(profile.samples)} samples read zeros for somebody")
    files = {s.user[0].mapping.file for s in reading}
    check(any("libc" in f or f.endswith("/dd") for f in files), f"{files}")
    workload.end()


@test
def kernel_mapping():
    profile = daemon().profile(seconds=1)
    kernel = [m for m in profile.mappings if m.file.startswith("[kernel")]
    check(kernel, f"{profile.mappings}")
    for m in kernel:
        equal(m.offset, 0, f"offset of {m}")
        check(m.has_functions, f"{m}")
    named = [loc.name for loc in profile.locations if is_kernel(loc)]
    addresses = [n for n in named if re.search(r"\+0x[0-9a-f]+$", n)]
    check(len(addresses) < 0.1 * len(named) + 2, f"without a name: {addresses}")


@test
def idle_is_not_a_process():
    profile = daemon().profile(seconds=2)
    check(0 not in {s.pid for s in profile.samples}, "samples of pid 0")


@test
def kernel_threads_have_no_user_frames():
    profile = daemon().profile(seconds=2)
    for s in profile.samples:
        if s.comm and re.match(r"(kworker|ksoftirqd|rcu_)", s.comm):
            equal(s.user, [], f"user frames of {s.comm}")


BPF = 321 if os.uname().machine == "x86_64" else 280
BPF_PROG_LOAD, BPF_PROG_TEST_RUN, SOCKET_FILTER = 5, 10, 1


def bpf(command_number, attributes):
    buffer = ctypes.create_string_buffer(attributes, 128)
    return LIBC.syscall(BPF, command_number, buffer, 128)


def burn_in_bpf(seconds):
    """Loads a program that counts to 10,000, and runs it over and over."""
    def instruction(code, register, offset, immediate):
        return struct.pack("<BBhi", code, register, offset, immediate)
    code = (instruction(0xb7, 6, 0, 0) +  # r6 = 0
            instruction(0x07, 6, 0, 1) +  # r6 += 1
            instruction(0xa5, 6, -2, 10000) +  # if r6 < 10000 goto -2
            instruction(0xb7, 0, 0, 0) + instruction(0x95, 0, 0, 0))
    text, gpl = ctypes.create_string_buffer(code), ctypes.create_string_buffer(b"GPL")
    program = bpf(BPF_PROG_LOAD, struct.pack(
        "<IIQQIIQII16s", SOCKET_FILTER, len(code) // 8, ctypes.addressof(text),
        ctypes.addressof(gpl), 0, 0, 0, 0, 0, b"profd_test_burn"))
    if program < 0:
        sys.exit("the program was refused")
    packet = ctypes.create_string_buffer(64)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if bpf(BPF_PROG_TEST_RUN, struct.pack("<IIIIQQI", program, 0, 64, 0,
                                              ctypes.addressof(packet), 0, 1000)) < 0:
            sys.exit("the program does not run")


@test
def a_bpf_program_that_came_later():
    with open("/proc/sys/net/core/bpf_jit_enable", encoding="ascii") as f:
        if f.read().strip() == "0":
            skip("BPF programs are interpreted here")
    daemon().profile(seconds=1)  # the kernel's symbols have been read
    child = start([sys.executable, __file__, "--burn"])
    time.sleep(0.5)
    profile = daemon().profile(seconds=2, pid=child.pid)
    inside = [s for s in profile.samples
              if any(re.fullmatch(r"bpf_prog_[0-9a-f]{16}_profd_test_burn \[bpf\]", loc.name)
                     for loc in s.kernel[:2])]
    check(total(inside) > 0.8 * total(profile.samples),
          f"{total(inside)} of {total(profile.samples)}: {[s.names for s in profile.samples][:3]}")
    child.kill()
    child.wait()


if __name__ == "__main__":
    if sys.argv[1:] == ["--burn"]:
        burn_in_bpf(10)
    else:
        run()
