"""New passwords that are little more than words which anybody would try are refused."""

import pytest
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from pytest_django import Settings


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
