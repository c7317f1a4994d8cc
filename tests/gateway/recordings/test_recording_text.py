"""The lines that a screen has shown are found in the output that its terminal was sent."""

from __future__ import annotations

import pytest

from sessions_app.gateway.recordings import screen_text
from sessions_app.gateway.recordings.screen_text import ScreenText


def lines(*parts: str, columns: int = 0) -> list[str]:
    """Return the lines that are found if the parts arrive a minute apart."""
    screen = ScreenText(columns)
    found = [line.text for number, part in enumerate(parts) for line in screen.feed(number * 60.0, part)]
    return found + [line.text for line in screen.finish()]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (["total 0\r\n", "done"], ["total 0", "done"]),
        (["$ lx", "\b \b", "s -l\r\n"], ["$ ls -l"]),  # a letter taken back
        (["$ rm x\x1b[2D\x1b[1P\x1b[C\r\n"], ["$ rmx"]),  # edited within the line
        (["$ ab\x1b[D\x1b[@X\r\n"], ["$ aXb"]),
        (["10%\r", "100%\r\n"], ["100%"]),
        (["a long line\rshort\x1b[K\r\n"], ["short"]),
        (["one\ttwo\r\n"], ["one two"]),
        (["\x1b[2J\x1b[1;1HTop line\x1b[2;1Hsecond line"], ["Top line", "second line"]),
        (["\x1b[01;31mred\x1b[0m \x1b[38;2;1;2;3mtext\x1b[m\r\n"], ["red text"]),
        (["\x1b]0;a title\x07seen\r\n"], ["seen"]),
        (["\x1b]8;;https://example.com\x1b\\link\x1b]8;;\x1b\\\r\n"], ["link"]),
        (["\x1bP+q544e\x1b\\seen\r\n"], ["seen"]),
        (["\x1b[", "3", "1mred\r\n"], ["red"]),  # sequences split between packets
        (["\x1b]0;ti", "tle\x1b", "\\seen\r\n"], ["seen"]),
        (["seen\x1b"], ["seen"]),
        (["\x1b[99999999999C", "far"], ["far"]),
        (["\x00\x07\x0eplain\x0f\r\n"], ["plain"]),
        (["Grüße 😀 漢字\r\n"], ["Grüße 😀 漢字"]),
        # Emoji and the letters of East Asia take two columns.
        (["$ rm /Größe🚀x", "\b\x1b[K\b\b\x1b[K", "y\r\n"], ["$ rm /Größey"]),
        (["$ 日本x", "\b\x1b[K", "人\r\n"], ["$ 日本人"]),
        (["日本\b\b人\r\n"], ["日人"]),
        (["日本\x1b[2D\x1b[3C人\r\n"], ["日本 人"]),
        (["日本x\x1b[5G人\r\n"], ["日本人"]),
        (["日本人\r\x1b[2C\x1b[2@语\r\n"], ["日语本人"]),
        (["日本人\r\x1b[2C\x1b[2P\r\n"], ["日人"]),
        (["日本人\r\x1b[2C\x1b[2X\r\n"], ["日 人"]),
        (["日本人\b\b\b\x1b[1K\r\n"], ["人"]),
        (["日本\tx\r\x1b[8Cy\r\n"], ["日本 y"]),
        (["日\x1b[2b\r\n"], ["日日日"]),  # a character repeated
        # Half of a wide character that is written over or erased is none.
        (["日本人\r\x1b[3Cx\r\n"], ["日 x人"]),
        (["日本人\r\x1b[2Cx\r\n"], ["日x 人"]),
        (["日本人\r\x1b[3C\x1b[K\r\n"], ["日"]),
        (["日本人\r\x1b[1C\x1b[2P\r\n"], ["人"]),
        # An accent, a joiner and a variation take none.
        (["cafe\u0301s\b\b\x1b[Kx\r\n"], ["cafx"]),
        (["cafe", "\u0301\r\n"], ["cafe\u0301"]),
        (["\u0301a\r\n"], ["a"]),
        (["日\u3099x\b\b\by\r\n"], ["y x"]),
        (["👩\u200d💻x\b\x1b[K\b\b\b\b\x1b[Ky\r\n"], ["y"]),
        (["\u1112\u1161\u11ab!\b\x1b[K\b\b\x1b[Kx\r\n"], ["x"]),  # a syllable of Korean in its parts
        (["ａｂ\b\b\x1b[Kc\r\n"], ["ａc"]),
    ],
)
def test_lines_are_as_a_person_read_them(parts: list[str], expected: list[str]) -> None:
    assert lines(*parts) == expected


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (["0123456789", "\r\n", "next\r\n"], ["0123456789", "next"]),  # a full row is no two
        (["$ rm /long", " \r", "er/name\r\n"], ["$ rm /longer/name"]),  # as bash goes to the next row
        (["0123456789abcdefghijklm\r\n"], ["0123456789abcdefghijklm"]),
        (["0123456789\rX\r\n"], ["X123456789"]),  # it waits, and is still in its row
        (["0123456789ab\rX\r\n"], ["0123456789Xb"]),
        (["0123456789\bX\r\n"], ["01234567X9"]),
        (["0123456789\x1b[2DX\r\n"], ["0123456X89"]),
        (["0123456789\x1b[K\r\n"], ["0123456789"]),
        (["0123456789ab\b\b\b\bX\r\n"], ["0123456789Xb"]),  # not back into the row above
        (["0123456789ab\x1b[2K\rX\r\n"], ["0123456789X"]),
        (["0123456789ab\x1b[1K\rX\r\n"], ["0123456789X"]),
        (["\x1b[99CX\x1b[GY\r\n"], ["Y X"]),
        (["abc\x1b[99Gd\x1b[1Gx\r\n"], ["xbc d"]),
        (["012345678日本\r\n"], ["012345678日本"]),  # a wide character that does not fit goes down whole
        (["012345678日\rX\r\n"], ["012345678X"]),
        (["\x1b[?7l0123456789abc\r\n\x1b[?7h0123456789ab\r\n"], ["012345678c", "0123456789ab"]),
    ],
)
def test_a_line_that_is_wider_than_the_screen_goes_on_in_the_next_row(parts: list[str], expected: list[str]) -> None:
    assert lines(*parts, columns=10) == expected


