"""The cache of the database: what many processes count in it at once is counted whole, and its limits hold."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches
from django.db import connection
from django.test import Client, override_settings
from django.utils import timezone

from sessions_app.logins.checks import check_cache, check_cache_is_shared
from tests.support.waiting import seconds

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def cache(db: None) -> Iterator[Any]:
    shared = caches["shared"]
    shared.clear()
    yield shared
    shared.clear()


def at_once(calls: int, call: Callable[[], Any]) -> list[Any]:
    """Call a function in several threads at the same moment, each with its own connection. Return the results."""
    barrier, got = threading.Barrier(calls), []

    def run() -> None:
        try:
            barrier.wait(timeout=10)
            got.append(call())
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=seconds(60))
    assert len(got) == calls
    return got


def an_hour_later() -> Any:
    later = timezone.now() + dt.timedelta(hours=1)
    return patch("sessionadmin.cache.timezone.now", lambda: later)


def test_every_one_of_many_counts_at_once_counts(cache: Any) -> None:
    cache.set("tries", 0, 900)
    assert sorted(at_once(8, lambda: [caches["shared"].incr("tries") for _ in range(5)][-1]))[-1] == 40
    assert cache.get("tries") == 40


def test_one_of_many_begins_a_count(cache: Any) -> None:
    assert sorted(at_once(8, lambda: caches["shared"].add("tries", 0, 900))) == [False] * 7 + [True]


def test_one_of_many_begins_a_count_anew_when_its_time_is_over(cache: Any) -> None:
    cache.set("tries", 7, 900)
    with an_hour_later():
        assert sorted(at_once(8, lambda: caches["shared"].add("tries", 0, 9000))) == [False] * 7 + [True]
        assert cache.incr("tries") == 1


def test_counting_does_not_prolong_the_time(cache: Any) -> None:
    cache.set("tries", 1, 900)
    assert cache.incr("tries") == 2
    assert cache.decr("tries") == 1
    with an_hour_later(), pytest.raises(ValueError, match="not found"):
        cache.incr("tries")


def test_there_is_nothing_to_add_to_a_key_that_is_not_there(cache: Any) -> None:
    with pytest.raises(ValueError, match="not found"):
        cache.incr("tries")


def test_what_does_not_fit_any_more_makes_room(cache: Any) -> None:
    with patch.object(caches["shared"], "_max_entries", 20):
        for number in range(40):
            cache.add(f"key-{number}", 0, 900)
    assert sum(cache.get(f"key-{number}") is not None for number in range(40)) <= 21
    assert cache.get("key-39") == 0 or cache.get("key-38") == 0


def test_failed_logins_are_counted_by_all_web_servers_together(alice: User, settings: Any) -> None:
    settings.LOGIN_FAILURES_PER_ACCOUNT = 4
    with patch("sessions_app.logins.throttle.cache", caches["shared"]):
        caches["shared"].clear()
        sent = {"username": "alice", "password": "wrong"}
        answers = at_once(6, lambda: Client().post("/accounts/login/", sent).status_code)
    assert sorted(answers) == [200] * 4 + [429] * 2


def test_only_a_cache_that_processes_share_is_without_a_warning() -> None:
    with override_settings(CACHES={"default": {"BACKEND": "sessionadmin.cache.CountingDatabaseCache"}}):
        assert check_cache() == []
        assert check_cache_is_shared() == []
    with override_settings(CACHES={"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}):
        [warning] = check_cache_is_shared()
    assert warning.id == "sessions_app.W004"
    assert "CACHE_URL" in str(warning.hint)
