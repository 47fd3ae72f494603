#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The HTTP interface: what Go's net/http/pprof does, and what clients of it expect."""

import contextlib
import http.client
import os
import pwd
import re
import resource
import shutil
import socket
import threading
import time

from harness import (PROFD, WORKLOADS, Daemon, Workload, another, check, command, cpu_used,
                     equal, near, nobody, run, shared_daemon, temporary_directory, test, tool,
                     wait_until)
from pprof import Profile, total

BASE = "/debug/pprof"
daemon = shared_daemon(sample_frequency=199)


def plain_error(response, status, text):
    equal(response.status, status, response.text)
    check(text in response.text, f"{response.text!r} does not say {text!r}")
    check(response.text.endswith("\n"), "the text ends in a newline")
    check(response.headers.get("content-type", "").startswith("text/plain; charset=utf-8"),
          str(response.headers))
    equal(response.headers.get("x-go-pprof"), "1", "X-Go-Pprof")
    equal(response.headers.get("x-content-type-options"), "nosniff", "X-Content-Type-Options")
    check("content-disposition" not in response.headers, str(response.headers))


def open_requests():
    return daemon().metrics()["profd_http_profiles_active"]


def memory_of_requests():
    return daemon().metrics()["profd_memory_taps_bytes"]


def raw(request, silence=2, half_close=False):
    """Sends bytes as they are; what came back until the other side closed or was silent."""
    with socket.create_connection(("127.0.0.1", daemon().port), timeout=10) as s:
        s.settimeout(silence)
        out = b""
        try:
            s.sendall(request)
            if half_close:
                s.shutdown(socket.SHUT_WR)
            while chunk := s.recv(65536):
                out += chunk
        except OSError:  # it may hang up in the middle of such a request
            pass
        return out


def took(function):
    start = time.monotonic()
    value = function()
    return value, time.monotonic() - start


@test
def headers_of_a_profile():
    r = daemon().get(BASE + "/profile?seconds=1")
    equal(r.status, 200)
    equal(r.headers.get("content-type"), "application/octet-stream")
    equal(r.headers.get("content-disposition"), 'attachment; filename="profile"')
    equal(r.headers.get("x-content-type-options"), "nosniff")
    check("content-encoding" not in r.headers, "the body is the file, not an encoding of it")
    equal(Profile(r.body).problems(), [])


@test
def seconds_is_how_long_it_takes():
    for seconds in (1, 3):
        profile, elapsed = took(lambda: daemon().profile(seconds=seconds))  # noqa: B023
        check(seconds - 0.05 <= elapsed < seconds + 2, f"{seconds} s took {elapsed:.2f} s")
        near(profile.duration_nanos / 1e9, seconds, 0.3, "duration")
        near(profile.time_nanos / 1e9 + elapsed, time.time(), 2, "time is when it began")


@test
def seconds_that_are_none_mean_thirty():
    # Go: missing, not a base-10 integer, zero and negative are 30. All at once: it costs 30 s once.
    daemon()
    results = {}

    def fetch(query):
        try:
            results[query] = took(lambda: daemon().get(f"{BASE}/profile{query}", timeout=60))
        except OSError as e:
            results[query] = e
    queries = ("", "?seconds=0", "?seconds=-5", "?seconds=1.5", "?seconds=x", "?seconds=0x1",
               "?seconds=", "?seconds=1s", "?seconds=99999999999999999999", "?seconds=%201")
    threads = [threading.Thread(target=fetch, args=(q,)) for q in queries]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for query in queries:
        check(isinstance(results[query], tuple), f"{query!r}: {results[query]}")
        response, elapsed = results[query]
        equal(response.status, 200, query)
        check(elapsed >= 29.9, f"{query!r} took {elapsed:.1f} s")
        near(Profile(response.body).duration_nanos / 1e9, 30, 0.5, query)


@test
def first_of_repeated_seconds_counts():
    response, elapsed = took(lambda: daemon().get(f"{BASE}/profile?seconds=1&seconds=20"))
    equal(response.status, 200)
    check(elapsed < 5, f"took {elapsed:.1f} s")


