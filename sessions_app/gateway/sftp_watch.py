"""See which files are transferred with sftp, without changing a byte. Pure: bytes in, events out.

Feed it both directions in their order. It ignores what it cannot read, and never raises. Sources:
draft-ietf-secsh-filexfer-02, and OpenSSH's file PROTOCOL.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from dataclasses import dataclass, field

from sessions_app.gateway.files import LONGEST_PATH, FileAction, FileEvent

MOST_PENDING = 4096  # requests without an answer; clients have 64 or so
MOST_OPEN = 1024  # files at a time
MOST_KEPT = 64 * 1024  # bytes of one packet that are looked at
LONGEST_HANDLE = 256  # bytes (draft-ietf-secsh-filexfer-02, 6.2); a longer one is none
BULK_KEPT = 512  # of one that carries content


class _Packets:
    """The packets of one direction: a length of four bytes, a type, and its data."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._left = -1  # bytes of this packet that are still to come; -1: its length is

    def feed(self, data: bytes) -> list[bytes]:
        """Return the beginning of each packet that is complete, its type first."""
        done: list[bytes] = []
        at = 0
        while at < len(data):
            if self._left < 0:
                wanted = 4 - len(self._kept)
                self._kept += data[at : at + wanted]
                at += wanted
                if len(self._kept) < 4:
                    break
                self._left = int.from_bytes(self._kept)
                self._kept = bytearray()
            taken = min(self._left, len(data) - at)
            if taken:
                kind = self._kept[0] if self._kept else data[at]
                room = (BULK_KEPT if kind in BULK else MOST_KEPT) - len(self._kept)
                if room > 0:
                    self._kept += data[at : at + min(room, taken)]
            self._left -= taken
            at += taken
            if self._left == 0:
                done.append(bytes(self._kept))
                self._kept, self._left = bytearray(), -1
        return done


OPEN, CLOSE, READ, WRITE, SETSTAT, REMOVE, MKDIR, RMDIR, RENAME, SYMLINK = 3, 4, 5, 6, 9, 13, 14, 15, 18, 20
STATUS, HANDLE, DATA, EXTENDED = 101, 102, 103, 200
BULK = (WRITE, DATA)
MAY_WRITE = 0x02
BY_ONE_PATH = {
    REMOVE: FileAction.REMOVED,
    RMDIR: FileAction.REMOVED,
    MKDIR: FileAction.MADE,
    SETSTAT: FileAction.CHANGED,
}
BY_TWO_PATHS = {RENAME: FileAction.RENAMED, SYMLINK: FileAction.LINKED}
EXTENSIONS = {
    b"posix-rename@openssh.com": FileAction.RENAMED,
    b"hardlink@openssh.com": FileAction.LINKED,
    b"lsetstat@openssh.com": FileAction.CHANGED,
}


@dataclass(slots=True)
class _Open:
    path: str
    may_write: bool
    read: int = 0
    written: int = 0


@dataclass(slots=True)
class _Asked:
    """A request that has no answer yet."""

    event: FileEvent | None = None  # what it is when the host says yes
    opened: _Open | None = None
    handle: bytes = b""
    kind: int = 0
    size: int = 0


