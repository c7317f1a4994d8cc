"""One mail for a login from a new device, by the worker; a notice on the pages for who cannot be mailed."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.devices.models import RecognisedBy
from sessions_app.logins.models import LoginSession, NewDeviceNotice
from sessions_app.not_me import mail as not_me_mail
from sessions_app.not_me.mail import send_waiting
from sessions_app.people.models import PersonalSettings
from tests.support.builders import PASSWORD
from tests.support.pages import elements, text

LOGIN = "/accounts/login/"
SAFARI = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15"
)


def log_in(address: str, agent: str = "", client: Client | None = None) -> Client:
    client = client or Client()
    sent = {"username": "alice", "password": PASSWORD}
    assert client.post(LOGIN, sent, REMOTE_ADDR=address, HTTP_USER_AGENT=agent).status_code == 302
    return client


@pytest.fixture
def laptop(alice: User) -> Client:
    User.objects.filter(pk=alice.pk).update(email="alice@example.com")
    return log_in("198.51.100.7")


def test_a_new_device_is_mailed_once_with_time_place_browser_and_link(alice: User, laptop: Client) -> None:
    PersonalSettings.objects.create(user=alice, zone="Asia/Tokyo")
    send_waiting()
    assert mail.outbox == []  # the first login of the account
    phone = log_in("203.0.113.9", SAFARI)
    assert mail.outbox == []  # no login waits for a mail server
    login = LoginSession.objects.latest("pk")
    LoginSession.objects.filter(pk=login.pk).update(
        created_at=dt.datetime(2026, 3, 1, 22, 30, tzinfo=dt.UTC), city="Bern", country="Switzerland"
    )
    assert send_waiting() == 1
    [letter] = mail.outbox
    assert letter.to == ["alice@example.com"]
    assert letter.subject == "[SessionAdmin] New login with Safari from Bern, Switzerland"
    assert "2026-03-02 07:30 JST" in letter.body
    assert "Bern, Switzerland (203.0.113.9)" in letter.body
    assert "Safari 17.5 on macOS" in letter.body
    assert re.search(r"/accounts/not-me/[\w:-]+/$", str(letter.body), re.MULTILINE)
    log_in("203.0.113.9", SAFARI, phone)
    log_in("203.0.113.77", SAFARI)  # without its cookie
    assert send_waiting() == 0
    assert len(mail.outbox) == 1


def test_a_mail_that_fails_blocks_nobody_is_logged_and_becomes_a_notice(laptop: Client, settings: Settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    log_in("203.0.113.9", SAFARI)
    assert send_waiting() == 1
    entry = LogEntry.objects.get(verb=Verb.MAIL_FAILED)
    assert "login of alice could not be sent" in entry.message
    assert send_waiting() == 0  # it is not tried for ever
    assert "Safari on macOS" in notice_on(laptop, "/")


def test_a_mail_server_that_is_down_is_asked_once_in_a_look(laptop: Client, settings: Settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    for number in range(2):
        log_in(f"203.0.{number}.9", SAFARI)
    assert send_waiting() == 1
    assert LogEntry.objects.filter(verb=Verb.MAIL_FAILED).count() == 1
    assert send_waiting() == 1


def test_ever_new_devices_do_not_fill_a_mailbox(laptop: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(not_me_mail, "MOST_A_DAY", 2)
    for number in range(3):
        log_in(f"203.0.{number}.9", SAFARI)
    assert send_waiting() == 3
    assert len(mail.outbox) == 2
    assert "Safari on macOS" in notice_on(laptop, "/")  # the last one
    NewDeviceNotice.objects.exclude(mailed_at=None).update(mailed_at=timezone.now() - dt.timedelta(days=1))
    log_in("203.0.99.9", SAFARI)
    assert send_waiting() == 1
    assert len(mail.outbox) == 3


def notice_on(client: Client, path: str) -> str:
    found = elements(client.get(path)).find(".//section[@aria-label='Login from a new device']")
    return "" if found is None else text(found)


def test_a_person_without_an_address_gets_a_notice_that_the_new_device_cannot_take_away(alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(email="")
    laptop = log_in("198.51.100.7")
    phone = log_in("203.0.113.9", SAFARI)
    send_waiting()
    assert mail.outbox == []
    notice = NewDeviceNotice.objects.get()
    for path in ("/", "/logins/"):
        assert "Safari on macOS" in notice_on(laptop, path)
        assert notice_on(phone, path) == ""
    log_in("203.0.113.9", SAFARI, phone)  # the same device again
    assert LoginSession.objects.latest("pk").recognised_by == RecognisedBy.COOKIE
    assert notice_on(phone, "/") == ""
    assert phone.post(f"/logins/{notice.pk}/seen/").status_code == 404
    assert notice_on(laptop, "/") != ""
    assert laptop.post(f"/logins/{notice.pk}/seen/").status_code == 302
    assert notice_on(laptop, "/") == ""


def test_a_notice_is_its_own_persons_only(alice: User, outsider: User, client: Client) -> None:
    log_in("198.51.100.7")
    log_in("203.0.113.9", SAFARI)
    send_waiting()
    client.force_login(outsider)
    assert notice_on(client, "/") == ""
    assert client.post(f"/logins/{NewDeviceNotice.objects.get().pk}/seen/").status_code == 404


def test_a_browser_that_is_called_like_an_address_puts_no_link_into_the_mail(laptop: Client) -> None:
    log_in("203.0.113.9", SAFARI)
    LoginSession.objects.filter(pk=LoginSession.objects.latest("pk").pk).update(
        browser="https://evil.example/x", browser_version="1.2.evil.example", os="www.evil.example"
    )
    send_waiting()
    [letter] = mail.outbox
    assert "evil.example" not in f"{letter.subject}{letter.body}"
    assert "httpsevilexamplex 1.2evilexample on wwwevilexample" in letter.body
