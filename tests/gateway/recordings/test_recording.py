"""A terminal as lines of asciicast v2: characters in pieces, other bytes than text, the limit, gaps."""

from __future__ import annotations

import json
from typing import Any

from sessions_app.gateway import recording
from tests.support.recordings import Clock, make_cast


def events(data: bytes) -> list[Any]:
    """Return the lines without the header."""
    return [line for line in map(json.loads, data.splitlines()) if isinstance(line, list)]


def shown(data: bytes) -> str:
    return "".join(event[2] for event in events(data) if event[1] == "o")


def test_the_header_says_version_size_and_time() -> None:
    data, typed = make_cast(cols=132, rows=43, title="top", term="xterm-256color").take()
    assert json.loads(data) == {
        "version": 2,
        "width": 132,
        "height": 43,
        "timestamp": 1_800_000_000,
        "title": "top",
        "env": {"TERM": "xterm-256color"},
    }
    assert typed == b""


def test_output_carries_the_seconds_since_the_start() -> None:
    clock = Clock()
    cast = make_cast(clock)
    clock.now += 1.5
    cast.output(b"one")
    clock.now += 2
    cast.output(b"two")
    assert events(cast.take()[0]) == [[1.5, "o", "one"], [3.5, "o", "two"]]


def test_what_comes_together_is_one_event() -> None:
    clock = Clock()
    cast = make_cast(clock)
    cast.output(b"a")
    clock.now += 0.001
    cast.output(b"b")
    assert events(cast.take()[0]) == [[0.0, "o", "ab"]]


def test_a_clock_that_goes_back_never_makes_time_go_back() -> None:
    clock = Clock()
    cast = make_cast(clock)
    clock.now += 5
    cast.output(b"a")
    clock.now -= 4
    cast.mark("b")
    assert [event[0] for event in events(cast.take()[0])] == [5.0, 5.0]


def test_a_character_that_is_split_between_packets_stays_whole() -> None:
    cast = make_cast()
    data = "Grüße 😀".encode()
    taken = b""
    for number in range(len(data)):
        cast.output(data[number : number + 1])
        taken += cast.take()[0]
    assert shown(taken) == "Grüße 😀"


def test_bytes_that_are_no_text_are_replaced_and_break_nothing() -> None:
    cast = make_cast()
    cast.output(bytes(range(256)) + b"\xed\xa0\x80")  # half a surrogate pair
    cast.output(b"\xf0\x9f")
    cast.finish()
    text = shown(cast.take()[0])
    assert text.startswith("\x00\x01")
    assert "\ufffd" in text
    assert text.endswith("\ufffd")


def test_line_ends_and_separators_stay_inside_their_line() -> None:
    cast = make_cast()
    cast.output("a\r\nb\u2028c\x85d".encode())
    data = cast.take()[0]
    assert data.count(b"\n") == 2
    assert shown(data) == "a\r\nb\u2028c\x85d"


def test_resizes_and_markers_stand_between_what_was_shown() -> None:
    cast = make_cast()
    cast.output(b"a")
    cast.resize(100, 30)
    cast.output(b"b")
    cast.mark("Locked")
    assert [event[1:] for event in events(cast.take()[0])] == [["o", "a"], ["r", "100x30"], ["o", "b"], ["m", "Locked"]]


def test_what_is_typed_is_kept_only_where_that_is_wanted_and_apart() -> None:
    silent, keeping = make_cast(), make_cast(keeps_typed=True)
    for cast in (silent, keeping):
        cast.typed(b"secret\r")
        cast.output(b"shown")
    assert silent.take()[1] == b""
    data, typed = keeping.take()
    assert json.loads(typed) == [0.0, "i", "secret\r"]
    assert b"secret" not in data


def test_nothing_is_kept_after_the_end() -> None:
    cast = make_cast()
    cast.output(b"a")
    cast.finish()
    cast.finish()
    cast.output(b"b")
    cast.mark("c")
    cast.resize(1, 1)
    assert shown(cast.take()[0]) == "a"
    assert not cast.has_pending


def test_at_its_limit_a_recording_stops_and_says_so() -> None:
    cast = make_cast(limit=1000)
    for _ in range(100):
        cast.output(b"x" * 100)
        cast.take()
    cast.output(b"y")
    cast.mark("Locked")
    assert cast.is_truncated
    assert cast.size < 1000 + recording.ROOM_FOR_MARKS
    stored = make_cast(limit=300)
    stored.output(b"x" * 100)
    first = stored.take()[0]
    stored.output(b"x" * 400)
    last = events(stored.take()[0])
    assert shown(first) == "x" * 100
    assert [event[1] for event in last] == ["m"]
    assert "300 bytes" in last[0][2]


def test_marks_cannot_grow_a_recording_for_ever() -> None:
    cast = make_cast(limit=1000)
    for _ in range(10_000):
        cast.mark("x" * 1000)
    assert cast.size < 1000 + recording.ROOM_FOR_MARKS + 1000


def test_neither_windows_nor_keys_can_grow_a_recording_for_ever() -> None:
    windows, keys = make_cast(limit=1000), make_cast(limit=1000, keeps_typed=True)
    for number in range(10_000):
        windows.resize(1 + number % 200, 24)
        keys.typed(b"x")
        windows.take()
        keys.take()
    for cast in (windows, keys):
        assert cast.is_truncated
        assert cast.size < 1000 + recording.ROOM_FOR_MARKS
    late = make_cast(limit=300, keeps_typed=True)
    late.output(b"shown before")
    late.typed(b"x" * 300)
    late.output(b"after")
    data, typed = late.take()
    assert [event[1] for event in events(data)] == ["o", "m"]
    assert shown(data) == "shown before"
    assert typed == b""


def test_when_nobody_takes_it_memory_stays_bounded_and_the_gap_is_marked() -> None:
    cast = make_cast()
    block = b"z" * 32768
    for _ in range(1000):
        cast.output(block)
    cast.resize(100, 30)
    data, _ = cast.take()
    assert len(data) <= recording.MOST_PENDING + 1000
    cast.output(b"after")
    after = events(cast.take()[0])
    assert [event[1] for event in after] == ["m", "r", "o"]
    assert "not recorded" in after[0][2]
    assert after[1][2] == "100x30"
    assert after[2][2] == "after"
    lost = int(after[0][2].split()[1].replace(",", ""))
    assert lost + len(shown(data)) == 1000 * len(block)
