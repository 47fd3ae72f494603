#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Source lines and inlined functions, in what compilers make of small programs, and compared with
llvm-symbolizer and eu-addr2line. Needs no root: the symbolizer is asked without a daemon."""

import os
import re
import shutil
import subprocess
import time

import lines
import pprof
from harness import (PROFCTL, Daemon, check, command, equal, go_pprof, missing_rights, run, skip,
                     start, temporary_directory, test, tool)

# A label inside of what is inlined twice; the places of the calls are in the source itself.
C = """\
static inline __attribute__((always_inline)) int inner(int x)
{
	__asm__ volatile(".globl golden\\ngolden: nop"); /* here */
	return x + 1;
}

static inline __attribute__((always_inline)) int middle(int x)
{
	return inner(x) * 3; /* calls inner */
}

__attribute__((noinline)) int outer(int x)
{
	return middle(x) - 5; /* calls middle */
}

int main(int argc, char **argv)
{
	(void)argv;
	return outer(argc);
}
"""
CPP = """\
#include <cstddef>
namespace room {
template <typename T> struct thing {
	T value;
	inline __attribute__((always_inline)) T get(T x) const
	{
		__asm__ volatile(".globl golden\\ngolden: nop"); /* here */
		return value + x;
	}
};
__attribute__((noinline)) long outer(const thing<long> &t)
{
	return t.get(3); /* calls inner */
}
}
int main(int argc, char **)
{
	return (int)room::outer(room::thing<long>{ argc });
}
"""
RUST = """\
#![allow(named_asm_labels)]
use std::arch::asm;
#[inline(always)]
fn inner(x: u64) -> u64 {
    unsafe { asm!(".globl golden", "golden: nop") }; // here
    x + 1
}
#[inline(never)]
fn outer(x: u64) -> u64 {
    inner(x) * 3 // calls inner
}
fn main() {
    std::process::exit(outer(std::env::args().count() as u64) as i32);
}
"""
FORTRAN = """\
module things
contains
  integer function twice(x)
    integer, intent(in) :: x
    print *, x
    twice = 2 * x
  end function
end module
program main
  use things
  print *, twice(command_argument_count()), inside(3)
contains
  integer function inside(y)
    integer, intent(in) :: y
    print *, y
    inside = y + twice(y)
  end function
