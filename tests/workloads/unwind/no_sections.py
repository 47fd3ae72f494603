#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""no_sections.py FILE: takes the section headers out of a 64-bit ELF file, as sstrip does."""

import struct
import sys

with open(sys.argv[1], "r+b") as f:
    header = bytearray(f.read(64))
    at = struct.unpack_from("<Q", header, 40)[0]
    struct.pack_into("<Q", header, 40, 0)  # e_shoff
    struct.pack_into("<HHH", header, 58, 0, 0, 0)  # e_shentsize, e_shnum, e_shstrndx
    f.seek(0)
    f.write(header)
    f.truncate(at)
