"""Failed logins are counted per account and per address; too many mean waiting, for a while, for everybody alike."""

from __future__ import annotations

import datetime as dt
import html
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest.mock import patch

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache, caches
from django.db import OperationalError, connections
from django.test import Client
from django.utils import timezone

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.logins import authentication, throttle
from sessions_app.logins.models import LoginSession
from tests.support.builders import PASSWORD

LOGIN = "/accounts/login/"
HERE, THERE = "203.0.113.1", "203.0.113.2"


@pytest.fixture(autouse=True)
def _limits(settings: Any) -> None:
    settings.LOGIN_FAILURES_PER_ACCOUNT = 3
    settings.LOGIN_FAILURES_PER_ADDRESS = 5


def knock(name: str = "alice", *, address: str = HERE, is_right: bool = False) -> Any:
    password = PASSWORD if is_right else "wrong"
    return Client().post(LOGIN, {"username": name, "password": password}, REMOTE_ADDR=address)


def test_an_account_waits_after_its_limit_even_with_the_right_password(alice: User) -> None:
    assert [knock(address=f"203.0.113.{n}").status_code for n in range(3)] == [200, 200, 200]
    refused = knock(is_right=True, address=THERE)
    assert refused.status_code == 429
    assert not LoginSession.objects.exists()
    page = html.unescape(refused.content.decode())
    assert "Too many failed logins. The password was not checked" in page
    assert "Try again after" in page
    assert 880 <= int(refused["Retry-After"]) <= 900


def test_the_refusal_names_the_time_in_the_zone_of_the_viewer(alice: User) -> None:
    client = Client()
    client.cookies["timezone"] = "Asia/Tokyo"
    for _ in range(4):
        response = client.post(LOGIN, {"username": "alice", "password": "wrong"})
    assert "JST" in response.content.decode()


def test_an_account_that_does_not_exist_waits_just_the_same(db: None) -> None:
    answers = [knock("nobody", address=f"203.0.113.{n}") for n in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]


def test_letters_written_otherwise_are_the_same_account(alice: User) -> None:
    for name in ("alice", "ALICE", "Ａlice"):
        knock(name)
    assert knock("aLiCe").status_code == 429


def test_an_address_waits_after_its_limit_whoever_it_tries(alice: User) -> None:
    for n in range(5):
        assert knock(f"name-{n}").status_code == 200
    assert knock(is_right=True).status_code == 429
    assert knock(is_right=True, address=THERE).status_code == 302


def test_a_network_of_ipv6_addresses_counts_as_one(alice: User) -> None:
    for n in range(5):
        knock(f"name-{n}", address=f"2001:db8:1:2::{n:x}")
    assert knock(is_right=True, address="2001:db8:1:2:ffff::1").status_code == 429
    assert knock(is_right=True, address="2001:db8:1:3::1").status_code == 302


def test_a_success_forgets_the_failures_of_the_account(alice: User) -> None:
    for _ in range(2):
        assert [knock(address=f"203.0.113.{n}").status_code for n in range(2)] == [200, 200]
        assert knock(address=THERE, is_right=True).status_code == 302


def test_a_success_neither_counts_against_the_address_nor_clears_it(alice: User) -> None:
    for n in range(4):
        knock(f"name-{n}")
    for _ in range(3):
        assert knock(is_right=True).status_code == 302
    assert knock("name-5").status_code == 200
    assert knock(is_right=True).status_code == 429


def test_the_wait_ends_and_tries_meanwhile_do_not_prolong_it(alice: User) -> None:
    for _ in range(4):
        refused = knock()
    assert refused.status_code == 429
    now, begun = timezone.now(), time.time()
    with (
        patch("django.core.cache.backends.locmem.time.time", lambda: begun + 14 * 60),
        patch("django.utils.timezone.now", lambda: now + dt.timedelta(minutes=14)),
    ):
        assert int(knock()["Retry-After"]) <= 60
    with patch("django.core.cache.backends.locmem.time.time", lambda: begun + 15 * 60 + 1):
        assert knock(is_right=True).status_code == 302


def test_the_log_has_each_failure_and_one_line_for_the_wait(alice: User) -> None:
    for n in range(10):
        knock(address=f"203.0.113.{n}")
    assert LogEntry.objects.filter(verb=Verb.LOGIN_FAILED).count() == 3
    entry = LogEntry.objects.get(verb=Verb.LOGIN_THROTTLED)
    assert (entry.user, entry.ip) == (alice, "203.0.113.3")


def test_neither_names_nor_addresses_are_readable_in_the_cache(alice: User) -> None:
    with patch.object(cache, "add", wraps=cache.add) as add:
        knock("my secret password typed in the wrong field")
    keys = " ".join(call.args[0] for call in add.call_args_list)
    assert len(add.call_args_list) == 2
    assert "secret" not in keys
    assert HERE not in keys


def test_a_window_that_ends_between_two_steps_is_begun_anew(db: None) -> None:
    real, calls = cache.incr, iter([ValueError("gone")])

    def once_gone(key: str, *args: Any) -> int:
        for error in calls:
            cache.delete(key)
            raise error
        return real(key, *args)

    with patch.object(cache, "incr", once_gone):
        assert throttle.count_try("alice", HERE) is None
    assert [throttle.count_try("alice", HERE) is None for _ in range(3)] == [True, True, False]


