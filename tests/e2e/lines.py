# SPDX-License-Identifier: Apache-2.0
"""Source lines as profd answers them, and as others do: llvm-symbolizer and eu-addr2line.

A chain is a list of (function, file, line, column), innermost first; functions are called as they
are in the file.
"""

import os
import random
import re
import subprocess

from harness import BUILD, equal, tool

ADDRESSES = os.path.join(BUILD, "tests/tools/addresses")


def run(arguments, addresses, may_fail=False):
    text = "".join(f"{a:#x}\n" for a in addresses)
    r = subprocess.run(arguments, input=text.encode(), stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, check=False, timeout=600)
    if not may_fail:
        equal(r.returncode, 0, f"{arguments[0]}: {r.stderr.decode()}")
    return r.stdout.decode("utf-8", "replace")


def place(text):
    """file:line:column, where the file's name may have colons."""
    m = re.match(r"(.*?):(\d+|\?)(?::(\d+|\?))?(?: .*)?$", text)
    number = [int(x) if x and x.isdigit() else 0 for x in m.groups()[1:3]]
    return (m[1], *number)


def blocks(text):
    """Address: lines, of what prints an address, lines, and an empty line."""
    found = {}
    for block in text.split("\n\n"):
        lines = block.strip("\n").split("\n")
        if lines[0].startswith("0x"):
            found[int(lines[0], 16)] = lines[1:]
    return found


def pairs(lines):
    return [(lines[i], *place(lines[i + 1])) for i in range(0, len(lines) - 1, 2)]


def ours(path, addresses, directories=""):
    """Chains by address, and where their functions start."""
    found = blocks(run([ADDRESSES, path, directories], addresses))
    starts = {a: [int(line.rsplit(" ", 1)[1]) for line in lines[1::2]]
              for a, lines in found.items()}
    return {a: pairs(lines) for a, lines in found.items()}, starts


def llvm(path, addresses):
    found = run([tool("llvm-symbolizer"), "--obj=" + path, "--no-demangle", "--print-address",
                 "--inlines"], addresses)
    return {a: pairs(lines) for a, lines in blocks(found).items()}


def elfutils(path, addresses):
    """One run for each address: nothing else tells where a chain ends."""
    found = {}
    program = tool("eu-addr2line")
    for a in addresses:
        # It fails for an address of which it knows nothing.
        out = run([program, "-e", path, "-f", "-i", f"{a:#x}"], [], may_fail=True)
        lines = out.rstrip("\n").split("\n")
        found[a] = [(name.split(" inlined at ")[0], *where) for name, *where in pairs(lines)]
    return found


def text_sections(path):
    out = subprocess.run(["readelf", "-SW", path], check=True, stdout=subprocess.PIPE).stdout
    found = re.findall(r"\] (\.text\S*) +PROGBITS +(\w+) +\w+ +(\w+)", out.decode())
    return [(int(address, 16), int(size, 16)) for _, address, size in found]


def random_addresses(path, n, seed=1):
    """The same ones each time."""
    sections = text_sections(path)
    dice = random.Random(seed)
    chosen = dice.choices(sections, [size for _, size in sections], k=n)
    return sorted({start + dice.randrange(size) for start, size in chosen})


def is_nothing(chain):
    """Only a symbol: llvm-symbolizer tells the name of the object file then."""
    return len(chain) <= 1 and all(line == 0 and not file.startswith("/")
                                   for _, file, line, _ in chain)


def same_place(seen, wanted):
    """Who knows no line may still know a file, or not."""
    return seen[1:] == wanted[1:] or (seen[2] == 0 and wanted[2] == 0)


def symbols(path):
    """Where they are: several functions can be one (constructors, folded ones)."""
    out = subprocess.run(["nm", path], check=True, stdout=subprocess.PIPE).stdout
    rows = [line.split(" ", 2) for line in out.decode("utf-8", "replace").split("\n")]
    return {row[2]: row[0] for row in rows if len(row) == 3 and row[0]}


def same_name(seen, wanted, outermost, where=None):
    # GCC's clones have a name of their own in the symbol table, which is not in DWARF.
    return seen == wanted or (outermost and (
        seen.startswith(wanted + ".") or
        (where and where.get(seen, seen) == where.get(wanted, wanted))))


def agree(seen, wanted, where=None):
    """With llvm-symbolizer: names, places, and how many there are. @where: of symbols()."""
    if is_nothing(seen) and is_nothing(wanted):
        return True
    last = len(seen) - 1
    return len(seen) == len(wanted) and all(
        same_place(a, b) and same_name(a[0], b[0], i == last, where)
        for i, (a, b) in enumerate(zip(seen, wanted)))


def agree_with_elfutils(seen, wanted):
    """None if eu-addr2line knows nothing: it needs .debug_aranges. It takes the symbol table's name
    for the outermost function or the one in DWARF, and does not see all that was inlined."""
    if not wanted or wanted[0][2] == 0:
        return None
    if len(wanted) == 1:
        return same_place(seen[0], wanted[0])
    return len(seen) == len(wanted) and all(same_place(a, b) for a, b in zip(seen, wanted)) and \
        all(same_name(a[0], b[0], False) for a, b in zip(seen[:-1], wanted))


def difference(path, n, others_every=10):
    """(asked, disagreements with llvm-symbolizer, asked, disagreements with eu-addr2line), each
    disagreement an address and the two chains."""
    addresses = random_addresses(path, n)
    seen, _ = ours(path, addresses)
    wanted = llvm(path, list(seen))
    where = symbols(path)
    bad = [(hex(a), seen[a], wanted[a]) for a in seen if not agree(seen[a], wanted[a], where)]
    some = list(seen)[::others_every]
    others = elfutils(path, some)
    verdicts = {a: agree_with_elfutils(seen[a], others[a]) for a in some}
    bad_others = [(hex(a), seen[a], others[a]) for a, v in verdicts.items() if v is False]
    return len(seen), bad, sum(v is not None for v in verdicts.values()), bad_others
