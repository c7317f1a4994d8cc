"""Passwords switched off for all but break-glass accounts, each login with which is an alert."""

from __future__ import annotations

import html
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client

from activity.models import Level, LogEntry
from activity.verbs import Verb
from sessions_app.login_rules.models import PasswordLogin, SignInSettings
from sessions_app.logins.models import LoginSession
from sessions_app.people import letters
from sessions_app.sso import break_glass
from sessions_app.sso.models import Identity
from tests.support import pages
from tests.support.builders import PASSWORD
from tests.support.oidc_peer import Peer, sign_in

LOGIN = "/accounts/login/"
SAVED = {
    "second_factor": "nobody",
    "grace_logins": "3",
    "max_logins": "",
    "when_too_many": "end_oldest",
    "idle_days": "",
    "password_login": "break_glass",
}


@pytest.fixture
def passwords_off(admin: User) -> User:
    """Switch passwords off for all but the administrator, whom it returns."""
    settings = SignInSettings.current()
    settings.password_login = PasswordLogin.BREAK_GLASS
    settings.save()
    settings.break_glass_accounts.add(admin)
    return admin


def log_in(name: str, password: str = PASSWORD) -> Any:
    return Client().post(LOGIN, {"username": name, "password": password})


def text(response: Any) -> str:
    return " ".join(html.unescape(response.content.decode()).split())


def test_only_who_knows_the_password_learns_that_it_is_not_accepted(passwords_off: User, alice: User) -> None:
    assert "Login with a password is switched off." in text(log_in("alice"))
    entry = LogEntry.objects.filter(verb=Verb.LOGIN_FAILED).latest("pk")
    assert (entry.user, entry.level) == (alice, Level.WARNING)
    wrong = {text(log_in(name, "wrong")).count("name or the password is wrong.") for name in ("alice", "nobody")}
    assert wrong == {1}
    assert not LoginSession.objects.filter(user=alice).exists()


def test_a_break_glass_account_logs_in_and_the_administrators_are_told_once(passwords_off: User) -> None:
    assert log_in("admin").status_code == 302
    entry = LogEntry.objects.get(verb=Verb.BREAK_GLASS_USED)
    assert (entry.level, entry.actor) == (Level.ERROR, passwords_off)
    assert (break_glass.send_waiting(), break_glass.send_waiting()) == (1, 0)
    (letter,) = mail.outbox
    assert letter.to == [passwords_off.email]
    assert letter.subject == "[SessionAdmin] Break-glass account admin was used"
    assert f"/users/{passwords_off.pk}/" in letter.body


def test_other_logins_are_no_alert(admin: User, alice: User) -> None:
    SignInSettings.current().save()
    SignInSettings.current().break_glass_accounts.add(admin)
    assert log_in("alice").status_code == 302
    assert not LogEntry.objects.filter(verb=Verb.BREAK_GLASS_USED).exists()
    assert break_glass.send_waiting() == 0


def test_a_mail_that_cannot_be_sent_is_logged(passwords_off: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise ConnectionRefusedError

    log_in("admin")
    monkeypatch.setattr(letters, "get_connection", refuse)
    assert break_glass.send_waiting() == 1
    assert LogEntry.objects.get(verb=Verb.MAIL_FAILED).user == passwords_off


def test_single_sign_on_goes_on_without_passwords(passwords_off: User, alice: User, provider: Peer) -> None:
    Identity.objects.create(user=alice, issuer=provider.issuer, subject="s-1")
    assert sign_in(Client(), provider).status_code == 302
    page = pages.elements(Client().get(LOGIN))
    button = page.find(".//div[@id='sign-on']/a")
    assert button is not None
    assert "primary" in button.attrib["class"]
    details = page.find(".//details")
    assert details is not None
    assert "open" not in details.attrib
    assert pages.text(details.find("summary")) == "Break-glass account"
    refused = pages.elements(log_in("alice")).find(".//details")
    assert refused is not None
    assert "open" in refused.attrib  # the reason stands there


def test_nobody_shuts_everybody_out(boss: Client, admin: User, alice: User, settings: Any) -> None:
    def refusal(**more: Any) -> str:
        response = boss.post("/sign-in/", SAVED | more)
        assert response.status_code == 422
        return text(response)

    assert "No provider of single sign-on is set up" in refusal(break_glass_accounts=[admin.pk])
    settings.SSO_PROVIDERS = {
        "p": {"issuer": "https://id.example.com", "client_id": "x", "client_secret_env": "NOT_SET"},
    }
    for chosen in ([], [alice.pk]):
        assert "Choose an administrator with a password" in refusal(break_glass_accounts=chosen)
    other = User.objects.create_superuser("root", "", PASSWORD)
    assert "You could not log in any more." in refusal(break_glass_accounts=[other.pk])
    Identity.objects.create(user=admin, issuer="https://id.example.com", subject="1")
    assert boss.post("/sign-in/", SAVED | {"break_glass_accounts": [other.pk]}).status_code == 302
    assert SignInSettings.current().password_login == PasswordLogin.BREAK_GLASS
