# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests stand on: a daemon of their own, workloads, HTTP, pprof, and TAP.

A test file is a program: functions marked @test, then run(). Each is one case; it passes by
returning, fails by raising, and says skip("why") when the machine cannot show the thing. All that a
test starts is remembered and killed by its pid at the end, and dies with the test in any case.
"""

import atexit
import ctypes
import functools
import http.client
import math
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.parse

import pprof

LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1
MS_BIND, MS_REC, MS_PRIVATE, CLONE_NEWNS, CLONE_NEWPID = 0x1000, 0x4000, 1 << 18, 0x20000, 0x20000000
MNT_DETACH = 2


def everybodys(path):
    """
    A path to the same folder that everybody can go: a clone in /root or in somebody's home is closed
    to the user nobody, as whom some tests run profd. As root, it is mounted elsewhere, for us only.
    """
    parts = path.split("/")
    above = ["/".join(parts[:n + 1]) or "/" for n in range(len(parts))]
    if os.geteuid() or all(os.stat(p).st_mode & 0o001 for p in above):
        return path
    place = tempfile.mkdtemp(prefix="profd-tree-")
    if (LIBC.unshare(CLONE_NEWNS) or LIBC.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None)
            or LIBC.mount(path.encode(), place.encode(), None, MS_BIND, None)):
        os.rmdir(place)
        return path

    def leave():
        LIBC.umount2(place.encode(), MNT_DETACH)
        os.rmdir(place)
    atexit.register(leave)
    return place


ROOT = everybodys(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
PROFD = os.path.join(BUILD, "profd")
PROFCTL = os.path.join(BUILD, "profctl")
WORKLOADS = os.path.join(BUILD, "workloads")


class Skip(Exception):
    pass


def skip(reason):
    raise Skip(reason)


def check(condition, message):
    """An assertion that says what was seen."""
    if not condition:
        raise AssertionError(message)


def equal(seen, wanted, what=""):
    check(seen == wanted, f"{what}: {seen!r}, not {wanted!r}" if what else f"{seen!r}, not {wanted!r}")


def near(seen, wanted, tolerance, what):
    check(abs(seen - wanted) <= tolerance, f"{what}: {seen:.2f}, not within {tolerance} of {wanted}")


def chance(wanted, *counts):
    """Three standard deviations of a share of this many samples, or of the difference of two such
    shares, in percent."""
    return 3 * 100 * math.sqrt(sum(wanted / 100 * (1 - wanted / 100) / max(1, n) for n in counts))


def near_share(samples, name, wanted, tolerance=3, program="the program"):
    """The function's share in percent; the fewer samples there are, the more chance is allowed."""
    count = pprof.total(samples)
    by_chance = chance(wanted, count)
    near(pprof.share(samples, name), wanted, tolerance if by_chance < 1 else tolerance + by_chance,
         f"{name} in {count} samples of {program}")


def cpu_used(pid):
    """CPU time of a process that runs, in seconds, from the scheduler's own count."""
    seconds = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as f:
            seconds += int(f.read().split()[0]) / 1e9
    return seconds


def meanwhile(workloads, function):
    """(function(), how many CPUs each of these had meanwhile by the CPU time of its process)."""
    before, begin = [cpu_used(w.pid) for w in workloads], time.monotonic()
    value = function()
    elapsed = time.monotonic() - begin
    return value, [(cpu_used(w.pid) - b) / elapsed for w, b in zip(workloads, before)]


# --- cases -------------------------------------------------------------------------------------

cases = []


def test(function):
    cases.append(function)
    return function


def missing_rights():
    """Why BPF cannot be tested here; None if it can."""
    if os.geteuid() != 0:
        return "needs root"
    if not os.path.exists("/sys/kernel/btf/vmlinux"):
        return "the kernel has no BTF"
    return None


