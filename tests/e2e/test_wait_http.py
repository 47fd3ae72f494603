#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Block and mutex profiles as clients ask for them: Go's parameters and errors, pprof, profctl, files."""

import functools
import gzip
import os
import re
import time

from harness import (PROFCTL, WORKLOADS, Daemon, Workload, check, command, equal, go_pprof, go_pprof_report, near,
                     protoc_decode, read_profile, run, temporary_directory, test, wait_until)
from waits import BLOCK, MUTEX, delay, having, settle, table

KINDS = (BLOCK, MUTEX)
COMM = f"locks-{os.getpid()}"  # of no other process


@functools.lru_cache(maxsize=None)
def daemon():
    return Daemon(sample_frequency=99, rotate_interval="4s", block_rate="1ms")


@functools.lru_cache(maxsize=None)
def load():
    """A program that waits all through the file; its pid."""
    program = os.path.join(temporary_directory(), COMM)
    os.symlink(os.path.join(WORKLOADS, "wait-locks"), program)
    workload = Workload(program, "holder", 250)
    Workload.running.remove(workload)  # it outlives the case
    daemon()
    wait_until(lambda: daemon().get(f"/pid/{workload.pid}{MUTEX}").status == 200 and
               daemon().profile(MUTEX, pid=workload.pid).samples, "locks are seen")
    return workload.pid


def name(path):
    return path.split("/")[-1]


def plain_error(response, status, text=""):
    equal(response.status, status, response.text)
    check(text in response.text, f"{response.text!r} does not say {text!r}")
    check(response.text.endswith("\n"), "the text ends in a newline")
    equal(response.headers.get("x-go-pprof"), "1", "X-Go-Pprof")
    check(response.headers.get("content-type", "").startswith("text/plain; charset=utf-8"),
          str(response.headers))
    check("content-disposition" not in response.headers, str(response.headers))


@test
def headers():
    load()
    for path in KINDS:
        r = daemon().get(path)
        equal(r.status, 200)
        equal(r.headers.get("content-type"), "application/octet-stream")
        equal(r.headers.get("content-disposition"), f'attachment; filename="{name(path)}"')
        equal(r.headers.get("x-content-type-options"), "nosniff")
        r = daemon().get(f"{path}?seconds=1")
        equal(r.headers.get("content-disposition"), f'attachment; filename="{name(path)}-delta"')


@test
def cumulative_has_no_duration():
    load()
    for path in KINDS:
        profile = daemon().profile(path)
        equal(profile.duration_nanos, 0, path)
        near(profile.time_nanos / 1e9, time.time(), 5, path)
        equal(profile.period, 1, path)
        equal(profile.sample_types, [("contentions", "count"), ("delay", "nanoseconds")], path)


@test
def cumulative_grows():
    pid = load()
    for path in KINDS:
        begin = time.monotonic()
        first = delay(daemon().profile(path, pid=pid).samples)
        time.sleep(1)
        second = delay(daemon().profile(path, pid=pid).samples)
        # Four waiters and the holder in turns, and the thread that waits for the end of all.
        limit = 6e9 * (time.monotonic() - begin)
        check(1e9 < second - first < limit, f"{path}: {first} {second}, limit {limit}")


@test
def delta_is_what_happened_meanwhile():
    pid = load()
    for path, function in ((BLOCK, "waiter_wants"), (MUTEX, "holder_holds")):
        begin = time.monotonic()
        profile = daemon().profile(path, pid=pid, seconds=2)
        took = time.monotonic() - begin
        check(1.95 < took < 5, f"{path} took {took:.2f} s")
        near(profile.duration_nanos / 1e9, 2, 0.2, "duration")
        mine = having(profile.samples, function)
        check(0.7 * 4 * 2e9 < delay(mine) < 1.05 * 4 * 2.1e9, f"{path}: {table(profile.samples)}")


