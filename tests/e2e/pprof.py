# SPDX-License-Identifier: Apache-2.0
"""Reads profile.proto without any library, so that the tests do not check the product with itself.

Profile(data) refuses what readers would refuse; Profile.problems() lists what some reader of the
format trips over: Parca wants ids 1..n in file order, protoc wants UTF-8, pprof opens local files
for mappings without has_functions, and so on.
"""

import zlib


class Malformed(Exception):
    pass


def varint(data, i):
    value = shift = 0
    while True:
        if i >= len(data) or shift > 63:
            raise Malformed("varint")
        byte = data[i]
        i += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (2**64 - 1), i
        shift += 7


def signed(value):
    return value - 2**64 if value >= 2**63 else value


def fields(data):
    """Yields (number, value): an int for varints, bytes for length-delimited fields."""
    i = 0
    while i < len(data):
        tag, i = varint(data, i)
        wire = tag & 7
        if wire == 0:
            value, i = varint(data, i)
        elif wire == 2:
            size, i = varint(data, i)
            if i + size > len(data):
                raise Malformed("length")
            value, i = data[i:i + size], i + size
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
            value, i = int.from_bytes(data[i:i + size], "little"), i + size
        else:
            raise Malformed(f"wire type {wire}")
        yield tag >> 3, value


def repeated(value):
    """The integers of a repeated field's occurrence, packed or not."""
    if isinstance(value, int):
        return [value]
    out, i = [], 0
    while i < len(value):
        one, i = varint(value, i)
        out.append(one)
    return out


class Mapping:
    def __init__(self, data, string):
        f = dict(fields(data))
        self.id, self.start, self.limit = f.get(1, 0), f.get(2, 0), f.get(3, 0)
        self.offset, self.file, self.build_id = f.get(4, 0), string(f.get(5, 0)), string(f.get(6, 0))
        self.has_functions = bool(f.get(7, 0))
        self.has_filenames, self.has_lines = bool(f.get(8, 0)), bool(f.get(9, 0))
        self.has_inlines = bool(f.get(10, 0))

    def __repr__(self):
        return f"<mapping {self.id} {self.file} {self.start:#x}-{self.limit:#x}>"


class Function:
    def __init__(self, data, string):
        f = dict(fields(data))
        self.id, self.name, self.system_name = f.get(1, 0), string(f.get(2, 0)), string(f.get(3, 0))
        self.file = string(f.get(4, 0))
        self.start_line = f.get(5, 0)


class Location:
    def __init__(self, data):
        self.id = self.mapping_id = self.address = 0
        self.function_ids, self.lines = [], []
        for number, value in fields(data):
            if number == 1:
                self.id = value
            elif number == 2:
                self.mapping_id = value
            elif number == 3:
                self.address = value
            elif number == 4:
                line = dict(fields(value))
                self.function_ids.append(line.get(1, 0))
                self.lines.append(line.get(2, 0))
        self.mapping, self.functions = None, []

    @property
    def name(self):
        """The physical function's: the last line."""
        return self.functions[-1].name if self.functions else ""


class Sample:
    def __init__(self, data, string):
        self.location_ids, self.values, self.labels, self.units = [], [], {}, {}
        self.label_keys = []
        for number, value in fields(data):
            if number == 1:
                self.location_ids += repeated(value)
            elif number == 2:
                self.values += [signed(v) for v in repeated(value)]
            elif number == 3:
                f = dict(fields(value))
                key = string(f.get(1, 0))
                self.label_keys.append(key)
                self.labels[key] = string(f[2]) if f.get(2) else signed(f.get(3, 0))
                self.units[key] = string(f.get(4, 0))
        self.locations = []

    @property
    def names(self):
        """Function names, leaf first, inlined ones in their places."""
        return [f.name for loc in self.locations for f in loc.functions]

    @property
    def user(self):
        """The locations outside the kernel."""
        return [loc for loc in self.locations if not is_kernel(loc)]

    @property
    def kernel(self):
        return [loc for loc in self.locations if is_kernel(loc)]

    @property
    def pid(self):
        return self.labels.get("pid")

    @property
    def comm(self):
        return self.labels.get("comm")


def is_kernel(location):
    return location.mapping is not None and location.mapping.file.startswith("[kernel")


