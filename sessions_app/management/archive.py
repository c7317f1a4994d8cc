"""A backup as one tar archive: the database, the recordings on this machine, and the keys that decrypt them."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
import time
from pathlib import Path, PurePosixPath
from typing import Any

from django.conf import settings
from django.core.files.storage import FileSystemStorage, storages
from django.core.management.base import CommandError
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

FORMAT = 1
MANIFEST, DATABASE, KEYS, RECORDINGS = "manifest.json", "database", "keys.json", "recordings"
SAVED_SETTINGS = ("SECRET_KEY", "ENCRYPTION_KEYS")


def recordings_directory() -> Path | None:
    """Return the directory of the recordings, or None when they are stored elsewhere."""
    storage = storages["recordings"]
    return Path(storage.location) if isinstance(storage, FileSystemStorage) else None


def manifest() -> dict[str, Any]:
    """Return what a restore compares with its own console."""
    applied = sorted(".".join(one) for one in MigrationRecorder(connection).applied_migrations())
    made_at = timezone.now().isoformat(timespec="seconds")
    return {"format": FORMAT, "made_at": made_at, "database": connection.vendor, "migrations": applied}


@sensitive_variables()
def write(target: Path, database: Path, *, with_keys: bool) -> int:
    """Write the archive to the new file `target`, readable by its owner alone. Return the number of recordings.

    The database was copied before. A recording that the copy names and that was removed since is left out.
    """
    recordings = recordings_directory()
    files = sorted(path for path in recordings.rglob("*") if path.is_file()) if recordings else []
    count = 0
    target.touch(mode=0o600)
    # With `dereference` a file that has two names is two files in the archive, and never a link.
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT, dereference=True) as archive:
        _add(archive, MANIFEST, manifest())
        archive.add(database, DATABASE)
        if with_keys:
            _add(archive, KEYS, {name: getattr(settings, name) for name in SAVED_SETTINGS})
        for path in files:
            try:
                archive.add(path, f"{RECORDINGS}/{path.relative_to(recordings or path)}")
            except FileNotFoundError:
                continue
            count += path.suffix == ".cast"
    return count


def _add(archive: tarfile.TarFile, name: str, content: dict[str, Any]) -> None:
    data = json.dumps(content).encode()
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = len(data), 0o600, int(time.time())
    archive.addfile(member, io.BytesIO(data))


def unpack(source: Path, directory: Path) -> dict[str, Any]:
    """Unpack the archive into the empty `directory` and return its manifest.

    Raises CommandError when it is no archive of a backup, or not one for this console.
    """
    try:
        with tarfile.open(source) as archive:
            _extract(archive, directory)
        manifest_data: dict[str, Any] = json.loads((directory / MANIFEST).read_text())
    except (tarfile.TarError, OSError, ValueError) as error:
        why = " ".join(str(error).split())
        raise CommandError(f"{source} is no backup of a console: {why}. Nothing was changed.") from error
    if manifest_data.get("format") != FORMAT or not (directory / DATABASE).is_file():
        raise CommandError(f"{source} is no backup that this version understands. Nothing was changed.")
    if manifest_data["database"] != connection.vendor:
        raise CommandError(
            f"{source} holds a database of {manifest_data['database']}, and DATABASE_URL leads to {connection.vendor}. "
            "Nothing was changed. Set DATABASE_URL to a database of the same kind."
        )
    return manifest_data


def _extract(archive: tarfile.TarFile, directory: Path) -> None:
    """Write the files of the archive below `directory`.

    Raises tarfile.TarError for what no backup holds: links, devices and names that lead out of the directory. Entries
    of directories are there where somebody packed a backup again. tarfile's own filter does the same, but Python has it
    from 3.11.4 on, and Debian 12 comes with 3.11.2.
    """
    for member in archive:
        name = PurePosixPath(member.name)
        is_inside = not name.is_absolute() and ".." not in name.parts
        target = directory / name
        if is_inside and member.isdir():
            target.mkdir(parents=True, exist_ok=True)
            continue
        content = archive.extractfile(member) if is_inside and member.isreg() else None
        if content is None:
            raise tarfile.ReadError(f"it holds {member.name}, which no backup does")
        target.parent.mkdir(parents=True, exist_ok=True)
        with content, target.open("wb") as file:
            shutil.copyfileobj(content, file)


@sensitive_variables()
def missing_keys(directory: Path) -> dict[str, Any]:
    """Return the keys of the backup that this console does not have, by the name of the setting."""
    file = directory / KEYS
    if not file.exists():
        return {}
    stored: dict[str, Any] = json.loads(file.read_text())
    return {
        name: value for name, value in stored.items() if name in SAVED_SETTINGS and value != getattr(settings, name)
    }
