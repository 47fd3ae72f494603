#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Names of C++ and Rust are demangled; Go's are those that Go has; those of a JIT come from its perf
map or jitdump."""

import glob
import os
import re
import shutil
import subprocess
import time

import pprof
from harness import (ROOT, WORKLOADS, Daemon, Workload, check, equal, go_pprof_report, in_background,
                     new_mount_namespace, profile_of, run, shared_daemon, skip,
                     temporary_directory, test, tool)
from pprof import total

LONG = 60  # s, for workloads that are ended when they have been seen
# It writes no files, for which it would read the jitdumps of all the machine.
daemon = shared_daemon(sample_frequency=499, rotate_interval="1h")


def functions(profile, part):
    """The functions that have this in their names."""
    return [f for f in profile.functions if part in f.name]


@test
def cplusplus():
    workload = Workload("shapes", LONG)
    profile = profile_of(daemon(), workload, 2)
    fill = functions(profile, "geometry::Grid<double>::fill")
    check(fill, f"{[f.name for f in profile.functions]}")
    equal([f.system_name for f in fill], ["_ZN8geometry4GridIdE4fillEdj"], "mangled names")
    leaf = [s for s in profile.samples if s.names[0] == fill[0].name]
    check(total(leaf) > 0.9 * total(profile.samples), "most samples are there")
    check(all("geometry::paint" in " ".join(s.names) and "main" in s.names for s in leaf),
          "callers")
    workload.end()


@test
def how_much_of_a_cplusplus_name_is_shown():
    mangled = "_ZN8geometry5paintERNS_4GridIdEEd", "_ZN8geometry4GridIdE4fillEdj"
    # Word of the option -> the same two names.
    forms = {
        "templates": ("geometry::paint", "geometry::Grid<double>::fill"),
        "full": ("geometry::paint(geometry::Grid<double>&, double)",
                 "geometry::Grid<double>::fill(double, unsigned int)"),
        "none": mangled,
    }
    workload = Workload("shapes", 60)
    for word, names in forms.items():
        with Daemon(sample_frequency=499, demangle=word) as one:
            profile = profile_of(one, workload, 1)
        shown = {f.system_name: f.name for f in profile.functions}
        for system_name, name in zip(mangled, names):
            equal(shown.get(system_name), name, f"demangle={word}")


def check_rust(program, mangled):
    workload = Workload(program, LONG)
    profile = profile_of(daemon(), workload, 2)
    churn = [f for f in functions(profile, "churn") if "sieve::Churn" in f.name]
    check(churn, f"{[(f.name, f.system_name) for f in profile.functions]}")
    for f in churn + functions(profile, "sieve::drive"):
        check(f.system_name.startswith(mangled), f"{f.name}: {f.system_name}")
        check("$" not in f.name and "_ZN" not in f.name, f.name)
    check(functions(profile, "sieve::drive"), "the generic function")
    workload.end()


@test
def rust():
    check_rust("numbers", "_ZN")


@test
def rust_with_new_mangling():
    check_rust("numbers-v0", "_R")


def check_compiled(program, leaf, callers, source):
    """Most samples are in leaf, in lines of the source, below these callers."""
    if not os.path.exists(os.path.join(WORKLOADS, program)):
        skip(f"no compiler of {source} is installed")
    workload = Workload(program, LONG)
    profile = profile_of(daemon(), workload, 3)
    inside = [s for s in profile.samples if leaf in s.names]
    check(total(inside) > 0.8 * total(profile.samples), f"{[f.name for f in profile.functions]}")
    for name in callers:
        check(total([s for s in inside if name in s.names]) > 0.9 * total(inside),
              f"{name}: {inside[0].names}")
    for f, line in [(f, line) for s in inside for location in s.locations
                    for f, line in zip(location.functions, location.lines)
                    if f.name in (leaf, *callers)]:
        check(os.path.basename(f.file) == source and line > 0, f"{f.name}: {f.file}:{line}")
    workload.end()
    return profile


@test
def d():
    profile = check_compiled("shapes-d", "geometry.shapes.Grid!(uint).Grid.fill",
                             ("geometry.shapes.Shape.area", "geometry.shapes.Round.area", "D main"),
                             "shapes.d")
    equal([f.system_name for f in functions(profile, "Round.area")],
          ["_D8geometry6shapes5Round4areaMFkZk"], "mangled")


@test
def ocaml():
    # The parts of the run-time library are in C, of which the package has no lines.
    profile = check_compiled("forest", "Forest.insert", ("Forest.build", "Forest.entry"), "forest.ml")
    check(all(f.system_name.startswith("camlForest__") for f in functions(profile, "Forest.")),
          "mangled")
    check(functions(profile, "Stdlib.List.iter"), "the standard library")


def main_frames(profile):
    """How often each chain of functions of the program's own is a leaf: (names, file, line)."""
    leaves = {}
    for s in profile.samples:
        loc = s.locations[0]
        if not loc.functions or not loc.functions[-1].name.startswith("main."):
            continue
        for f, line in zip(loc.functions, loc.lines):
            key = (f.name, os.path.basename(f.file), line)
            leaves[key] = leaves.get(key, 0) + s.values[0]
    return leaves