def test_the_screen_has_the_width_that_it_has_now() -> None:
    screen = ScreenText(10)
    found = [*screen.feed(0.0, "0123456789\rX\r\n")]
    screen.resize(20)
    found += [*screen.feed(0.0, "0123456789ab\rX\r\n")]
    screen.resize(0)
    found += [*screen.feed(0.0, "a" * 300 + "\rX\r\n")]
    assert [line.text for line in found] == ["X123456789", "X123456789ab", "X" + "a" * 299]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (["abc\x1b7def\x1b8X\r\n"], ["abcXef"]),
        (["abc\x1b[sdef\x1b[uX\r\n"], ["abcXef"]),
        (["abc\x1b", "7def\x1b", "8X\r\n"], ["abcXef"]),
        (["0123456789\x1b7\r\x1b8ab\r\n"], ["0123456789ab"]),  # that it waits is saved too
        (["abc\x1b7\x1b[1;1Htop\x1b8def\r\n"], ["abc", "top", "def"]),  # on another line
        (["abc\x1b7\r\nxy\x1b8z\r\n"], ["abc", "xy", "z"]),
        (["abc\x1b8X\r\n"], ["abc", "X"]),  # nothing was saved
        (["ab\x1b[?1u\x1b[>1u\x1b[<uc\x1b[1;40sd\r\n"], ["abcd"]),  # keyboard and margins
    ],
)
def test_a_program_saves_the_cursor_and_puts_it_back(parts: list[str], expected: list[str]) -> None:
    assert lines(*parts, columns=10) == expected


def test_a_line_carries_the_time_when_it_was_complete() -> None:
    screen = ScreenText()
    assert list(screen.feed(1.0, "$ wh")) == []
    assert list(screen.feed(2.0, "oami")) == []
    (line,) = screen.feed(9.0, "\r\n")
    assert (line.at, line.text) == (2.0, "$ whoami")


def test_the_same_line_counts_once_in_a_while() -> None:
    screen = ScreenText()
    found = [line.at for at in range(0, 100, 5) for line in screen.feed(at, "\x1b[1;1Hload average\r\n")]
    assert found == [0, 30, 60, 90]


def test_what_stood_on_another_screen_is_no_part_of_the_line() -> None:
    locked = ("$ ls", "\x1b7\x1b[?1049h\x1b[2J\x1b[HLocked", "\x1b[0m\x1b[?1049l\x1b8", " -l\r\n")
    assert lines(*locked) == ["$ ls", "Locked", "-l"]


def test_a_line_without_end_is_cut() -> None:
    assert [len(line) for line in lines("x" * 100_000, "y" * 100_000)] == [screen_text.LONGEST_LINE]


def test_a_sequence_without_end_is_held_back_for_a_while_only() -> None:
    screen = ScreenText()
    list(screen.feed(0, "\x1b]" + "x" * screen_text.MOST_HELD * 3))
    assert [line.text for line in screen.feed(1, "\r\nseen\r\n")][-1] == "seen"


def test_there_is_a_most_of_lines() -> None:
    screen = ScreenText()
    count = sum(len(list(screen.feed(at, f"line {at}\r\n"))) for at in range(screen_text.MOST_LINES + 10))
    assert count == screen_text.MOST_LINES


@pytest.mark.parametrize(
    "hostile",
    [
        "\x1b[1000@",
        "\x1b[1000Cx",
        "x" * 1000,
        "\x1b[" + "9" * 5000 + "C",
        "日" * 1000,
        "a\x1b[1000b",
        "e" + "\u0301" * 1000,
    ],
)
def test_no_host_makes_a_line_grow_for_ever(hostile: str) -> None:
    screen = ScreenText()
    list(screen.feed(0, hostile * 1000))
    assert len(screen._line) <= screen_text.WIDEST
    assert max(map(len, screen._line), default=0) <= screen_text.MOST_IN_A_CELL
    assert [line.text for line in screen.feed(1, "\r\nseen\r\n")][-1] == "seen"


def test_many_different_lines_at_once_are_remembered_in_part_only() -> None:
    screen = ScreenText()
    list(screen.feed(1.0, "".join(f"line {number}\r\n" for number in range(screen_text.MOST_SEEN * 2))))
    assert len(screen._seen) == screen_text.MOST_SEEN
    last = f"line {screen_text.MOST_SEEN * 2 - 1}\r\n"
    assert [line.text for line in screen.feed(2.0, f"line 0\r\n{last}")] == ["line 0"]
