#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""go tool pprof against the daemon itself, through a proxy that writes down what it asks."""

import http.client
import http.server
import os
import threading
import time

from harness import (Workload, check, equal, go_pprof, go_pprof_report, run, shared_daemon,
                     temporary_directory, test)

daemon = shared_daemon(sample_frequency=199)


class Proxy(http.server.ThreadingHTTPServer):
    """Passes requests on to the daemon and remembers them."""

    daemon_threads = True

    def __init__(self):
        self.asked = []
        daemon()  # it ends with the thread that starts it, so not in one of the handlers
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def pass_on(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append((self.command, self.path))
        connection = http.client.HTTPConnection("127.0.0.1", daemon().port, timeout=90)
        connection.request(self.command, self.path, body=body or None)
        response = connection.getresponse()
        data = response.read()
        self.send_response(response.status)
        for key, value in response.getheaders():
            if key.lower() not in ("transfer-encoding", "connection", "content-length", "date"):
                self.send_header(key, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_HEAD = pass_on

    def log_message(self, *_):
        pass


def ask(path, *arguments):
    """Runs pprof on a URL; (what it asked for, its report)."""
    proxy = Proxy()
    url = f"http://127.0.0.1:{proxy.server_address[1]}{path}"
    status, out, err = go_pprof("-top", *arguments, url)
    proxy.shutdown()
    equal(status, 0, f"pprof: {err}")
    return proxy.asked, out


@test
def one_get_and_no_post():
    workload = Workload("chain-pie", 60)
    asked, out = ask("/debug/pprof/profile?seconds=3")
    equal(asked, [("GET", "/debug/pprof/profile?seconds=3")])
    check("chain_leaf" in out, out)
    workload.end()


@test
def one_get_and_no_post_for_a_process():
    workload = Workload("chain-pie", 60)
    time.sleep(0.3)
    path = f"/pid/{workload.pid}/debug/pprof/profile"
    asked, out = ask(path, "-seconds=2")
    equal(asked, [("GET", path + "?seconds=2")])
    check("chain_leaf" in out, out)
    workload.end()


@test
def idle_process_is_an_empty_profile():
    # Nothing to show is no error: pprof reads it.
    workload = Workload("spin", 0.01, 8)
    time.sleep(0.5)
    profile = daemon().profile(seconds=1, pid=workload.pid)
    equal(profile.samples, [])
    check("Type: cpu" in go_pprof_report(profile, "-top"), "pprof reads it")
    workload.end()


@test
def error_text_reaches_the_user():
    status, _, err = go_pprof("-top", f"http://127.0.0.1:{daemon().port}"
                              "/pid/4194303/debug/pprof/profile?seconds=1")
    check(status != 0, "it fails")
    check("404" in err and "4194303" in err, err)


@test
def difference_of_two_profiles():
    workload = Workload("chain-pie", 60)
    time.sleep(0.3)
    first, second = (daemon().profile(seconds=2, pid=workload.pid) for _ in range(2))
    path = os.path.join(temporary_directory(), "first.pb.gz")
    with open(path, "wb") as f:
        f.write(first.data)
    merged = go_pprof_report(second, "-raw", path)
    mapped = [line for line in merged.split("Mappings")[1].split("\n") if "chain-pie" in line]
    equal(len(mapped), 1, f"mappings of the program after merging: {mapped}")
    out = go_pprof_report(second, "-top", f"-diff_base={path}")
    check("Type: cpu" in out, out)
    workload.end()


if __name__ == "__main__":
    run()