end program
"""
ADA = """\
with Ada.Command_Line;
with Ada.Text_IO;
procedure Main is
   Total : Integer := 0;
   procedure Add (X : Integer) is
   begin
      Total := Total + X;
      Ada.Text_IO.Put_Line (Total'Image);
   end Add;
begin
   Add (Ada.Command_Line.Argument_Count);
   Add (2);
end Main;
"""


def line_of(source, text):
    return next(i for i, line in enumerate(source.split("\n"), 1) if text in line)


def compile_in(directory, name, source, *how):
    """The path of the program that @how, with its compiler first, makes of the source."""
    compiler = tool(how[0])
    path = os.path.join(directory, name)
    with open(path, "w", encoding="utf-8") as f:
        f.write(source)
    program = os.path.join(directory, "program")
    r = subprocess.run([compiler, *how[1:], "-o", program, name], cwd=directory, check=False,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if r.returncode != 0:
        skip(f"{' '.join(how)}: {r.stdout.decode().strip().splitlines()[-1]}")
    return program


def symbol(program, name):
    out = subprocess.run(["nm", program], check=True, stdout=subprocess.PIPE).stdout.decode()
    return next(int(line.split()[0], 16) for line in out.split("\n")
                if re.search(f" [a-zA-Z] {re.escape(name)}$", line))


def chain_at(program, address, directories=""):
    chains, starts = lines.ours(program, [address], directories)
    return chains[address], starts[address]


def check_c(program, address=None, directories=""):
    """The golden chain of the C program above."""
    chain, starts = chain_at(program, address or symbol(program, "golden"), directories)
    source = os.path.join(os.path.dirname(program), "golden.c")
    equal([(f, file, line) for f, file, line, _ in chain],
          [("inner", source, line_of(C, "/* here */")),
           ("middle", source, line_of(C, "/* calls inner */")),
           ("outer", source, line_of(C, "/* calls middle */"))])
    equal(starts, [line_of(C, "int inner("), line_of(C, "int middle("), line_of(C, "int outer(")])
    return chain


def c_program(*how):
    return compile_in(temporary_directory(), "golden.c", C, *how)


@test
def c_with_every_version_of_dwarf():
    for compiler in ("gcc", "clang"):
        if not shutil.which(compiler):
            continue
        for version in (2, 3, 4, 5):
            chain = check_c(c_program(compiler, "-O2", f"-gdwarf-{version}"))
            if version > 2 or compiler == "clang":
                check(all(column > 0 for *_, column in chain), f"columns: {chain}")


@test
def dwarf_of_64_bits():
    check_c(c_program("gcc", "-O2", "-gdwarf-5", "-gdwarf64"))


@test
def compressed_sections():
    for how in ("zlib", "zlib-gnu"):
        check_c(c_program("gcc", "-O2", "-g", f"-gz={how}"))


@test
def sections_compressed_with_zstd():
    program = c_program("gcc", "-O2", "-g")
    r = subprocess.run([tool("objcopy"), "--compress-debug-sections=zstd", program], check=False,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if r.returncode != 0:
        skip(f"objcopy: {r.stdout.decode().strip()}")
    out = subprocess.run(["readelf", "-tW", program], check=True, stdout=subprocess.PIPE).stdout
    check("ZSTD" in out.decode(), "nothing of it is compressed")
    check_c(program)


@test
def split_dwarf():
    for compiler in ("gcc", "clang"):
        if not shutil.which(compiler):
            continue
        for version in (4, 5):
            check_c(c_program(compiler, "-O2", "-g", f"-gdwarf-{version}", "-gsplit-dwarf"))


@test
def split_dwarf_in_a_package():
    # Packagers do not know every compiler's files: these pairs go together.
    for version, compiler, packager in ((4, "gcc", "dwp"), (5, "clang", "llvm-dwp")):
        program = c_program(compiler, "-O2", "-g", f"-gdwarf-{version}", "-gsplit-dwarf")
        directory = os.path.dirname(program)
        parts = [name for name in os.listdir(directory) if name.endswith(".dwo")]
        subprocess.run([tool(packager), *parts, "-o", program + ".dwp"], check=True, cwd=directory,
                       timeout=60)
        for name in parts:
            os.unlink(os.path.join(directory, name))
        check_c(program)


@test
def split_dwarf_that_is_lost_leaves_lines():
    program = c_program("gcc", "-O2", "-g", "-gsplit-dwarf")
    address = symbol(program, "golden")
    directory = os.path.dirname(program)
    for name in os.listdir(directory):
        if name.endswith(".dwo"):
            os.unlink(os.path.join(directory, name))
    chain, _ = chain_at(program, address)
    equal([(f, line) for f, _, line, _ in chain], [("outer", line_of(C, "/* here */"))])


def split_files(directory, n):
    """A program of @n files, each with its own golden instruction in an inlined function."""
    objects = []
    for i in range(n):
        with open(os.path.join(directory, f"f{i}.c"), "w", encoding="utf-8") as f:
            f.write(C.replace("golden", f"golden{i}").replace("outer", f"outer{i}")
                    .replace("int main(", f"int main{i}("))
        objects.append(f"f{i}.o")
    with open(os.path.join(directory, "main.c"), "w", encoding="utf-8") as f:
        f.write("int main(void) { return 0; }\n")
    subprocess.run(["gcc", "-O2", "-g", "-gsplit-dwarf", "-c", *(o[:-1] + "c" for o in objects)],
                   cwd=directory, check=True, timeout=120)
    program = os.path.join(directory, "golden")
    subprocess.run(["gcc", "-o", program, "main.c", *objects], cwd=directory, check=True)
    return program


@test
def more_files_of_split_dwarf_than_are_open_at_a_time():
    n = 30
    directory = temporary_directory()
    program = split_files(directory, n)
    addresses = [symbol(program, f"golden{i}") for i in range(n)]

    def functions():
        chains, _ = lines.ours(program, addresses)
        equal({chains[a][0][2] for a in addresses}, {line_of(C, "/* here */")})
        return [[f for f, *_ in chains[a]] for a in addresses]

    whole = [["inner", "middle", f"outer{i}"] for i in range(n)]
    equal(functions(), whole)
    # Those that are lost, or of another build, do not keep the others from being found.
    for i in range(12):
        os.unlink(os.path.join(directory, f"f{i}.dwo"))
    for i in range(12, 24):
        shutil.copy(os.path.join(directory, f"f{n - 1}.dwo"), os.path.join(directory, f"f{i}.dwo"))
    equal(functions(), [[f"outer{i}"] for i in range(24)] + whole[24:])


@test
def a_debug_file_of_its_own():
    program = c_program("gcc", "-O2", "-g", "-Wl,--build-id=sha1")
    address = symbol(program, "golden")
    subprocess.run(["objcopy", "--only-keep-debug", program, program + ".debug"], check=True)
    subprocess.run(["objcopy", "--strip-all", "--add-gnu-debuglink=" + program + ".debug", program],
                   check=True)
    check_c(program, address)
    # And by its build id.
    out = subprocess.run(["readelf", "-n", program], check=True, stdout=subprocess.PIPE).stdout
    build_id = re.search(r"Build ID: (\w+)", out.decode())[1]
    directories = temporary_directory()
    place = os.path.join(directories, ".build-id", build_id[:2])
    os.makedirs(place)
    os.rename(program + ".debug", os.path.join(place, build_id[2:] + ".debug"))
    check_c(program, address, directories)


@test
def a_file_shared_by_dwz():
    dwz = tool("dwz")
    # All that the two have is in the third file then, also the directory they were compiled in;
    # how it is referred to depends on the version.
    for version, how, section in (("4", [], ".gnu_debugaltlink"), ("5", [], ".gnu_debugaltlink"),
                                  ("5", ["--dwarf-5"], ".debug_sup")):
        program = compile_in(temporary_directory(), "golden.cpp", CPP, "g++", "-O2",
                             "-gdwarf-" + version, "-Wl,--build-id=sha1")
        other = shutil.copy(program, program + ".other")
        shared = program + ".shared"
        r = subprocess.run([dwz, *how, "-m", shared, program, other], check=False,
                           stderr=subprocess.PIPE)
        if r.returncode != 0 or not os.path.exists(shared):
            skip(f"dwz: {r.stderr.decode()}")
        sections = subprocess.run(["readelf", "-SW", program], check=True, stdout=subprocess.PIPE)
        check(section in sections.stdout.decode(), f"there is no {section}")
        check_cpp(program)
        # Without it there are lines, and the symbol's name.
        os.unlink(shared)
        chain, _ = chain_at(program, symbol(program, "golden"))
        equal([line for _, _, line, _ in chain],
              [line_of(CPP, "/* here */"), line_of(CPP, "/* calls inner */")])


@test
def a_file_shared_by_dwz_is_beside():
    dwz = tool("dwz")
    program = compile_in(temporary_directory(), "golden.cpp", CPP, "g++", "-O2", "-gdwarf-5")
    directory = os.path.dirname(program)
    shutil.copy(program, program + ".other")
    r = subprocess.run([dwz, "--dwarf-5", "-m", "shared", "program", "program.other"], check=False,
                       cwd=directory, stderr=subprocess.PIPE)
    if r.returncode != 0 or not os.path.exists(os.path.join(directory, "shared")):
        skip(f"dwz: {r.stderr.decode()}")
    check_cpp(program)
    # One of the same name that does not fit.
    with open(os.path.join(directory, "shared"), "r+b") as f:
        data = f.read()
        at = data.index(b"\x05\0\1\0\x14") + 5  # the head of .debug_sup
        f.seek(at)
        f.write(bytes([data[at] ^ 1]))
    chain, _ = chain_at(program, symbol(program, "golden"))
    equal(chain[0][0], "[inlined]")


@test
def a_unit_that_does_not_say_where_its_code_is():
    # DWARF 2 had no word for code in several sections.
    program = compile_in(temporary_directory(), "golden.c", C, "gcc", "-O2", "-gdwarf-2",
                         "-gstrict-dwarf", "-ffunction-sections")
    out = subprocess.run(["readelf", "--debug-dump=info", "-W", program], check=True,
                         stdout=subprocess.PIPE).stdout.decode()
    unit = out.split("DW_TAG_compile_unit")[1].split("<1>")[0]
    check("DW_AT_high_pc" not in unit and "DW_AT_ranges" not in unit, unit)
    for remove in ("nothing", ".debug_aranges"):
        subprocess.run(["objcopy", "-R", remove, program], check=True)
        chain, starts = chain_at(program, symbol(program, "golden"))
        equal([f for f, *_ in chain], ["inner", "middle", "outer"])
        equal(chain[0][2], line_of(C, "/* here */"))
        equal(starts[0], line_of(C, "int inner("))


@test
def units_of_types():
    for version in ("4", "5"):
        for compiler, *how in (("g++",), ("clang++",), ("g++", "-gsplit-dwarf")):
            if shutil.which(compiler):
                check_cpp(compile_in(temporary_directory(), "golden.cpp", CPP, compiler, "-O2",
                                     "-gdwarf-" + version, "-fdebug-types-section", *how))


def check_cpp(program):
    """The golden chain of the C++ program above."""
    chain, starts = chain_at(program, symbol(program, "golden"))
    source = os.path.join(os.path.dirname(program), "golden.cpp")
    equal([(f, file, line) for f, file, line, _ in chain],
          [("_ZNK4room5thingIlE3getEl", source, line_of(CPP, "/* here */")),
           ("_ZN4room5outerERKNS_5thingIlEE", source, line_of(CPP, "/* calls inner */"))])
    equal(starts, [line_of(CPP, "T get("), line_of(CPP, "long outer(")])


@test
def cpp_has_linkage_names():
    for compiler in ("g++", "clang++"):
        if shutil.which(compiler):
            check_cpp(compile_in(temporary_directory(), "golden.cpp", CPP, compiler, "-O2", "-g"))


@test
def cpp_with_optimization_at_link_time():
    check_cpp(compile_in(temporary_directory(), "golden.cpp", CPP, "g++", "-O2", "-g", "-flto"))


@test
def rust():
    for flags in ([], ["-C", "lto"]):
        program = compile_in(temporary_directory(), "golden.rs", RUST, "rustc", "-O", "-g", *flags)
        chain, starts = chain_at(program, symbol(program, "golden"))
        source = os.path.join(os.path.dirname(program), "golden.rs")
        equal([(file, line) for _, file, line, _ in chain[:2]],
              [(source, line_of(RUST, "// here")), (source, line_of(RUST, "// calls inner"))])
        check("inner" in chain[0][0] and "outer" in chain[1][0], f"{chain}")
        equal(starts[:2], [line_of(RUST, "fn inner"), line_of(RUST, "fn outer")])


@test
def go_without_wrappers():
    # The method of the pointer, which calls that of the value, is not in the source.
    directory, go = temporary_directory(), tool("go")
    with open(os.path.join(directory, "main.go"), "w", encoding="utf-8") as f:
        f.write('package main\n\nimport "fmt"\n\nfunc main() { fmt.Println("golden") }\n')
    program = os.path.join(directory, "main")
    subprocess.run([go, "build", "-o", program, "main.go"], cwd=directory, check=True,
                   env=dict(os.environ, HOME=directory, GOCACHE=directory, GO111MODULE="off",
                            GOTOOLCHAIN="local", GOFLAGS=""), timeout=200)
    start = symbol(program, "reflect.(*Kind).String")
    chains, _ = lines.ours(program, range(start, start + 64))
    inside = {chain[0][0] for chain in chains.values() if chain[0][1].endswith("reflect/type.go")}
    equal(inside, {"reflect.Kind.String"})


@test
def fortran():
    program = compile_in(temporary_directory(), "golden.f90", FORTRAN, "gfortran", "-O1", "-g",
                         "-fno-inline")
    for name, text in (("__things_MOD_twice", "function twice"), ("inside.0", "function inside")):
        chain, starts = chain_at(program, symbol(program, name))
        source = os.path.join(os.path.dirname(program), "golden.f90")
        equal((chain[-1][:2], starts[-1]), ((name, source), line_of(FORTRAN, text)))


@test
def ada():
    directory = temporary_directory()
    gnatmake = tool("gnatmake")
    with open(os.path.join(directory, "main.adb"), "w", encoding="utf-8") as f:
        f.write(ADA)
    subprocess.run([gnatmake, "-q", "-O1", "-fno-inline", "-g", "main.adb"], cwd=directory,
                   check=True, stdout=subprocess.DEVNULL)
    program = os.path.join(directory, "main")
    out = subprocess.run(["nm", program], check=True, stdout=subprocess.PIPE).stdout.decode()
    name = re.search(r" (main__add\S*)", out)[1]
    chain, starts = chain_at(program, symbol(program, name))
    equal((chain[-1][:2], starts[-1]),
          ((name, os.path.join(directory, "main.adb")), line_of(ADA, "procedure Add")))


@test
def a_chain_that_is_too_long_keeps_both_ends():
    inline = "static inline __attribute__((always_inline)) int"
    source = f'{inline} f0(int x) {{ __asm__ volatile(".globl golden\\ngolden: nop"); return x; }}\n'
    source += "".join(f"{inline} f{i}(int x) {{ return f{i - 1}(x) + {i}; }}\n"
                      for i in range(1, 60))
    source += "__attribute__((noinline)) int outer(int x) { return f59(x); }\n" \
              "int main(int argc, char **argv) { (void)argv; return outer(argc); }\n"
    program = compile_in(temporary_directory(), "golden.c", source, "gcc", "-O2", "-g")
    chain, _ = chain_at(program, symbol(program, "golden"))
    equal([f for f, *_ in chain], [f"f{i}" for i in range(31)] + ["outer"])
    # The outermost is where it calls the first function that is left out.
    equal(chain[-1][2], line_of(source, "int outer("))
    equal(chain[-2][2], line_of(source, "int f30("))


def compare(program, n):
    d = lines.difference(program, n, 3)
    print(f"# {os.path.basename(os.path.dirname(program))}: {d.asked} addresses, {len(d.bad)} "
          f"unlike llvm-symbolizer; {d.asked_others}, {len(d.bad_others)} unlike eu-addr2line "
          f"({d.explained} more are explained)")
    check(d.asked > n // 3, f"only {d.asked} addresses of {n}")
    return d


@test
def others_agree():
    tool("llvm-symbolizer")
    tool("eu-addr2line")
    made = [c_program("gcc", "-O2", "-g"), c_program("clang", "-O2", "-g", "-gdwarf-4")]
    for source, name, how in ((CPP, "golden.cpp", ("g++", "-O2", "-g")),
                              (RUST, "golden.rs", ("rustc", "-O", "-g"))):
        if shutil.which(how[0]):
            made.append(compile_in(temporary_directory(), name, source, *how))
    made.append(os.path.join(lines.BUILD, "profd"))
    seen = [compare(program, 150) for program in made]
    bad = [b for d in seen for b in d.bad]
    total = sum(d.asked for d in seen)
    check(len(bad) * 1000 <= total, f"{len(bad)} of {total}, first {bad[:3]}")
    bad = [b for d in seen for b in d.bad_others]
    total = sum(d.asked_others for d in seen)
    check(len(bad) * 1000 <= total, f"eu-addr2line: {len(bad)} of {total}, first {bad[:3]}")


SPIN = C.replace("return outer(argc);", "for (volatile long n = 0;; n += outer(argc)) /* spins */\n"
                 "\t\t;").replace("return x + 1;", "for (volatile int i = 0; i < 1000; i++)\n"
                                  "\t\tx += i; /* works */\n\treturn x + 1;")


@test
def pprof_lists_a_profile():
    reason = missing_rights()
    if reason:
        skip(reason)
    program = compile_in(temporary_directory(), "golden.c", SPIN, "gcc", "-O1", "-g")
    daemon = Daemon(sample_frequency=199)
    child = start([program])
    time.sleep(1)  # until the daemon knows it
    path = f"/pid/{child.pid}/debug/pprof/profile?seconds=3"
    profile = os.path.join(temporary_directory(), "profile.pb.gz")
    for _ in range(2):  # what comes too late for one profile is in the next
        response = daemon.get(path)
        equal(response.status, 200, response.text)
        with open(profile, "wb") as f:
            f.write(response.body)
    child.kill()
    status, out, err = go_pprof("-list=outer", profile)
    equal(status, 0, err)
    calls = re.search(r"^ +(\S+) +(\S+) +\d+:.*/\* calls middle \*/", out, re.M)
    check(calls and calls[2] != ".", out)
    status, out, err = go_pprof("-lines", "-top", profile)
    equal(status, 0, err)
    works = line_of(SPIN, "/* works */")
    check(re.search(rf"inner \S*golden\.c:({works - 1}|{works}) \(inline\)", out), out)
    status, out, err = go_pprof("-peek=outer", profile)
    equal(status, 0, err)
    check(re.search(r"\| outer$.*\|   middle \(inline\)$", out, re.M | re.S), out)
    with open(profile, "rb") as f:
        mapping = next(m for m in pprof.Profile(f.read()).mappings if m.file == program)
    check(mapping.has_filenames and mapping.has_lines and mapping.has_inlines, f"{vars(mapping)}")
    daemon.stop()


@test
def profctl_without_a_daemon_has_lines_at_once():
    reason = missing_rights()
    if reason:
        skip(reason)
    program = compile_in(temporary_directory(), "golden.c", SPIN, "gcc", "-O1", "-g")
    child = start([program])
    path = os.path.join(temporary_directory(), "profile.pb.gz")
    status, _, err = command(PROFCTL, "record", "--local", "--pid", child.pid, "--seconds", 1,
                             "-o", path)
    equal(status, 0, err)
    with open(path, "rb") as f:
        profile = pprof.Profile(f.read())
    seen = {(f.name, line) for location in profile.locations
            for f, line in zip(location.functions, location.lines)}
    for name, text in (("middle", "/* calls inner */"), ("outer", "/* calls middle */"),
                       ("main", "/* spins */")):
        check((name, line_of(SPIN, text)) in seen, f"{name}: {seen}")
    child.kill()


run(needs_root=False)
