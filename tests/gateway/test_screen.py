"""Messages of the gateway between a program's output do not damage the program's screen."""

from __future__ import annotations

import pytest

from sessions_app.gateway.screen import Screen
from sessions_app.gateway.user_names import join, split


@pytest.mark.parametrize("pieces", [1, 2, 5, 100])
def test_it_knows_the_alternate_screen_however_the_bytes_are_cut(pieces: int) -> None:
    screen = Screen()
    entering, leaving = b"ls\r\n\x1b[?1049h\x1b[22;0;0tvim", b"\x1b[?1049l\x1b[0m$ "
    for data, is_alternate in ((entering, True), (leaving, False)):
        for start in range(0, len(data), pieces):
            screen.feed(data[start : start + pieces])
        assert screen.is_alternate == is_alternate
        assert screen.unfinished == b""


@pytest.mark.parametrize(
    ("data", "is_alternate"),
    [
        (b"\x1b[?1;47h", True),
        (b"\x1b[?1047;25h", True),
        (b"\x1b[?147h", False),
        (b"\x1b[?2004h", False),
        (b"\x1b[?1049h\x1b[?25l", True),
        (b"\x1b[?1049h\x1b[?1049;1l", False),
    ],
)
def test_of_the_modes_that_a_program_sets_those_of_the_screen_count(data: bytes, is_alternate: bool) -> None:
    screen = Screen()
    screen.feed(data)
    assert screen.is_alternate == is_alternate


def test_a_sequence_made_to_keep_the_gateway_busy_does_not() -> None:
    """With a pattern that looks back this is a billion steps, in which no lock would be enforced on anybody."""
    screen = Screen()
    screen.feed(b"\x1b[?" + b"47;" * 100_000)
    screen.feed(b"\x1b[?1049h")
    assert screen.is_alternate


@pytest.mark.parametrize("tail", [b"\x1b", b"\x1b[3", b"\x1b]0;a title", b"\x1b]0;a title\x1b", "€".encode()[:2]])
def test_what_was_begun_is_said_again_after_ours(tail: bytes) -> None:
    screen = Screen()
    screen.feed(b"text" + tail)
    assert screen.unfinished == tail
    shown = screen.freeze("Audit", "", "Wait.")
    assert (shown[:1] == b"\x18") == tail.startswith(b"\x1b")
    assert screen.unfreeze().endswith(tail)


@pytest.mark.parametrize(
    "data", [b"\x1b[31mred", b"\x1b]0;t\x07", b"\x1b]0;t\x1b\\", "€".encode(), b"\xff\xfe", b"\x1b(B"]
)
def test_what_is_finished_is_not(data: bytes) -> None:
    screen = Screen()
    screen.feed(data)
    assert screen.unfinished == b""


def test_the_last_words_stand_below_what_was_there() -> None:
    """1049l puts the cursor where it was last kept, which on the ordinary screen is anywhere."""
    screen = Screen()
    screen.feed(b"$ ls\r\n")
    assert b"\x1b[?1049l" not in screen.end(b"Over.")
    screen.freeze("Audit", "", "Wait.")
    assert screen.end(b"Over.").startswith(b"\x1b[?1049l")
    screen.unfreeze()
    assert b"\x1b[?1049l" not in screen.end(b"Over.")
    screen.feed(b"\x1b[?1049hvim")
    assert screen.end(b"Over.").startswith(b"\x1b[?1049l")
    assert screen.end(b"Over.").endswith(b"\r\nOver.\r\n")


def test_a_user_name_says_who_and_which_session() -> None:
    assert split("alice=web-1") == ("alice", "web-1")
    assert split("alice") == ("alice", "")
    assert split("alice@example.com=a=b") == ("alice@example.com", "a=b")
    assert split(join("alice", 17)) == ("alice", "17")
