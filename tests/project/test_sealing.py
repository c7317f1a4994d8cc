"""Secrets at rest: sealed with a key of their own, opened by any key of the environment, never shown."""

from __future__ import annotations

import base64
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks

from sessions_app import sealing
from tests.support.builders import make_resource
from tests.support.keys import make_key
from tests.support.programs import clean_environment, run

PLAIN = b"Tr0ub4dor & 3"


def test_what_was_sealed_comes_back_and_does_not_show() -> None:
    sealed = sealing.seal(PLAIN)
    assert sealing.unseal(sealed) == PLAIN
    assert PLAIN.decode() not in sealed
    assert base64.b64encode(PLAIN).decode().rstrip("=") not in sealed


def test_the_same_secret_never_looks_the_same() -> None:
    assert sealing.seal(PLAIN) != sealing.seal(PLAIN)


def test_each_secret_has_a_key_of_its_own() -> None:
    first, second = (sealing.seal(PLAIN).split(":") for _ in range(2))
    with pytest.raises(sealing.UnsealError):
        sealing.unseal(":".join((first[0], first[1], second[2])))


def test_a_new_key_opens_nothing_until_the_old_one_stands_behind_it(settings: Any) -> None:
    old, new = make_key(), make_key()
    settings.ENCRYPTION_KEYS = [old]
    sealed = sealing.seal(PLAIN)
    settings.ENCRYPTION_KEYS = [new]
    with pytest.raises(sealing.UnsealError, match="ENCRYPTION_KEYS"):
        sealing.unseal(sealed)
    settings.ENCRYPTION_KEYS = [new, old]
    assert sealing.unseal(sealed) == PLAIN


def test_after_rotation_the_old_key_is_not_needed(settings: Any) -> None:
    old, new = make_key(), make_key()
    settings.ENCRYPTION_KEYS = [old]
    sealed = sealing.seal(PLAIN)
    settings.ENCRYPTION_KEYS = [new, old]
    rotated = sealing.rotate(sealed)
    settings.ENCRYPTION_KEYS = [new]
    assert sealing.unseal(rotated) == PLAIN
    settings.ENCRYPTION_KEYS = [old]
    with pytest.raises(sealing.UnsealError):
        sealing.unseal(rotated)


@pytest.mark.parametrize("text", ["", "plain", "sealed1:x:y", "sealed1:x", "sealed2:x:y", "sealed1:é:y", "a:b:c:d"])
def test_what_was_never_sealed_is_refused(text: str) -> None:
    for each in (sealing.unseal, sealing.rotate):
        with pytest.raises(sealing.UnsealError):
            each(text)


def test_a_changed_letter_is_noticed() -> None:
    sealed = sealing.seal(PLAIN)
    for place in (len("sealed1:") + 20, len(sealed) - 20):
        changed = sealed[:place] + ("A" if sealed[place] != "A" else "B") + sealed[place + 1 :]
        with pytest.raises(sealing.UnsealError):
            sealing.unseal(changed)


@pytest.mark.parametrize("keys", [[], ["short"], ["not base64!" * 4], [base64.urlsafe_b64encode(b"x" * 31).decode()]])
def test_without_a_good_key_nothing_is_sealed_and_no_key_is_printed(settings: Any, keys: list[str]) -> None:
    settings.ENCRYPTION_KEYS = keys
    with pytest.raises(sealing.NoKey) as caught:
        sealing.seal(PLAIN)
    printed = "".join(traceback.format_exception(caught.value))
    assert "ENCRYPTION_KEYS" in printed
    for key in keys:
        assert key not in printed


def test_a_damaged_secret_says_nothing_of_itself(settings: Any) -> None:
    sealed = sealing.seal(PLAIN)
    settings.ENCRYPTION_KEYS = [make_key()]
    with pytest.raises(sealing.UnsealError) as caught:
        sealing.unseal(sealed)
    printed = "".join(traceback.format_exception(caught.value))
    assert sealed not in printed
    assert caught.value.__cause__ is None


def found(databases: list[str] | None = None) -> set[str]:
    return {message.id for message in run_checks(databases=databases) if message.id}


def test_a_malformed_key_is_found_at_start(settings: Any) -> None:
    assert "sessions_app.E005" not in found()
    settings.ENCRYPTION_KEYS = ["no key"]
    assert "sessions_app.E005" in found()


def test_a_missing_key_is_told_once_something_needs_it(db: None, settings: Any) -> None:
    settings.ENCRYPTION_KEYS = []
    assert "sessions_app.W005" not in found(["default"])
    make_resource("web-1", connector="ssh")
    assert "sessions_app.W005" in found(["default"])
    settings.ENCRYPTION_KEYS = [make_key()]
    assert "sessions_app.W005" not in found(["default"])


def test_a_trial_makes_its_own_key_once_and_keeps_it_to_its_owner(tmp_path: Path) -> None:
    environment = clean_environment(VAR_DIR=str(tmp_path), DJANGO_SETTINGS_MODULE="sessionadmin.settings.development")
    show = [sys.executable, "-c", "from django.conf import settings; print(settings.ENCRYPTION_KEYS)"]
    first, second = run(show, environment), run(show, environment)
    assert first.stdout == second.stdout
    assert len(first.stdout) > 44, first.stderr
    stored = tmp_path / "encryption_key"
    assert stored.stat().st_mode & 0o777 == 0o600
    assert stored.read_text() in first.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["encryption_key", "secret_key", "static"]
