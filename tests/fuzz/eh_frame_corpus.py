#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the inputs that fuzz_eh_frame begins with: whole and damaged ELF files and call frame
information, made by hand, each a few hundred bytes.

    eh_frame_corpus.py DIRECTORY

The first byte of an input says what the rest is, see fuzz_eh_frame.c. The files are the same each
time, so that what is committed can be made anew.
"""

import os
import struct
import sys
import zlib

IMAGE, EH_FRAME, DEBUG_FRAME, PCLNTAB, TABLE, OPEN_END = range(6)
BASE, TEXT, CODE = 0x400000, 0x200, 0x100  # virtual address of the file, offset and size of its text
PT_LOAD, PT_GNU_EH_FRAME = 1, 0x6474e550
R, RX = 4, 5
SHT_PROGBITS, SHT_STRTAB, SHT_RELA, SHT_NOBITS = 1, 3, 4, 8
SHF_COMPRESSED = 0x800

# Instructions of CFI programs that compilers, linkers and people write.
PROLOGUE = b"\x41\x0e\x10\x86\x02\x43\x0d\x06"  # push %rbp; mov %rsp, %rbp
EPILOGUE = b"\x0a\x42\x0c\x07\x08\xc6\x0b"  # remember, RSP again, restore
PLT = bytes.fromhex("0f0b77088000 3f1a3b2a332422".replace(" ", ""))
SIGRETURN = b"\x0f\x04\x77\xa0\x01\x06\x10\x10\x03\x77\xa8\x01\x10\x06\x02\x77\x78"
DRAP = b"\x45\x0c\x0a\x00\x10\x06\x02\x76\x00\x49\x0f\x03\x76\x78\x06"
DEREF_R9 = bytes.fromhex("0f0a770879003801e220623 8".replace(" ", ""))
EH_RETURN = b"\x0a\x44\x0c\x02\x08\xc6\x43\x0c\x07\x08\x41\x09\x10\x02\x0e\x00\x45\x0b"
PROGRAMS = {
    "frame": PROLOGUE + EPILOGUE, "plt": b"\x0e\x10\x46" + PLT, "sigreturn": SIGRETURN,
    "drap": DRAP, "deref_r9": DEREF_R9, "eh_return": PROLOGUE + EH_RETURN,
    "undefined": b"\x07\x10", "longjmp": b"\x0c\x05\x00\x09\x07\x08\x09\x06\x09\x09\x10\x01",
    "large": b"\x42\x0e\x80\x80\x80\x08\x83\xff\x7f", "advances": b"\x02\x05\x0e\x10\x03\x10\x00\x0e"
    b"\x08\x04\x20\x00\x00\x00\x0e\x18", "set_loc": b"\x01" + struct.pack("<Q", BASE + TEXT + 9),
    "nested": b"\x0a" * 20 + b"\x0b" * 20, "unbalanced": b"\x0b\x0b", "backwards": b"\x44\x01" + b"\0" * 8,
    "unknown": b"\x1c\x3f\x2d\x2e\x05", "cut": b"\x0f\x7f\x70", "signed": b"\x12\x07\x7f\x13\x7e\x11\x03"
    b"\x02\x14\x07\x01\x15\x07\x7f\x16\x06\x02\x76\x00\x2f\x03\x02", "far": b"\x04\xff\xff\xff\xff\x41",
    "register": b"\x09\x03\x0c\x09\x06\x7f\x0d\xff\x7f\x08\x06\x06\x03\x05\x10\x01",
}


def entry(body, wide=False, length=None):
    n = len(body) if length is None else length
    return (struct.pack("<IQ", 0xffffffff, n) if wide else struct.pack("<I", n)) + body


def cie(augmentation=b"zR", data=b"\x01\x00", version=1, debug=False, wide=False, align=b"\x01\x78",
        ra=b"\x10", program=b"\x0c\x07\x08\x90\x01", **rest):
    identity = (b"\xff" * (8 if wide else 4)) if debug else b"\0" * 4
    extra = b"\x08\x00" if version == 4 else b""
    return entry(identity + bytes([version]) + augmentation + b"\0" + extra + align + ra + data +
                 program, wide, **rest)


def fde(at, cie_at, program, start=BASE + TEXT, size=0x40, augmentation=b"\0", debug=False, wide=False,
        **rest):
    """Absolute addresses, of an FDE that begins at `at` of its section."""
    pointer = struct.pack("<Q" if wide and debug else "<I",
                          cie_at if debug else at + (12 if wide else 4) - cie_at & 0xffffffff)
    return entry(pointer + struct.pack("<QQ", start, size) + augmentation + program, wide, **rest)


def section(programs, debug=False, wide=False, terminated=True, **options):
    """One CIE, an FDE for each program, one behind the other."""
    if debug:
        options = {"augmentation": b"", "data": b"", **options}
    out = cie(debug=debug, wide=wide, **options)
    for i, p in enumerate(programs):
        out += fde(len(out), 0, p, BASE + TEXT + 0x40 * (i % 4), debug=debug, wide=wide,
                   augmentation=b"" if debug else b"\0")
    return out + (b"\0" * 4 if terminated else b"")


def elf(sections=(), segments=None, text=b"", entry_at=0, kind=3, no_headers=False, **header):
    """An ELF file: text at TEXT, then the sections (name, type, flags, address or 0, bytes)."""
    segments = segments if segments is not None else [(PT_LOAD, RX, 0, BASE, 0x2000)]
    out = bytearray(TEXT + CODE)
    out[TEXT:TEXT + len(text)] = text
    names, headers = b"\0", [b"\0" * 64]
    for name, type_, flags, address, data in [*sections, (".shstrtab", SHT_STRTAB, 0, 0, None)]:
        at = len(out) + -len(out) % 8
        name_at, names = len(names), names + name.encode() + b"\0"
        data = names if data is None else data
        out += b"\0" * (at - len(out)) + data
        headers.append(struct.pack("<IIQQQQIIQQ", name_at, type_, flags, address or BASE + at, at,
                                   len(data), 0, 0, 8, 0))
    headers_at = len(out)
    if not no_headers:
        out += b"".join(headers)
    values = dict(shoff=0 if no_headers else headers_at, phnum=len(segments), shentsize=64,
                  shnum=0 if no_headers else len(headers), shstrndx=len(headers) - 1, machine=62,
                  cls=2, phentsize=56, phoff=64)
    values.update(header)
    v = values
    if no_headers:
        v["shstrndx"] = 0
    out[:64] = (b"\x7fELF" + bytes([v["cls"], 1, 1, 0]) + b"\0" * 8 +
                struct.pack("<HHIQQQIHHHHHH", kind, v["machine"], 1, entry_at, v["phoff"], v["shoff"],
                            0, 64, v["phentsize"], v["phnum"], v["shentsize"], v["shnum"],
                            v["shstrndx"]))
    for i, (type_, flags, offset, address, size) in enumerate(segments):
        at = 64 + 56 * i
        out[at:at + 56] = struct.pack("<IIQQQQQQ", type_, flags, offset, address, address, size, size,
                                      0x1000)
    return bytes(out)


def compressed(data, size=None, kind=1):
    return struct.pack("<IIQQ", kind, 0, len(data) if size is None else size, 1) + zlib.compress(data)


TRAMPOLINE = b"\x48\xc7\xc0\x0f\x00\x00\x00\x0f\x05"
START = b"\x48\x89\xe7\xe8\x00\x00\x00\x00\x31\xed"


def images():
    plain = (".eh_frame", SHT_PROGBITS, 2, 0, section([PROGRAMS["frame"], PROGRAMS["eh_return"]]))
    debug = section([PROGRAMS["frame"]], debug=True)
    yield "image", elf([plain])
    for name, program in PROGRAMS.items():
        yield f"image-{name}", elf([(".eh_frame", SHT_PROGBITS, 2, 0, section([program]))])
    yield "image-debug", elf([(".debug_frame", SHT_PROGBITS, 0, 0, debug)])
    for name, data in (("gz", compressed(debug)), ("gz-lies", compressed(debug, 1 << 40)),
                       ("gz-short", compressed(debug, 3)), ("gz-cut", compressed(debug)[:-9]),
                       ("zstd", compressed(debug, kind=2))):
        yield f"image-{name}", elf([(".debug_frame", SHT_PROGBITS, SHF_COMPRESSED, 0, data)])
    yield "image-entry", elf([], text=START, entry_at=BASE + TEXT)
    yield "image-entry-exec", elf([plain], text=START, entry_at=BASE + TEXT + 0xa0, kind=2)
    yield "image-trampolines", elf([], text=b"\x90" * 20 + TRAMPOLINE * 3 + b"\x90" + TRAMPOLINE)
    lazy = (bytes.fromhex("ff3500000000ff2500000000 0f1f4000".replace(" ", "")) +
            bytes.fromhex("ff2500000000680000000 0e900000000".replace(" ", "")) * 3)
    ibt = lazy[:16] + bytes.fromhex("f30f1efa6800000000f2e90000000090") * 3
    jumps = bytes.fromhex("f30f1efaf2ff2500000000 0f1f440000".replace(" ", "")) * 3
    for name, code in (("lazy", lazy), ("ibt", ibt), ("jumps", jumps)):
        yield f"image-plt-{name}", elf([(".plt", SHT_PROGBITS, 6, 0, code),
                                        (".plt.sec", SHT_PROGBITS, 6, 0, jumps),
                                        (".plt.got", SHT_PROGBITS, 6, 0, jumps[:16])])
    init = b"\xf3\x0f\x1e\xfa\x48\x83\xec\x08\xe8\0\0\0\0\x48\x83\xc4\x08\xc3"
    yield "image-init", elf([(".init", SHT_PROGBITS, 6, 0, init),
                             (".fini", SHT_PROGBITS, 6, 0, init[:14])])
    eh_return = (b"\x55\x48\x89\xe5\x53\x48\x8d\x4c\x0d\x08\x48\x8b\x5d\xf8\x48\x8b\x6d\x00\x48\x89\xcc"
                 b"\x59\xff\xe1")
    yield "image-eh-return", elf([plain], text=b"\x90" * 0x40 + eh_return)
    # No section headers: .eh_frame_hdr leads to .eh_frame, which only its segment ends.
    frames = section([PROGRAMS["frame"]])
    for name, header in (("hdr", b"\x01\x1b\x03\x3b" + struct.pack("<i", 8)),
                         ("hdr-abs", b"\x01\x04\x03\x3b" + struct.pack("<Q", BASE + 0x308)),
                         ("hdr-outside", b"\x01\x03\x03\x3b\xff\xff\xff\x7f"),
                         ("hdr-omit", b"\x01\xff\xff\xff\0\0\0\0"), ("hdr-version", b"\x02" * 12)):
        body = header.ljust(12, b"\0") + frames
        yield f"image-{name}", elf([(".x", 1, 0, 0, body)], no_headers=True, segments=[
            (PT_LOAD, RX, 0, BASE, 0x2000), (PT_GNU_EH_FRAME, R, 0x300, BASE + 0x300, len(body))])
    # Segments: several, not in order, on top of each other, without end, none.
    for name, segments in (
            ("two", [(PT_LOAD, RX, 0, BASE, 0x240), (PT_LOAD, RX, 0x240, BASE + 0x240, 0x1000)]),
            ("text-last", [(PT_LOAD, R, 0x300, BASE + 0x9000, 0x100), (PT_LOAD, RX, 0, BASE, 0x300)]),
            ("overlap", [(PT_LOAD, RX, 0, BASE, 0x300), (PT_LOAD, RX, 0x200, BASE + 0x200, 0x300)]),
            ("same-file", [(PT_LOAD, RX, 0, BASE, 0x300), (PT_LOAD, RX, 0, BASE + 0x10000, 0x300)]),
            ("wraps", [(PT_LOAD, RX, 0x10, BASE, 0xffffffffffffffff)]),
            ("far", [(PT_LOAD, RX, 0x200, BASE + 0x200, 1 << 40)]),
            ("page", [(PT_LOAD, RX, 0x1ffc0, BASE + TEXT, 0x200)]),
            ("high", [(PT_LOAD, RX, (1 << 48) - 0x1000, BASE + TEXT, 0x300)]), ("none", [])):
        yield f"image-segments-{name}", elf([plain], segments=segments)
    far = section([PROGRAMS["frame"]]) + fde(0x200, 0, b"")
    for name, data in (("far", far), ("empty", b""), ("zeros", b"\0" * 64), ("ones", b"\xff" * 64)):
        yield f"image-frames-{name}", elf([(".eh_frame", SHT_PROGBITS, 2, 0, data)])
    for name, header in (("shoff", {"shoff": 1 << 62}), ("shnum", {"shnum": 0xffff}),
                         ("shstrndx", {"shstrndx": 0xffff}), ("shentsize", {"shentsize": 0}),
                         ("phnum", {"phnum": 0xffff}), ("phoff", {"phoff": 1 << 63}),
                         ("phentsize", {"phentsize": 57}), ("machine", {"machine": 183}),
                         ("class", {"cls": 1})):
        yield f"image-header-{name}", elf([plain], **header)
    whole = elf([plain, (".debug_frame", SHT_PROGBITS, 0, 0, debug)])
    for n in (16, 63, 64, 100, 119, 120, 0x200, 0x310, 0x350, len(whole) - 65, len(whole) - 1):
        yield f"image-cut-{n}", whole[:n]
    go = pclntab(0xfffffff1)
    yield "image-go", elf([(".gopclntab", SHT_PROGBITS, 2, 0, go)])
    rela = struct.pack("<QQq", BASE + 0x300 + 24, 8, BASE + TEXT)
    yield "image-go-pie", elf([(".data.rel.ro", SHT_PROGBITS, 2, 0, pclntab(0xfffffff1, text=0)),
                               (".go.buildinfo", SHT_PROGBITS, 2, 0, b"x"),
                               (".rela.dyn", SHT_RELA, 2, 0, rela)])


def sections():
    for debug, kind, word in ((False, EH_FRAME, "eh"), (True, DEBUG_FRAME, "debug")):
        for name, program in PROGRAMS.items():
            yield kind, f"{word}-{name}", section([program], debug)
        yield kind, f"{word}-all", section(list(PROGRAMS.values()), debug)
        yield kind, f"{word}-wide", section([PROGRAMS["frame"]] * 2, debug, wide=True)
        for version in (0, 2, 3, 4, 5):
            yield kind, f"{word}-version-{version}", section([PROGRAMS["frame"]], debug,
                                                            version=version)
        yield kind, f"{word}-middle", section([PROGRAMS["frame"]], debug) * 2
        yield kind, f"{word}-length", section([PROGRAMS["frame"]], debug, length=0x7ffffff0)
        yield kind, f"{word}-short", section([PROGRAMS["frame"]], debug, length=5)
        yield kind, f"{word}-align", section([PROGRAMS["advances"]], debug,
                                             align=b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x80\x7f")
        yield kind, f"{word}-ra", section([PROGRAMS["frame"]], debug, ra=b"\x11")
        whole = section([PROGRAMS["drap"]], debug)
        for n in range(1, len(whole), 11):
            yield kind, f"{word}-cut-{n}", whole[:n]
    for name, augmentation, data in (
            ("zPLR", b"zPLR", b"\x07\x9b\0\0\0\0\x1b\x1b"), ("zRS", b"zRS", b"\x01\x00"),
            ("zRSB", b"zRSB", b"\x01\x00"), ("eh", b"eh", b"\0" * 8), ("unknown", b"zX", b"\x01\0"),
            ("length", b"zR", b"\xff\xff\xff\xff\x0f"), ("indirect", b"zR", b"\x01\x80"),
            ("aligned", b"zR", b"\x01\x50"), ("omit", b"zR", b"\x01\xff"), ("uleb", b"zR", b"\x01\x01"),
            ("sdata2", b"zR", b"\x01\x1a"), ("textrel", b"zR", b"\x01\x2b")):
        yield EH_FRAME, f"eh-augmentation-{name}", section([PROGRAMS["frame"]],
                                                         augmentation=augmentation, data=data)
    one = cie()
    for name, start, size in (("empty", BASE, 0), ("discarded", 0, 64), ("wraps", (1 << 64) - 8, 64),
                              ("large", BASE, 1 << 50)):
        yield EH_FRAME, f"eh-fde-{name}", one + fde(len(one), 0, b"\x44\x0e\x10", start, size)
    yield EH_FRAME, "eh-fde-overlap", one + b"".join(
        fde(len(one) + 32 * i, 0, b"\x44\x0e\x10\0\0\0\0", BASE + 8 * (3 - i)) for i in range(4))
    yield EH_FRAME, "eh-fde-no-cie", fde(0, 0, PROGRAMS["frame"])
    yield EH_FRAME, "eh-fde-own-cie", one + fde(len(one), len(one) + 4, PROGRAMS["frame"])
    yield EH_FRAME, "eh-string", entry(b"\0\0\0\0\x01zRzRzRzRzR")
    yield DEBUG_FRAME, "debug-fde-first", (fde(0, 32, PROGRAMS["frame"], debug=True, augmentation=b"")
                                           .ljust(32, b"\0") + cie(b"", b"", debug=True))


def pclntab(magic, text=BASE + TEXT, functions=3):
    """Go's table with a few functions, of the layout since 1.18."""
    header = 8 + 8 * 8
    names = b"main.main\0runtime.goexit\0runtime.sigreturn\0"
    name_offsets = [0, 10, 25]
    # pairs of (value delta, pc delta) as varints, from -1 and the function's entry on
    deltas = b"\x02\x04\x10\x08\x0f\x04\0"
    tables_at = header + len(names)
    descriptions_at = tables_at + len(deltas)
    functab_size = 8 * functions + 4
    descriptions = b""
    functab = b""
    for i in range(functions):
        functab += struct.pack("<II", 0x20 * i, functab_size + len(descriptions))
        descriptions += struct.pack("<IiIIIIIIIBBBB", 0x20 * i, name_offsets[i % 3], 0, 0, 0, 0, 0, 0, 0,
                                    0, i % 4, 0, 0)
    functab += struct.pack("<I", 0x20 * functions)
    return (struct.pack("<IBBBB", magic, 0, 0, 1, 8) +
            struct.pack("<QQQQQQQQ", functions, 1, text, header, header, header, tables_at,
                        descriptions_at) + names + deltas + functab + descriptions)


