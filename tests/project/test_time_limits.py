"""What PostgreSQL gives up after a while: statements of pages, waits for locks, transactions in which nothing happens.

Downloads, migrations and commands take as long as they need.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from django.conf import settings as project
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.db.models import CharField
from django.db.models.expressions import RawSQL
from django.test import Client

from activity import retries, time_limits, views
from activity.listing import Column
from activity.listing.csv import neutral, written_here
from activity.listing.database_csv import Sheet
from activity.models import LogEntry
from activity.outage import Outage
from sessions_app.gateway import process
from sessions_app.management.commands import run_gateway
from sessions_app.privileged.models import PrivilegedSession, Status
from tests.support import pages, programs
from tests.support.entries import make_entry
from tests.support.scene import granted

AsUser = Callable[[User], Client]
pytestmark = [pytest.mark.postgres_only, pytest.mark.django_db(transaction=True)]
NAMES = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
SHOW = "; ".join(
    [
        "from django.db import connection",
        "cursor = connection.cursor()",
        f"print('LIMITS', [cursor.execute(f'SHOW {{name}}').fetchone()[0] for name in {NAMES!r}])",
    ]
)


@pytest.fixture(autouse=True)
def _own_limits(settings: Any) -> Iterator[None]:
    """Set short limits for the time of a test."""
    settings.DATABASE_STATEMENT_SECONDS = 0.4
    settings.DATABASE_LOCK_SECONDS = 0.2
    settings.DATABASE_IDLE_SECONDS = 0.3
    options = dict(connection.settings_dict["OPTIONS"])
    yield
    connection.settings_dict["OPTIONS"].clear()
    connection.settings_dict["OPTIONS"].update(options)
    connection.close()


def sleep(duration: float) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(%s)", [duration])


def limits() -> list[str]:
    with connection.cursor() as cursor:
        return [cursor.execute(f"SHOW {name}").fetchone()[0] for name in NAMES]


def test_a_page_whose_statement_takes_too_long_is_a_503_that_says_so(
    as_user: AsUser, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = as_user(admin)
    browser.raise_request_exception = False
    time_limits.limit_pages()
    with monkeypatch.context() as slowed:
        slowed.setattr(views, "list_response", lambda *args, **kwargs: sleep(30))
        answer = browser.get("/activity/")
    assert answer.status_code == 503
    assert int(answer["Retry-After"]) > 0
    page = pages.elements(answer)
    assert pages.texts(page, ".//h1") == ["The database of the console is busy"]
    assert "Nothing was changed. Try again in a moment." in pages.text(page.find(".//main"))
    assert browser.get("/activity/").status_code == 200


def test_a_lock_whose_row_somebody_holds_says_so_and_changes_nothing(
    as_user: AsUser, admin: User, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "RETRY_FOR_SECONDS", 0.0)
    session, beside = granted(alice), granted(alice, resource="web-2")
    browser = as_user(admin)
    browser.raise_request_exception = False
    unlimited = connection.get_connection_params() | {"cursor_factory": None}
    time_limits.limit_pages()
    form = {"title": "Stop", "message": "Stop", "cancel": "on"}
    with psycopg.connect(**unlimited) as other:
        other.execute("SELECT 1 FROM sessions_app_privilegedsession WHERE id = %s FOR UPDATE", [session.pk])
        answer = browser.post("/sessions/do/lock/", form | {"ids": str(session.pk)}, headers={"HX-Request": "true"})
        other.rollback()
    assert answer.status_code == 204
    assert "not locked. The database of the console is busy. Try again in a moment." in answer["HX-Trigger"]
    assert PrivilegedSession.objects.get(pk=session.pk).status == Status.AVAILABLE
    assert browser.post("/sessions/do/lock/", form | {"ids": str(session.pk)}).status_code == 302
    assert PrivilegedSession.objects.get(pk=session.pk).status == Status.LOCKED
    assert PrivilegedSession.objects.get(pk=beside.pk).status == Status.AVAILABLE


def test_a_transaction_in_which_nothing_happens_is_ended_and_known_as_an_outage() -> None:
    time_limits.limit_background()
    connection.close()  # the limit counts for connections that are made from now on

    @transaction.atomic
    def dawdle() -> None:
        make_entry("lost")
        time.sleep(0.6)
        make_entry("lost too")

    with pytest.raises(DatabaseError) as caught:
        dawdle()
    assert Outage.of(caught.value) in (Outage.BUSY, Outage.AWAY)
    connection.close()
    assert not LogEntry.objects.filter(message__startswith="lost").exists()


@pytest.fixture
def limited_role() -> Iterator[None]:
    """The administrator of the database has limited the role of the console, in this database."""
    role = f"ALTER ROLE CURRENT_USER IN DATABASE {connection.ops.quote_name(connection.settings_dict['NAME'])}"
    with connection.cursor() as cursor:
        cursor.execute(f"{role} SET statement_timeout = '400ms'")
    connection.close()
    yield
    with connection.cursor() as cursor:
        cursor.execute(f"{role} RESET statement_timeout")
    connection.close()


@pytest.mark.parametrize("whose", ["the process's", "the role's"])
@pytest.mark.parametrize("way", ["by the database", "by Python", "by Python in one statement"])
def test_a_download_takes_as_long_as_it_needs(
    way: str, whose: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if way == "by Python in one statement":
        # As behind a pool of connections. PostgreSQL looks at no limit while it fills a cursor WITH HOLD.
        monkeypatch.setitem(connection.settings_dict, "DISABLE_SERVER_SIDE_CURSORS", True)
    if whose == "the role's":
        request.getfixturevalue("limited_role")
    else:
        time_limits.limit_pages()
    make_entry("row")
    slow = RawSQL("(SELECT 'slow' FROM pg_sleep(0.7))", [], output_field=CharField())
    rows = LogEntry.objects.filter(message="row").annotate(slow=slow).order_by("pk")
    columns = [Column("message", "Message", "message"), Column("slow", "Slow", "slow")]
    if way == "by the database":
        pieces = Sheet(rows, [column.expression for column in columns], neutral).pieces()
    else:
        pieces = written_here(rows, columns)
    assert b"".join(piece for piece, _ in pieces) == b"row,slow\r\n"
    with pytest.raises(DatabaseError):  # what comes after is limited again
        sleep(30)


def test_the_worker_and_the_gateway_limit_waits_and_not_statements(monkeypatch: pytest.MonkeyPatch) -> None:
    call_command("run_worker", "--once", verbosity=0)
    assert limits() == ["0", "200ms", "300ms"]
    called: list[bool] = []
    monkeypatch.setattr(run_gateway, "limit_background", lambda: called.append(True))
    monkeypatch.setattr(process, "quiet", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        call_command("run_gateway")
    assert called == [True]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        # migrate, backup, prune_activity and all others
        ([*programs.MANAGE, "shell", "--verbosity", "0", "--command", SHOW], ["0", "0", "0"]),
        ([sys.executable, "-c", f"import sessionadmin.wsgi; {SHOW}"], ["30s", "20s", "1min"]),
    ],
    ids=["a command", "a web process"],
)
def test_each_kind_of_process_has_its_own_limits(command: list[str], expected: list[str]) -> None:
    environment = programs.clean_environment(
        DJANGO_SETTINGS_MODULE="sessionadmin.settings.test",
        TEST_VAR_DIR=str(project.VAR_DIR),
        TEST_DATABASE_URL=os.environ["TEST_DATABASE_URL"].rsplit("/", 1)[0] + "/postgres",
        PYTHONPATH=str(programs.ROOT),
    )
    done = programs.run(command, environment)
    assert f"LIMITS {expected}" in done.stdout, done.stderr