@test
def debug_does_not_make_it_text():
    r = daemon().get(f"{BASE}/profile?seconds=1&debug=1")
    equal(r.headers.get("content-type"), "application/octet-stream")


@test
def selection_by_pid_in_query_and_path():
    comm = f"http-{os.getpid()}"  # of no other process
    workload = Workload(another("chain-pie", os.path.join(temporary_directory(), comm)), 60)
    wait_until(lambda: cpu_used(workload.pid) > 0.1, "it runs")
    paths = [f"{BASE}/profile?seconds=1&pid={workload.pid}",
             f"/pid/{workload.pid}{BASE}/profile?seconds=1",
             f"/comm/{comm}{BASE}/profile?seconds=1",
             f"{BASE}/profile?seconds=1&comm={comm}"]
    for path in paths:
        profile = daemon().profile(path)
        equal({s.pid for s in profile.samples}, {workload.pid}, path)
    workload.end()


@test
def selection_of_no_process_is_404():
    response, elapsed = took(lambda: daemon().get(f"{BASE}/profile?seconds=20&pid=4194303"))
    check(elapsed < 2, "it says so at once")
    plain_error(response, 404, "4194303")
    for path in (f"/pid/4194303{BASE}/profile", f"/comm/no-such-program{BASE}/profile",
                 f"/unit/no-such-unit.service{BASE}/profile",
                 f"{BASE}/profile?comm=no-such-program"):
        response = daemon().get(path, timeout=5)
        equal(response.status, 404, path)
        equal(response.headers.get("x-go-pprof"), "1", path)
        check(response.headers.get("content-type", "").startswith("text/plain"), path)


@test
def selection_that_is_no_selection_is_an_error():
    for path in (f"/pid/x{BASE}/profile?seconds=1", f"/pid/-1{BASE}/profile?seconds=1",
                 f"{BASE}/profile?seconds=1&pid=x", f"/pid/1x{BASE}/profile?seconds=1",
                 f"/pid/99999999999999999999{BASE}/profile?seconds=1"):
        response = daemon().get(path, timeout=5)
        check(response.status in (400, 404), f"{path}: {response.status}")
        equal(response.headers.get("x-go-pprof"), "1", path)


@test
def process_that_ends_meanwhile():
    workload = Workload("chain-pie", 1)
    time.sleep(0.2)
    profile = daemon().profile(seconds=3, pid=workload.pid)
    check(total(profile.samples) > 0, "what it did until its end is there")
    workload.end()


@test
def unknown_profiles_are_404():
    for name in ("nonsense", "profile/", "heap/", "Profile"):
        plain_error(daemon().get(f"{BASE}/{name}"), 404, "Unknown profile")


@test
def index():
    r = daemon().get(BASE + "/")
    equal(r.status, 200)
    equal(r.headers.get("content-type"), "text/html; charset=utf-8")
    equal(r.headers.get("x-content-type-options"), "nosniff")
    check("Types of profiles available:" in r.text, r.text)
    rows = re.findall(r"<tr><td>\d+</td><td><a href='(\w+)\?debug=1'>(\w+)</a></td></tr>", r.text)
    check(("profile", "profile") in rows, r.text)
    equal([a for a, _ in rows], [b for _, b in rows])
    equal(rows, sorted(rows), "rows are sorted")


@test
def redirects():
    r = daemon().get(BASE)
    equal((r.status, r.headers.get("location")), (301, BASE + "/"))
    r = daemon().get("/debug//pprof/cmdline")
    equal((r.status, r.headers.get("location")), (301, BASE + "/cmdline"))


@test
def cmdline():
    r = daemon().get(BASE + "/cmdline")
    equal(r.status, 200)
    equal(r.headers.get("content-type"), "text/plain; charset=utf-8")
    arguments = r.text.split("\0")
    equal(arguments[0], PROFD)
    check(any(a.startswith("--listen=") for a in arguments), str(arguments))
    check(not r.text.endswith(("\0", "\n")), "nothing follows the last argument")


@test
def cmdline_of_a_process():
    workload = Workload("chain-pie", 3, 2)
    r = daemon().get(f"/pid/{workload.pid}{BASE}/cmdline")
    equal(r.status, 200)
    equal(r.text.split("\0")[1:], ["3", "2"])
    workload.end()