def pclntabs():
    for magic in (0xfffffffb, 0xfffffffa, 0xfffffff0, 0xfffffff1):
        yield f"go-{magic & 0xff:02x}", pclntab(magic)
    whole = pclntab(0xfffffff1)
    for n in (7, 8, 40, 72, 110, 150, len(whole) - 20):
        yield f"go-cut-{n}", whole[:n]
    yield "go-many", pclntab(0xfffffff1)[:8] + struct.pack("<Q", 1 << 60) + whole[16:]


def tables():
    """struct unwind_table as it was when this was written; its beginning is put right by the target."""
    rules = b"\0" * 24 + struct.pack("<BBBBBBBBiiihh", 2, 7, 1, 1, 1, 0, 0, 2, 16, -16, 0, 0, -8)
    pages = struct.pack("<IIIIII", 0, 2, 0, 0, 2, 1)
    rows = struct.pack("<HHHHHH", 0, 0, 0x40, 1, 0, 1)
    at = 160
    numbers = (4, 3, 2, 3, at, at + len(rules), at + len(rules) + len(pages), 0)
    table = b"\0" * (16 + 27 * 4) + struct.pack("<8I", *numbers)
    table = table.ljust(at, b"\0") + rules + pages + rows
    yield "table", table.ljust(len(table) + -len(table) % 8, b"\0")
    yield "table-cut", table[:-8]
    yield "table-overlap", table[:-len(rules)]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    os.makedirs(sys.argv[1], exist_ok=True)
    inputs = [*((IMAGE, *i) for i in images()), *sections(), *((PCLNTAB, *p) for p in pclntabs()),
              *((TABLE, *t) for t in tables()),
              *((OPEN_END, "open" + name[2:], data) for kind, name, data in sections()
                if kind == EH_FRAME and name.startswith(("eh-middle", "eh-all", "eh-cut")))]
    for kind, name, data in inputs:
        with open(os.path.join(sys.argv[1], name), "wb") as f:
            f.write(bytes([kind]) + data)
    print(f"{len(inputs)} inputs, {sum(len(i[2]) + 1 for i in inputs)} bytes")


if __name__ == "__main__":
    main()
