"""`sessionadmin seal_log` and `sessionadmin log_checkpoint`."""

from __future__ import annotations

import base64
import io
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from activity.models import Checkpoint, LogEntry, SealTile
from activity.seal import tree
from activity.verify_sessionadmin import is_consistent, open_note, parse_checkpoint, parse_vkey
from sessions_app.evidence import keys
from tests.support.entries import make_entry

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def test_seal_log_seals_at_once_and_makes_a_checkpoint() -> None:
    for _ in range(3):
        make_entry()
    waiting = LogEntry.objects.count()
    said = run("seal_log")
    assert f"{waiting} entries were sealed. {waiting} are sealed, up to number " in said
    assert Checkpoint.objects.latest("pk").size == tree.size()
    assert LogEntry.objects.count() == waiting + 1  # the first key
    assert "1 entries were sealed" in run("seal_log")
    said = run("seal_log")
    assert "0 entries were sealed" in said
    assert "checkpoint" not in said


def test_seal_log_says_when_nothing_can_be_signed_or_the_tree_is_damaged(settings: Any) -> None:
    kept, settings.ENCRYPTION_KEYS = settings.ENCRYPTION_KEYS, []
    make_entry()
    with pytest.raises(CommandError, match="entries were sealed, but no checkpoint was made"):
        run("seal_log")
    settings.ENCRYPTION_KEYS = kept
    SealTile.objects.all().delete()
    make_entry()
    with pytest.raises(CommandError, match="does not hold"):
        run("seal_log")


def test_log_checkpoint_prints_a_note_that_the_printed_keys_verify() -> None:
    with pytest.raises(CommandError, match="no checkpoint yet"):
        run("log_checkpoint")
    with pytest.raises(CommandError, match="no key"):
        run("log_checkpoint", "--keys")
    make_entry()
    run("seal_log")
    (line,) = run("log_checkpoint", "--keys").splitlines()
    note = run("log_checkpoint")
    assert note == Checkpoint.objects.latest("pk").note
    assert parse_checkpoint(open_note(note, [parse_vkey(line)]).text).size == tree.size()


def test_log_checkpoint_proves_that_an_older_log_is_its_beginning() -> None:
    make_entry()
    run("seal_log")
    old = Checkpoint.objects.latest("pk")
    for _ in range(5):
        make_entry()
    run("seal_log")
    head, _, note = run("log_checkpoint", "--since", str(old.size)).partition("\n\n")
    first, *lines = head.splitlines()
    assert first == f"old {old.size}"
    new = parse_checkpoint(open_note(note, [parse_vkey(keys.vkey(keys.active()))]).text)
    assert is_consistent(old.size, bytes(old.root), new.size, new.root, [base64.b64decode(one) for one in lines])
    with pytest.raises(CommandError, match="was never one of"):
        run("log_checkpoint", "--since", "1000000")


def test_log_checkpoint_rotates_the_key_and_prints_the_line_to_keep() -> None:
    with pytest.raises(CommandError, match="There is no key yet"):
        run("log_checkpoint", "--rotate-key")
    old = keys.ensure()
    said = run("log_checkpoint", "--rotate-key", "--overlap-days", "3")
    assert keys.vkey(keys.active()) in said
    assert f"{old} signs beside it until" in said
    with pytest.raises(CommandError, match="between 0 and 3650"):
        run("log_checkpoint", "--rotate-key", "--overlap-days", "-1")
