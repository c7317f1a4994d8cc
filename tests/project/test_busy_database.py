"""What must not fail by bad luck is tried again while the database is busy, and says what was and was not done."""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.db import IntegrityError, OperationalError, connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from activity import log, retries
from activity.models import LogEntry
from activity.retries import retry_while_unavailable
from activity.verbs import Verb
from sessions_app import change_notify
from sessions_app.catalogue.flows.resource import lock_resource
from sessions_app.catalogue.lock_models import ResourceLock
from sessions_app.errors import Forbidden
from sessions_app.logins import service
from sessions_app.logins.models import EndReason, LoginSession
from sessions_app.people.models import AccountLock, AccountLockdown
from sessions_app.privileged.flows import control, lockdown
from sessions_app.privileged.flows.account import lock_account
from sessions_app.privileged.flows.lock import lock
from sessions_app.privileged.flows.terminate import terminate
from sessions_app.privileged.models import PrivilegedSession, Status
from sessions_app.worker import lockdowns, reconcile
from tests.support import builders, pages
from tests.support.scene import granted, logged_in

AsUser = Callable[[User], Client]
READ = "_get_session_from_db"  # Django's own step of SessionStore, which the type stubs do not know
BUSY = OperationalError("database is locked")


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "RETRY_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(retries, "RETRY_FOR_SECONDS", 0.0)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "RETRY_FOR_SECONDS", 20.0)


def failing(function: Callable[..., Any], *calls: int) -> Callable[..., Any]:
    """Return a function of which these calls (from 1), or all if none is given, find the database busy."""
    numbers = iter(range(1, 1000))

    def sometimes(*args: Any, **kwargs: Any) -> Any:
        if next(numbers) in calls or not calls:
            raise BUSY
        return function(*args, **kwargs)

    return sometimes


def failing_with(error: Exception) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


@pytest.fixture
def locked_for_a_moment() -> Iterator[None]:
    """Hold SQLite's write lock for longer than one attempt waits, and then release it."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 50")
    other = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(0.5, other.execute, ["ROLLBACK"])
    timer.start()
    yield
    timer.join()
    other.close()
    connection.close()


@pytest.mark.sqlite_only
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("verb", ["lock", "terminate", "logout", "cut", "lock account"])
def test_emergency_verbs_outlast_a_busy_database(
    patient: None, request: pytest.FixtureRequest, alice: User, admin: User, outsider: User, verb: str
) -> None:
    session, other = granted(alice), granted(outsider, resource="web-2")
    login, stored = builders.make_login(alice), builders.make_login(outsider)
    request.getfixturevalue("locked_for_a_moment")
    verbs: dict[str, Callable[[], object]] = {
        "lock": lambda: lock(admin, session, title="Look"),
        "terminate": lambda: terminate(admin, session),
        "logout": lambda: service.end(login, EndReason.FORCED, actor=admin),
        "cut": lambda: lockdown.lock_down(admin, alice),
        "lock account": lambda: lock_account(admin, alice, title="Look"),
    }
    verbs[verb]()
    session.refresh_from_db()
    login.refresh_from_db()
    assert (session.status != Status.AVAILABLE) is (verb != "logout")
    assert (login.ended_at is not None) is (verb in ("logout", "cut", "lock account"))
    other.refresh_from_db()
    stored.refresh_from_db()
    assert (other.status, stored.ended_at) == (Status.AVAILABLE, None)


@pytest.mark.django_db(transaction=True)
def test_only_a_passing_outage_is_worth_another_try(patient: None) -> None:
    tries: list[Exception] = []

    @retry_while_unavailable
    def deed(error: Exception, times: int) -> int:
        tries.append(error)
        if len(tries) <= times:
            raise error
        return len(tries)

    assert deed(BUSY, 3) == 4
    tries.clear()
    with pytest.raises(IntegrityError):
        deed(IntegrityError("twice"), 1)
    with pytest.raises(OperationalError, match="full"):
        deed(OperationalError("database or disk is full"), 9)
    assert len(tries) == 2
    tries.clear()
    with pytest.raises(OperationalError), transaction.atomic():
        deed(BUSY, 1)
    assert len(tries) == 1


def wait_for_a_lock() -> float:
    """Seconds that this connection waits for a lock; 0 on PostgreSQL is without end."""
    is_sqlite = connection.vendor == "sqlite"
    with connection.cursor() as cursor:
        cursor.execute(
            "PRAGMA busy_timeout" if is_sqlite else "SELECT setting FROM pg_settings WHERE name='lock_timeout'"
        )
        [found] = cursor.fetchone()
    return int(found) / 1000


@pytest.mark.django_db(transaction=True)
def test_the_last_try_does_not_wait_for_a_lock_beyond_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three tries of 20 seconds outlast the minute after which the server and proxies answer that nobody knows."""
    monkeypatch.setattr(retries, "RETRY_FOR_SECONDS", 5.0)
    usual, waits = wait_for_a_lock(), []

    @retry_while_unavailable
    def deed() -> None:
        waits.append(wait_for_a_lock())
        if len(waits) < 3:
            raise BUSY

    deed()
    assert all(0 < wait <= 5 for wait in waits)
    assert wait_for_a_lock() == usual
    with pytest.raises(IntegrityError), retries.share_retry_time():
        retry_while_unavailable(failing_with(IntegrityError("twice")))()
    assert wait_for_a_lock() == usual
    waits.clear()
    monkeypatch.setattr(retries, "RETRY_FOR_SECONDS", 0.0)
    monkeypatch.setattr(retries, "LEAST_SECONDS", 0.3)
    with pytest.raises(OperationalError):
        deed()
    assert waits == [0.3]