@test
def symbol():
    r = daemon().get(BASE + "/symbol")
    equal(r.status, 200)
    equal(r.headers.get("content-type"), "text/plain; charset=utf-8")
    check(r.text.startswith("num_symbols: 1\n"), r.text)
    with open("/proc/kallsyms", encoding="ascii") as f:
        row = next(line.split() for line in f if line.split()[2] == "schedule")
    address = "0x" + row[0].lstrip("0")
    for r in (daemon().get(f"{BASE}/symbol?{address}"),
              daemon().request("POST", BASE + "/symbol", body=f"{address}+0x1+nonsense"),
              daemon().request("POST", BASE + "/symbol?0x2", body=str(int(address, 16)))):
        equal(r.status, 200)
        equal(r.text, f"num_symbols: 1\n{address} schedule\n")


@test
def symbol_of_a_process_many_times():
    workload = Workload("chain-pie", 60, 2)
    _, out, _ = command(tool("nm"), workload.child.args[0])
    leaf = next(int(line.split()[0], 16) for line in out.split("\n") if " chain_leaf" in line)
    with open(f"/proc/{workload.pid}/maps", encoding="utf-8") as f:
        base = next(int(line.split("-")[0], 16) for line in f if "chain-pie" in line)
    address = f"0x{base + leaf:x}"
    row = f"{address} chain_leaf\n"
    path = f"/pid/{workload.pid}{BASE}/symbol"
    wait_until(lambda: daemon().get(f"{path}?{address}").text == "num_symbols: 1\n" + row,
               "the workload is known")
    r = daemon().request("POST", path, body="+".join([address] * 60000))
    equal(r.status, 200)
    check(r.text == "num_symbols: 1\n" + row * 60000, f"{r.text[:100]}, {len(r.text)} bytes")
    equal(daemon().get("/healthz").status, 200)


@test
def symbol_takes_any_body():
    for body in (b"", b"\0\xff" * 1000, b"0x" + b"f" * 5000, b"+" * 10000, b"0x1+" * 50000):
        r = daemon().request("POST", BASE + "/symbol", body=body)
        check(r.status in (200, 413), f"{body[:10]}: {r.status}")
        if r.status == 200:
            check(r.text.startswith("num_symbols: 1\n"), r.text[:100])


@test
def head_of_a_profile():
    response, elapsed = took(lambda: daemon().request("HEAD", f"{BASE}/profile?seconds=1"))
    equal((response.status, response.body), (200, b""))
    equal(response.headers.get("content-type"), "application/octet-stream")
    check(elapsed < 4, f"{elapsed:.1f} s")


@test
def other_methods_are_refused():
    for method in ("PUT", "DELETE", "PATCH", "BREW"):
        r = daemon().request(method, BASE + "/cmdline", timeout=10)
        check(r.status in (405, 501), f"{method}: {r.status}")


@test
def healthz():
    r = daemon().get("/healthz")
    equal(r.status, 200)


@test
def metrics_are_prometheus_text():
    r = daemon().get("/metrics")
    equal(r.status, 200)
    check(r.headers.get("content-type", "").startswith("text/plain"), str(r.headers))
    helped, typed, names = set(), {}, set()
    check(r.text.endswith("\n"), "ends in a newline")
    for line in r.text.rstrip("\n").split("\n"):
        if line.startswith("# HELP "):
            helped.add(line.split()[2])
        elif line.startswith("# TYPE "):
            typed[line.split()[2]] = line.split()[3]
        else:
            found = re.fullmatch(r'([a-zA-Z_:][\w:]*)(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? '
                                 r"(-?[\d.e+-]+)", line)
            check(found, f"not a sample: {line!r}")
            names.add(found[1])
    check(names, "no metrics")
    for name in names:
        check(name.startswith("profd_") or name.startswith("process_"), name)
        check(name in helped and name in typed, f"{name} has no HELP or no TYPE")
        check(typed[name] != "counter" or name.endswith("_total"), f"counter {name}")


