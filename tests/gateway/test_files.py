"""What is seen of the files that pass by in sftp and scp, whatever the packets are cut into."""

from __future__ import annotations

import struct

import pytest

from sessions_app.gateway.file_log import watcher_for
from sessions_app.gateway.files import LONGEST_PATH, FileAction, FileEvent, FileWatcher
from sessions_app.gateway.scp_watch import ScpWatch, is_scp
from sessions_app.gateway.sftp_watch import MOST_PENDING, SftpWatch

OPEN, CLOSE, READ, WRITE, REMOVE, RENAME, EXTENDED = 3, 4, 5, 6, 13, 18, 200
STATUS, HANDLE, DATA = 101, 102, 103


def text(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value


def packet(kind: int, number: int, *rest: bytes) -> bytes:
    body = bytes([kind]) + struct.pack(">I", number) + b"".join(rest)
    return struct.pack(">I", len(body)) + body


def status(number: int, code: int = 0) -> bytes:
    return packet(STATUS, number, struct.pack(">I", code), text(b""), text(b""))


def played(seen: FileWatcher, talk: list[tuple[str, bytes]], pieces: int) -> list[FileEvent]:
    """Feed all messages of the talk, each in pieces of so many bytes, and return the events."""
    events = []
    for who, data in talk:
        feed = seen.client if who == "client" else seen.host
        for start in range(0, len(data), pieces):
            events += feed(data[start : start + pieces])
    return events + seen.end()


@pytest.mark.parametrize("pieces", [1, 3, 7, 100_000])
def test_sftp_tells_each_file_with_its_bytes_and_direction(pieces: int) -> None:
    offset = struct.pack(">Q", 0)
    talk = [
        ("client", packet(OPEN, 1, text(b"/etc/motd"), struct.pack(">II", 0x1A, 0))),
        ("host", packet(HANDLE, 1, text(b"h1"))),
        (
            "client",
            packet(WRITE, 2, text(b"h1"), offset, text(b"x" * 5000))
            + packet(WRITE, 3, text(b"h1"), offset, text(b"y")),
        ),
        ("host", status(2) + status(3, 4)),
        ("client", packet(CLOSE, 4, text(b"h1"))),
        ("host", status(4)),
        ("client", packet(OPEN, 5, text(b"/etc/passwd"), struct.pack(">II", 1, 0))),
        ("host", packet(HANDLE, 5, text(b"h2"))),
        ("client", packet(READ, 6, text(b"h2"), offset, struct.pack(">I", 32768))),
        ("host", packet(DATA, 6, text(b"z" * 3000))),
    ]
    assert played(SftpWatch(), talk, pieces) == [
        FileEvent(FileAction.SENT, "/etc/motd", size=5000),
        FileEvent(FileAction.FETCHED, "/etc/passwd", size=3000, is_complete=False),
    ]


def test_sftp_tells_what_the_host_did_and_not_what_it_refused() -> None:
    talk = [
        ("client", packet(RENAME, 1, text(b"/a"), text(b"/b"))),
        ("client", packet(EXTENDED, 2, text(b"posix-rename@openssh.com"), text(b"/c"), text(b"/d"))),
        ("client", packet(REMOVE, 3, text(b"/e")) + packet(REMOVE, 4, text(b"/f"))),
        ("host", status(1) + status(2) + status(3, 3) + status(4)),
        ("host", status(4) + status(99)),
    ]
    assert played(SftpWatch(), talk, 5) == [
        FileEvent(FileAction.RENAMED, "/a", "/b"),
        FileEvent(FileAction.RENAMED, "/c", "/d"),
        FileEvent(FileAction.REMOVED, "/f"),
    ]


def test_broken_sftp_is_let_pass_and_costs_little() -> None:
    seen = SftpWatch()
    assert seen.client(struct.pack(">I", 5) + bytes([OPEN]) + b"\0\0\0\1") == []
    assert seen.client(struct.pack(">I", 0)) == []
    seen.client(struct.pack(">I", 0xFFFFFFFF) + bytes([REMOVE]))
    for _ in range(100):
        seen.client(b"\xff" * 32768)
    assert len(seen._from_client._kept) <= 64 * 1024
    many = SftpWatch()
    for number in range(MOST_PENDING * 2):
        many.client(packet(REMOVE, number, text(b"/x")))
    assert len(many._asked) == MOST_PENDING


def test_names_that_never_end_are_kept_in_part_only() -> None:
    long = b"n" * 30_000
    seen = SftpWatch()
    seen.client(packet(RENAME, 1, text(long), text(long)))
    [event] = seen.host(status(1))
    assert (len(event.path), len(event.other)) == (LONGEST_PATH, LONGEST_PATH)
    for number in range(MOST_PENDING):  # answers that the client does not let through
        seen.client(packet(CLOSE, number, text(b"h" * 60_000)))
        seen.client(packet(REMOVE, number, text(long)))
    assert sum(len(one.handle) + len(one.event.path if one.event else "") for one in seen._asked.values()) < 5_000_000
    deep = ScpWatch("scp -r -t /" + "p" * 60_000)
    deep.client(b"".join(b"D0755 0 " + b"d" * 8000 + b"\n" for _ in range(1000)))
    events = deep.client(b"C0644 0 file\n\0" * 1000)
    assert len(events) == 1000
    assert {len(event.path) + len(event.name) for event in events} == {2 * LONGEST_PATH}
    assert len("".join(deep._folders)) <= 1000 * LONGEST_PATH


@pytest.mark.parametrize("pieces", [1, 4, 100_000])
def test_scp_tells_each_file_with_its_folder(pieces: int) -> None:
    talk = [
        ("host", b"\0"),
        ("client", b"D0755 0 conf\n"),
        ("host", b"\0"),
        ("client", b"T1 0 1 0\n"),
        ("host", b"\0"),
        ("client", b"C0644 3 a b\n"),
        ("host", b"\0"),
        ("client", b"D\nC"),
        ("client", b"\0"),
        ("host", b"\0"),
        ("client", b"C0644 9 denied\n"),
        ("host", b"\1scp: denied\n"),
        ("client", b"E\n"),
        ("host", b"\0"),
        ("client", b"C0644 0 empty\n"),
        ("host", b"\0"),
        ("client", b"\0"),
        ("host", b"\0"),
    ]
    assert played(ScpWatch("scp -r -t /etc/"), talk, pieces) == [
        FileEvent(FileAction.SENT, "/etc/", name="conf/a b", size=3),
        FileEvent(FileAction.SENT, "/etc/", name="empty", size=0),
    ]


def test_scp_the_other_way_and_broken_off() -> None:
    seen = ScpWatch("scp -f '/etc/a file'")
    assert seen.client(b"\0") == []
    assert seen.host(b"C0600 100 a file\n") == []
    was_content = seen.is_content
    assert seen.client(b"\0") == []
    assert (was_content, seen.is_content) == (False, True)
    assert seen.host(b"x" * 60) == []
    assert seen.end() == [FileEvent(FileAction.FETCHED, "/etc/a file", name="a file", size=60, is_complete=False)]


def test_only_the_protocols_of_files_are_watched() -> None:
    assert isinstance(watcher_for("", "sftp"), SftpWatch)
    assert isinstance(watcher_for("/usr/bin/scp -p -r -t -- /tmp", ""), ScpWatch)
    assert is_scp("scp -pf x")
    assert not is_scp("scp-like -t x")
    assert watcher_for("echo scp -t /tmp", "") is None
    assert watcher_for("", "") is None
    assert watcher_for("scp -f x", "", has_terminal=True) is None


@pytest.mark.parametrize("command", ["scp -f x; sh", "scp -f x & sh", "scp -f $(sh)", "scp -f `sh`", "scp -f x\nsh"])
def test_what_runs_beside_scp_is_recorded(command: str) -> None:
    """Else anybody could have a shell that is in no recording: it only has to say that a long file comes."""
    seen = ScpWatch(command)
    seen.host(b"C0600 999999999 a file\n")
    seen.client(b"\0")
    seen.host(b"$ id\r\nuid=0(root)")
    assert not seen.is_content