def chains(profile):
    """The functions of whole stacks that end in the program's own ones, from main on."""
    return {tuple(n for n in s.names if n.startswith("main."))
            for s in profile.samples if s.names and s.names[0].startswith("main.")}


def check_go(program):
    own_path = os.path.join(temporary_directory(), "own.pb.gz")
    sampling = daemon()  # before what it is to see, however long it takes to start
    for seconds in (4, 12, 36):  # the longer, the less of the CPUs others leave it
        workload = Workload(program, seconds, own_path)
        time.sleep(0.5)
        profile = sampling.profile(seconds=seconds - 2, pid=workload.pid)
        workload.report()
        if total(profile.samples) > 500 and not profile.lacks_names():
            break
    with open(own_path, "rb") as f:
        own = pprof.Profile(f.read())
    # What Go's own profile saw often, ours has too: the same functions in the same lines.
    theirs, ours = main_frames(own), main_frames(profile)
    often = {k for k, n in theirs.items() if n >= 0.04 * sum(theirs.values())}
    check(len(often) >= 5, f"{theirs}")
    equal(often - set(ours), set(), f"ours: {sorted(ours)}")
    seen = {name for name, _, _ in ours}
    for name in ("main.churn", "main.mix", "main.step", "main.generic[...]", "main.work.func1",
                 "main.(*shape).compute"):
        check(name in seen, f"{name} in {seen}")
    # And the same chains of callers, inlined ones in their places.
    check(chains(own) & chains(profile), f"{chains(own)} {chains(profile)}")
    check(("main.step", "main.mix", "main.churn", "main.work", "main.main") in chains(profile),
          f"{chains(profile)}")
    # Whatever else the runtime does, which is more of it the less the program gets to run.
    mine = [s for s in profile.samples if any(n.startswith("main.") for n in s.names)]
    named = [s for s in mine if "main.main" in s.names and "runtime.main" in s.names]
    check(total(named) > 0.9 * total(mine), "whole stacks")
    return profile


@test
def go():
    profile = check_go("gopher")
    listing = go_pprof_report(profile, "-peek", "main.churn$")
    check("main.work" in listing, listing)
    # The source beside its instructions, which `go tool pprof` finds for programs in Go only.
    listing = go_pprof_report(profile, "-output=/dev/stdout", "-weblist=main.churn$")
    check(re.search(r"class=livesrc> +\S+ +[0-9.]+m?s\s+\S", listing), listing[-3000:])


@test
def go_stripped():
    check_go("gopher-stripped")


@test
def go_position_independent():
    check_go("gopher-pie")


def newer_go():
    """A Go that can use profiles to compile: 1.21 or later."""
    for path in [shutil.which("go"), *sorted(glob.glob("/usr/lib/go-1.*/bin/go"))]:
        out = path and subprocess.run([path, "version"], check=True, stdout=subprocess.PIPE,
                                      env=dict(os.environ, GOTOOLCHAIN="local")).stdout.decode()
        version = out and re.search(r"go1\.(\d+)", out)
        if version and int(version[1]) >= 21:
            return path
    return skip("no Go of 1.21 or later is installed")


@test
def go_compiles_with_our_profile():
    directory, go = temporary_directory(), newer_go()
    shutil.copy(os.path.join(ROOT, "tests/workloads/hot.go"), os.path.join(directory, "main.go"))
    with open(os.path.join(directory, "go.mod"), "w", encoding="utf-8") as f:
        f.write("module example.com/hot\n\ngo 1.21\n")

    def build(*flags):
        return subprocess.run([go, "build", "-gcflags=-m", *flags, "-o", "hot", "."], cwd=directory,
                              check=True, stderr=subprocess.PIPE, timeout=250,
                              env=dict(os.environ, HOME=directory, GOTOOLCHAIN="local", GOFLAGS="",
                                       GOCACHE=os.path.join(directory, "cache"))).stderr.decode()

    inlined = "inlining call to (*grid).mix"
    check(inlined not in build("-pgo=off"), "it is too large without a profile")
    workload = Workload(os.path.join(directory, "hot"), LONG)
    profile = profile_of(daemon(), workload, 3)
    workload.end()
    with open(os.path.join(directory, "cpu.pprof"), "wb") as f:
        f.write(profile.data)
    out = build("-pgo=cpu.pprof")
    check(inlined in out, out)


