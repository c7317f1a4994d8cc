"""Converts the flat city database of ip-location-db, one file for IPv4 and one for IPv6, into one of MaxMind's shape.

A flat record is {"city", "state1", "country_code", "latitude", "longitude", ...}, each a string or a number. The result
is an ordinary database of the type DBIP-City-Lite, so nothing that reads it has to know of another shape.

The format: https://maxmind.github.io/MaxMind-DB/ (nodes of two records of 24, 28 or 32 bits, here 28; then 16 zero
bytes, the data and the metadata). The trees are taken over node by node, with the numbers of nodes and the places of
records changed. The tree of IPv4 hangs at ::/96 of that of IPv6, where readers look for IPv4 addresses.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from maxminddb import MODE_FILE, open_database
from maxminddb.decoder import Decoder
from mmdb_writer import METADATA_MAGIC, Encoder

from sessions_app.logins.geoip.country_names import country_name
from sessions_app.logins.geoip.download import FileRefusedError, Progress
from sessions_app.logins.geoip.file import DAMAGED

DATABASE_TYPE = "DBIP-City-Lite"
RECORD_BITS, NODE = 28, 7  # bits of a record, bytes of a node
GAP = 16  # zero bytes between tree and data
IPV4_DEPTH = 96  # bits before an IPv4 address
CHUNK = 50_000  # nodes between two reports of progress
_NODE = struct.Struct(">HBBHB")  # lower 24 bits of the left record, upper 4 of both, lower 24 of the right one
_NODE_OF_24, _NODE_OF_32 = struct.Struct(">HBHB"), struct.Struct(">II")
_POINT = struct.Struct(">d")
_MAP, _DOUBLE = 0xE0, b"\x68"  # control bytes: a map, plus its length; a double of 8 bytes
NOT_AS_EXPECTED = "The package holds other files than expected"


def convert(ipv4: Path, ipv6: Path, output: IO[bytes], description: str, progress: Progress) -> None:
    """Write one database with both trees into `output`. Raise FileRefusedError if the files are not as expected.

    It takes about a minute of one processor, and a few hundred megabytes. `progress` gets bytes of nodes.
    """
    try:
        _convert(_Flat.read(ipv4, 4), _Flat.read(ipv6, 6), output, description, progress)
    except DAMAGED as error:
        raise FileRefusedError(f"{NOT_AS_EXPECTED}: {type(error).__name__}.") from error


def _convert(low: _Flat, high: _Flat, output: IO[bytes], description: str, progress: Progress) -> None:
    above, depth = _end_of_zeros(high)
    chain = IPV4_DEPTH - depth - 1  # nodes between that one and the tree of IPv4
    first = high.count + low.count
    count = first + chain
    records = _Records(count)
    total = len(high.tree) + len(low.tree)
    for done, text in _translated(high, 0, count, records):
        output.write(text)
        progress(done, total)
    for done, text in _translated(low, high.count, count, records):
        output.write(text)
        progress(len(high.tree) + done, total)
    for position in range(chain):
        output.write(_packed(high.count if position == chain - 1 else first + position + 1, count))
    output.seek(above * NODE)
    ((_, right),) = _pairs(output.read(NODE), RECORD_BITS)
    output.seek(above * NODE)
    output.write(_packed(first if chain else high.count, right))
    output.seek(count * NODE)
    output.write(bytes(GAP))
    output.writelines(records.encoder.data_list)
    if count + GAP + records.encoder.data_pointer >= 1 << RECORD_BITS:
        raise FileRefusedError("The database has grown too large for this conversion.")
    metadata = {
        "node_count": count,
        "record_size": RECORD_BITS,
        "ip_version": 6,
        "database_type": DATABASE_TYPE,
        "languages": ["en"],
        "binary_format_major_version": 2,
        "binary_format_minor_version": 0,
        "build_epoch": min(low.built, high.built),
        "description": {"en": description},
    }
    output.write(METADATA_MAGIC + Encoder(cache=False).encode_meta(metadata))


@dataclass(frozen=True, slots=True)
class _Flat:
    """One of the two files: its nodes, its data, and when it was built."""

    tree: memoryview
    bits: int  # of a record
    decoder: Decoder
    count: int
    built: int

    @classmethod
    def read(cls, path: Path, version: int) -> _Flat:
        """Return the file. Raise FileRefusedError if it is not a flat city database of this version of IP."""
        with open_database(path, MODE_FILE) as reader:
            about = reader.metadata()
        if about.database_type != f"city ipv{version}":
            raise FileRefusedError(f"{NOT_AS_EXPECTED}: {path.name} is a {about.database_type} database.")
        content = path.read_bytes()
        size = about.node_count * about.record_size // 4
        data = content[size + GAP : content.rindex(METADATA_MAGIC)]
        tree = memoryview(content)[:size]
        return cls(tree, about.record_size, Decoder(data, 0), about.node_count, about.build_epoch)

    def record(self, value: int) -> Mapping[str, Any]:
        """Return the record that a node points to by `value`."""
        found, _ = self.decoder.decode(value - self.count - GAP)
        if not isinstance(found, dict):
            raise FileRefusedError(f"{NOT_AS_EXPECTED}: a record is no map.")
        return found


class _Records:
    """Encodes records in MaxMind's shape. Names, countries and regions are written once and pointed to."""

    def __init__(self, node_count: int) -> None:
        self.encoder = Encoder(cache=True)
        self._base = node_count + GAP
        # What each record begins with, in their order in the record. Short pointers first: they come most often.
        self._keys = {key: self.encoder.encode(key) for key in ("city", "country", "location", "subdivisions")}
        latitude, longitude = (self.encoder.encode(key) + _DOUBLE for key in ("latitude", "longitude"))
        self._latitude, self._longitude = bytes([_MAP + 2]) + latitude, longitude

    def place(self, flat: Mapping[str, Any]) -> int:
        """Write the record and return the value with which a node points to it."""
        parts = []
        if city := flat.get("city"):
            parts.append(self._keys["city"] + self.encoder.encode({"names": {"en": city}}))
        code = flat.get("country_code")
        if isinstance(code, str) and (name := country_name(code)):
            country = {"iso_code": code.upper(), "names": {"en": name}}
            parts.append(self._keys["country"] + self.encoder.encode(country))
        latitude, longitude = flat.get("latitude"), flat.get("longitude")
        if isinstance(latitude, float) and isinstance(longitude, float):
            point = self._latitude + _POINT.pack(latitude) + self._longitude + _POINT.pack(longitude)
            parts.append(self._keys["location"] + point)
        if region := flat.get("state1"):
            parts.append(self._keys["subdivisions"] + self.encoder.encode([{"names": {"en": region}}]))
        text = bytes([_MAP + len(parts)]) + b"".join(parts)
        value: int = self._base + self.encoder.data_pointer
        self.encoder.data_list.append(text)
        self.encoder.data_pointer += len(text)
        return value


