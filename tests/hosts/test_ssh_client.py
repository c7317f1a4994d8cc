"""`sessionadmin ssh` before it runs ssh: what it refuses, and what it puts on ssh's command line."""

from __future__ import annotations

import getpass
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.contrib.auth.models import User
from django.test import RequestFactory

from activity.outage import Outage
from sessionadmin import cli, console_client, ssh_client
from sessionadmin.console_client import Problem
from sessionadmin.ssh_client import ConnectionDetails
from sessions_app import error_pages
from sessions_app.factors import recovery
from sessions_app.factors.models import FactorRule
from sessions_app.factors.webauthn import PASSKEY
from sessions_app.logins.models import LoginSession, SecondFactor
from tests.support import builders
from tests.support.factors import code_of, give_app, give_key
from tests.support.oidc_peer import Peer

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0"
GOOD = {
    "session": 7,
    "account": "alice-adm",
    "address": "web-1.example.com",
    "port": 22,
    "host_key": f"{KEY} web-1",
    "certificate": "ssh-ed25519-cert-v01@openssh.com AAAA alice/session-7",
}


class Answer(requests.Response):
    """An answer of the console."""

    def __init__(self, message: Any, status: int = 200) -> None:
        super().__init__()
        self.message, self.status_code = message, status

    def json(self, **_: Any) -> Any:
        if self.message is None:
            raise requests.JSONDecodeError("no", "", 0)
        return self.message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "SESSIONADMIN_URL"),
        ("console.example.com", "no address"),
        ("ftp://console.example.com", "no address"),
        ("https://alice:secret@console.example.com", "no address"),
        ("http://console.example.com", "not encrypted"),
        ("http://127.0.0.1.example.com", "not encrypted"),
        ("http://localhost.example.com", "not encrypted"),
    ],
)
def test_the_password_goes_to_an_encrypted_console_or_to_this_machine(text: str, said: str) -> None:
    with pytest.raises(Problem, match=said):
        ssh_client.console_address(text)


@pytest.mark.parametrize(
    "text", ["https://c.example.com/", "http://127.0.0.1:8000", "http://[::1]:8000", "http://localhost"]
)
def test_an_address_without_its_last_slash(text: str) -> None:
    assert ssh_client.console_address(text) == text.rstrip("/")


@pytest.mark.parametrize(
    "bad",
    [
        {"address": "-oProxyCommand=touch /tmp/x"},
        {"address": "web-1 x"},
        {"address": "web-1\n"},
        {"account": "-l"},
        {"account": "alice@x"},
        {"host_key": f"{KEY}\n* {KEY}"},
        {"host_key": ""},
        {"certificate": "x\nssh-ed25519 AAAA"},
        {"port": "x"},
        {"port": None},
        {"account": None},
        {"address": None},
        {"host_key": None},
    ],
)
def test_nothing_the_console_says_becomes_an_option_or_another_host(bad: dict[str, Any]) -> None:
    assert ssh_client.read_connection_details(Answer(GOOD)).account == "alice-adm"
    with pytest.raises(Problem):
        ssh_client.read_connection_details(Answer(GOOD | bad))


BUSY = (
    "The database of the console is busy. What you asked for was not done, or not finished: look at what there is now "
    "before you try again. Try again in a moment. If it lasts, tell an administrator."
)


def busy(method: str = "post") -> Answer:
    """Return the answer of a console whose database is busy."""
    answer = Answer(None, 503)
    answer._content = error_pages.unavailable(getattr(RequestFactory(), method)("/"), Outage.BUSY).content
    return answer


def test_a_console_that_cannot_answer_is_heard_in_its_own_words() -> None:
    with pytest.raises(Problem) as message:
        ssh_client.read_connection_details(busy())
    assert str(message.value) == f"The console gave no certificate. {BUSY}"
    empty = Answer(None, 502)
    empty._content = b"<h1>Bad gateway</h1>"
    with pytest.raises(Problem, match=r"^The console gave no certificate\. It answered with status 502\."):
        ssh_client.read_connection_details(empty)


def test_the_same_at_the_login_page_at_the_login_and_at_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers: list[Answer] = []
    monkeypatch.setattr(console_client.Client, "get", lambda *_: answers.pop(0))
    monkeypatch.setattr(console_client.Client, "post", lambda *_: answers.pop(0))

    def said(*given: Answer) -> str:
        answers[:] = given
        with pytest.raises(Problem) as message, console_client.logged_in("https://c", "alice", "secret"):
            pass
        return str(message.value)

    shown, in_it = Answer(None), Answer(None, 302)
    page = "https://c shows no login page. The database of the console is busy. Nothing was changed. Try again in"
    assert said(busy("get")).startswith(page)
    assert said(shown, busy()) == f"https://c did not let you in. {BUSY}"
    answers[:] = [shown, in_it, busy()]
    with console_client.logged_in("https://c", "alice", "secret"):
        pass
    assert capsys.readouterr().err == f"sessionadmin ssh: You may still be logged in at https://c: {BUSY}\n"
    answers[:] = [shown, in_it, in_it]
    with console_client.logged_in("https://c", "alice", "secret"):
        pass
    assert capsys.readouterr().err == ""