@test
def selections():
    pid = load()
    for path in KINDS:
        for address in (f"/pid/{pid}{path}", f"{path}?pid={pid}", f"{path}?comm={COMM}&labels=pid"):
            profile = daemon().profile(address)
            equal({s.pid for s in profile.samples}, {pid}, address)
        for address in (f"/comm/{COMM}{path}", f"{path}?comm={COMM}"):
            profile = daemon().profile(address)
            equal({(s.pid, s.comm) for s in profile.samples}, {(None, COMM)}, address)
        plain_error(daemon().get(f"/pid/4194303{path}"), 404, "4194303")


def by_stack_and_labels(profile):
    """Values as who takes differences knows them; no two samples are the same to them."""
    out = {}
    for s in profile.samples:
        key = (tuple((loc.address, loc.mapping.file) for loc in s.locations),
               tuple(sorted(s.labels.items())))
        check(key not in out, f"there twice: {key}")
        out[key] = s.values
    return out


@test
def differences_of_two_answers():
    # Between the two one process ends, amid its waits, and another one of its name begins.
    program = os.path.join(temporary_directory(), f"differs-{os.getpid()}"[:15])
    os.symlink(os.path.join(WORKLOADS, "wait-locks"), program)
    first = Workload(program, "holder", 250)
    comm, gone, scrapes = os.path.basename(program), first.pid, []
    for path in KINDS:
        wait_until(lambda: daemon().get(f"/pid/{gone}{path}").status == 200 and  # noqa: B023
                   daemon().profile(path, pid=gone).samples, f"{path} sees it")  # noqa: B023
    time.sleep(1)
    first.end()
    settle(daemon())
    for _ in range(2):
        scrapes.append({path: by_stack_and_labels(daemon().profile(path, comm=comm)) for path in KINDS})
        second = Workload(program, "holder", 250)
        time.sleep(2)
        second.end()
        settle(daemon())
    for path in KINDS:
        before, after = (scrape[path] for scrape in scrapes)
        check(before and not any("pid" in dict(labels) for _, labels in {**before, **after}), path)
        for key, values in before.items():
            check(key in after, f"{path}: {key} is gone")
            check(all(a >= b for a, b in zip(after[key], values)), f"{path}: {key} {values} {after[key]}")
        both = [key for key, values in before.items() if after[key][1] > values[1]]
        check(both, f"{path}: waits of both on no stack: {list(after)}")


def check_refused(query, text):
    load()
    for path in KINDS:
        plain_error(daemon().get(f"{path}?{query}", timeout=10), 400, text)


@test
def seconds_that_are_none():
    # Go: what is not a base-10 integer above 0 is an error for a delta, not a default.
    for value in ("0", "-1", "x", "1.5", "1s", "99999999999999999999", "%201"):
        check_refused(f"seconds={value}", 'invalid value for "seconds" - must be a positive integer')
    for path in KINDS:
        equal(daemon().get(f"{path}?seconds=").status, 200, "an empty one is none")


@test
def seconds_and_debug_exclude_each_other():
    check_refused("seconds=1&debug=1", "seconds and debug params are incompatible")


@test
def too_many_seconds():
    check_refused("seconds=999999999", "exceeds server's WriteTimeout")


@test
def parameters_of_ours_that_are_wrong():
    load()
    for path, query, word in ((BLOCK, "reason=nonsense", "nonsense"), (BLOCK, "reason=lock,", "reason"),
                              (MUTEX, "lock=nonsense", "nonsense"), (BLOCK, "labels=tid", "labels")):
        r = daemon().get(f"{path}?{query}", timeout=10)
        if query.endswith(","):
            check(r.status in (200, 400), r.text)
        else:
            plain_error(r, 400, word)


@test
def gc_is_a_parameter_that_means_nothing_here():
    load()
    equal(daemon().get(f"{BLOCK}?gc=1").status, 200)


@test
def index_counts_them():
    load()
    text = daemon().get("/debug/pprof/").text
    for path in KINDS:
        row = re.search(rf"<tr><td>(\d+)</td><td><a href='{name(path)}\?debug=1'>{name(path)}</a>", text)
        check(row, text)
        check(int(row[1]) > 0, f"{name(path)} has {row[1]} stacks")


