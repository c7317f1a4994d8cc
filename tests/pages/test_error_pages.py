"""An error page says what happened whatever is broken: no database, no session, no person is needed to draw it."""

from __future__ import annotations

import contextlib
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import OperationalError, connections
from django.test import Client
from django.urls import reverse

from activity.outage import Outage
from sessions_app import error_pages
from sessions_app.help.documents import documents
from sessions_app.logins.models import LoginSession
from tests.support import pages, programs
from tests.support.busy import write_lock_held_by_another

AsUser = Callable[[User], Client]

ASK = """
import django
django.setup()
from django.test import Client
browser = Client(raise_request_exception=False)
browser.cookies["sessionid"] = "a" * 32
for answer in (browser.get("/", headers={"Host": "localhost"}), browser.get("/healthz", headers={"Host": "localhost"})):
    print(answer.status_code, answer.get("Retry-After"), answer.content.decode())
"""


def failing(code: int, words: str) -> OperationalError:
    """Return an error of SQLite as Django raises it."""
    cause = sqlite3.OperationalError(words)
    cause.sqlite_errorcode = code
    error = OperationalError(words)
    error.__cause__ = cause
    return error


@pytest.fixture
def browser(as_user: AsUser, alice: User) -> Client:
    client = as_user(alice)
    client.raise_request_exception = False
    return client


@contextlib.contextmanager
def broken_database(error: Exception) -> Iterator[None]:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise error

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(connections["default"]), "cursor", refuse)
        yield


def headings(answer: Any) -> list[str]:
    return pages.texts(pages.elements(answer), ".//h1")


def test_a_postgresql_that_is_down_is_a_503_with_words(tmp_path: Path) -> None:
    environment = programs.clean_environment(
        DJANGO_SETTINGS_MODULE="sessionadmin.settings.development",
        DATABASE_URL=f"postgresql://nobody:nothing@127.0.0.1:{programs.free_port()}/nothing",
        VAR_DIR=str(tmp_path),
    )
    result = programs.run([sys.executable, "-c", ASK], environment)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("503 30 ") == 2
    assert result.stdout.count("<h1>The database of the console cannot be reached</h1>") == 1
    assert "Nothing was changed." in result.stdout
    assert "Traceback" not in result.stderr
    assert result.stderr.count("The database of the console cannot be reached: OperationalError") == 1


@pytest.mark.parametrize(
    ("code", "words", "heading"),
    [
        (sqlite3.SQLITE_BUSY, "database is locked", "The database of the console is busy"),
        (sqlite3.SQLITE_FULL, "database or disk is full", "The disk of the console is full"),
        (sqlite3.SQLITE_READONLY, "attempt to write a readonly database", "The console cannot write to its database"),
        (sqlite3.SQLITE_IOERR_WRITE, "disk I/O error", "The console cannot use its disk"),
    ],
)
@pytest.mark.parametrize("is_part", [False, True])
def test_each_outage_says_what_it_is(browser: Client, code: int, words: str, heading: str, *, is_part: bool) -> None:
    headers = {"HX-Request": "true"} if is_part else {}
    with broken_database(failing(code, words)):
        answer = browser.get(reverse("sessions"), headers=headers)
    assert answer.status_code == 503
    assert int(answer["Retry-After"]) > 0
    assert headings(answer) == [heading]
    assert ("<html" in answer.content.decode()) is not is_part


def test_an_error_of_ours_is_a_500_although_the_database_is_away(
    browser: Client,
) -> None:
    with broken_database(ZeroDivisionError("a fault")):
        answer = browser.get(reverse("sessions"))
    assert (answer.status_code, answer.get("Retry-After")) == (500, None)
    assert headings(answer) == ["Something went wrong on our side"]


@pytest.mark.parametrize(
    ("path", "host", "status"),
    [("/no/such/page", "testserver", 404), ("/health/", "testserver", 403), ("/", "other.example", 400)],
)
def test_every_error_page_has_the_headers_and_the_theme_of_a_page(
    browser: Client, path: str, host: str, status: int
) -> None:
    browser.cookies["theme"] = "dark"
    answer = browser.get(path, headers={"Host": host})
    assert answer.status_code == status
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "frame-ancestors 'none'" in answer["Content-Security-Policy"]
    assert 'data-theme="dark"' in answer.content.decode()