@pytest.mark.django_db(transaction=True)
def test_a_cut_that_was_not_accepted_changes_nothing_and_says_so(
    as_user: AsUser, admin: User, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = logged_in(alice)
    builders.make_login(alice)
    entries = LogEntry.objects.filter(verb__in=[Verb.ACCOUNT_LOCKED, Verb.SESSION_LOCKED, Verb.LOGOUT_FORCED]).count()
    browser = as_user(admin)
    monkeypatch.setattr(AccountLockdown.objects, "create", failing(AccountLockdown.objects.create))
    answer = browser.post(reverse("account_cut", args=[alice.pk]), {"reason": "Fired"})
    assert answer.status_code == 503
    assert int(answer["Retry-After"]) > 0
    page = pages.elements(answer)
    assert pages.texts(page, ".//h1") == ["The database of the console is busy"]
    assert "Nothing was cut: the account is not locked" in pages.text(page.find(".//main"))
    session.refresh_from_db()
    assert session.status == Status.LOGGED_IN
    assert LoginSession.objects.live().filter(user=alice).exists()
    assert not AccountLock.objects.exists()
    assert (
        entries
        == LogEntry.objects.filter(verb__in=[Verb.ACCOUNT_LOCKED, Verb.SESSION_LOCKED, Verb.LOGOUT_FORCED]).count()
    )


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("account_lock", "The account was not locked: its sessions and logins go on."),
        ("account_unlock", "The account is still locked."),
        ("resource_lock", "The resource was not closed to new sessions."),
        ("resource_unlock", "The resource is still closed to new sessions."),
    ],
)
def test_a_lock_of_an_account_or_resource_says_that_it_was_not_done(
    as_user: AsUser, admin: User, alice: User, monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    kind, _, verb = name.partition("_")
    resource = builders.make_resource()
    if verb == "unlock":
        lock_account(admin, alice, title="Look")
        lock_resource(admin, resource, title="Look")
    browser = as_user(admin)
    monkeypatch.setattr(log, "record", failing(log.record))
    path = reverse(name, args=[alice.pk if kind == "account" else resource.pk])
    answer = browser.post(path, {"title": "Stop", "message": ""})
    assert answer.status_code == 503
    assert int(answer["Retry-After"]) > 0
    assert said in pages.text(pages.elements(answer).find(".//main"))
    is_locked = verb == "unlock"
    assert AccountLock.objects.in_force().exists() is is_locked
    assert ResourceLock.objects.in_force().exists() is is_locked


@pytest.mark.django_db(transaction=True)
def test_an_accepted_cut_says_what_is_not_done_and_a_worker_does_it(
    as_user: AsUser, admin: User, alice: User, outsider: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = [granted(alice), granted(alice, resource="web-2"), granted(alice, resource="web-3")]
    other = granted(outsider, resource="web-4")
    browser = as_user(admin)
    with monkeypatch.context() as disturbed:
        disturbed.setattr(control, "start_canceling", failing(control.start_canceling, 2))
        answer = browser.post(reverse("account_cut", args=[alice.pk]), {"reason": "Fired"})
    assert pages.texts(pages.elements(answer), ".//ol[@id='outcome']/li") == [
        "Locked the account; nobody can log in to it.",
        "Logged out of 0 browsers.",
        "Patch Linux on web-1 for alice: terminated, its rights are being taken away.",
        "The rest is not done yet. The database of the console is busy; a worker goes on with it by itself.",
    ]
    assert [PrivilegedSession.objects.get(pk=one.pk).status for one in sessions] == [
        Status.CANCELING,
        Status.LOCKED,
        Status.LOCKED,
    ]
    assert not LogEntry.objects.filter(verb=Verb.ACCOUNT_CUT).exists()
    assert lockdowns.finish(timezone.now()) == 0  # whoever accepted it may be at it still
    reconcile(timezone.now() + dt.timedelta(minutes=2))
    assert {PrivilegedSession.objects.get(pk=one.pk).status for one in sessions} == {Status.CANCELED}
    entry = LogEntry.objects.get(verb=Verb.ACCOUNT_CUT)
    assert (entry.actor, entry.user) == (admin, alice)
    assert lockdowns.finish(timezone.now() + dt.timedelta(minutes=4)) == 0
    other.refresh_from_db()
    assert other.status == Status.AVAILABLE


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("what", ["no role", "an auditor", "disabled"])
def test_an_accepted_cut_is_carried_out_although_its_administrator_is_none_any_more(
    alice: User, admin: User, auditor: User, outsider: User, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    sessions = [granted(alice), granted(alice, resource="web-2")]
    asked = builders.make_session(alice, Status.PENDING, resource=builders.make_resource("web-3"))
    other = granted(outsider, resource="web-4")
    with monkeypatch.context() as disturbed:
        disturbed.setattr(control, "start_canceling", failing(control.start_canceling))
        lockdown.lock_down(admin, alice)
    if what == "disabled":
        User.objects.filter(pk=admin.pk).update(is_active=False)
    else:
        admin.groups.set(auditor.groups.all() if what == "an auditor" else [])
    assert lockdowns.finish(timezone.now() + dt.timedelta(minutes=2)) == 1
    assert [PrivilegedSession.objects.get(pk=one.pk).status for one in sessions] == [Status.CANCELING] * 2
    asked.refresh_from_db()
    assert asked.status == Status.CANCELED
    entry = LogEntry.objects.get(verb=Verb.ACCOUNT_CUT)
    assert entry.actor == admin
    assert all(is_done for is_done, _ in entry.details["lines"])
    other.refresh_from_db()
    assert other.status == Status.AVAILABLE
    with pytest.raises(Forbidden):  # the same person, now
        terminate(User.objects.get(pk=admin.pk), other)


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_meets_an_outage_too_tries_the_cut_again_later(
    alice: User, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = granted(alice)
    later = timezone.now() + dt.timedelta(minutes=2)
    with monkeypatch.context() as disturbed:
        disturbed.setattr(control, "start_canceling", failing(control.start_canceling))
        assert not all(line.ok for line in lockdown.lock_down(admin, alice))
        assert lockdowns.finish(later) == 1
    assert lockdowns.finish(later) == 1
    session.refresh_from_db()
    assert session.status == Status.CANCELING
    assert lockdowns.finish(later) == 0


@pytest.mark.django_db(transaction=True)
def test_of_several_sessions_each_says_whether_it_was_terminated(
    as_user: AsUser, admin: User, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = [granted(alice), granted(alice, resource="web-2"), granted(alice, resource="web-3")]
    browser = as_user(admin)
    monkeypatch.setattr(control, "start_canceling", failing(control.start_canceling, 2))
    form = {"ids": [one.pk for one in sessions], "cancel": "on"}
    answer = browser.post(reverse("session_action", args=["terminate"]), form, headers={"HX-Request": "true"})
    assert answer.status_code == 204
    (done, *not_done) = json.loads(answer["HX-Trigger"])["done"]["messages"]
    assert done == ["success", "Patch Linux on web-1 for alice: terminated."]
    assert not_done == [
        [
            "error",
            "Patch Linux on web-2 for alice, Patch Linux on web-3 for alice: not terminated. The database of the "
            "console is busy. Try again in a moment. If it lasts, tell an administrator.",
        ]
    ]
    found = [PrivilegedSession.objects.get(pk=one.pk).status for one in sessions]
    assert found == [Status.CANCELING, Status.AVAILABLE, Status.AVAILABLE]


@pytest.mark.django_db(transaction=True)
def test_of_several_browsers_each_says_whether_it_was_logged_out(
    as_user: AsUser, admin: User, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    logins = [builders.make_login(alice) for _ in range(3)]
    browser = as_user(admin)
    monkeypatch.setattr(change_notify, "notify_gateways", failing(change_notify.notify_gateways, 2))
    form = {"ids": [one.pk for one in logins]}
    answer = browser.post(reverse("logins_logout"), form, headers={"HX-Request": "true"})
    levels = [level for level, _ in json.loads(answer["HX-Trigger"])["done"]["messages"]]
    texts = [text for _, text in json.loads(answer["HX-Trigger"])["done"]["messages"]]
    assert levels == ["success", "error", "error"]
    assert all(text.startswith("Not logged out: alice from ") for text in texts[1:])
    assert all("The database of the console is busy. Try again" in text for text in texts[1:])
    live = LoginSession.objects.live().filter(user=alice).order_by("pk")
    assert list(live.values_list("pk", flat=True)) == [one.pk for one in logins[1:]]


def emergency(verb: str, user: User, session: PrivilegedSession) -> tuple[str, dict[str, Any]]:
    """Return the address of an emergency form, and the fields that it sends."""
    if verb == "cut":
        return reverse("account_cut", args=[user.pk]), {"reason": "Fired"}
    if verb == "logout":
        return reverse("logout"), {}
    return reverse("session_action", args=[verb]), {"ids": [session.pk], "title": "Stop", "cancel": "on"}


NOT_DONE = {
    "cut": "Nothing was cut: the account is not locked, its sessions and logins go on.",
    "lock": "No session was locked.",
    "terminate": "No session was terminated.",
    "end": "No session was ended.",
    "logout": "You are not logged out.",
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("verb", NOT_DONE)
def test_emergency_verbs_outlast_an_outage_in_which_nobody_can_read_who_asks(
    as_user: AsUser, admin: User, alice: User, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    session, beside = granted(alice), granted(admin, resource="web-2")
    browser = as_user(admin)
    address, form = emergency(verb, alice, session)
    with monkeypatch.context() as disturbed:
        disturbed.setattr(SessionStore, READ, failing(getattr(SessionStore, READ)))
        answer = browser.post(address, form)
    assert answer.status_code == 503
    assert pages.texts(pages.elements(answer), ".//h1") == ["The database of the console is busy"]
    assert NOT_DONE[verb] in pages.text(pages.elements(answer).find(".//main"))
    assert int(answer["Retry-After"]) > 0
    assert PrivilegedSession.objects.get(pk=session.pk).status == Status.AVAILABLE
    with monkeypatch.context() as disturbed:
        disturbed.setattr(retries, "RETRY_FOR_SECONDS", 20.0)
        disturbed.setattr(SessionStore, READ, failing(getattr(SessionStore, READ), 1, 2))
        assert browser.post(address, form).status_code in (200, 302)
    if verb == "logout":
        assert not LoginSession.objects.live().filter(user=admin).exists()
    else:
        assert PrivilegedSession.objects.get(pk=session.pk).status != Status.AVAILABLE
    assert PrivilegedSession.objects.get(pk=beside.pk).status == Status.AVAILABLE


@pytest.mark.django_db(transaction=True)
def test_a_page_is_not_tried_again(
    as_user: AsUser, admin: User, monkeypatch: pytest.MonkeyPatch, patient: None
) -> None:
    browser = as_user(admin)
    browser.raise_request_exception = False
    monkeypatch.setattr(SessionStore, READ, failing(getattr(SessionStore, READ), 1))
    assert browser.get(reverse("sessions")).status_code == 503