class _Reader:
    """Reads the fields of a packet. Raises ValueError at its end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 1

    def number(self) -> int:
        try:
            [value] = struct.unpack_from(">I", self._data, self._at)
        except struct.error as error:
            raise ValueError("too short") from error
        self._at += 4
        return int(value)

    def string(self) -> bytes:
        length = self.number()
        value = self._data[self._at : self._at + length]
        if len(value) < length:
            raise ValueError("too short")
        self._at += length
        return value

    def path(self) -> str:
        return self.string().decode(errors="replace")[:LONGEST_PATH]

    def handle(self) -> bytes:
        value = self.string()
        if len(value) > LONGEST_HANDLE:
            raise ValueError("too long")
        return value

    def skip(self, count: int) -> None:
        self._at += count


@dataclass
class SftpWatch:
    """The protocol sftp, version 3, which is what OpenSSH uses."""

    _from_client: _Packets = field(default_factory=_Packets)
    _from_host: _Packets = field(default_factory=_Packets)
    _asked: OrderedDict[int, _Asked] = field(default_factory=OrderedDict)
    _open: OrderedDict[bytes, _Open] = field(default_factory=OrderedDict)

    def client(self, data: bytes) -> list[FileEvent]:
        """Read requests. They are no events until the host has answered."""
        for packet in self._from_client.feed(data):
            try:
                self._request(packet)
            except ValueError:
                continue  # the host will not read it either
        return []

    def host(self, data: bytes) -> list[FileEvent]:
        """Read answers. Return what happened."""
        events: list[FileEvent] = []
        for packet in self._from_host.feed(data):
            try:
                events += self._answer(packet)
            except ValueError:
                continue
        return events

    def end(self) -> list[FileEvent]:
        """Return the files that nobody closed."""
        return [event for one in self._open.values() for event in _transferred(one, is_complete=False)]

    @property
    def is_content(self) -> bool:
        """Return True, because sftp shows nothing else to a person."""
        return True

    def _request(self, packet: bytes) -> None:
        kind, fields = packet[0] if packet else 0, _Reader(packet)
        number = fields.number()
        if kind == OPEN:
            path, flags = fields.path(), fields.number()
            self._ask(number, _Asked(opened=_Open(path, bool(flags & MAY_WRITE)), kind=kind))
        elif kind in (READ, WRITE, CLOSE):
            handle = fields.handle()
            if kind == WRITE:
                fields.skip(8)
            self._ask(number, _Asked(handle=handle, kind=kind, size=fields.number() if kind == WRITE else 0))
        elif kind in BY_ONE_PATH:
            self._ask(number, _Asked(event=FileEvent(BY_ONE_PATH[kind], fields.path()), kind=kind))
        elif kind in BY_TWO_PATHS:
            self._ask(number, _Asked(event=FileEvent(BY_TWO_PATHS[kind], fields.path(), fields.path()), kind=kind))
        elif kind == EXTENDED and (what := EXTENSIONS.get(fields.string())):
            path = fields.path()
            other = fields.path() if what != FileAction.CHANGED else ""
            self._ask(number, _Asked(event=FileEvent(what, path, other), kind=kind))

    def _ask(self, number: int, asked: _Asked) -> None:
        self._asked[number] = asked
        if len(self._asked) > MOST_PENDING:
            self._asked.popitem(last=False)

    def _answer(self, packet: bytes) -> list[FileEvent]:
        kind, fields = packet[0] if packet else 0, _Reader(packet)
        if kind not in (STATUS, HANDLE, DATA):
            return []
        asked = self._asked.pop(fields.number(), None)
        if asked is None:
            return []
        if kind == HANDLE and asked.opened is not None:
            self._open[fields.handle()] = asked.opened
            return self._forget_oldest() if len(self._open) > MOST_OPEN else []
        if kind == DATA and asked.kind == READ and asked.handle in self._open:
            self._open[asked.handle].read += fields.number()
            return []
        return self._done(asked) if kind == STATUS and fields.number() == 0 else []

    def _done(self, asked: _Asked) -> list[FileEvent]:
        if asked.event is not None:
            return [asked.event]
        if asked.kind == WRITE and asked.handle in self._open:
            self._open[asked.handle].written += asked.size
        if asked.kind == CLOSE and (closed := self._open.pop(asked.handle, None)):
            return _transferred(closed, is_complete=True)
        return []

    def _forget_oldest(self) -> list[FileEvent]:
        _, oldest = self._open.popitem(last=False)
        return _transferred(oldest, is_complete=False)


def _transferred(one: _Open, *, is_complete: bool) -> list[FileEvent]:
    events = []
    if one.may_write:
        events.append(FileEvent(FileAction.SENT, one.path, size=one.written, is_complete=is_complete))
    if one.read or not one.may_write:
        events.append(FileEvent(FileAction.FETCHED, one.path, size=one.read, is_complete=is_complete))
    return events
