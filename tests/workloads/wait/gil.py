#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""gil.py SECONDS [THREADS]: threads that compute, and so wait for the global lock of the interpreter.

What a thread neither used nor was without a CPU for, it waited: all of it for that lock.
"""

import sys
import threading
import time

waits = []


def schedule():
    """(CPU time, time in the queue for a CPU) of this thread, ns."""
    with open("/proc/thread-self/schedstat", encoding="ascii") as f:
        return [int(n) for n in f.read().split()[:2]]


def compute(end):
    n = 0
    while time.monotonic() < end:
        for i in range(5000):
            n += i * i
    return n


def thread(end):
    before, begin = schedule(), time.monotonic_ns()
    compute(end)
    wall, after = time.monotonic_ns() - begin, schedule()
    waits.append(wall - sum(after) + sum(before))


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 3
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    end = time.monotonic() + seconds
    threads = [threading.Thread(target=thread, args=(end,)) for _ in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    print(f"gil_wait_ns={sum(waits)}")


main()
