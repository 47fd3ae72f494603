#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""writers.py FILE SECONDS [PROCESSES]: processes that write into one sqlite database.

In each, two threads share a connection that is locked by sqlite's own mutex.
"""

import multiprocessing
import sqlite3
import sys
import threading
import time


def write(connection, end):
    n = 0
    while time.monotonic() < end:
        try:
            with connection:
                connection.execute("INSERT INTO t(v) VALUES (?)", (f"value {n}",))
            n += 1
        except sqlite3.Error:  # the other thread's transaction
            pass
    return n


def process(path, end):
    connection = sqlite3.connect(path, timeout=5, check_same_thread=False)
    threads = [threading.Thread(target=write, args=(connection, end)) for _ in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


def main():
    path, end = sys.argv[1], time.monotonic() + float(sys.argv[2])
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 3
    sqlite3.connect(path).execute("CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, v TEXT)")
    processes = [multiprocessing.Process(target=process, args=(path, end)) for _ in range(count)]
    for p in processes:
        p.start()
    for p in processes:
        p.join()
    rows = sqlite3.connect(path).execute("SELECT count(*) FROM t").fetchone()[0]
    print(f"rows={rows}")


main()