@test
def requests_overlap():
    daemon()
    workload = Workload("chain-pie", 60)
    time.sleep(0.3)
    results = []

    def fetch(seconds):
        results.append((seconds, *took(lambda: daemon().profile(seconds=seconds, pid=workload.pid))))
    threads = [threading.Thread(target=fetch, args=(1 + i % 4,)) for i in range(12)]
    start = time.monotonic()
    for t in threads:
        t.start()
    quick, elapsed = took(lambda: daemon().get("/healthz"))
    check(quick.status == 200 and len(results) < 12, f"the rest answers meanwhile, in {elapsed:.1f} s")
    for t in threads:
        t.join()
    equal(len(results), 12)
    together, longest = sum(seconds for seconds, _, _ in results), time.monotonic() - start
    check(longest < 0.7 * together, f"they run side by side: {together} s in {longest:.1f} s")
    for seconds, profile, elapsed in results:
        check(elapsed >= seconds, f"{seconds} s took {elapsed:.1f}")
        near(profile.duration_nanos / 1e9, seconds, 0.5, "duration")
        check(total(profile.samples) > 0, f"nothing in {seconds} s")
    workload.end()


@test
def client_that_leaves_early_frees_its_request():
    before = open_requests()
    sockets = []
    for _ in range(5):
        s = socket.create_connection(("127.0.0.1", daemon().port), timeout=5)
        s.sendall(b"GET /debug/pprof/profile?seconds=50 HTTP/1.1\r\nHost: x\r\n\r\n")
        sockets.append(s)
    wait_until(lambda: open_requests() >= before + 5, "five requests are open")
    check(memory_of_requests() > 0, "what they gather is counted")
    for s in sockets:
        s.close()
    wait_until(lambda: open_requests() <= before, "they are gone")
    wait_until(lambda: open_requests() > 0 or memory_of_requests() == 0, "with their memory")


@test
def client_that_leaves_a_finished_profile_frees_its_request():
    # It hangs up when its profile was brought to its end and is not answered yet.
    before = open_requests()
    for i in range(33):  # one more than there may be at a time
        with socket.create_connection(("127.0.0.1", daemon().port), timeout=5) as s:
            s.sendall(b"GET /debug/pprof/profile?seconds=50 HTTP/1.1\r\nHost: x\r\n"
                      b"X-Profd-Id: leaves-%d\r\n\r\n" % i)
            finish = f"/finish?id=leaves-{i}"
            wait_until(lambda: daemon().request("POST", finish).status == 200,  # noqa: B023
                       "it is finished")
    wait_until(lambda: open_requests() <= before, "they are gone")
    equal(daemon().get(BASE + "/profile?seconds=1").status, 200)


@test
def connection_is_kept():
    connection = http.client.HTTPConnection("127.0.0.1", daemon().port, timeout=10)
    for _ in range(20):
        connection.request("GET", "/healthz")
        r = connection.getresponse()
        r.read()
        equal(r.status, 200)
    connection.request("GET", f"{BASE}/profile?seconds=1")
    equal(Profile(connection.getresponse().read()).problems(), [])
    connection.close()


def connect_as(account):
    """A connection to the Unix socket as of that user: what counts is who connects."""
    s, groups = socket.socket(socket.AF_UNIX), os.getgroups()
    os.setgroups([])
    os.setegid(account.pw_gid)
    os.seteuid(account.pw_uid)
    try:
        s.connect(daemon().socket)
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)
    return s


def ask_as_nobody(path):
    connection = http.client.HTTPConnection("localhost", timeout=30)
    connection.sock = connect_as(pwd.getpwnam("nobody"))
    connection.request("GET", path)
    return connection


def get_as_nobody(path):
    """Status and text."""
    with contextlib.closing(ask_as_nobody(path)) as connection:
        response = connection.getresponse()
        return response.status, response.read().decode("latin-1")


def stacks(index):
    return [int(n) for n in re.findall(r"<td>(\d+)</td>", index)]


