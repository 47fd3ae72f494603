#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The programs of this folder: how each is built, and the stack it must be seen with.

    programs.py DIRECTORY      builds what is out of date there

A chain is a list of function names, leaf first, which must be on the stack one directly after the
other: "name*5" is five times the same, "..." any frames or none, "~text" a regular expression. It
begins at the leaf in question, not at the top of the stack: the kernel and the vdso may be above.
"""

import concurrent.futures
import dataclasses
import os
import re
import shlex
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
WORKLOADS = os.path.dirname(HERE)

# Complete, unless a row says otherwise: part of the user stacks that reach their outermost frame.
COMPLETE = 0.995
# Part of the samples with a user stack in which the chain is there: the rest are a program's looks
# at the clock and the start of whatever interrupts it.
SHARE = 0.98


@dataclasses.dataclass
class Program:
    name: str  # of the file and of the test case
    build: list  # commands; {out} is the file, {here} this folder, {dir} that of the files
    chain: str
    arguments: list = dataclasses.field(default_factory=list)  # behind the seconds
    share: float = SHARE
    complete: float = COMPLETE  # None: no promise
    reason: str = ""  # the only one that stacks may be truncated for, or some of them: a|b
    wrong: float = 0.0  # part of the samples in the leaf that may show other callers: guesses only
    run: list = None  # what to start, {out} and {seconds} filled in; None: the program
    file: str = None  # an executable shared with another row
    by_comm: bool = False  # its children count too
    ends_badly: bool = False  # by a signal, as meant
    fewest: int = 60  # samples in three seconds; fewer say nothing
    known: str = ""  # why it is not as the row says, where that is known: no failure then
    note: str = ""

    @property
    def sources(self):
        return {word for command in self.build for word in re.findall(r"\{here\}/(\S+)", command)}


CC = "-std=gnu11 -D_GNU_SOURCE -Wall -Wextra -fno-optimize-sibling-calls -I{here} -I{here}/.."
NO_FP = "-O2 -fomit-frame-pointer"
IDS = "-Wl,--build-id=sha1"


def compiled(name, source, chain, compiler="gcc", flags=NO_FP, link="", extra=(), **rest):
    command = f"{compiler} {CC} {flags} -o {{out}} {{here}}/{source} {link}"
    if "musl" not in compiler and "build-id" not in link:
        command += f" {IDS}"
    return Program(name, [command, *extra], chain, **rest)


# Debian has it by version only.
BOLT = next((n for n in ["llvm-bolt", *(f"llvm-bolt-{v}" for v in range(30, 13, -1))]
             if shutil.which(n)), "llvm-bolt")

# A name with or without what a compiler or linker adds to those of parts of a function.
SPLIT = r"~leaf(\.\w+)* " + r"~middle(\.\w+)* " * 5 + r"~outer(\.\w+)* ~main(\.\w+)*"


# Code without a file; and as the outermost frame that is found.
NAMELESS = r"~\[anon\]\+\w+"
NAMELESS_END = NAMELESS + r"(?=\n\Z)"
# The register of the frame pointer holds anything: so it shows in one of several ways.
NO_CALLER = "bad_frame_pointer|no_mapping|not_executable|unreadable"


def twins(name, compiler, linker):
    return compiled(name, "twins.c", "twin_leaf ~twin_(first|second) twin_caller main", compiler,
                    flags=NO_FP + " -ffunction-sections", link=f"-fuse-ld={linker} -Wl,--icf=all")


def again(name, file, chain, *arguments, **rest):
    """The same executable in another way."""
    return Program(name, [], chain, list(arguments), file=file, **rest)


FRAMES = "leaf middle*5 outer main"


def frames(name, **rest):
    return compiled(name, "frames.c", FRAMES, **rest)


def build_id(n):
    """For a file that is changed after it was linked: it is another executable."""
    return f"-Wl,--build-id=0x50720066640073747269707065640000000{n:05x}"


# Sections first: .debug_frame is all the rules there are.
NO_EH = "-O2 -fomit-frame-pointer -fno-asynchronous-unwind-tables -fno-unwind-tables -g"
MIXED = [f"gcc {CC} -O2 -fno-omit-frame-pointer -DWITH -c -o {{out}}.1.o {{here}}/mixed.c",
         f"{{other}} {CC} {NO_FP} -c -o {{out}}.2.o {{here}}/mixed.c",
         f"gcc -o {{out}} {{out}}.1.o {{out}}.2.o {IDS}", "rm -f {out}.1.o {out}.2.o"]
MIXED_CHAIN = "mixed_leaf " + "without_frame_pointer with_frame_pointer " * 3 + "main"


def mixed(name, other):
    return Program(name, [c.replace("{other}", other) for c in MIXED], MIXED_CHAIN)


def plt(name, flags="", link="", **rest):
    library = (f"gcc {CC} {flags} -O1 -fPIC -shared -o {{out}}.so {{here}}/plt_library.c "
               f"{IDS} {link} -Wl,-soname,{name}.so")
    return Program(name, [library, f"gcc {CC} {NO_FP} {flags} -o {{out}} {{here}}/plt.c {{out}}.so "
                                   f"{link} {IDS} -Wl,-rpath,'$ORIGIN'"],
                   "call_empty main", **rest)


def plugin(letter, extra, link=""):
    return (f"gcc {CC} {NO_FP} -fPIC -shared -DNAME={letter} -DEXTRA={extra} -o {{out}}-{letter}.so "
            f"{{here}}/plugin.c {link} {IDS}")


def far(name, address):
    """A function in an executable segment of its own."""
    return Program(name, [
        f"gcc {CC} {NO_FP} -fno-pie -ffunction-sections -c -o {{out}}.o {{here}}/frames.c",
        "objcopy --rename-section .text.middle=.far {out}.o",
        f"gcc -no-pie -o {{out}} {{out}}.o -Wl,--section-start=.far={address} {IDS}",
        "rm -f {out}.o"], FRAMES)


def openssl(name, *what):
    return Program(name, [], "~.* ...", run=["openssl", "speed", "-seconds", "20", *what])


def exceptions(name, link=""):
    return Program(name, [f"g++ -std=gnu++17 -D_GNU_SOURCE -Wall {NO_FP} -I{{here}} -I{{here}}/.. "
                          f"-o {{out}} {{here}}/exceptions.cpp {link} {IDS}"],
                   "~throw_deep|catch_one ... main", share=0.95)


# Signal trampolines have a name where the C library has symbols.
HANDLER = "handler_leaf on_timer ... interrupted_caller main"


def signals(prefix, file, nested="... on_outer ... interrupted_caller main", **rest):
    return [
        again(f"{prefix}-plain", file, HANDLER, "plain", share=0.15, **rest),
        again(f"{prefix}-alternate", file, HANDLER, "alternate", share=0.15, **rest),
        again(f"{prefix}-nested", file, f"handler_leaf on_inner {nested}", "nested", share=0.15,
              **rest),
        again(f"{prefix}-restorer", file, HANDLER, "restorer", share=0.15, **rest),
        again(f"{prefix}-first", file, "handler_leaf on_illegal ~.* first_instruction main",
              "first", share=0.95, **rest),
    ]


GO = "env CGO_ENABLED=0 GOFLAGS= GO111MODULE=off GOTOOLCHAIN=local GOCACHE={dir}/go-cache go build"
GO_CHAIN = "main.leaf main.middle*5 main.outer ..."

PROGRAMS = [
    # Compilers and what they are told about frame pointers.
    frames("o2-gcc"),
    frames("o2-clang", compiler="clang"),
    frames("os-gcc", flags="-Os -fomit-frame-pointer"),
    frames("o0-gcc", flags="-O0"),
    frames("o0-clang", compiler="clang", flags="-O0"),
    frames("o3fp-gcc", flags="-O3 -fno-omit-frame-pointer"),
    frames("o3fp-clang", compiler="clang", flags="-O3 -fno-omit-frame-pointer"),
    mixed("mixed-gcc", "gcc"),
    mixed("mixed-clang", "clang"),
    # How it is linked, and what is left in the file.
    frames("nopie", flags=NO_FP + " -fno-pie", link="-no-pie"),
    frames("static", flags=NO_FP + " -fno-pie", link="-static"),
    frames("static-pie", flags=NO_FP + " -fPIE", link="-static-pie"),
    frames("stripped", link=build_id(1), extra=(
        "objcopy --only-keep-debug {out} {out}.debug",
        "objcopy --strip-all --add-gnu-debuglink={out}.debug {out}")),
    compiled("nosections", "frames.c", "~nosections.* " * 8 + "...", link=build_id(2), extra=(
        "objcopy --strip-all {out}", "python3 {here}/no_sections.py {out}"),
        note="no names, and .eh_frame only by its program header"),
    frames("debugframe", flags=NO_EH),
    frames("debugframe-gz", flags=NO_EH + " -gz=zlib"),
    frames("debugframe-old", flags=NO_EH + " -gz=zlib-gnu"),
    frames("debugframe-ext", flags=NO_EH, link=build_id(3), extra=(
        "objcopy --only-keep-debug {out} {out}.debug",
        "objcopy --strip-debug --add-gnu-debuglink={out}.debug {out}")),
    frames("debugframe-ext-zstd", flags=NO_EH, link=build_id(5), extra=(
        "objcopy --only-keep-debug --compress-debug-sections=zstd {out} {out}.debug",
        "objcopy --strip-debug --add-gnu-debuglink={out}.debug {out}")),
    frames("lld-separate", compiler="clang", link="-fuse-ld=lld -Wl,-z,separate-code"),
    frames("lld-packed", compiler="clang", link="-fuse-ld=lld -Wl,-z,noseparate-code",
           note="file offsets and addresses differ from segment to segment"),
    far("segments-above", "0x10000000"),
    far("segments-below", "0x200000"),
    frames("cet", flags=NO_FP + " -fcf-protection=full"),
    frames("safestack", compiler="clang", flags=NO_FP + " -fsanitize=safe-stack",
           link="-fsanitize=safe-stack"),
    frames("fp-only", flags="-O2 -fno-omit-frame-pointer -fno-asynchronous-unwind-tables",
           complete=None, note="no rules at all: frame pointers, guessed"),
    frames("musl", compiler="musl-gcc"),
    frames("musl-static", compiler="musl-gcc", link="-static"),
    compiled("nolibc", "nolibc.c", "leaf outer entry _start",
             flags=NO_FP + " -fno-stack-protector", link="-nostdlib -static", ends_badly=True),
    # Calls.
    compiled("noreturn-gcc", "noreturn.c", "never_returns last_call main"),
    compiled("noreturn-clang", "noreturn.c", "never_returns last_call main", compiler="clang"),
    plt("plt-lazy", link="-Wl,-z,lazy"),
    plt("plt-now", link="-Wl,-z,now"),
    plt("plt-ibt", flags="-fcf-protection=full", link="-Wl,-z,lazy -Wl,-z,ibtplt"),
    again("plt-resolve", "plt-lazy", "load_and_call main", "resolve", "{dir}/plt-lazy.so", share=0.7),
    compiled("cold", "cold.c", "cold_leaf ~split_function.cold|split_function cold_caller main"),
    compiled("blocks", "frames.c", SPLIT, compiler="clang",
             flags=NO_FP + " -fbasic-block-sections=all",
             note="each block of a function is somewhere else, with rules of its own"),
    Program("bolt", [f"gcc {CC} {NO_FP} -o {{out}}.before {{here}}/frames.c -Wl,-q {IDS}",
                     f"{BOLT} {{out}}.before -o {{out}} --lite=0 --split-functions --split-strategy=all "
                     "--split-all-cold --reorder-blocks=reverse", "rm {out}.before"],
            SPLIT, note="rewritten: parts of functions in a segment of their own, old rules left"),
    twins("twins-lld", "clang", "lld"),
    twins("twins-gold", "gcc", "gold"),
    compiled("tails", "tails.c", "tail_leaf tail_outer main", arguments=["tail"],
             flags=NO_FP + " -foptimize-sibling-calls"),
    again("tails-shrink", "tails", "shrink_wrapped shrink_caller main", "shrink"),
    # Signals, children, threads, and control that does not go by calls.
    compiled("signals", "signals.c", "interrupted_leaf interrupted_caller main", share=0.2),
    *signals("signal", "signals"),
    compiled("signals-musl", "signals.c", "interrupted_leaf interrupted_caller main",
             compiler="musl-gcc", share=0.2),
    # musl's raise() has neither rules nor a frame pointer: what is beyond is lost, and it says so.
    *[p for p in signals("signal-musl", "signals-musl") if "nested" not in p.name],
    again("signal-musl-nested", "signals-musl", "handler_leaf on_inner ~.* ...", "nested", share=0.15,
          complete=None),
    compiled("spawn", "spawn.c", "child_leaf child_body start_fork main", link="-pthread",
             arguments=["fork"], by_comm=True, share=0.9),
    again("spawn-vfork", "spawn", "child_leaf child_body start_vfork main", "vfork", by_comm=True,
          share=0.9),
    again("spawn-posix", "spawn", "child_leaf child_body main", "posix", by_comm=True, share=0.8),
    again("spawn-threads", "spawn", "thread_leaf thread_body", "threads", share=0.8, fewest=20),
    compiled("jumps", "jumps.c", "~jump_deep|jump_catch ... main", arguments=["longjmp"],
             share=0.9),
    again("jumps-context", "jumps", "coroutine_leaf coroutine ~.*", "context", share=0.95),
    again("jumps-switch", "jumps", "switched_leaf switched call_on main", "switch"),
    # Frames of unusual sizes.
    compiled("alloca-gcc", "sizes.c", "sizes_leaf with_array with_alloca*3 main",
             arguments=["alloca"]),
    compiled("alloca-clang", "sizes.c", "sizes_leaf with_array with_alloca*3 main",
             compiler="clang", arguments=["alloca"]),
    again("large-gcc", "alloca-gcc", "sizes_leaf with_large*3 main", "large"),
    again("large-clang", "alloca-clang", "sizes_leaf with_large*3 main", "large"),
    compiled("realign-gcc", "sizes.c", "sizes_leaf with_aligned*3 main",
             flags="-O3 -mavx2 -fomit-frame-pointer", arguments=["realign"]),
    compiled("realign-clang", "sizes.c", "sizes_leaf with_aligned*3 main", compiler="clang",
             flags="-O3 -mavx2 -fomit-frame-pointer", arguments=["realign"]),
    # Too deep for a record: what there is is right.
    again("too-deep", "o2-gcc", "leaf middle+", "400", complete=0, share=0.95),
    compiled("hole", "hole.c", "hole_leaf hole_deep+", link="-pthread", arguments=["protect"],
             complete=0, reason="unreadable"),
    again("hole-dropped", "hole", "hole_leaf hole_deep+", "drop", complete=0, reason="unreadable"),
    # OpenSSL's assembler, whose rules use every register and read the stack for the CFA.
    openssl("openssl-gcm", "-evp", "aes-256-gcm"),
    openssl("openssl-chacha", "-evp", "chacha20-poly1305"),
    openssl("openssl-rsa", "rsa2048"),
    openssl("openssl-sha", "sha256"),
    # Code without rules in the middle of a stack.
    compiled("byhand-leaf", "byhand.c", "byhand_leaf calls_leaf main", arguments=["leaf"],
             wrong=0.01),
    again("byhand-frame", "byhand-leaf", "callback_leaf byhand_frame calls_frame main", "frame",
          wrong=0.01, complete=None),
    again("byhand-inner", "byhand-leaf", "byhand_inner*2 calls_inner main", "inner",
          wrong=0.01, note="a rule that knows nothing of a call within"),
    # Other languages.
    exceptions("exceptions"),
    exceptions("exceptions-static", "-static"),
    Program("rust", ["rustc -C opt-level=2 -C force-frame-pointers=no -o {out} {here}/chain.rs"],
            "rust_leaf rust_middle*5 rust_outer chain::main ..."),
    Program("rust-abort", ["rustc -C opt-level=2 -C panic=abort -C force-unwind-tables=no "
                           "-C force-frame-pointers=yes -o {out} {here}/chain.rs"],
            "rust_leaf rust_middle*5 rust_outer chain::main ...",
            note="no rules of its own: frame pointers, guessed"),
    # Its runtime looks after it by the clock, however little of the CPUs it gets.
    Program("go", [GO + " -o {out} {here}/chain.go"], GO_CHAIN, share=0.9),
    Program("go-stripped", [GO + " -ldflags='-s -w' -o {out} {here}/chain.go"],
            GO_CHAIN, share=0.9, note="rules and names by Go's own table"),
    Program("ocaml", ["mkdir -p {out}.build", "cp {here}/chain.ml {out}.build/chain.ml",
                      "ocamlopt -o {out} unix.cmxa {out}.build/chain.ml", "rm -r {out}.build"],
            r"~Chain\.leaf " + r"~Chain\.middle " * 5 + r"~Chain\.outer ..."),
    Program("d", ["gdc -O2 -fomit-frame-pointer -fno-optimize-sibling-calls -o {out} "
                  "{here}/chain.d " + IDS], "d_leaf d_middle*5 d_outer ~.*main.* ..."),
    Program("haskell", ["mkdir -p {out}.build", "ghc -v0 -O1 -outputdir {out}.build -o {out} "
                        "{here}/chain.hs", "rm -r {out}.build"],
            r"~haskell\+.*(?=\n\Z)", share=0.9, complete=0, reason=NO_CALLER,
            note="neither rules nor frame pointers, and local names are left out"),
    Program("node", [], "~(JS|LazyCompile):.jsMiddle.* " * 3 + "...", run=["node", "--perf-basic-prof",
                                                 "--interpreted-frames-native-stack",
                                                 "{here}/chain.js", "{seconds}"],
            share=0.9, complete=None, wrong=1, note="frame pointers, names by a perf map"),
    # Mappings.
    compiled("plugins", "plugins.c", "~[ab]_leaf ~[ab]_middle plugin_run use_plugin main",
             extra=(plugin("a", 40), plugin("b", 4000)),
             arguments=["{dir}/plugins-a.so", "{dir}/plugins-b.so"], share=0.3),
    compiled("overlay", "overlay.c", "~[ab]_leaf ~[ab]_middle plugin_run use_overlay main",
             extra=(plugin("a", 40, "-Wl,-Bsymbolic"), plugin("b", 4000, "-Wl,-Bsymbolic")),
             arguments=["{dir}/overlay-a.so", "{dir}/overlay-b.so"], share=0.8),
    compiled("moved", "moved.c", "moved_leaf moved_middle call_moved main", arguments=["move"]),
    # A copy has no file, so no rules and no names: the stack ends there, or frame pointers help.
    again("moved-copy", "moved", NAMELESS_END, "copy", complete=0, reason=NO_CALLER),
    again("moved-cover", "moved", NAMELESS_END, "cover", complete=0, reason=NO_CALLER),
    # At the first instruction of a function frame pointers tell of its caller's caller.
    compiled("moved-fp", "moved.c", f"{NAMELESS} {NAMELESS} call_moved main",
             flags="-O2 -fno-omit-frame-pointer", arguments=["copy"], wrong=0.01),
    again("moved-fp-cover", "moved-fp", f"{NAMELESS} {NAMELESS} call_moved main", "cover",
          wrong=0.01),
    compiled("maps", "maps.c", "maps_leaf maps_caller main", arguments=["many"], link="-pthread"),
    again("maps-storm", "maps", "maps_leaf maps_caller main", "storm", share=0.3),
]



def shares(name, **rest):
    return compiled(f"shares-{name}", "../shares.c", "~work_.* ~chain_.* " + "... main", fewest=300,
                    **rest)


# shares.c of the folder above, without frame pointers.
SHARES = [
    shares("gcc", link="-pthread"),
    shares("clang", compiler="clang", link="-pthread"),
    shares("o0", flags="-O0", link="-pthread"),
    shares("static", flags=NO_FP + " -fno-pie", link="-static -pthread"),
    shares("static-pie", flags=NO_FP + " -fPIE", link="-static-pie -pthread"),
    shares("stripped", link="-pthread " + build_id(4), extra=(
        "objcopy --only-keep-debug {out} {out}.debug",
        "objcopy --strip-all --add-gnu-debuglink={out}.debug {out}")),
    shares("musl", compiler="musl-gcc", link="-pthread"),
    shares("musl-static", compiler="musl-gcc", link="-static -pthread"),
]

# Never run before the test: it changes the build id, of which this is the beginning, in copies.
NEW_ID = "707266642d6e6577" + "00" * 12
NEW = compiled("new", "brief_new.c", "new_leaf new_middle*3 main", link=f"-Wl,--build-id=0x{NEW_ID}")

ALL = [*PROGRAMS, *SHARES, NEW]
BY_NAME = {p.name: p for p in ALL}
assert len(BY_NAME) == len(ALL)


def path_of(program, directory):
    return os.path.join(directory, program.file or program.name)


def filled(text, program, directory, seconds=0):
    return text.replace("{out}", path_of(program, directory)).replace("{here}", HERE).replace(
        "{dir}", directory).replace("{seconds}", str(seconds))


def command_line(program, directory, seconds):
    words = program.run or ["{out}", "{seconds}", *program.arguments]
    return [filled(w, program, directory, seconds) for w in words]


# --- building ------------------------------------------------------------------------------------

def is_current(program, directory):
    try:
        built = os.stat(path_of(program, directory)).st_mtime
    except OSError:
        return False
    shared = [os.path.join(HERE, n) for n in ("frames.h", "programs.py", "no_sections.py")]
    needed = shared + [os.path.join(HERE, s) for s in program.sources]
    return all(os.stat(n).st_mtime <= built for n in needed)


def build(program, directory):
    """None; or why it was not built."""
    commands = [shlex.split(filled(c, program, directory)) for c in program.build]
    for words in commands:
        tool = next(w for w in words if "=" not in w and w != "env")
        if not shutil.which(tool):
            return f"{tool} is not installed"
    for words in commands:
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                              env=dict(os.environ, HOME=os.environ.get("HOME", directory)))
        if done.returncode:
            raise SystemExit(f"{' '.join(words)}\n{done.stdout.decode()}")
        # BOLT cannot be told to keep quiet.
        said = [line for line in done.stdout.decode().splitlines() if "BOLT-INFO" not in line]
        if said:
            print("\n".join(said), file=sys.stderr)
    return None


def build_all(directory):
    os.makedirs(directory, exist_ok=True)
    wanted = [p for p in ALL if p.build and not is_current(p, directory)]
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for program, why in zip(wanted, pool.map(lambda p: build(p, directory), wanted)):
            if why:
                print(f"{program.name} was not built: {why}")


# --- comparing -----------------------------------------------------------------------------------

def patterns(chain):
    """A list of regular expressions, each for one frame ("name\\n") or several."""
    out = []
    for token in chain.split():
        name, star, count = token.partition("*")
        if token == "...":
            out.append(r"(?:.*\n)*?")
        elif token.startswith("~"):
            out.append(f"(?:{token[1:]})\n")
        elif star and count.isdigit():
            out += [re.escape(name) + "\n"] * int(count)
        elif token.endswith("+"):
            out.append(f"(?:{re.escape(token[:-1])}\n)+")
        else:
            out.append(re.escape(token) + "\n")
    return out


class Chain:
    """Says of a stack whether it has the chain."""

    def __init__(self, text):
        parts = patterns(text)
        begin = rf"(?:^|\n){parts[0]}"
        self.leaf = re.compile(begin)
        self.whole = re.compile(rf"(?:^|\n){''.join(parts)}")
        begun = "".join(f"(?:{p}" for p in parts[1:]) + "|$)" * len(parts[1:])
        self.cut = re.compile(rf"(?:^|\n){parts[0]}{begun}$") if len(parts) > 1 else self.leaf

    def judge(self, names):
        """"whole", "cut" (its beginning, then the end of the stack), "wrong", or "elsewhere"."""
        text = "".join(name + "\n" for name in names)
        if self.whole.search(text):
            return "whole"
        if not self.leaf.search(text):
            return "elsewhere"
        return "cut" if self.cut.search(text) else "wrong"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    build_all(os.path.abspath(sys.argv[1]))
