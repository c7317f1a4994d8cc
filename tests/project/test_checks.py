"""Misconfiguration is found at start by Django's system checks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.test import override_settings

from sessions_app.hosts.checks import check_host_accounts
from sessions_app.logins import checks
from tests.support import programs

SESSION = "django.contrib.sessions.middleware.SessionMiddleware"
AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"


def errors() -> set[str]:
    return {message.id for message in run_checks() if message.is_serious() and message.id}


def test_each_check_has_a_number_of_its_own() -> None:
    given: dict[str, list[str]] = {}
    for app in ("activity", "sessions_app", "sessionadmin"):
        for path in (programs.ROOT / app).rglob("*.py"):
            for number in re.findall(r"\bid=\"(\w+\.[EW]\d+)\"", path.read_text(encoding="utf-8")):
                given.setdefault(number, []).append(path.name)
    assert len(given) > 15
    assert {number: names for number, names in given.items() if len(names) > 1} == {}


def test_the_console_as_it_is_shipped_has_no_errors(
    db: None, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.VAR_DIR = tmp_path  # that of the tests is whatever somebody made it
    monkeypatch.setattr("sessions_app.checks_files.database_file", lambda: None)
    assert errors() == set()


@pytest.mark.parametrize("engine", ["signed_cookies", "file"])
def test_sessions_that_nobody_can_end_are_refused(settings: Any, engine: str) -> None:
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
    assert "sessions_app.E001" in errors()


@pytest.mark.parametrize("engine", sorted(checks.SERVER_SIDE_ENGINES))
def test_sessions_on_the_server_are_fine(settings: Any, engine: str) -> None:
    settings.SESSION_ENGINE = engine
    assert "sessions_app.E001" not in errors()


@pytest.mark.parametrize(
    "order",
    [
        [SESSION, AUTHENTICATION],
        [checks.MIDDLEWARE, SESSION, AUTHENTICATION],
        [SESSION, AUTHENTICATION, checks.MIDDLEWARE],
        [],
    ],
    ids=["missing", "before the session", "after the user", "nothing at all"],
)
def test_the_middleware_must_stand_between_session_and_user(settings: Any, order: list[str]) -> None:
    settings.MIDDLEWARE = order
    assert "sessions_app.E002" in {message.id for message in checks.check_middleware()}


@pytest.mark.parametrize(
    "backends",
    [
        ["django.contrib.auth.backends.ModelBackend"],
        [checks.BACKEND, "django.contrib.auth.backends.ModelBackend"],
        [],
    ],
)
def test_another_way_to_log_in_is_refused(settings: Any, backends: list[str]) -> None:
    settings.AUTHENTICATION_BACKENDS = backends
    assert "sessions_app.E003" in {message.id for message in checks.check_backend()}


@pytest.mark.parametrize("backend", ["db.DatabaseCache", "filebased.FileBasedCache", "dummy.DummyCache"])
def test_a_cache_that_cannot_count_is_refused(backend: str) -> None:
    with override_settings(CACHES={"default": {"BACKEND": f"django.core.cache.backends.{backend}"}}):
        assert "sessions_app.E004" in {message.id for message in checks.check_cache()}


@pytest.mark.parametrize("backend", ["locmem.LocMemCache", "redis.RedisCache", "memcached.PyMemcacheCache"])
def test_a_cache_that_counts_is_fine(backend: str) -> None:
    with override_settings(CACHES={"default": {"BACKEND": f"django.core.cache.backends.{backend}"}}):
        assert checks.check_cache() == []


@pytest.mark.parametrize("ids", ["", "0-10", "70000", "80000-70000", "70000-80000;x", "70000-4294967295"])
def test_ranges_of_user_ids_on_hosts_are_ranges(settings: Any, ids: str) -> None:
    assert check_host_accounts() == []
    settings.HOST_ACCOUNT_IDS = f"66000-99999,{ids}"
    settings.HOST_SEARCH_SECONDS = 51
    assert [one.id for one in check_host_accounts()] == ["sessions_app.E040", "sessions_app.E041"]
