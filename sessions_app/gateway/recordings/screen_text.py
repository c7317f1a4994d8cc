"""Find the lines of text that a terminal has shown, in the output that it was sent. Pure.

It follows the current line: printed text, backspace, carriage return, and moves and erasures within the line, as they
happen while a person edits a command. A line that is wider than the screen continues in the next row and stays one
line. Whatever moves the cursor to another line ends the current one, so full-screen programs produce the pieces that
they paint.

Hosts count columns: emoji and East Asian letters take two, and accents that follow their letter take none. wcwidth
knows which. This is no full terminal, because it must be fast: pyte, which is one, reads 0.5 MB in a second where this
module reads 4 MB.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator

from wcwidth import wcwidth

SAME_WITHIN = 30.0  # seconds in which an equal line counts only once, because programs paint the same again and again
MOST_SEEN = 5000  # different lines that are remembered for that purpose
MOST_LINES = 50_000
LONGEST_LINE = 500  # characters
WIDEST = 2000  # columns of a line that are followed; hosts can move and insert as far as they like
MOST_IN_A_CELL = 16  # characters: a letter with its accents
MOST_HELD = 8192  # characters of an escape sequence that has no end yet

_TOKEN = re.compile(
    r"\x1b\[(?P<parameters>[0-9;:<=>?]*)[ -/]*(?P<final>[@-~])"
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)"  # strings: titles, links, colours
    r"|\x1b(?P<cursor>[78])"
    r"|\x1b[ -/]*[0-Z\\`-~]"
    r"|(?P<text>[^\x00-\x1f\x7f-\x9f]+)"
    r"|(?P<control>[\x00-\x1a\x1c-\x1f\x7f-\x9f])"
)
_UNFINISHED = re.compile(r"\x1b(?:\[[0-9;:<=>? -/]*|[\]PX^_][^\x07\x1b]*\x1b?|[ -/]*)?\Z")
_STAYS = frozenset("mnhlqrct")  # sequences that leave cursor and line alone
_OTHER_SCREEN = frozenset({"?1049", "?1047", "?47"})  # modes that switch between the two screens of a terminal
_BLANKS = re.compile(r"\s+")


@dataclasses.dataclass(frozen=True, slots=True)
class ScreenLine:
    """A line as it was last on the screen. `at` is in seconds from the start."""

    at: float
    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class _Cursor:
    """A saved cursor: its line, the start of its row, and its column in that row."""

    line: int
    row: int
    column: int


class ScreenText:
    """Reads output and yields completed lines. `columns` is the width of the screen; 0 when it is not known."""

    def __init__(self, columns: int = 0) -> None:
        self._width = columns or WIDEST
        self._wraps = True  # what is printed behind the last column goes to the next row
        self._row = 0  # the column of the line with which the row of the cursor begins
        self._number = 0  # of the line, among all
        self._saved: _Cursor | None = None
        self._held = ""
        self._line: list[str] = []  # a cell for each column; the second of a wide character is empty
        self._column = 0
        self._printed = ""  # the last character, which a host can ask to be repeated
        self._at = 0.0
        self._seen: dict[str, float] = {}
        self._count = 0

    def feed(self, at: float, text: str) -> Iterator[ScreenLine]:
        """Read output of the time `at` (seconds), and yield each line that it ends."""
        text = self._held + text
        self._held = ""
        end = _finished(text)
        self._held, text = text[end:], text[:end]
        for token in _TOKEN.finditer(text):
            if (printed := token["text"]) is not None:
                self._print(printed)
                self._at = at
            elif (control := token["control"]) is not None:
                yield from self._control(control)
            elif (cursor := token["cursor"]) is not None:
                yield from self._keep_cursor("s" if cursor == "7" else "u")
            elif (final := token["final"]) is not None:
                yield from self._sequence(final, token["parameters"])

    def resize(self, columns: int) -> None:
        """Set the width of the screen in columns; 0 when it is not known."""
        self._width = columns or WIDEST

    def finish(self) -> Iterator[ScreenLine]:
        """Yield the line that was there at the end."""
        yield from self._end()

    def _print(self, text: str) -> None:
        self._printed = text[-1]
        if text.isascii():
            self._put(list(text))
            return
        cells: list[str] = []
        for character in text:
            width = wcwidth(character)
            if width > 0:
                cells += (character,) if width == 1 else (character, "")
            elif cells:
                _join(cells, len(cells) - 1, character)
            elif 0 < self._column <= len(self._line):
                _join(self._line, self._column - 1, character)
        self._put(cells)

    def _put(self, cells: list[str]) -> None:
        """Write cells at the cursor and move it behind them, in as many rows as that takes.

        Behind the last column the cursor waits for the next character (DECAWM), so that a full row and the end of a
        line are one row.
        """
        while (room := self._row + self._width - self._column) < len(cells):
            if not self._wraps:
                cells = [*cells[: max(room - 1, 0)], cells[-1] or " "]
                self._column = min(self._column, self._row + self._width - 1)
                break
            if room > 0 and not cells[room]:
                room -= 1  # a wide character goes whole
            self._write(cells[: max(room, 0)])
            del cells[: max(room, 0)]
            self._row = self._column
            if self._width < 2 or self._row >= WIDEST:
                break
        self._write(cells)

    def _write(self, cells: list[str]) -> None:
        line, column = self._line, self._column
        if column < WIDEST:
            if column > len(line):
                line.extend(" " * (column - len(line)))
            self._blank_split_character(column)
            self._blank_split_character(column + len(cells))
            line[column : column + len(cells)] = cells
            del line[WIDEST:]
        self._column += len(cells)

    def _blank_split_character(self, column: int) -> None:
        """Blank a wide character that lies on both sides of `column`, because half of one cannot be shown."""
        line = self._line
        if 0 < column < len(line) and not line[column]:
            line[column - 1 : column + 1] = "  "

    def _control(self, control: str) -> Iterator[ScreenLine]:
        if control == "\b":
            self._column = max(self._row, self._shown() - 1)
        elif control == "\r":
            self._column = self._row
        elif control == "\t":
            column = self._column - self._row
            self._move(column + 8 - column % 8)
        elif control in "\n\v\f":
            yield from self._end()

    def _sequence(self, final: str, parameters: str) -> Iterator[ScreenLine]:
        if final in _STAYS:
            if parameters in _OTHER_SCREEN:
                yield from self._end()
            elif parameters == "?7" and final in "hl":
                self._wraps = final == "h"
            return
        if final in "su":
            if not parameters:  # with some they are about margins, modes and the keyboard
                yield from self._keep_cursor(final)
            return
        first = parameters.split(";")[0]
        count = min(int(first[:9]), 1000) if first.isdecimal() else 1  # Python reads no number of thousands of digits
        line, column, some = self._line, self._column, max(count, 1)
        if final in "Ca":
            self._move(column - self._row + some)
        elif final == "D":
            self._move(self._shown() - self._row - some)
        elif final in "G`":
            self._move(some - 1)
        elif final == "b":
            self._print(self._printed * some)
        elif final in "KPX@" or (final == "J" and first in ("", "0")):  # readline clears what is below its line
            self._blank_split_character(column)
            if final == "@":
                line[column:column] = " " * some
                del line[WIDEST:]
            elif final == "P":
                self._blank_split_character(column + some)
                del line[column : column + some]
            elif final == "X":
                self._erase(column, column + some)
            elif first == "1":
                self._erase(self._row, column + 1)
            elif first in ("", "0"):
                del line[column:]
            else:
                del line[self._row :]
        else:
            yield from self._end()

    def _shown(self) -> int:
        """Return the visible column of the cursor: the last one while it waits behind that."""
        return min(self._column, self._row + self._width - 1)

    def _move(self, column: int) -> None:
        """Put the cursor on a column of its row."""
        self._column = self._row + max(0, min(column, self._width - 1))

    def _keep_cursor(self, final: str) -> Iterator[ScreenLine]:
        """Save the cursor (s) or restore it (u). On another line only the column is restored."""
        if final == "s":
            self._saved = _Cursor(self._number, self._row, self._column - self._row)
            return
        saved = self._saved or _Cursor(-1, 0, 0)
        if saved.line != self._number or saved.row != self._row:
            yield from self._end()
        self._column = self._row + saved.column

    def _erase(self, start: int, end: int) -> None:
        self._blank_split_character(end)
        self._line[start:end] = " " * len(self._line[start:end])

    def _end(self) -> Iterator[ScreenLine]:
        text = _BLANKS.sub(" ", "".join(self._line)).strip()[:LONGEST_LINE]
        self._line.clear()
        self._column = self._row = 0
        self._number += 1
        if not text or self._count >= MOST_LINES:
            return
        before = self._seen.get(text)
        if before is not None and self._at - before < SAME_WITHIN:
            return
        self._seen.pop(text, None)
        self._seen[text] = self._at  # the newest last
        if len(self._seen) > MOST_SEEN:
            del self._seen[next(iter(self._seen))]
        self._count += 1
        yield ScreenLine(self._at, text)


def _join(cells: list[str], column: int, character: str) -> None:
    """Add an accent, or anything else that takes no column, to the character at `column`."""
    if column and not cells[column]:
        column -= 1  # its second half
    if len(cells[column]) < MOST_IN_A_CELL:
        cells[column] += character


def _finished(text: str) -> int:
    """Return up to where `text` can be read: there an unfinished escape sequence begins.

    Only the last two escapes can begin one, because the end of a string is an escape too.
    """
    start = len(text)
    for _ in range(2):
        start = text.rfind("\x1b", max(0, len(text) - MOST_HELD), start)
        if start < 0:
            break
        if _UNFINISHED.match(text, start) is not None and not (text[start:] == "\x1b" and _is_in_string(text, start)):
            return start
    return len(text)


def _is_in_string(text: str, end: int) -> bool:
    """Return whether the escape at `end` may be the first half of a string's end."""
    before = text.rfind("\x1b", max(0, len(text) - MOST_HELD), end)
    return before >= 0 and _UNFINISHED.match(text, before) is not None