def check_node(workload, seconds=2, settle=1.5):
    profile = profile_of(daemon(), workload, seconds, settle)
    # V8 may inline the leaf into its caller.
    inside = [s for s in profile.samples
              if any("javascriptLeaf" in n or "javascriptOuter" in n for n in s.names)]
    check(total(inside) > 0.8 * total(profile.samples),
          f"{total(inside)} of {total(profile.samples)}: {[f.name for f in profile.functions][:40]}")
    # The interpreter's and the optimizer's frames are V8's business; that the chain goes on through
    # them to the native code which runs them is ours.
    through = [s for s in inside if any("node::" in n for n in s.names)]
    check(total(through) > 0.8 * total(inside), f"{inside[0].names}")
    workload.end()


@test
def node_with_a_perf_map():
    check_node(Workload(tool("node"), "--perf-basic-prof",
                        os.path.join(ROOT, "tests/workloads/spin.js"), LONG,
                        cwd=temporary_directory()))


def tmp_of_its_own():
    """For also=: another /tmp, with other perf maps and jitdumps, which may hide our tree too."""
    new_mount_namespace()
    if os.system("mount -t tmpfs tmpfs /tmp") != 0:
        os._exit(99)


def beside_tmp(path):
    """A copy that is there whatever /tmp is."""
    return shutil.copy(path, temporary_directory("/var/tmp"))


@test
def node_in_another_mount_namespace():
    script = beside_tmp(os.path.join(ROOT, "tests/workloads/spin.js"))
    check_node(Workload(tool("node"), "--perf-basic-prof", script, LONG, also=tmp_of_its_own,
                        cwd=temporary_directory()))


def check_jitted(workload, settle=0.5):
    profile = profile_of(daemon(), workload, 2, settle)
    leaf = {}
    for s in profile.samples:
        f, line = s.locations[0].functions[0], s.locations[0].lines[0]
        key = (f.name, f.file, line)
        leaf[key] = leaf.get(key, 0) + s.values[0]
    everything = sum(leaf.values())
    for name, share in (("jitted::first", 0.75), ("jitted::second", 0.25)):
        seen = leaf.get((name, "/src/jitted.any", 11), 0)
        check(abs(seen / everything - share) < 0.15, f"{name}: {leaf}")
    equal(daemon().metrics()["profd_symbolizer_jitdump_records_bad_total"], 0, "bad records")
    workload.end()


@test
def jitdump():
    check_jitted(Workload("jitted", LONG, temporary_directory()))


@test
def jitdump_in_another_mount_namespace():
    check_jitted(Workload(beside_tmp(os.path.join(WORKLOADS, "jitted")), LONG, "/tmp", also=tmp_of_its_own))


@test
def node_with_a_jitdump():
    # V8 writes 2 MiB at a time, and the rest when it ends; that is read of a process that is gone.
    # Its names of files may be garbage, of memory that it had freed: lines are not looked at.
    for seconds in (4, 16):
        workload = Workload(tool("node"), "--perf-prof",
                            os.path.join(ROOT, "tests/workloads/spin.js"), seconds,
                            cwd=temporary_directory())
        profile = in_background(daemon(), seconds + 2, pid=workload.pid)()
        if total(profile.samples) > 500:
            break
    # V8 may inline the leaf into its caller.
    inside = [s for s in profile.samples
              if any("javascriptLeaf" in n or "javascriptOuter" in n for n in s.names)]
    check(total(inside) > 0.7 * total(profile.samples),
          f"{total(inside)} of {total(profile.samples)}: {[f.name for f in profile.functions][:60]}")


@test
def jitdump_that_is_nonsense():
    workload = Workload("jitted", LONG, temporary_directory(), "nonsense")
    profile = profile_of(daemon(), workload, 2)
    leaf = [s for s in profile.samples if s.names[0].startswith("[anon]+0x")]
    check(total(leaf) > 0.9 * total(profile.samples), "code that nobody has named")
    check(daemon().metrics()["profd_symbolizer_jitdump_records_bad_total"] > 100, "bad records")
    equal(daemon().get("/healthz").status, 200, "health")
    workload.end()


@test
def perf_map_that_is_nonsense():
    # Anybody can write a perf map. It names nothing, and does no harm.
    workload = Workload("chain-pie", LONG)
    path = f"/tmp/perf-{workload.pid}.map"
    with open(path, "wb") as f:
        f.write(b"zz zz\n0 ffffffffffffffff everything\n\xff\xfe\n" + b"1 " * 100000 + b"\n" +
                b"7f0000000000 10 \xc3\x28\n" + os.urandom(10000))
    try:
        profile = profile_of(daemon(), workload, 2)
        check(functions(profile, "chain_leaf"), "names of the file are still right")
        check(not functions(profile, "everything"), "the perf map has no say about files")
        equal(daemon().get("/healthz").status, 200, "health")
    finally:
        os.unlink(path)
        workload.end()


if __name__ == "__main__":
    run()