@test
def text_for_people_and_for_pprof():
    pid = load()
    for path, first in ((BLOCK, "--- contention:"), (MUTEX, "--- mutex:")):
        r = daemon().get(f"{path}?debug=1&pid={pid}")
        equal(r.headers.get("content-type"), "text/plain; charset=utf-8")
        lines = r.text.split("\n")
        equal(lines[0], first)
        check(lines[1].startswith("cycles/second="), lines[1])
        rows = [re.match(r"(\d+) (\d+) @((?: 0x[0-9a-f]+)+)$", line) for line in lines]
        rows = [row for row in rows if row]
        check(rows, r.text[:1000])
        ticks = [int(row[1]) for row in rows]
        equal(ticks, sorted(ticks, reverse=True), "longest first")
        check("waiter_wants" in r.text or path == MUTEX, "names are in it")
        file = os.path.join(temporary_directory(), "text")
        with open(file, "w", encoding="ascii") as f:
            f.write(r.text)
        out = go_pprof_report(file, "-top", "-nodecount=5")
        check("Type: delay" in out, out)
        per_second = int(lines[1].split("=")[1])
        seen = pprof_total(out)
        near(seen, sum(ticks) / per_second, 0.02 * seen + 0.01, "seconds in pprof's report")


def pprof_total(report):
    """The total of a report, in s: "Showing nodes accounting for 1s, 10% of 10.5s total"."""
    units = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1, "mins": 60, "hrs": 3600}
    found = re.search(r"of ([\d.]+)(\w+) total", report)
    return float(found[1]) * units[found[2]]


@test
def pprof_by_url():
    pid = load()
    for path, function in ((BLOCK, "waiter_wants"), (MUTEX, "holder_holds")):
        url = f"http://127.0.0.1:{daemon().port}/pid/{pid}{path}"
        for arguments, kind in ((["-sample_index=delay"], "delay"), (["-contentions"], "contentions"),
                                (["-mean_delay"], "mean_delay"), (["-total_delay"], "delay")):
            status, out, err = go_pprof("-top", "-symbolize=none", *arguments, url)
            equal(status, 0, f"{arguments}: {err}")
            check(f"Type: {kind}" in out and function in out, f"{arguments}: {out}")
        status, out, err = go_pprof("-top", "-symbolize=none", "-seconds=2", url)
        equal(status, 0, err)
        check("Duration: 2" in out or "Duration: 1.9" in out, out)


@test
def reports_begin_with_who_waits():
    # Not with the functions that all locks are made of, in which all waits end.
    pid = load()
    for path, kind, function in ((BLOCK, "block", "log_lock"), (MUTEX, "mutex", "log_unlock")):
        query = {"reason": "lock"} if path == BLOCK else {"lock": "mutex"}
        out = go_pprof_report(daemon().profile(path, pid=pid, **query), "-top")
        equal(first_row(out), function, out)
        status, out, err = command(PROFCTL, "top", "--once", "--seconds", "1", "--type", kind, "--pid",
                                   str(pid), *(f"--{k}={v}" for k, v in query.items()),
                                   "--socket", daemon().socket)
        equal(status, 0, err)
        equal(first_row(out), function, out)
    # Who ended a wait is on the same side of the stack as those, and would be dropped with them.
    woken = daemon().profile(BLOCK, pid=pid, reason="lock", wakers=1)
    out = go_pprof_report(woken, "-top", "-cum")
    check("woken by" in out and "pthread_mutex_lock" in out, out)


def first_row(report):
    """The function with the greatest flat value."""
    lines = report.split("\n")
    at = next(i for i, line in enumerate(lines) if "flat%" in line)
    return lines[at + 1].split()[5]


@test
def pprof_focuses_on_labels():
    pid = load()
    profile = daemon().profile(BLOCK, pid=pid, reason="all")
    out = go_pprof_report(profile, "-top", "-cum", "-tagfocus=reason=lock")
    check("waiter_wants" in out and "pause_ns" not in out, out)
    out = go_pprof_report(profile, "-tags")
    for key in ("reason", "lock", "syscall"):
        check(re.search(rf"^\s*{key}: Total", out, re.M), out)


@test
def mean_delay_is_that_of_a_wait():
    # Each waiter waits for the holder's 20 ms, more or less.
    profile = daemon().profile(BLOCK, pid=load(), reason="lock")
    mine = having(profile.samples, "waiter_wants")
    mean = delay(mine) / sum(s.values[0] for s in mine)
    check(10e6 < mean < 60e6, f"{mean / 1e6:.1f} ms")


