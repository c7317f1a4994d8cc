"""A log that is sealed, signed and tampered with as the owner of the database can."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management import CommandError, call_command
from django.db import connection

from activity import append_only, log
from activity.models import Checkpoint, LogEntry
from activity.seal import checkpoints
from activity.seal.sealing import Sealing
from activity.verbs import Verb
from sessions_app.evidence import keys
from sessions_app.wiring import provide_signer_of_the_log


def write(count: int) -> list[LogEntry]:
    """Append so many entries, and return them."""
    return [log.record(Verb.LOGIN, f"entry {number}", details={"number": number}) for number in range(count)]


def seal() -> Checkpoint:
    """Seal all entries, with the one about the first key, and return the newest checkpoint."""
    provide_signer_of_the_log()  # another test may have left a signer of its own
    keys.ensure()
    Sealing("test").seal(is_alone=True)
    checkpoints.make()
    newest = checkpoints.newest()
    assert newest is not None
    return newest


def sealed(count: int) -> list[LogEntry]:
    """Return so many entries that are sealed."""
    entries = write(count)
    seal()
    return entries


def verify(*arguments: object) -> tuple[int, str]:
    """Run `verify_log`, and return its exit code and what it printed."""
    out = io.StringIO()
    try:
        call_command("verify_log", *map(str, arguments), stdout=out)
    except CommandError as error:
        return error.returncode, f"{out.getvalue()}{error}\n"
    return 0, out.getvalue()


def findings(*arguments: object) -> list[str]:
    """Run `verify_log`, and return its findings; its exit code must fit."""
    code, said = verify(*arguments)
    found = [line.removeprefix("FINDING: ") for line in said.splitlines() if line.startswith("FINDING: ")]
    assert code == bool(found), said
    return found


@contextmanager
def as_owner() -> Iterator[None]:
    """Take the triggers of the log away, and put the same ones back: nobody sees it afterwards."""
    append_only.remove(connection)
    try:
        yield
    finally:
        append_only.renew(connection)


def execute(statement: str, values: Sequence[Any] = ()) -> None:
    """Run a statement as the owner of the database does, past the triggers."""
    with as_owner(), connection.cursor() as cursor:
        cursor.execute(statement, list(values))


def kept(checkpoint: Checkpoint, folder: Path) -> Path:
    """Write a checkpoint to a file, as somebody outside keeps it."""
    path = folder / f"checkpoint-{checkpoint.size}"
    path.write_text(checkpoint.note)
    return path


def key_file(folder: Path) -> Path:
    """Write the public keys to a file, as somebody outside keeps them."""
    path = folder / "log.vkey"
    path.write_text("".join(f"{keys.vkey(key)}\n" for key in keys.every_key()))
    return path
