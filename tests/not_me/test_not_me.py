"""“This wasn't me”: the link shows, its button acts once, and one page says what was done."""

from __future__ import annotations

import datetime as dt
import io
import logging
import re
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.core import mail, signing
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from activity.models import Level, LogEntry
from activity.verbs import Verb
from sessionadmin.logs import BriefHandler, HideSignedLinks
from sessions_app.devices.models import RecognisedBy
from sessions_app.gateway.models import GatewayTicket, TicketKind, hash_ticket
from sessions_app.hosts.models import UserKey
from sessions_app.login_rules.models import ONLY_ROW, RequiredFor, SignInSettings
from sessions_app.logins.models import EndReason, LoginSession, NewDeviceNotice
from sessions_app.not_me.flows import report, steps
from sessions_app.not_me.flows.new_password import forget_void_passwords
from sessions_app.not_me.links import link_for
from sessions_app.not_me.models import NotMeReport
from sessions_app.privileged.models import PrivilegedSession, Status
from sessions_app.sso.models import Identity
from sessions_app.worker import lockdowns
from tests.support import builders
from tests.support.builders import PASSWORD
from tests.support.factors import give_app
from tests.support.pages import elements, text
from tests.support.waiting import seconds

AsUser = Callable[[User], Client]
NEW_PASSWORD = "river-lamp-quiet-42"
HOUR = dt.timedelta(hours=1)


@pytest.fixture
def owner(alice: User) -> User:
    alice.email = "alice@example.com"
    alice.save(update_fields=["email"])
    return alice


@pytest.fixture
def stranger(owner: User) -> LoginSession:
    """Return the login of somebody who has alice's password."""
    return builders.make_login(owner, created_at=timezone.now() - HOUR, browser="Safari", city="Sydney")


def path_for(login: LoginSession) -> str:
    return "/accounts/not-me/" + link_for(login).split("/accounts/not-me/")[1]


def lines(response: Any) -> list[str]:
    return [text(item) for item in elements(response).findall(".//ol[@id='outcome']/li")]


def press(login: LoginSession, client: Client | None = None) -> list[str]:
    return lines((client or Client()).post(path_for(login), follow=True))


def state() -> list[Any]:
    models = (User, LoginSession, PrivilegedSession, GatewayTicket, UserKey, NotMeReport, LogEntry)
    return [list(model.objects.order_by("pk").values()) for model in models]


def test_the_link_shows_the_login_and_changes_nothing_for_a_scanner(stranger: LoginSession) -> None:
    builders.make_session(stranger.user, Status.AVAILABLE)
    before, scanner = state(), Client(HTTP_USER_AGENT="scanner")
    for ask in (scanner.get, scanner.head, scanner.get, scanner.options):
        response = ask(path_for(stranger))
    assert state() == before
    assert response.status_code == 405
    response = scanner.get(path_for(stranger))
    assert response.status_code == 200
    assert response["Referrer-Policy"] == "strict-origin"
    assert "no-store" in response["Cache-Control"]
    page = text(elements(response).find(".//main"))
    assert "Sydney" in page
    assert "Safari" in page
    assert mail.outbox == []


