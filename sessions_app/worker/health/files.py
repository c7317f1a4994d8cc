"""Check the files that the console keeps and serves: where they are, how much room is left, which are missing."""

from __future__ import annotations

import os
from pathlib import Path

from django.conf import settings
from django.core.files.storage import FileSystemStorage, storages

from sessions_app.checks_files import database_file, install_instructions, missing_browser_files
from sessions_app.worker.health.findings import Finding, error, ok, warning

MIB = 1024 * 1024
LITTLE_FREE_BYTES = 1024 * MIB  # bytes
NEARLY_NONE = 64 * MIB  # bytes; one recording may have as many
REMEDY = "Make room there, or give it a larger disk. Recordings can go to S3 (docs/recordings.md#where-the-files-are)."


def directories() -> list[Path]:
    """Return the directories in which the console writes, one for each disk.

    Where a directory does not exist yet, its nearest existing parent stands for it.
    """
    file, recordings = database_file(), storages["recordings"]
    wanted = [Path(settings.VAR_DIR)]
    if file is not None:
        wanted.append(file.parent)
    if isinstance(recordings, FileSystemStorage):
        wanted.append(Path(recordings.location))
    found: dict[int, Path] = {}
    for path in wanted:
        there = next(one for one in (path, *path.parents) if one.exists())
        found.setdefault(there.stat().st_dev, there)
    return list(found.values())


def free_bytes(path: Path) -> int:
    """Return how many bytes the console can still write below `path`."""
    disk = os.statvfs(path)
    return disk.f_bavail * disk.f_frsize


def room() -> Finding:
    """Check that the disks have room. The disk of a PostgreSQL on another machine cannot be seen."""
    left = sorted((free_bytes(path), path) for path in directories())
    text = "; ".join(f"{free / MIB:,.0f} MB free below {path}" for free, path in left)
    least = left[0][0]
    if least < NEARLY_NONE:
        return error("Disk", f"The disk of the console is full: {text}.", REMEDY)
    return warning("Disk", f"{text}.", REMEDY) if least < LITTLE_FREE_BYTES else ok("Disk", f"{text}.")


def in_the_browser() -> Finding:
    """Check that the files of the browser's terminal and of the replay are installed."""
    missing = missing_browser_files()
    if not missing:
        return ok("Browser files", "The terminal and the replay are here.")
    return warning(
        "Browser files",
        f"Missing: {', '.join(missing)}. The terminal in the browser and the replay of recordings do not work.",
        f"{install_instructions()} Then run sessionadmin collectstatic (docs/deploy.md#from-a-wheel).",
    )
