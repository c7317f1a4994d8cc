"""The files of scheduled exports: where they lie, how they are written, and that they are removed."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import time
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from django.conf import settings

NAME = re.compile("[0-9a-f]{32}")
ABANDONED_AFTER = 24 * 3600  # seconds after which a file that no export names is removed


def directory() -> Path:
    """Return the directory of the files, which is made when it is missing. Raises OSError."""
    path = Path(settings.EXPORTS_DIR)
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def path_of(stored_as: str) -> Path:
    """Return where a file is. Raise ValueError for a name that write() did not give."""
    if not NAME.fullmatch(stored_as):
        raise ValueError(f"“{stored_as[:40]}” names no file of an export.")
    return Path(settings.EXPORTS_DIR) / stored_as


def write(pieces: Iterable[bytes], at_each: Callable[[], None]) -> tuple[str, int, str]:
    """Write a new file that only the console's account may read. Return its name, its size in bytes and its SHA-256.

    `at_each` is called for each piece. What fails leaves no file.
    """
    directory()
    name = secrets.token_hex(16)
    path = path_of(name)
    digest, size = hashlib.sha256(), 0
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            for piece in pieces:
                file.write(piece)
                digest.update(piece)
                size += len(piece)
                at_each()
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return name, size, digest.hexdigest()


def remove(stored_as: str) -> None:
    """Remove a file; it may be gone already."""
    path_of(stored_as).unlink(missing_ok=True)


def remove_abandoned(known: Collection[str]) -> None:
    """Remove files that no export names: those of workers that were killed, and of schedules that were deleted.

    Raise OSError if the directory cannot be read.
    """
    for path in directory().iterdir():
        with contextlib.suppress(FileNotFoundError):  # another worker removes it too
            if (
                NAME.fullmatch(path.name)
                and time.time() - path.stat().st_mtime > ABANDONED_AFTER
                and path.name not in known
            ):
                path.unlink()
