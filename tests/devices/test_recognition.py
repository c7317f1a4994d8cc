"""A login knows the device of its person: by cookie, else by browser, country and network. Strange ones are new."""

from __future__ import annotations

import datetime as dt
import threading
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from sessions_app.devices import cookie, recognition
from sessions_app.devices.models import Device, RecognisedBy
from sessions_app.logins.models import LoginSession, NewDeviceNotice
from tests.support.builders import PASSWORD, make_login, make_user
from tests.support.waiting import seconds

LOGIN = "/accounts/login/"
HERE, ELSEWHERE = "198.51.100.7", "203.0.113.9"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
SAFARI = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15"
)


def log_in(client: Client | None = None, name: str = "alice", address: str = HERE, agent: str = FIREFOX) -> Client:
    client = client or Client()
    sent = {"username": name, "password": PASSWORD}
    assert client.post(LOGIN, sent, REMOTE_ADDR=address, HTTP_USER_AGENT=agent).status_code == 302
    return client


def last() -> LoginSession:
    return LoginSession.objects.latest("pk")


def log_out(client: Client) -> None:
    client.post("/accounts/logout/")


def test_the_first_login_of_an_account_is_no_news_and_a_strange_one_is_told_once(alice: User) -> None:
    laptop = log_in()
    assert last().recognised_by == RecognisedBy.FIRST
    phone = log_in(address=ELSEWHERE, agent=SAFARI)
    assert last().recognised_by == RecognisedBy.NEW
    assert [notice.login_id for notice in NewDeviceNotice.objects.all()] == [last().pk]
    for client, address in ((laptop, HERE), (phone, ELSEWHERE), (phone, "192.0.2.99")):  # a phone moves
        log_in(client, address=address, agent=FIREFOX if client is laptop else SAFARI)
        assert last().recognised_by == RecognisedBy.COOKIE
    assert NewDeviceNotice.objects.count() == 1
    assert Device.objects.count() == 2
    assert {login.known_device_id for login in LoginSession.objects.all()} == {one.pk for one in Device.objects.all()}


def test_the_cookie_is_out_of_reach_of_scripts_and_comes_after_a_completed_login_only(
    alice: User, settings: Settings
) -> None:
    settings.SESSION_COOKIE_SECURE = True
    client = Client()
    answer = client.post(LOGIN, {"username": "alice", "password": "wrong"}, secure=True)
    assert settings.DEVICE_COOKIE_NAME not in answer.cookies
    answer = client.post(LOGIN, {"username": "alice", "password": PASSWORD}, secure=True)
    kept = answer.cookies[settings.DEVICE_COOKIE_NAME]
    assert kept["httponly"]
    assert kept["secure"]
    assert kept["samesite"] == "Lax"
    assert kept["path"] == "/"
    assert not kept["domain"]  # as the prefix __Host- demands
    assert kept["max-age"] == cookie.SECONDS
    assert settings.DEVICE_COOKIE_NAME not in client.get("/", secure=True).cookies
    stored = Device.objects.get()
    assert stored.secret_hash not in kept.value
    log_out(client)
    assert client.cookies[settings.DEVICE_COOKIE_NAME].value == kept.value


def test_a_cookie_that_was_changed_or_made_elsewhere_is_none(alice: User, settings: Settings) -> None:
    client = log_in()
    value = client.cookies[settings.DEVICE_COOKIE_NAME].value
    for forged in (value[:-2] + "xx", "nonsense", cookie.with_id({}, alice.pk, "guessed"), "\x00"):
        other = Client()
        other.cookies[settings.DEVICE_COOKIE_NAME] = forged
        log_in(other, address=ELSEWHERE, agent=SAFARI)
        assert last().recognised_by != RecognisedBy.COOKIE


def test_a_device_counts_for_its_own_person_only(alice: User, outsider: User) -> None:
    shared = log_in()
    log_in(shared, name="outsider")  # the first login of that account
    log_in(address=ELSEWHERE, agent=SAFARI, name="outsider")
    log_in(shared, name="alice", address="192.0.2.44")
    assert last().recognised_by == RecognisedBy.COOKIE  # the browser keeps an id for both
    log_in(shared, name="outsider", address="192.0.2.44")
    assert last().recognised_by == RecognisedBy.COOKIE
    assert Device.objects.filter(user=alice).count() == 1
    assert Device.objects.filter(user=outsider).count() == 2


@pytest.mark.parametrize(
    ("days", "address", "agent", "expected"),
    [
        (1, "198.51.100.250", FIREFOX, RecognisedBy.ALIKE),  # the same network
        (29, HERE, FIREFOX.replace("128", "131"), RecognisedBy.ALIKE),  # the same browser in a later version
        (31, HERE, FIREFOX, RecognisedBy.NEW),
        (1, ELSEWHERE, FIREFOX, RecognisedBy.NEW),
        (1, HERE, SAFARI, RecognisedBy.NEW),
    ],
)
def test_without_a_cookie_browser_country_and_network_decide_for_thirty_days(
    alice: User, days: int, address: str, agent: str, expected: RecognisedBy
) -> None:
    log_in()
    Device.objects.update(last_seen_at=timezone.now() - dt.timedelta(days=days))
    log_in(address=address, agent=agent)
    assert last().recognised_by == expected


def test_two_addresses_that_nobody_knows_are_not_one_network(alice: User) -> None:
    log_in(address="unix:")
    assert last().ip is None
    log_in(address="unix:")
    assert last().recognised_by == RecognisedBy.NEW


def test_the_first_login_after_an_update_of_the_console_is_no_news(alice: User) -> None:
    make_login(alice)  # from before the console knew devices
    log_in()
    assert last().recognised_by == RecognisedBy.FIRST
    Device.objects.all().delete()  # the person has forgotten all of them
    log_in()
    assert last().recognised_by == RecognisedBy.NEW


def test_the_oldest_unnamed_devices_are_forgotten(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recognition, "MOST_DEVICES", 2)
    log_in()
    Device.objects.update(name="work laptop")
    for _ in range(4):
        log_in()  # private windows
    assert sorted(Device.objects.values_list("name", flat=True)) == ["", "", "work laptop"]
    assert LoginSession.objects.filter(known_device=None).count() == 2  # they stay as history


@pytest.mark.parametrize(
    ("ip", "number", "expected"),
    [
        ("198.51.100.7", None, "198.51.100.0/24"),
        ("2001:db8:1:2::7", None, "2001:db8:1::/48"),
        ("198.51.100.7", 64500, "AS64500"),
        ("", None, ""),
    ],
)
def test_a_network_is_its_number_or_the_addresses_around(ip: str, number: int | None, expected: str) -> None:
    assert recognition.network_of(ip, number) == expected


@pytest.mark.django_db(transaction=True)
def test_two_logins_at_once_from_one_new_device_make_one_notice() -> None:
    make_user("alice")
    log_in()
    start, failed = threading.Barrier(2), []

    def run() -> None:
        try:
            start.wait(timeout=10)
            log_in(address=ELSEWHERE, agent=SAFARI)
        except BaseException as error:  # noqa: BLE001 - shown by the test below
            failed.append(error)
        finally:
            connection.close()

    threads: list[Any] = [threading.Thread(target=run) for _ in range(2)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(timeout=seconds(60))
    assert failed == []
    assert sorted(LoginSession.objects.values_list("recognised_by", flat=True)) == ["alike", "first", "new"]
    assert NewDeviceNotice.objects.count() == 1