def run(needs_root=True):
    # PROFD_TEST=part of a case's name runs only those.
    wanted = os.environ.get("PROFD_TEST", "")
    chosen = [c for c in cases if wanted in c.__name__]
    reason = missing_rights() if needs_root else None
    failed = 0
    print(f"1..{len(chosen)}")
    for i, case in enumerate(chosen, 1):
        name = case.__name__.replace("_", " ")
        start = time.monotonic()
        try:
            if reason:
                raise Skip(reason)
            case()
            print(f"ok {i} - {name}")
        except Skip as e:
            print(f"ok {i} - {name} # SKIP {e}")
        except BaseException as e:  # a failed case must not hide the others
            failed += 1
            print(f"not ok {i} - {name}")
            for line in traceback.format_exc().rstrip().split("\n"):
                print(f"# {line}")
            for daemon in Daemon.running:
                for line in daemon.log().split("\n")[-15:]:
                    print(f"# profd: {line}")
            if isinstance(e, KeyboardInterrupt):
                sys.exit(130)
        for workload in Workload.running:
            workload.end()
        Workload.running.clear()
        if os.environ.get("PROFD_TEST_TIMES"):
            print(f"# {time.monotonic() - start:.1f} s")
        sys.stdout.flush()
    sys.exit(1 if failed else 0)


# --- processes ---------------------------------------------------------------------------------

started = []
scratch = []


def temporary_directory(where=None):
    path = tempfile.mkdtemp(prefix="profd-test.", dir=where)
    os.chmod(path, 0o755)
    scratch.append(path)
    return path


@atexit.register
def end_all():
    for child in started:
        if child.poll() is None:
            child.kill()
            child.wait()
    if not os.environ.get("PROFD_TEST_KEEP"):
        for path in scratch:
            shutil.rmtree(path, ignore_errors=True)


def dies_with_us(also=None):
    def prepare():
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if also:
            also()
    return prepare


def start(arguments, also=None, **options):
    """Starts a process that ends with the test at the latest."""
    options.setdefault("stdin", subprocess.DEVNULL)
    child = subprocess.Popen([str(a) for a in arguments], preexec_fn=dies_with_us(also), **options)
    started.append(child)
    return child


def command(*arguments, timeout=60, also=None, **options):
    """Runs a command to its end: (exit status, stdout, stderr), both as text."""
    child = start(arguments, also=also, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
    try:
        out, err = child.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        raise AssertionError(f"{arguments}: not done after {timeout} s")
    return child.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace")


def nobody():
    """For also=: gives up root for good."""
    account = pwd.getpwnam("nobody")
    os.setgroups([])
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)


def new_mount_namespace():
    check(LIBC.unshare(CLONE_NEWNS) == 0, "unshare failed")
    check(LIBC.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None) == 0, "mount failed")