@test
def user_without_rights_sees_what_is_his():
    shell = ("-c", "while :; do sleep 0.01; i=0; while [ $i -lt 1000 ]; do i=$((i+1)); done; done")
    others, own = (Workload("/bin/sh", *shell, also=also) for also in (None, nobody))
    for pid in (others.pid, own.pid):
        wait_until(lambda: sum(stacks(daemon().get(f"/pid/{pid}{BASE}/").text)),  # noqa: B023
                   "there are stacks of its waits")
        wait_until(lambda: re.search(rf"^{pid}\t", daemon().get("/processes").text, re.M),  # noqa: B023
                   "it is in the table of processes")
    status, text = get_as_nobody(f"/pid/{own.pid}{BASE}/")
    check(status == 200 and sum(stacks(text)) > 0, text)
    status, text = get_as_nobody(f"/pid/{others.pid}{BASE}/")
    check(status == 200 and sum(stacks(text)) == 0, text)
    status, text = get_as_nobody("/processes")
    pids = re.findall(r"^(\d+)\t", text, re.M)
    check(str(own.pid) in pids and str(others.pid) not in pids, text)
    for what in ("profile?seconds=1", "block", "block?seconds=1"):
        equal(get_as_nobody(f"/pid/{own.pid}{BASE}/{what}")[0], 200)
        equal(get_as_nobody(f"/pid/{others.pid}{BASE}/{what}")[0], 403)


@test
def program_with_rights_is_not_for_its_user():
    # By the end of the profile both have ended: only their programs tell what they were.
    place = temporary_directory()
    program, fifo = os.path.join(place, "chain"), os.path.join(place, "fifo")
    os.mkfifo(fifo)
    os.chmod(fifo, 0o644)
    for mode, status in ((0o755, 200), (0o4755, 403)):
        shutil.copyfile(os.path.join(WORKLOADS, "chain-pie"), program)
        os.chmod(program, mode)
        workload = Workload("/bin/sh", "-c", f"read x <{fifo}; exec {program} 1 2", also=nobody)
        path = f"/pid/{workload.pid}{BASE}"
        wait_until(lambda: daemon().get(f"{path}/cmdline").status == 200, "it is known")  # noqa: B023
        before = open_requests()
        with contextlib.closing(ask_as_nobody(f"{path}/profile?seconds=2")) as connection:
            wait_until(lambda: open_requests() > before, "the profile is under way")  # noqa: B023
            with open(fifo, "w", encoding="ascii") as f:
                f.write("\n")
            workload.child.wait(timeout=30)
            answer = connection.getresponse()
            equal(answer.status, status, answer.read()[:300])


@test
def malformed_requests_do_no_harm():
    for request in (b"\0" * 4096, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\r\n" * 1000,
                    b"GET " + b"/a" * 40000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
                    b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20000 + b"\r\n",
                    b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
                    b"POST /debug/pprof/symbol HTTP/1.1\r\nHost: x\r\n"
                    b"Content-Length: 99999999999999999999\r\n\r\n",
                    b"POST /debug/pprof/symbol HTTP/1.1\r\nHost: x\r\n"
                    b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
                    b"GET /debug/pprof/profile?seconds=1%00 HTTP/1.1\r\nHost: x\r\n\r\n",
                    b"GET /debug/pprof/%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
                    b"GET /comm/%ff%fe/debug/pprof/profile HTTP/1.1\r\nHost: x\r\n\r\n",
                    b"GET /debug/pprof/profile?" + b"a=b&" * 5000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
                    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(200)):
        answer = raw(request, half_close=True)
        check(not answer or answer.startswith(b"HTTP/1."), f"{request[:60]!r}: {answer[:60]!r}")
        check(b"root:" not in answer, "a file of the machine was served")
        equal(daemon().get("/healthz").status, 200, f"health after {request[:40]!r}")


@test
def requests_that_are_too_large_are_answered():
    # Each is more than the connection's memory holds, as text or as what is made of it.
    end = b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    for request, status in ((b"GET /healthz?" + b"a=b&" * 5000 + end, 200),
                            (b"GET /healthz?" + b"a?b&" * 7000 + end, 200),
                            (b"GET /healthz?" + b"a" * 40000 + end, 414),
                            (b"GET /healthz" + end + b"X: y\r\n" * 1000, 431),
                            (b"GET /healthz" + end + b"X: " + b"y" * 40000 + b"\r\n", 431)):
        answer = raw(request + b"\r\n", silence=30)
        check(answer.startswith(b"HTTP/1.1 %d " % status), f"{request[:30]!r}: {answer[:60]!r}")


