"""The storage of the files of recordings: STORAGES["recordings"], a directory or any storage of Django's.

A name follows from the recording alone, so that closing it twice writes the same file and leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from typing import IO, Any

from django.core.files import File
from django.core.files.storage import InvalidStorageError, Storage, storages

from sessions_app.gateway.recordings.models import Recording

BLOCK_BYTES = 256 * 1024


class StorageFailed(OSError):
    """Says that the storage did not give a file: it is away, or refuses access. Its own error is the cause."""


def storage() -> Storage:
    """Return the storage of recordings. Raises InvalidStorageError when the setting names none."""
    return storages["recordings"]


def cast_name(recording: Recording) -> str:
    """Return the name of the file of the terminal."""
    return f"{recording.started_at:%Y/%m}/{recording.pk}.cast"


def input_name(recording: Recording) -> str:
    """Return the name of the encrypted file of what was typed."""
    return f"{recording.started_at:%Y/%m}/{recording.pk}.input"


def put(name: str, content: IO[bytes]) -> tuple[str, int, str]:
    """Write the whole `content` over whatever is there. Return name, bytes and SHA-256 in hex.

    Raises OSError, and what else the storage raises.
    """
    digest, size = hashlib.sha256(), 0
    content.seek(0)
    while block := content.read(BLOCK_BYTES):
        digest.update(block)
        size += len(block)
    content.seek(0)
    # A storage that never overwrites would put it under another name.
    if storage().exists(name):
        storage().delete(name)
    return storage().save(name, File(content)), size, digest.hexdigest()


def digest_of(name: str) -> str:
    """Return the SHA-256 in hex of the file as it is now. Raises OSError: FileNotFoundError, StorageFailed."""
    digest = hashlib.sha256()
    with _by_one_name(), storage().open(name) as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def difference(name: str, expected: str) -> str:
    """Return what is wrong with a file that had this SHA-256, as the end of a sentence; empty when nothing is."""
    if not name:
        return "is not named any more"
    try:
        found = digest_of(name)
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {error}"
    return "" if found == expected else f"was changed: its SHA-256 is {found}, noted was {expected}"


def opened(name: str) -> Any:
    """Return the file, opened for reading bytes. Raises OSError: FileNotFoundError, StorageFailed."""
    with _by_one_name():
        return storage().open(name)


@contextlib.contextmanager
def _by_one_name() -> Iterator[None]:
    """Raise StorageFailed instead of the errors of storage libraries, which nobody here can name.

    A file that does not exist raises FileNotFoundError everywhere.
    """
    try:
        yield
    except (OSError, InvalidStorageError):
        raise
    except Exception as error:
        raise StorageFailed(f"{type(error).__name__}: {error}") from error
