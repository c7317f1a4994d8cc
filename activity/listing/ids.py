"""The ids of the rows that a download has written, in their order: the first and the last, or all of them."""

from __future__ import annotations

import array
from collections.abc import Iterable, Iterator
from typing import IO

AT_ONCE = 8192


class RowIds:
    """Notes the ids of rows, and keeps all of them where it is given a file for them."""

    def __init__(self, file: IO[bytes] | None = None) -> None:
        self.first: int | None = None
        self.last: int | None = None
        self._file = file

    @property
    def are_kept(self) -> bool:
        """Return whether all ids are kept, and not only the first and the last."""
        return self._file is not None

    def add(self, ids: Iterable[int]) -> None:
        """Note the ids of further rows."""
        some = array.array("q", ids)
        if not some:
            return
        self.first = some[0] if self.first is None else self.first
        self.last = some[-1]
        if self._file is not None:
            some.tofile(self._file)

    def all(self) -> Iterator[list[int]]:
        """Yield the ids that are kept, some at a time, in the order of their rows."""
        if self._file is None:
            return
        self._file.seek(0)
        while piece := self._file.read(AT_ONCE * 8):
            some = array.array("q")
            some.frombytes(piece)
            yield some.tolist()