class Profile:
    def __init__(self, data):
        self.size = len(data)
        self.problems_found = []
        if data[:2] != b"\x1f\x8b":
            raise Malformed(f"not gzip: begins with {data[:40]!r}")
        unzip = zlib.decompressobj(31)
        raw = unzip.decompress(data) + unzip.flush()
        if not unzip.eof:
            raise Malformed("the gzip stream is cut")
        if unzip.unused_data:
            self.problems_found.append("more than one gzip member")
        self.raw_size = len(raw)
        self.decode(raw)

    def decode(self, raw):
        strings, parts, scalars = [], {n: [] for n in (1, 2, 3, 4, 5)}, {}
        comments = []
        for number, value in fields(raw):
            if number == 6:
                try:
                    strings.append(value.decode("utf-8"))
                except UnicodeDecodeError:
                    self.problems_found.append(f"string {len(strings)} is not UTF-8: {value!r}")
                    strings.append(value.decode("latin-1"))
            elif number in parts:
                parts[number].append(value)
            elif number == 13:
                comments += repeated(value)
            else:
                if number in scalars:
                    self.problems_found.append(f"field {number} is there twice")
                scalars[number] = value

        def string(index):
            if index >= len(strings):
                raise Malformed(f"string {index} of {len(strings)}")
            return strings[index]

        def value_type(data):
            f = dict(fields(data))
            return string(f.get(1, 0)), string(f.get(2, 0))

        self.strings = strings
        self.sample_types = [value_type(v) for v in parts[1]]
        self.samples = [Sample(v, string) for v in parts[2]]
        self.mappings = [Mapping(v, string) for v in parts[3]]
        self.locations = [Location(v) for v in parts[4]]
        self.functions = [Function(v, string) for v in parts[5]]
        self.comments = [string(c) for c in comments]
        self.time_nanos, self.duration_nanos = signed(scalars.get(9, 0)), signed(scalars.get(10, 0))
        self.period_type = value_type(scalars[11]) if 11 in scalars else None
        self.period = signed(scalars.get(12, 0))
        self.link()

    def link(self):
        mappings = {m.id: m for m in self.mappings}
        functions = {f.id: f for f in self.functions}
        locations = {loc.id: loc for loc in self.locations}
        for loc in self.locations:
            if loc.mapping_id:
                if loc.mapping_id not in mappings:
                    raise Malformed(f"location {loc.id}: no mapping {loc.mapping_id}")
                loc.mapping = mappings[loc.mapping_id]
            for i in loc.function_ids:
                if i not in functions:
                    raise Malformed(f"location {loc.id}: no function {i}")
                loc.functions.append(functions[i])
        for s in self.samples:
            for i in s.location_ids:
                if i not in locations:
                    raise Malformed(f"a sample names location {i}, which is not there")
                s.locations.append(locations[i])

    def problems(self):
        """What a reader of this format would object to, as a list of sentences."""
        out = list(self.problems_found)
        if not self.strings or self.strings[0] != "":
            out.append("string 0 is not empty")
        for what, items in (("mapping", self.mappings), ("function", self.functions),
                            ("location", self.locations)):
            if [item.id for item in items] != list(range(1, len(items) + 1)):
                out.append(f"{what} ids are not 1..n in order")
        if not self.sample_types:
            out.append("no sample types")
        if not self.period_type or not self.period_type[0]:
            out.append("no period_type")
        if self.time_nanos <= 0:
            out.append("no time_nanos")
        for loc in self.locations:
            if not loc.functions:
                out.append(f"location {loc.id} has no line")
            if any(not f.name for f in loc.functions):
                out.append(f"location {loc.id} has a function without name")
            if loc.address == 0:
                out.append(f"location {loc.id} has address 0")
            m = loc.mapping
            if m and not m.has_functions:
                out.append(f"{m} has locations but not has_functions")
            if m and not m.start <= loc.address < m.limit:
                out.append(f"location {loc.id} ({loc.name}, {loc.address:#x}) is outside of {m}")
        seen = set()
        for m in self.mappings:
            if "(deleted)" in m.file:
                out.append(f"{m} is named (deleted)")
            if m.build_id and (m.build_id != m.build_id.lower() or m.build_id.strip("0123456789abcdef")):
                out.append(f"{m} has the build id {m.build_id!r}")
            key = (m.build_id, m.start, m.offset)
            if m.build_id and key in seen:
                out.append(f"{m} is there twice")
            seen.add(key)
        for s in self.samples:
            if len(s.values) != len(self.sample_types):
                out.append(f"a sample has {len(s.values)} values")
            if len(set(s.label_keys)) != len(s.label_keys) or "" in s.label_keys:
                out.append(f"labels {s.label_keys}")
            # What is gathered since the start, and so has no duration, does not tell threads apart,
            # and processes only when asked to.
            for key in ("pid", "tid"):
                if key not in s.labels and not self.duration_nanos:
                    continue
                if not isinstance(s.labels.get(key), int) or not s.units.get(key):
                    out.append(f"label {key} is {s.labels.get(key)!r} unit {s.units.get(key)!r}")
            for key in ("comm", "unit", "container"):
                if key in s.labels and not isinstance(s.labels[key], str):
                    out.append(f"label {key} is {s.labels[key]!r}")
            if not any(s.values):
                out.append("a sample is all zero")
            if any(v < 0 for v in s.values):
                out.append(f"a sample has the values {s.values}")
        return sorted(set(out))

    # What the tests ask.

    def of(self, pid=None, comm=None):
        return [s for s in self.samples if (pid is None or s.pid == pid) and
                (comm is None or s.comm == comm)]

    def lacks_names(self):
        """Of files that were not read in time."""
        return "frames_unnamed_late" in self.quality()

    def quality(self):
        """The quality record: the comments "profd: key=value"."""
        out = {}
        for c in self.comments:
            if c.startswith("profd:") and "=" in c:
                key, value = c[len("profd:"):].strip().split("=", 1)
                out[key] = int(value) if value.lstrip("-").isdigit() else value
        return out


def total(samples, column=0):
    return sum(s.values[column] for s in samples)


def share(samples, name, column=1, cumulative=False):
    """Part of the samples' value whose leaf (or any frame) is the function, in percent."""
    everything = total(samples, column)
    hits = [s for s in samples
            if (name in s.names if cumulative else s.names and s.names[0] == name)]
    return 100.0 * total(hits, column) / everything if everything else 0.0