def _translated(flat: _Flat, base: int, empty: int, records: _Records) -> Iterator[tuple[int, bytes]]:
    """Yield the nodes with the numbers of the new tree, in pieces, and how many bytes were read so far.

    Nodes are counted from `base`, and `empty` stands for "no record".
    """
    count, pack = flat.count, _NODE.pack
    known = {count: empty}
    step = CHUNK * flat.bits // 4
    for start in range(0, len(flat.tree), step):
        piece = flat.tree[start : start + step]
        nodes = []
        for left, right in _pairs(piece, flat.bits):
            if left < count:
                left += base
            elif left in known:
                left = known[left]
            else:
                left = known.setdefault(left, records.place(flat.record(left)))
            if right < count:
                right += base
            elif right in known:
                right = known[right]
            else:
                right = known.setdefault(right, records.place(flat.record(right)))
            high = left >> 20 & 0xF0 | right >> 24
            nodes.append(pack(left >> 8 & 0xFFFF, left & 0xFF, high, right >> 8 & 0xFFFF, right & 0xFF))
        yield start + len(piece), b"".join(nodes)


def _end_of_zeros(flat: _Flat) -> tuple[int, int]:
    """Return the node below which nothing is on the way to ::/96, and its depth."""
    node = 0
    for depth in range(IPV4_DEPTH):
        size = flat.bits // 4
        ((left, _),) = _pairs(flat.tree[node * size : (node + 1) * size], flat.bits)
        if left == flat.count:
            return node, depth
        if left > flat.count:
            break
        node = left
    raise FileRefusedError(f"{NOT_AS_EXPECTED}: that of IPv6 has places where IPv4 addresses belong.")


def _pairs(nodes: bytes | memoryview, bits: int) -> Iterator[tuple[int, int]]:
    """Yield the two records of each node."""
    if bits == 32:
        yield from _NODE_OF_32.iter_unpack(nodes)
    elif bits == 24:
        for upper, lower, upper_right, lower_right in _NODE_OF_24.iter_unpack(nodes):
            yield upper << 8 | lower, upper_right << 8 | lower_right
    else:
        for upper, lower, both, upper_right, lower_right in _NODE.iter_unpack(nodes):
            yield (both & 0xF0) << 20 | upper << 8 | lower, (both & 0x0F) << 24 | upper_right << 8 | lower_right


def _packed(left: int, right: int) -> bytes:
    high = left >> 20 & 0xF0 | right >> 24
    return _NODE.pack(left >> 8 & 0xFFFF, left & 0xFF, high, right >> 8 & 0xFFFF, right & 0xFF)
