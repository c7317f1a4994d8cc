"""Where the files of recordings lie: STORAGES["recordings"], a directory of this machine or any storage of Django's.

A name follows from the recording alone, so that closing it twice writes the same file and leaves nothing behind.
"""

from __future__ import annotations

import hashlib
from typing import IO, Any

from django.core.files import File
from django.core.files.storage import Storage, storages

from sessions_app.models import Recording

BLOCK = 256 * 1024


def storage() -> Storage:
    """The storage of recordings. Raises InvalidStorageError when the setting names none."""
    return storages["recordings"]


def cast_name(recording: Recording) -> str:
    """The file of the terminal."""
    return f"{recording.started_at:%Y/%m}/{recording.pk}.cast"


def input_name(recording: Recording) -> str:
    """The file of what was typed, sealed."""
    return f"{recording.started_at:%Y/%m}/{recording.pk}.input"


def put(name: str, content: IO[bytes]) -> tuple[str, int, str]:
    """Write `content`, from its beginning, over whatever is there: name, bytes, SHA-256 in hex. Raises OSError, and
    what else the storage raises."""
    digest, size = hashlib.sha256(), 0
    content.seek(0)
    while block := content.read(BLOCK):
        digest.update(block)
        size += len(block)
    content.seek(0)
    # A storage that never overwrites would put it under another name.
    if storage().exists(name):
        storage().delete(name)
    return storage().save(name, File(content)), size, digest.hexdigest()


def digest_of(name: str) -> str:
    """SHA-256 in hex of the file as it lies there now. Raises OSError (FileNotFoundError), what the storage raises."""
    digest = hashlib.sha256()
    with storage().open(name) as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def opened(recording: Recording) -> Any:
    """The file of the terminal, to be read in bytes. Raises OSError, what the storage raises."""
    return storage().open(recording.path)
