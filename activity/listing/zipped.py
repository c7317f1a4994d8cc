"""Packs files into a ZIP archive that is sent while it is made."""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Generator

from django.utils import timezone

MODE = 0o600  # of the files, where they are unpacked


class _Sink:
    """A file that cannot be moved in: it keeps what is written until it is taken."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, piece: bytes, /) -> int:
        self._pieces.append(bytes(piece))
        return len(piece)

    def flush(self) -> None:
        """Do nothing: what is written is there at once."""

    def close(self) -> None:
        """Do nothing: the archive does not own it."""

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


Member = tuple[str, Generator[bytes, None, None]]


def zipped(members: Generator[Member, None, None]) -> Generator[bytes, None, None]:
    """Yield an archive of these files. A member is asked for when those before it are packed; pieces may be empty."""
    sink, now = _Sink(), timezone.now().timetuple()[:6]
    with contextlib.closing(members), zipfile.ZipFile(sink, "w") as archive:
        for name, pieces in members:
            info = zipfile.ZipInfo(name, now)
            info.external_attr = MODE << 16
            # A workbook is packed already.
            info.compress_type = zipfile.ZIP_STORED if name.endswith(".xlsx") else zipfile.ZIP_DEFLATED
            with contextlib.closing(pieces), archive.open(info, "w", force_zip64=True) as packed:
                for piece in pieces:
                    packed.write(piece)
                    yield sink.take()
    yield sink.take()