def test_the_button_cuts_all_that_the_login_opened_and_says_each_line(
    owner: User, stranger: LoginSession, as_user: AsUser, admin: User
) -> None:
    User.objects.filter(pk=admin.pk).update(email="admin@example.com")
    builders.make_user("Nobody")
    hers = as_user(owner)
    live = builders.make_session(owner, Status.LOGGED_IN)
    beginning = builders.make_session(owner, Status.PROVISIONING, resource=builders.make_resource("db-1"))
    asked = builders.make_session(owner, Status.WAITING, resource=builders.make_resource("db-2"))
    older = builders.make_session(
        owner, Status.PENDING, resource=builders.make_resource("db-3"), requested_at=timezone.now() - 2 * HOUR
    )
    ticket = GatewayTicket.objects.create(
        kind=TicketKind.PASSWORD,
        secret_hash=hash_ticket("secret"),
        user=owner,
        session=live,
        address="203.0.113.9",
        created_at=timezone.now(),
        expires_at=timezone.now() + dt.timedelta(minutes=2),
    )
    builders.make_key(owner, title="theirs")
    mine = builders.make_key(owner, title="mine")
    UserKey.objects.filter(pk=mine.pk).update(added_at=timezone.now() - 2 * HOUR)
    for kind, hours in (("totp", 2), ("webauthn", 0)):
        Authenticator.objects.create(user=owner, type=kind, data={}, created_at=timezone.now() - hours * HOUR)
    other = builders.make_session(admin, Status.AVAILABLE, resource=builders.make_resource("db-4"))

    assert press(stranger) == [
        "Logged out of 2 browsers. Their open terminals close.",
        "Your password no longer works. Nobody can log in with it.",
        "Revoked 1 one-time password for the gateway.",
        "Removed 1 SSH key that was registered since that login. 1 older key stayed; remove on your account page what "
        "is not yours.",
        "Removed 1 second factor that was set up since that login.",
        "Forgot 1 device that was used in that login or since. It counts as new from now on.",
        "Locked 1 privileged session that was live. Nobody can do anything there until an administrator unlocks.",
        "Canceled 1 privileged session that was about to begin.",
        "Ended 1 privileged session that was requested since that login.",
        "1 privileged session that was requested before that login may still begin. Log in, and end what is not yours.",
        "No SSH certificate of yours is valid.",
        "Alerted 1 administrator by e-mail, and in the log.",
    ]
    assert hers.get("/").status_code == 302
    assert set(LoginSession.objects.filter(user=owner).values_list("end_reason", flat=True)) == {EndReason.NOT_ME}
    owner.refresh_from_db()
    assert not owner.has_usable_password()
    assert Client().post("/accounts/login/", {"username": "alice", "password": PASSWORD}).status_code == 200
    ticket.refresh_from_db()
    assert ticket.used_at is not None
    assert list(UserKey.objects.filter(user=owner)) == [mine]
    assert [one.type for one in Authenticator.objects.filter(user=owner)] == ["totp"]
    assert dict(PrivilegedSession.objects.values_list("pk", "status")) == {
        live.pk: Status.LOCKED,
        beginning.pk: Status.CANCELING,
        asked.pk: Status.COMPLETE,
        older.pk: Status.PENDING,
        other.pk: Status.AVAILABLE,
    }
    entries = LogEntry.objects.filter(verb=Verb.LOGIN_NOT_ME)
    assert {entry.level for entry in entries} == {Level.ERROR}
    [alert] = mail.outbox
    assert alert.to == ["admin@example.com"]
    assert "Sydney" in alert.body
    assert f"/users/{owner.pk}/" in alert.body


def test_the_second_press_changes_nothing_and_shows_what_was_done(stranger: LoginSession) -> None:
    first = press(stranger)
    before = state()
    assert press(stranger) == first
    assert lines(Client().get(path_for(stranger))) == first
    assert state() == before


def test_one_report_covers_every_login_before_it_and_none_after(owner: User, stranger: LoginSession) -> None:
    another = builders.make_login(owner, created_at=timezone.now() - HOUR)
    press(stranger)
    assert len(press(another)) > 3
    assert NotMeReport.objects.count() == 1
    later = builders.make_login(owner, created_at=timezone.now() + dt.timedelta(seconds=1))
    press(later)
    assert NotMeReport.objects.count() == 2


