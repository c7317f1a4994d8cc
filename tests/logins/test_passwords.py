"""New passwords that anybody would try, that are made of common ones, or that were breached are refused."""

from __future__ import annotations

import hashlib
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management import call_command
from pytest_django import Settings

from sessions_app.people.passwords import is_breached


@pytest.mark.parametrize(
    "password",
    [
        "SessionAdmin2026!",
        "Administrator#1",
        "adminadminadmin12",
        "Bastion-console-1",
        "tessa.quint99!",
        "consoleexample1",
    ],
)
def test_words_of_the_console_and_of_the_person_do_not_count(password: str, settings: Settings) -> None:
    settings.SITE_URL = "https://console.example.com"
    with pytest.raises(ValidationError) as refusal:
        validate_password(password, User(username="tessa.quint"))
    assert "password_of_context_words" in [error.code for error in refusal.value.error_list]


@pytest.mark.parametrize("password", ["console brass lantern", "plum orchard radio", "Rootstock-7-mellow-crane"])
def test_enough_other_characters_are_accepted(password: str) -> None:
    validate_password(password, User(username="tessa.quint"))


def codes_of(password: str) -> list[str]:
    """Return why the console refuses a password."""
    try:
        validate_password(password, User(username="tessa.quint"))
    except ValidationError as refusal:
        return [error.code or "" for error in refusal.error_list]
    return []


@pytest.mark.parametrize(
    "password",
    [
        "monkeydragon",  # two common ones
        "Dragon!Monkey",
        "qwertyqwerty1!",
        "liverpool2010",
        "iloveyou-iloveyou",
        "123451234512345",
        "111111111111111",
        "abababababab",
        "football football",
    ],
)
def test_one_or_two_common_passwords_are_not_enough(password: str) -> None:
    assert "password_too_common" in codes_of(password)


@pytest.mark.parametrize(
    "password", ["tiger monkey dragon", "correct horse battery staple", "kV7#qLm2x!Rw", "x" * 40 + "monkeydragon12"]
)
def test_three_words_and_random_ones_are_accepted(password: str) -> None:
    assert codes_of(password) == []


def hash_of(password: str) -> str:
    return hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()


@pytest.mark.parametrize("end", [":3\n", "\r\n", ":12345678\r\n", "\n"])
@pytest.mark.parametrize("count", [1, 2, 3, 500])
def test_each_line_of_the_breached_ones_is_found_and_nothing_else(tmp_path: Path, count: int, end: str) -> None:
    path = tmp_path / "breached.txt"
    known = [f"Known-password-{number}" for number in range(count)]
    path.write_text("".join(f"{one}{end}" for one in sorted(map(hash_of, known))), newline="")
    assert all(is_breached(password, str(path)) for password in known)
    assert not any(is_breached(f"Other-password-{number}", str(path)) for number in range(50))
    path.write_text(hash_of("the only one"))
    assert is_breached("the only one", str(path))
    path.write_bytes(b"")
    assert not is_breached("the only one", str(path))


def test_a_breached_password_is_refused_where_there_is_a_file(tmp_path: Path, settings: Settings) -> None:
    assert codes_of("plum orchard radio") == []
    path = tmp_path / "breached.txt"
    path.write_text(f"{hash_of('plum orchard radio')}:7\n")
    settings.BREACHED_PASSWORDS_FILE = str(path)
    assert codes_of("plum orchard radio") == ["password_breached"]
    assert codes_of("plum orchard radios") == []
    path.unlink()
    assert codes_of("plum orchard radios") == ["password_not_checked"]


@pytest.mark.django_db
@pytest.mark.parametrize("content", [None, b"", b"password\n", b"B" * 40 + b":1\n" + b"A" * 40 + b":1\n"])
def test_a_file_that_is_no_list_of_hashes_is_a_warning_and_stops_nothing(
    tmp_path: Path, settings: Settings, content: bytes | None
) -> None:
    path = tmp_path / "breached.txt"
    if content is not None:
        path.write_bytes(content)
    settings.BREACHED_PASSWORDS_FILE = str(path)
    said = StringIO()
    call_command("check", stderr=said)
    assert "sessions_app.W054" in said.getvalue()