@test
def connections_that_say_nothing():
    # They must neither take the place of others nor stay for ever; here: others are still served.
    idle = [socket.create_connection(("127.0.0.1", daemon().port), timeout=5) for _ in range(100)]
    for i, s in enumerate(idle):
        if i % 2:
            s.sendall(b"GET /healthz HT")
    equal(daemon().get("/healthz", timeout=5).status, 200)
    for s in idle:
        s.close()


@test
def a_crowd_that_says_nothing_leaves():
    # More than a listener holds. Nothing but the crowd touches the daemon until the last request,
    # which must find a place without the help of other events.
    crowd = []
    for _ in range(128 + 40):
        s = socket.create_connection(("127.0.0.1", daemon().port), timeout=20)
        s.sendall(b"GET /healthz HT")
        crowd.append(s)
    equal(daemon().get("/healthz", timeout=40).status, 200, "in a crowd")
    check(daemon().metrics()["profd_http_clients_too_slow_total"] >= 40, "they were counted")
    for s in crowd:
        s.close()
    equal(daemon().get("/healthz", timeout=20).status, 200, "after the crowd")


@test
def without_descriptors_for_a_while():
    d = Daemon(preload="none")
    before = resource.prlimit(d.pid, resource.RLIMIT_NOFILE)
    highest = max(int(fd) for fd in os.listdir(f"/proc/{d.pid}/fd"))
    resource.prlimit(d.pid, resource.RLIMIT_NOFILE, (highest + 8, before[1]))
    crowd = [socket.create_connection(("127.0.0.1", d.port), timeout=20) for _ in range(100)]
    wait_until(lambda: len(os.listdir(f"/proc/{d.pid}/fd")) > highest + 1, "all are taken",
               timeout=60)
    time.sleep(0.5)
    for s in crowd:
        s.close()
    time.sleep(0.5)
    resource.prlimit(d.pid, resource.RLIMIT_NOFILE, before)
    equal(d.get("/", timeout=60).status, 200, "when there are some again")
    equal(d.stop(), 0, "exit status")


@test
def other_sites_cannot_ask_through_a_browser():
    # DNS rebinding: a name of somebody else's that resolves to loopback.
    r = daemon().get(BASE + "/cmdline")
    check("access-control-allow-origin" not in r.headers, str(r.headers))

    def status(host):
        answer = raw(f"GET {BASE}/cmdline HTTP/1.1\r\nHost: {host}\r\n\r\n".encode(),
                     half_close=True)
        return int(answer.split()[1])

    for host in ("127.0.0.1", "127.0.0.1:6061", "[::1]:6061", "localhost", "LOCALHOST:1", "profd:1",
                 "a.localhost:80", "10.0.0.7"):
        equal(status(host), 200, host)
    for host in ("evil.example", "evil.example:6061", "127.0.0.1.evil.example", "localhost.evil.x",
                 "127.0.0.1.", "." * 300):
        equal(status(host), 403, host)
    # On the Unix socket, where no browser comes by, a name means nothing.
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(10)
        s.connect(daemon().socket)
        s.sendall(b"GET /healthz HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
        check(s.recv(100).startswith(b"HTTP/1.1 200"), "asked through the Unix socket")


@test
def unix_socket():
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(10)
        s.connect(daemon().socket)
        s.sendall(b"GET /debug/pprof/profile?seconds=1 HTTP/1.1\r\nHost: x\r\n"
                  b"Connection: close\r\n\r\n")
        out = b""
        while chunk := s.recv(65536):
            out += chunk
    head, body = out.split(b"\r\n\r\n", 1)
    check(head.startswith(b"HTTP/1.1 200"), head[:100])
    if b"chunked" not in head.lower():
        equal(Profile(body).problems(), [])


@test
def nothing_was_logged_twice_and_all_is_well():
    equal(daemon().get("/healthz").status, 200)
    lines = [line for line in daemon().log().split("\n") if line]
    check(len(lines) < 60, f"{len(lines)} lines of log for a day of bad requests")
    equal(daemon().stop(), 0, "exit status")


if __name__ == "__main__":
    run()