class Workload:
    """One of the programs of tests/workloads, or any other that prints key=value lines.

    It ends with the case that started it at the latest.
    """

    running = []

    def __init__(self, program, *arguments, also=None, cwd=None, prefix=()):
        if "/" not in program:
            program = os.path.join(WORKLOADS, program)
        if not os.path.exists(program):
            skip(f"{os.path.basename(program)} was not built")
        self.child = start([*prefix, program, *arguments], also=also, cwd=cwd,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.pid = self.child.pid
        Workload.running.append(self)

    def report(self, timeout=120):
        """Waits for its end. What it printed, as {key: number}."""
        out, err = self.child.communicate(timeout=timeout)
        check(self.child.returncode == 0, f"{self.child.args}: {self.child.returncode} {err!r}")
        self.output = out.decode()
        pairs = (line.split("=", 1) for line in self.output.split("\n") if "=" in line)
        return {key: float(value) for key, value in pairs}

    def end(self):
        if self.child.poll() is None:
            self.child.kill()
        if not self.child.stdout.closed:
            self.child.communicate()


# --- the daemon --------------------------------------------------------------------------------

def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Response:
    def __init__(self, raw):
        self.status, self.body = raw.status, raw.read()
        self.headers = {key.lower(): value for key, value in raw.getheaders()}

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")


class Daemon:
    """profd with a port, a socket and a directory of its own."""

    running = []

    def __init__(self, *arguments, config="", wait=True, directory=None, **options):
        self.scratch = temporary_directory()
        self.port = options.pop("port", None) or free_port()
        self.socket = os.path.join(self.scratch, "profd.sock")
        self.directory = directory or os.path.join(self.scratch, "data")
        self.config = os.path.join(self.scratch, "profd.conf")
        self.log_path = os.path.join(self.scratch, "log")
        with open(self.config, "w", encoding="utf-8") as f:
            f.write(config)
        settings = {"config": self.config, "listen": f"127.0.0.1:{self.port}",
                    "socket": self.socket, "directory": self.directory}
        settings.update(options)
        flags = [f"--{key.replace('_', '-')}={value}" for key, value in settings.items()
                 if value is not None]
        self.started_at = time.monotonic()
        with open(self.log_path, "wb") as log:
            self.child = start([PROFD, *flags, *arguments], stdout=log, stderr=log)
        self.pid = self.child.pid
        Daemon.running.append(self)
        if wait:
            self.wait_ready()

    def wait_ready(self, timeout=60):
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if self.child.poll() is not None:
                Daemon.running.remove(self)
                raise AssertionError(f"profd ended with {self.child.returncode}:\n{self.log()}")
            try:
                if self.get("/healthz", timeout=5).status == 200:
                    self.ready_after = time.monotonic() - self.started_at
                    return
            except OSError:
                pass
            time.sleep(0.02)
        raise AssertionError(f"profd does not answer after {timeout} s:\n{self.log()}")

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return f.read().rstrip()

    def request(self, method, path, body=None, headers=None, timeout=60):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            return Response(connection.getresponse())
        finally:
            connection.close()

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def profile(self, path="/debug/pprof/profile", seconds=None, **query):
        """A served profile, decoded; fails if it is not flawless."""
        if seconds is not None:
            query["seconds"] = seconds
        if query:
            path += "?" + urllib.parse.urlencode(query)
        response = self.get(path, timeout=(seconds or 30) + 30)
        equal(response.status, 200, f"{path}: {response.text[:200]}")
        decoded = pprof.Profile(response.body)
        decoded.data = response.body
        problems = decoded.problems()
        check(not problems, f"{path}: {len(problems)} problems: " + "; ".join(problems[:10]))
        return decoded

    def named_profile(self, *arguments, **options):
        """One for which no names came late: on a busy machine the first may be, the next has them."""
        for _ in range(3):
            profile = self.profile(*arguments, **options)
            if not profile.lacks_names():
                break
        return profile

    def metrics(self):
        """/metrics as {name, or name{labels}: value}."""
        out = {}
        for line in self.get("/metrics").text.split("\n"):
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                out[name] = float(value)
        return out

    def signal(self, number):
        os.kill(self.pid, number)

    def stop(self, timeout=60):
        """Ends it as systemd would; its exit status."""
        if self in Daemon.running:
            Daemon.running.remove(self)
        if self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(timeout)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
                raise AssertionError(f"profd did not end within {timeout} s of SIGTERM")
        return self.child.returncode

    def kill(self):
        if self in Daemon.running:
            Daemon.running.remove(self)
        self.child.kill()
        self.child.wait()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            for line in self.log().split("\n")[-15:]:
                print(f"# profd: {line}")
            self.kill()
        else:
            equal(self.stop(), 0, f"exit status of profd\n{self.log()}\n")


def read_profile(path):
    """A profile that was written as a file, decoded; fails if it is not flawless."""
    with open(path, "rb") as f:
        data = f.read()
    decoded = pprof.Profile(data)
    decoded.data = data
    equal(decoded.problems(), [], path)
    return decoded


def shared_daemon(**options):
    """A daemon that is started at its first use and serves the rest of the file.

    Not first in a thread: what a thread has started ends with that thread (PR_SET_PDEATHSIG).
    """
    @functools.lru_cache(maxsize=None)
    def get():
        return Daemon(**options)
    return get


def profile_of(daemon, workload, seconds, settle=0.5, samples=50):
    """A profile of one workload that already runs: a longer one where others leave it so little of
    the CPUs that there are fewer samples than that."""
    time.sleep(settle)
    while True:
        profile = daemon.named_profile(seconds=seconds, pid=workload.pid)
        if pprof.total(profile.samples) > samples or seconds > 20 or workload.child.poll() is not None:
            return profile
        seconds *= 2


def in_background(daemon, seconds, **selection):
    """Begins a profile, of everything or of pid= or comm=; call the result for it.

    What starts now is in it.
    """
    out = []
    active = "profd_http_profiles_active"
    before = daemon.metrics()[active]

    def fetch():
        try:
            out.append(daemon.profile(seconds=seconds, **selection))
        except BaseException as e:
            out.append(e)
    thread = threading.Thread(target=fetch)
    thread.start()
    wait_until(lambda: out or daemon.metrics()[active] > before, "the profile has begun")

    def result():
        thread.join()
        if isinstance(out[0], BaseException):
            raise out[0]
        return out[0]
    return result


# --- tools -------------------------------------------------------------------------------------

def tool(name, *places):
    path = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *places]))
    if not path:
        skip(f"{name} is not installed")
    return path


