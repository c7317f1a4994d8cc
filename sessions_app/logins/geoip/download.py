"""Downloads a city database, verifies it, and puts it in the place of the old one. Does not know settings.

The old file stays untouched until the last step, which is one rename. It stays whole if anything goes wrong before,
even if the process is killed.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import re
import shutil
import tarfile
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, ClassVar

import requests
import urllib3

from sessions_app.logins.geoip.file import FileFacts, GeoipFileError, try_out
from sessions_app.logins.geoip.sources import Packing, Source

CONNECT_TIMEOUT, READ_TIMEOUT = 10, 60  # seconds
CHUNK = 256 * 1024  # bytes
MAX_UNPACKED = 2 * 1024**3  # bytes; a city database has about 0.1 GiB
STALE_AFTER = 24 * 60 * 60  # seconds, after which files of a killed run are deleted

Progress = Callable[[int, int | None], None]  # bytes so far, and bytes in total if the server tells


class UpdateError(Exception):
    """The database was not updated, and the old file is unchanged. The message says why and what to do."""

    exit_code: ClassVar[int] = 1


class DownloadError(UpdateError):
    """The download is not complete. It can be tried again later."""

    exit_code = 3


class CredentialsError(UpdateError):
    """The account or the licence key is not accepted, so trying again does not help."""

    exit_code = 4


class FileRefusedError(UpdateError):
    """The downloaded file is not a valid city database."""

    exit_code = 5


class _NotThereError(DownloadError):
    """The server answered 404. The next address may have the file."""


@dataclass(frozen=True)
class Updated:
    """Which database is in place now, and which was before (None if there was no usable one)."""

    facts: FileFacts
    previous: FileFacts | None
    url: str


def update(source: Source, target: Path, progress: Progress) -> Updated:
    """Download, verify and install the database. Raise UpdateError, or OSError if `target` cannot be written.

    1. Download into the directory of the target, so that the last step is a rename within one file system.

    2. Compare the checksum if the source offers one.

    3. Unpack and open the file and look up addresses. It must be a city database that is not older than the installed
    one of the same kind.

    4. Rename it over the old file, and make both survive a power failure.
    """
    target = target.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    remove_stale(target)
    with part_file(target) as archive, part_file(target) as database:
        with requests.Session() as session:
            url = _download(session, source, archive, progress)
            if source.checksum_url:
                _compare_checksum(session, source, archive)
        _unpack(source.packing, archive, database)
        facts, previous = verify(database, target)
        swap_in(database, target)
    return Updated(facts, previous, url)


def _download(session: requests.Session, source: Source, archive: Path, progress: Progress) -> str:
    """Download the first address that exists into `archive`. Return that address."""
    for url in source.urls:
        try:
            with _get(session, url, source) as response, archive.open("wb") as file:
                _receive(response, file, progress)
        except _NotThereError:
            continue
        return url
    raise DownloadError(f"The server has no {source.name} (404): tried {', '.join(source.urls)}. Try again later.")


@contextlib.contextmanager
def _get(session: requests.Session, url: str, source: Source) -> Iterator[requests.Response]:
    """Yield a successful response from `url`.

    Raise every error during the block as an UpdateError, whose text contains no secret.
    """
    try:
        with session.get(
            url,
            auth=source.credentials,
            stream=True,
            timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
            headers={"Accept-Encoding": "identity"},
        ) as response:
            if response.status_code == 404:
                raise _NotThereError(f"{url} does not exist (404).")
            if response.status_code in (401, 403):
                raise CredentialsError(
                    f"{source.name}: the server refuses the account ({response.status_code}). "
                    "Check MAXMIND_ACCOUNT_ID and MAXMIND_LICENSE_KEY."
                    if source.credentials
                    else f"{source.name}: the server refuses the download ({response.status_code}) of {url}."
                )
            if response.status_code != 200:
                raise DownloadError(f"{url} answered {response.status_code}. Try again later.")
            yield response
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        # Without the text of the error, which may contain the signed address that MaxMind redirects to.
        raise DownloadError(
            f"The download from {url} broke off or could not start ({type(error).__name__}). "
            "Check the network and the proxy settings, and try again."
        ) from None


def _receive(response: requests.Response, file: IO[bytes], progress: Progress) -> None:
    length = response.headers.get("Content-Length", "")
    total = int(length) if length.isascii() and length.isdigit() else None
    received = 0
    progress(0, total)
    # The raw bytes, since a server may take a .gz file for a compressed transfer and requests would unpack it.
    for chunk in response.raw.stream(CHUNK, decode_content=False):
        file.write(chunk)
        received += len(chunk)
        progress(received, total)
    if total is not None and received != total:
        raise DownloadError(f"Only {received:,} of {total:,} bytes arrived. Try again.")


def _compare_checksum(session: requests.Session, source: Source, archive: Path) -> None:
    try:
        with _get(session, source.checksum_url, source) as response:
            text = response.raw.read(1000, decode_content=False).decode("ascii", "replace")
    except _NotThereError as error:
        raise DownloadError(f"There is no checksum at {source.checksum_url}. Try again later.") from error
    expected = re.match(r"[0-9a-fA-F]{64}\b", text)
    if not expected:
        raise FileRefusedError(f"What {source.checksum_url} answers is not a checksum. Nothing was changed.")
    with archive.open("rb") as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    if actual != expected[0].lower():
        raise FileRefusedError(f"{source.name}: the checksum does not match what was downloaded. Try again.")


def _unpack(packing: Packing, archive: Path, database: Path) -> None:
    try:
        with database.open("wb") as output:
            if packing is Packing.GZIP:
                with gzip.open(archive, "rb") as unpacked:
                    _copy(unpacked, output)
                return
            with tarfile.open(archive, "r|gz") as members:
                for member in members:
                    content = members.extractfile(member) if member.name.endswith(".mmdb") else None
                    if content is not None:
                        _copy(content, output)
                        return
    except (gzip.BadGzipFile, tarfile.TarError, zlib.error, EOFError) as error:
        raise FileRefusedError(
            f"What was downloaded is no whole {packing.value} archive ({error}). Try again."
        ) from error
    raise FileRefusedError("The archive holds no .mmdb file.")


def _copy(source: IO[bytes] | gzip.GzipFile, target: IO[bytes]) -> None:
    written = 0
    while chunk := source.read(CHUNK):
        written += len(chunk)
        if written > MAX_UNPACKED:
            raise FileRefusedError(f"The archive unpacks to more than {MAX_UNPACKED:,} bytes.")
        target.write(chunk)


def verify(database: Path, target: Path) -> tuple[FileFacts, FileFacts | None]:
    """Return the facts of the new file and of the one in place, if there is one. Raise FileRefusedError."""
    try:
        facts = try_out(database)
    except GeoipFileError as error:
        raise FileRefusedError(f"The file that was downloaded is refused: {error}.") from error
    try:
        previous = try_out(target)
    except GeoipFileError:
        return facts, None
    if previous.database_type == facts.database_type and facts.built_at < previous.built_at:
        raise FileRefusedError(
            f"The file that was downloaded is of {facts.built_at:%Y-%m-%d}, older than the one in place "
            f"({previous.built_at:%Y-%m-%d})."
        )
    return facts, previous


def swap_in(database: Path, target: Path) -> None:
    """Rename the new file over the old one, and make both survive a power failure."""
    database.chmod(0o644)  # the server may run as another user than this command
    _fsync(database)
    database.replace(target)
    _fsync(target.parent)


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def part_file(target: Path) -> Iterator[Path]:
    """Yield a new empty file beside `target`. Remove it afterwards unless it was renamed."""
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
    os.close(handle)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def remove_stale(target: Path) -> None:
    """Remove what a run that was killed has left beside the target more than a day ago."""
    for part in target.parent.glob(f".{target.name}.*.part"):
        with contextlib.suppress(FileNotFoundError):  # another run was faster
            if part.stat().st_mtime < time.time() - STALE_AFTER:
                shutil.rmtree(part) if part.is_dir() else part.unlink()