@pytest.mark.parametrize("kind", ["late", "changed", "of another purpose", "nonsense"])
def test_a_link_that_is_not_ours_or_too_old_does_nothing(
    stranger: LoginSession, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    good = path_for(stranger).removeprefix("/accounts/not-me/").strip("/")
    bad = {
        "late": good,
        "changed": good[:-1] + ("A" if good[-1] != "A" else "B"),
        "of another purpose": signing.dumps(stranger.pk, salt="another"),
        "nonsense": "1",
    }[kind]
    if kind == "late":
        later = time.time() + 24 * 3600 + 1
        monkeypatch.setattr(time, "time", lambda: later)
    before = state()
    for path in (f"/accounts/not-me/{bad}/", f"/accounts/not-me/{bad}/password/"):
        for response in (Client().get(path), Client().post(path, {"void_password": PASSWORD})):
            assert response.status_code == 404
            assert "no longer works" in response.content.decode()
    assert state() == before


def test_whoever_opens_the_link_is_not_touched_by_it(stranger: LoginSession, outsider: User, as_user: AsUser) -> None:
    theirs = as_user(outsider)
    press(stranger, theirs)
    assert theirs.get("/").status_code == 200
    outsider.refresh_from_db()
    assert outsider.has_usable_password()


def test_the_new_password_needs_link_and_old_password_and_logs_nobody_in(owner: User, stranger: LoginSession) -> None:
    path = f"{path_for(stranger)}password/"
    browser = Client()
    assert browser.get(path).status_code == 302  # nothing was reported yet
    press(stranger, browser)

    def send(old: str, new: str) -> Any:
        sent = {"void_password": old, "new_password1": new, "new_password2": new}
        return browser.post(path, sent)

    assert "not the password that you had" in send("wrong-password", NEW_PASSWORD).content.decode()
    assert "Somebody else may know this password" in send(PASSWORD, PASSWORD).content.decode()
    assert send(PASSWORD, "short").status_code == 422
    done = send(PASSWORD, NEW_PASSWORD)
    assert done.status_code == 302
    assert done["Location"] == "/accounts/login/"
    assert browser.get("/").status_code == 302
    made = NotMeReport.objects.get()
    assert made.void_password == ""
    assert made.password_set_at is not None
    assert browser.get(path).status_code == 302  # once
    assert browser.post("/accounts/login/", {"username": "alice", "password": NEW_PASSWORD}).status_code == 302
    assert browser.get("/").status_code == 200


def test_a_second_factor_from_before_stays_required_after_the_new_password(owner: User, stranger: LoginSession) -> None:
    give_app(owner)
    Authenticator.objects.update(created_at=timezone.now() - 2 * HOUR)
    browser = Client()
    press(stranger, browser)
    sent = {"void_password": PASSWORD, "new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}
    browser.post(f"{path_for(stranger)}password/", sent)
    browser.post("/accounts/login/", {"username": "alice", "password": NEW_PASSWORD})
    assert browser.get("/").status_code == 302  # the code is asked for first
    assert not LoginSession.objects.live().filter(user=owner).exists()


def test_a_new_password_ends_the_logins_that_began_since(owner: User, stranger: LoginSession) -> None:
    """A passkey or a provider opens the console meanwhile; its login would stay in the list, and open to a gateway."""
    press(stranger)
    owner.refresh_from_db()
    since = Client()
    since.force_login(owner)
    sent = {"void_password": PASSWORD, "new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}
    assert Client().post(f"{path_for(stranger)}password/", sent).status_code == 302
    assert LoginSession.objects.latest("pk").end_reason == EndReason.PASSWORD
    assert since.get("/").status_code == 302


def test_a_second_factor_that_was_taken_away_has_to_be_set_up_at_the_next_login(
    owner: User, stranger: LoginSession
) -> None:
    SignInSettings.objects.create(pk=ONLY_ROW, second_factor=RequiredFor.EVERYBODY, grace_logins=3)
    give_app(owner)
    browser = Client()
    press(stranger, browser)
    sent = {"void_password": PASSWORD, "new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}
    browser.post(f"{path_for(stranger)}password/", sent)
    browser.post("/accounts/login/", {"username": "alice", "password": NEW_PASSWORD})
    assert browser.get("/sessions/")["Location"] == "/accounts/2fa/"


def test_guessing_the_old_password_is_counted_like_a_login(stranger: LoginSession, settings: Settings) -> None:
    settings.LOGIN_FAILURES_PER_ACCOUNT = 2
    press(stranger)
    sent = {"void_password": "wrong-password", "new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}
    answers = [Client().post(f"{path_for(stranger)}password/", sent).content.decode() for _ in range(3)]
    assert "not the password that you had" in answers[1]
    assert "Too many failed" in answers[2]
    sent["void_password"] = PASSWORD
    assert "Too many failed" in Client().post(f"{path_for(stranger)}password/", sent).content.decode()


def test_a_password_from_an_administrator_closes_the_way_by_the_link(owner: User, stranger: LoginSession) -> None:
    press(stranger)
    owner.set_password("given-by-an-admin-1")
    owner.save()
    sent = {"void_password": PASSWORD, "new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}
    assert Client().post(f"{path_for(stranger)}password/", sent).status_code == 302
    owner.refresh_from_db()
    assert owner.check_password("given-by-an-admin-1")


def test_void_passwords_are_forgotten_with_their_link(stranger: LoginSession) -> None:
    press(stranger)
    assert forget_void_passwords() == 0
    NotMeReport.objects.update(made_at=timezone.now() - dt.timedelta(hours=25))
    assert forget_void_passwords() == 1
    assert NotMeReport.objects.get().void_password == ""


def test_a_person_of_a_provider_is_told_to_change_the_password_there(owner: User) -> None:
    owner.set_unusable_password()
    owner.save()
    login = builders.make_login(owner, signed_in_with="provider", provider="Example ID")
    said = press(login)
    assert any("Example ID, whose password the console cannot change" in line for line in said)
    assert any("No administrator has an e-mail address" in line for line in said)


def test_links_to_providers_made_since_are_taken_away(owner: User, stranger: LoginSession) -> None:
    ours = {"user": owner, "provider": "peer", "issuer": "https://id.example.com"}
    old = Identity.objects.create(**ours, subject="alice", linked_at=timezone.now() - 2 * HOUR)
    Identity.objects.create(**ours, subject="mallory")
    assert "Took away 1 link to a provider that was made since that login." in press(stranger)
    assert list(Identity.objects.all()) == [old]


def test_the_browser_of_the_reported_login_is_new_again_and_mailed_when_it_comes_back(owner: User) -> None:
    sent = {"username": "alice", "password": PASSWORD}
    laptop, stranger = Client(REMOTE_ADDR="198.51.100.7"), Client(REMOTE_ADDR="203.0.113.9")
    for client in (laptop, stranger):
        client.post("/accounts/login/", sent)
    reported = LoginSession.objects.latest("pk")
    assert reported.recognised_by == RecognisedBy.NEW
    assert "Forgot 1 device that was used in that login or since. It counts as new from now on." in press(reported)
    assert LogEntry.objects.filter(verb=Verb.DEVICE_FORGOTTEN, user=owner).count() == 1
    owner.refresh_from_db()
    owner.set_password(PASSWORD)
    owner.save(update_fields=["password"])
    for client, by in ((laptop, RecognisedBy.COOKIE), (stranger, RecognisedBy.NEW)):
        client.post("/accounts/login/", sent)
        assert LoginSession.objects.latest("pk").recognised_by == by
    assert NewDeviceNotice.objects.count() == 2


def test_from_the_page_of_a_login_the_link_for_the_password_is_mailed(
    owner: User, stranger: LoginSession, as_user: AsUser, outsider: User, admin: User
) -> None:
    path = f"/logins/{stranger.pk}/not-me/"
    for other in (outsider, admin):
        assert as_user(other).get(path).status_code == 404
        assert as_user(other).post(path).status_code == 404
    browser, before = as_user(owner), state()
    assert "This wasn't me" in browser.get(path, headers={"HX-Request": "true"}).content.decode()
    assert "This wasn't me" in browser.get(path).content.decode()
    assert state()[2:] == before[2:]
    said = lines(browser.post(path))
    assert said[-1] == "Sent you an e-mail with a link to set a new password."
    assert browser.get("/").status_code == 302
    link = re.search(r"/accounts/not-me/\S+", str(mail.outbox[-1].body))
    assert link is not None
    sent = {"void_password": PASSWORD, "new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}
    assert Client().post(f"{link[0]}password/", sent).status_code == 302
    owner.refresh_from_db()
    assert owner.check_password(NEW_PASSWORD)


def test_what_fails_is_said_and_a_worker_goes_on(
    stranger: LoginSession, monkeypatch: pytest.MonkeyPatch, admin: User
) -> None:
    User.objects.filter(pk=admin.pk).update(email="admin@example.com")
    live = builders.make_session(stranger.user, Status.AVAILABLE)

    def away(*args: object) -> list[Any]:
        raise OperationalError("database is locked")

    with monkeypatch.context() as broken:
        broken.setattr(steps, "sessions", away)
        assert "a worker goes on with it by itself" in report.report(stranger, is_by_link=True)[0].lines[-1][1]
    assert mail.outbox == []
    NotMeReport.objects.update(made_at=timezone.now() - dt.timedelta(minutes=2))
    lockdowns.finish(timezone.now())
    live.refresh_from_db()
    assert live.status == Status.LOCKED
    assert len(mail.outbox) == 1
    assert lockdowns.finish(timezone.now()) == 0


def test_a_link_is_opened_thirty_times_and_then_waits(stranger: LoginSession) -> None:
    codes = [Client().get(path_for(stranger)).status_code for _ in range(31)]
    assert codes == [200] * 30 + [429]


def test_no_log_of_the_processes_has_the_link(stranger: LoginSession) -> None:
    stream, handler = io.StringIO(), BriefHandler()
    handler.setStream(stream)
    handler.addFilter(HideSignedLinks())
    logging.getLogger().addHandler(handler)
    signed = path_for(stranger).removeprefix("/accounts/not-me/").strip("/")
    try:
        Client().get(f"/accounts/not-me/{signed}x/")  # refused: Django logs the address
        Client(enforce_csrf_checks=True).post(path_for(stranger))
        press(stranger)
    finally:
        logging.getLogger().removeHandler(handler)
    assert "/accounts/not-me/…" in stream.getvalue()
    assert signed not in stream.getvalue()
    assert not any(signed in str(row) for row in LogEntry.objects.values())


def test_a_step_with_a_fault_prevents_no_other_and_no_alert(
    stranger: LoginSession, monkeypatch: pytest.MonkeyPatch, admin: User
) -> None:
    User.objects.filter(pk=admin.pk).update(email="admin@example.com")
    live = builders.make_session(stranger.user, Status.AVAILABLE)

    def keys(*args: object) -> list[Any]:
        raise KeyError("name")

    monkeypatch.setattr(steps, "keys", keys)
    said = press(stranger)
    assert "One step failed (keys). The administrators read it in their e-mail and in the log." in said
    live.refresh_from_db()
    assert live.status == Status.LOCKED
    assert "One step failed (keys)" in mail.outbox[0].body


@pytest.mark.django_db(transaction=True)
def test_of_two_presses_at_once_one_acts() -> None:
    login = builders.make_login(builders.make_user("alice"), created_at=timezone.now() - HOUR)
    start, made = threading.Barrier(2), []

    def run() -> None:
        try:
            start.wait(timeout=10)
            made.append(report.report(login, is_by_link=True)[1])
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(timeout=seconds(60))
    assert sorted(made) == [False, True]
    assert LogEntry.objects.filter(verb=Verb.LOGIN_NOT_ME).count() == 2  # accepted, carried out
