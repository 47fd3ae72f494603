#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""gil.py SECONDS [THREADS]: threads that compute, and so wait for the global lock of the interpreter.

What a thread neither used nor was without a CPU for, it waited: all of it for that lock. It is
measured without giving the lock away, as reads of Python's files would: ctypes.PyDLL keeps it. And the
lock is given away every now and then, not asked for after some ms: so it is a release that ends a
wait, and not the time, however long others keep the holder from its CPU.
"""

import ctypes
import os
import sys
import threading
import time

LIBC, GIVES_AWAY = ctypes.PyDLL(None), ctypes.CDLL(None)  # the latter without the lock
waits = []


def schedule(fd):
    """(CPU time, time in the queue for a CPU) of the thread that has opened it, ns."""
    text = ctypes.create_string_buffer(128)
    LIBC.pread(fd, text, 127, 0)
    return [int(n) for n in text.value.split()[:2]]


def compute(end):
    n = 0
    while time.monotonic() < end:
        for i in range(20000):
            n += i * i
        GIVES_AWAY.getppid()
    return n


def thread(start, seconds):
    """They sleep until they all begin: what they used until then is nothing."""
    fd = LIBC.open(b"/proc/thread-self/schedstat", os.O_RDONLY)
    before, begin = schedule(fd), max(start, time.monotonic())
    time.sleep(max(0, begin - time.monotonic()))
    compute(begin + seconds)
    after, end = schedule(fd), time.monotonic()
    waits.append((end - begin) * 1e9 - sum(after) + sum(before))


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 3
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    sys.setswitchinterval(100)
    start = time.monotonic() + 0.5
    threads = [threading.Thread(target=thread, args=(start, seconds)) for _ in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    print(f"gil_wait_ns={sum(waits):.0f}")


main()