def test_a_refusal_is_said_in_the_words_of_the_console() -> None:
    with pytest.raises(Problem, match=r"^This session is locked\.$"):
        ssh_client.read_connection_details(Answer({"problem": "This session is locked."}, 422))
    with pytest.raises(Problem, match="status 404"):
        ssh_client.read_connection_details(Answer(None, 404))
    with pytest.raises(Problem, match="status 500"):
        ssh_client.read_connection_details(Answer([], 500))
    with pytest.raises(Problem, match="ended your login"):
        ssh_client.read_connection_details(Answer(None, 302))


def way(**values: Any) -> ConnectionDetails:
    return ssh_client.read_connection_details(Answer(GOOD | values))


def test_known_hosts_holds_the_pinned_keys_for_this_host_only() -> None:
    assert way().known_hosts() == f"web-1.example.com {KEY}\n"
    assert way(port=2222, address="192.0.2.1").known_hosts() == f"[192.0.2.1]:2222 {KEY}\n"
    assert way(host_key=f"@cert-authority {KEY} fleet").known_hosts() == f"@cert-authority web-1.example.com {KEY}\n"
    assert way(host_key=f"{KEY}\n\nssh-rsa AAAA\n").known_hosts().count("web-1.example.com ") == 2


def test_the_persons_arguments_come_after_ours() -> None:
    line = ssh_client.ssh_command(way(port=2222), Path("/tmp/x"), ["-v", "-oStrictHostKeyChecking=no", "id"])
    assert line[-4:] == ["alice-adm@web-1.example.com", "-v", "-oStrictHostKeyChecking=no", "id"]
    assert line.index("-oStrictHostKeyChecking=yes") < line.index("-oStrictHostKeyChecking=no")
    assert line[line.index("-p") + 1] == "2222"


def test_without_ssh_it_says_so_and_leaves_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(Problem, match="no ssh on this machine"):
        ssh_client.run_ssh(way(), Ed25519PrivateKey.generate(), [])
    assert list(tmp_path.iterdir()) == []


def test_a_console_that_cannot_be_reached_is_said_in_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(getpass, "getpass", lambda _: "secret")
    monkeypatch.setattr(
        sys, "argv", ["sessionadmin", "ssh", "--console", "http://127.0.0.1:9", "--user", "alice", "web-1"]
    )
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert "cannot be reached" in said
    assert "secret" not in said


@pytest.fixture
def console(live_server: Any, alice: User, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Return a function that logs alice in with these codes, and returns the prompts."""

    def log_in(*codes: str, password: str = builders.PASSWORD) -> list[str]:
        answers, prompts = list(codes), []

        def ask(prompt: str) -> str:
            prompts.append(prompt)
            return answers.pop(0)

        monkeypatch.setattr(getpass, "getpass", ask)
        with console_client.logged_in(live_server.url, "alice", password) as client:
            assert LoginSession.objects.filter(ended_at=None).count() == 1
            assert client.post(ssh_client.CERTIFICATE, {}).status_code == 422
        assert not LoginSession.objects.filter(ended_at=None).exists()
        return prompts

    return log_in


@pytest.mark.django_db(transaction=True)
def test_after_the_password_it_asks_for_the_code_that_the_console_asks_for(
    console: Callable[..., list[str]], alice: User, capsys: pytest.CaptureFixture[str]
) -> None:
    assert console() == []
    give_app(alice)
    code = code_of()
    assert console("000000", code) == ["Code of your authenticator app, or a recovery code: "] * 2
    assert "This code is wrong, or it was used before." in capsys.readouterr().err
    with pytest.raises(Problem, match=r"did not let you in\. This code is wrong, or it was used before"):
        console(code, code, code)
    [recovery_code, *_] = recovery.make(alice)
    assert console(recovery_code) == ["Code of your authenticator app, or a recovery code: "]
    assert LoginSession.objects.latest("pk").second_factor == SecondFactor.RECOVERY_CODE


@pytest.mark.django_db(transaction=True)
def test_who_has_only_a_passkey_is_told_where_to_go_instead(console: Callable[..., list[str]], alice: User) -> None:
    give_key(alice, PASSKEY)
    with pytest.raises(Problem, match="asks for your security key or passkey, which only a browser can use") as told:
        console()
    assert "one-time password, for ssh through the gateway" in str(told.value)
    assert not LoginSession.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_who_must_set_up_a_second_factor_is_told_to_do_that_first(live_server: Any, alice: User) -> None:
    FactorRule.objects.create(user=alice, is_required=True, grace_used=FactorRule.NO_GRACE)
    with (
        pytest.raises(Problem, match=r"asks you to set up a second factor first\. Log in with a browser"),
        console_client.logged_in(live_server.url, "alice", builders.PASSWORD) as client,
    ):
        ssh_client.read_connection_details(client.post(ssh_client.CERTIFICATE, {}))
    assert not LoginSession.objects.filter(ended_at=None).exists()


@pytest.mark.django_db(transaction=True)
def test_who_logs_in_by_single_sign_on_is_told_where_to_go_instead(
    console: Callable[..., list[str]], provider: Peer
) -> None:
    with pytest.raises(Problem, match=r"name or the password is wrong.* If you log in by single sign-on: Log in"):
        console(password="of the company")