def test_a_refused_host_has_its_headers_at_the_redirect_to_https_too(client: Client, settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    answer = client.get("/accounts/login/", headers={"Host": "other.example"})
    assert (answer.status_code, answer["X-Frame-Options"], answer["X-Content-Type-Options"]) == (400, "DENY", "nosniff")
    assert "frame-ancestors 'none'" in answer["Content-Security-Policy"]


@pytest.mark.parametrize("address", ["http://[", "//", "\x00", "http://testserver/%"])
def test_an_error_page_asks_nothing_of_what_htmx_says(browser: Client, address: str) -> None:
    answer = browser.get("/no/such/page", headers={"HX-Request": "true", "HX-Current-URL": address})
    assert answer.status_code == 404
    assert headings(answer) == ["There is nothing here"]


def test_more_parameters_than_anybody_sends_are_a_400_with_words(browser: Client) -> None:
    answer = browser.get(reverse("sessions") + "?" + "&".join(f"a{number}=1" for number in range(1100)))
    assert answer.status_code == 400
    assert headings(answer) == ["This request was not understood"]


def test_a_stranger_gets_no_links_of_the_console_and_is_led_to_the_login(client: Client) -> None:
    page = pages.elements(client.get("/no/such/page"))
    assert pages.texts(page, ".//nav") == []
    assert pages.texts(page, ".//main//a") == ["Log in"]


def test_whoever_has_a_login_gets_the_links_of_everybody_also_when_the_database_is_away(browser: Client) -> None:
    links = ["Overview", "Sessions", "Approvals", "Session Information", "Recordings", "Activity log", "Resources"]
    assert pages.texts(pages.elements(browser.get("/no/such/page")), ".//nav//a") == links
    with broken_database(failing(sqlite3.SQLITE_BUSY, "database is locked")):
        page = pages.elements(browser.get(reverse("sessions")))
    assert pages.texts(page, ".//nav//a") == links
    assert pages.texts(page, ".//main//a") == ["Try again", "Go to the sessions", "When something does not work"]


@pytest.mark.parametrize("status", [400, 403, 404, 429, 500, 503])
def test_an_error_leads_to_a_paragraph_of_the_help(status: int) -> None:
    document, anchor, _ = error_pages.HELP.get(status, error_pages.HELP_ON_OTHERS)
    assert anchor in {heading.anchor for heading in documents()[document].rendered.headings}


def test_a_form_that_failed_is_not_asked_for_again_by_a_link(browser: Client) -> None:
    with broken_database(failing(sqlite3.SQLITE_FULL, "disk full")):
        page = pages.elements(browser.post(reverse("session_request")))
    assert pages.texts(page, ".//main//a") == ["Go to the sessions", "When something does not work"]


def test_a_host_name_that_is_not_ours_is_said(browser: Client) -> None:
    answer = browser.get("/", headers={"Host": "other.example"})
    assert headings(answer) == ["The console is not known by this address"]
    assert "other.example" not in answer.content.decode()


@pytest.mark.sqlite_only
@pytest.mark.django_db(transaction=True)
def test_a_page_that_only_reads_comes_although_somebody_holds_the_write_lock(as_user: AsUser, alice: User) -> None:
    browser = as_user(alice)
    LoginSession.objects.update(last_access_at=LoginSession.objects.get().created_at.replace(microsecond=0))
    with write_lock_held_by_another():
        assert browser.get(reverse("sessions")).status_code == 200


@pytest.mark.sqlite_only
@pytest.mark.django_db(transaction=True)
def test_a_session_that_cannot_be_saved_is_the_consoles_trouble_and_not_the_browsers(
    as_user: AsUser, alice: User
) -> None:
    browser = as_user(alice)
    browser.raise_request_exception = False
    session = browser.session
    session["anything"] = 1
    session.save()
    with write_lock_held_by_another():
        answer = browser.post(reverse("logout"))
    assert answer.status_code == 503
    assert headings(answer) == ["The database of the console is busy"]
    assert Session.objects.filter(pk=browser.cookies["sessionid"].value).exists()


def test_an_outage_is_known_by_its_cause_and_nothing_else() -> None:
    assert Outage.of(failing(sqlite3.SQLITE_BUSY_SNAPSHOT, "database is locked")) is Outage.BUSY
    assert Outage.of(failing(sqlite3.SQLITE_CORRUPT, "database disk image is malformed")) is None
    assert Outage.of(OSError(28, "No space left on device")) is Outage.FULL
    assert Outage.of(OSError(2, "No such file or directory")) is None
    assert Outage.of(ValueError("database is locked")) is None
    assert Outage.of(None) is None