def go_pprof(*arguments, timeout=120):
    """go tool pprof: (exit status, stdout, stderr)."""
    home = temporary_directory()
    environment = dict(os.environ, HOME=home, PPROF_TMPDIR=home, GOCACHE=home, GOFLAGS="",
                       GOTOOLCHAIN="local", GO111MODULE="off")
    return command(tool("go", "/usr/lib/go/bin", "/usr/local/go/bin"), "tool", "pprof", *arguments,
                   timeout=timeout, env=environment, cwd=home)


def go_pprof_report(profile, *arguments):
    """The report of a decoded profile's bytes, or of a file."""
    path = profile
    if isinstance(profile, pprof.Profile):
        path = os.path.join(temporary_directory(), "profile.pb.gz")
        with open(path, "wb") as f:
            f.write(profile.data)
    status, out, err = go_pprof("-symbolize=none", *arguments, path)
    equal(status, 0, f"go tool pprof {' '.join(arguments)}: {err}")
    return out


def protoc_decode(data):
    """protoc's text for an unzipped profile; fails if protoc refuses it."""
    child = start([tool("protoc"), "--decode=perftools.profiles.Profile",
                   f"--proto_path={os.path.join(ROOT, 'proto')}", "profile.proto"],
                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = child.communicate(data, timeout=60)
    equal(child.returncode, 0, f"protoc: {err.decode()}")
    return out.decode()


def build_id(path):
    _, out, _ = command(tool("readelf"), "-n", path)
    found = re.search(r"Build ID: ([0-9a-f]+)", out)
    return found[1] if found else ""


def another(program, path):
    """A copy that is an executable of its own: with a build id that no other file has."""
    file = os.path.join(WORKLOADS, program)
    with open(file, "rb") as f:
        data = f.read()
    old = bytes.fromhex(build_id(file))
    equal(data.count(old), 1, f"build ids in {file}")
    with open(path, "wb") as f:
        f.write(data.replace(old, os.urandom(len(old))))
    os.chmod(path, 0o755)
    return path


def busy_cpus(seconds):
    """One spinning workload for each CPU."""
    return [Workload("shares", seconds) for _ in range(os.cpu_count())]


def tries(attempt, times=3):
    """For what the rest of the machine may spoil: what is wrong in profd is wrong each time."""
    for left in reversed(range(times)):
        try:
            return attempt()
        except AssertionError:
            if not left:
                raise


def wait_until(condition, what, timeout=30, interval=0.05):
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        check(time.monotonic() < end, f"not within {timeout} s: {what}")
        time.sleep(interval)