@test
def profctl_records_several_kinds():
    pid = load()
    place = temporary_directory()
    status, out, err = command(PROFCTL, "record", "--socket", daemon().socket, "--type",
                               "block,mutex,cpu", "--pid", str(pid), "--seconds", "2", "-o",
                               os.path.join(place, "recorded.pb.gz"), cwd=place)
    equal(status, 0, out + err)
    files = sorted(os.listdir(place))
    equal(len(files), 3, str(files))
    by_type = {}
    for file in files:
        profile = read_profile(os.path.join(place, file))
        by_type[profile.sample_types[1][0], "holder_holds" in str([f.name for f in profile.functions])] = file
    check({key[0] for key in by_type} == {"delay", "cpu"}, str(by_type))
    check(any("block" in f for f in files) and any("mutex" in f for f in files), str(files))


@test
def profctl_records_one_kind():
    pid = load()
    for kind, function in (("block", "waiter_wants"), ("mutex", "holder_holds")):
        file = os.path.join(temporary_directory(), "one.pb.gz")
        status, out, err = command(PROFCTL, "record", "--socket", daemon().socket, "--type", kind,
                                   "--pid", str(pid), "--seconds", "2", "-o", file)
        equal(status, 0, out + err)
        profile = read_profile(file)
        check(delay(having(profile.samples, function)) > 3e9, f"{kind}{table(profile.samples)}")


@test
def profctl_top_of_a_kind():
    pid = load()
    for kind, function in (("block", "pthread_mutex_lock"), ("mutex", "pthread_mutex_unlock")):
        status, out, err = command(PROFCTL, "top", "--socket", daemon().socket, "--type", kind,
                                   "--pid", str(pid), "--seconds", "2")
        equal(status, 0, out + err)
        check(re.search(r"lock|futex", out), f"{kind}, {function}: {out}")


@test
def profctl_refuses_unknown_kinds():
    status, out, err = command(PROFCTL, "record", "--type", "cpu,nonsense", "--seconds", "1")
    check(status != 0 and "nonsense" in err and err.count("\n") == 1, out + err)


@test
def files_of_each_kind():
    load()

    def written(kind):
        return sorted(os.path.join(base, f) for base, _, files in os.walk(daemon().directory)
                      for f in files if f.endswith(f"-{kind}.pb.gz"))
    for kind in ("cpu", "block", "mutex"):
        wait_until(lambda: written(kind), f"a file of kind {kind}", timeout=20)  # noqa: B023
        file = written(kind)[0]
        profile = read_profile(file)
        equal(profile.sample_types[1], ("cpu" if kind == "cpu" else "delay", "nanoseconds"), file)
        check(profile.duration_nanos > 0, "a file is of a stretch of time")
        with gzip.open(file) as f:
            check("sample_type" in protoc_decode(f.read()), file)
    latest = [read_profile(f) for f in written("mutex")]
    check(any(having(p.samples, "holder_holds") for p in latest), "the holder is in the files")


@test
def metrics_and_status_name_the_hook():
    load()
    names = [n for n, value in daemon().metrics().items() if "wait_hook" in n and value]
    check(names, "a metric says which hook is in use")
    check(re.search(r"exit_tp|kprobe|switch_out", daemon().get("/status").text + " ".join(names)),
          str(names))
    check(re.search(r"sched_exit_tp|finish_task_switch|sched_switch|exit_tp|kprobe|switch_out",
                    daemon().log()), f"so does the log: {daemon().log()}")


@test
def what_is_not_seen_of_waits_is_counted():
    metrics = daemon().metrics()
    for name in ("bpf_wait_missed", "waits_lost_memory", "locks_lost_memory",
                 "locks_uncharged_ns", "sideband_buffers_bad"):
        check(f"profd_{name}_total" in metrics, f"no metric {name}")
    check(0 < metrics["profd_waits_kept_total"] <= metrics["profd_waits_total"], "waits are added")


if __name__ == "__main__":
    run()