def test_a_window_that_ended_before_the_success_is_left_alone(db: None) -> None:
    throttle.count_try("alice", HERE)
    cache.clear()
    throttle.count_success("alice", HERE)
    assert [throttle.count_try("alice", HERE) is None for _ in range(4)] == [True, True, True, False]


def test_while_the_cache_is_away_no_password_is_looked_at_and_people_are_told(
    alice: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    inside = Client()
    inside.force_login(alice)
    logins = LoginSession.objects.count()

    def away(*args: Any, **kwargs: Any) -> None:
        raise LookupError("connection refused")  # as strange as what the library of a cache raises

    monkeypatch.setattr(type(caches["default"]), "add", away)
    refused = knock(is_right=True)
    assert refused.status_code == 503
    assert "failed logins cannot be counted. The password was not checked" in html.unescape(refused.content.decode())
    assert LoginSession.objects.count() == logins
    assert "the cache (CACHE_URL) does not answer" in caplog.text
    new = {"new_password1": "correct horse staple", "new_password2": "correct horse staple"}
    answer = inside.post("/accounts/password/", {"old_password": PASSWORD} | new)
    assert "Failed tries cannot be counted at the moment. The password was not changed." in answer.content.decode()
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)


def test_a_login_whose_count_cannot_be_taken_back_is_a_login(
    alice: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*args: Any, **kwargs: Any) -> None:
        raise LookupError("connection refused")

    monkeypatch.setattr(type(caches["default"]), "delete", away)
    assert knock(is_right=True).status_code == 302
    assert "stays counted" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_tries_at_the_same_moment_are_all_counted() -> None:
    """A hundred guesses in parallel must not all see an empty counter: three are looked at, not one more."""
    User.objects.create_user("alice", password=PASSWORD)

    def guess(number: int) -> int:
        try:
            return int(knock(address=f"198.51.100.{number}").status_code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(guess, range(24)))
    assert sorted(answers) == [200] * 3 + [429] * 21
    assert LogEntry.objects.filter(verb=Verb.LOGIN_FAILED).count() == 3


def broken(*args: Any, **kwargs: Any) -> Any:
    raise OperationalError("database is locked")


@pytest.mark.parametrize("is_right", [False, True])
def test_tries_that_broke_make_nobody_wait(alice: User, monkeypatch: pytest.MonkeyPatch, *, is_right: bool) -> None:
    browser = Client(raise_request_exception=False)
    password = PASSWORD if is_right else "wrong"
    with monkeypatch.context() as disturbed:
        disturbed.setattr(authentication, "_record", broken)
        disturbed.setattr(authentication, "count_success", broken)
        for _ in range(8):
            answer = browser.post(LOGIN, {"username": "alice", "password": password}, REMOTE_ADDR=HERE)
            assert answer.status_code == 503
    assert knock("nobody").status_code == 200
    assert knock(is_right=True).status_code == 302


@pytest.mark.parametrize("broken_from", [1, 2])
def test_a_try_whose_count_broke_is_taken_back_as_soon_as_the_cache_answers(
    alice: User, monkeypatch: pytest.MonkeyPatch, broken_from: int
) -> None:
    """The cache lies in the same database as a rule: what cannot be counted cannot be taken back either."""
    browser = Client(raise_request_exception=False)
    kind = type(caches["default"])
    count, calls = kind.incr, iter(range(1, 1000))

    def disturbed_count(*args: Any, **kwargs: Any) -> Any:
        return count(*args, **kwargs) if next(calls) < broken_from else broken()

    for _ in range(8):
        calls = iter(range(1, 1000))
        with monkeypatch.context() as disturbed:
            disturbed.setattr(kind, "incr", disturbed_count)
            disturbed.setattr(kind, "decr", broken)
            answer = browser.post(LOGIN, {"username": "alice", "password": "wrong"}, REMOTE_ADDR=HERE)
        assert answer.status_code == 503
    assert knock(is_right=True).status_code == 302


def test_a_wrong_password_counts_although_other_tries_broke(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = Client(raise_request_exception=False)
    for _ in range(3):
        assert knock().status_code == 200
    with monkeypatch.context() as disturbed:
        disturbed.setattr(throttle, "_until", broken)
        assert browser.post(LOGIN, {"username": "alice", "password": PASSWORD}).status_code == 503
    assert knock(address=THERE).status_code == 429


def test_a_change_of_password_that_broke_is_no_failed_try(
    alice: User, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    browser = Client(raise_request_exception=False, REMOTE_ADDR=HERE)
    browser.force_login(alice)
    form = {"old_password": "wrong", "new_password1": "correct horse staple", "new_password2": "correct horse staple"}
    with monkeypatch.context() as disturbed:
        disturbed.setattr(authentication, "_record", broken)
        assert {browser.post("/accounts/password/", form).status_code for _ in range(8)} == {503}
    assert knock(is_right=True).status_code == 302
