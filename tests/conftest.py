"""Fixtures for every test: the cast, a cache of its own, and a database that is emptied after real transactions."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client, TestCase, TransactionTestCase

from activity import limits, once
from tests.support import builders, emptying, own_accounts  # noqa: F401 - own_accounts before anything starts a thread
from tests.support.browser import chromium_browser, open_as  # noqa: F401 - fixtures
from tests.support.machine import pytest_collection_modifyitems  # noqa: F401 - a hook: skips what this machine cannot run
from tests.support.migrated import django_db_setup  # noqa: F401 - a fixture, in place of pytest-django's
from tests.support.oidc_peer import peer_process, provider  # noqa: F401 - fixtures
from tests.support.saml_peer import saml_process, saml_provider  # noqa: F401 - fixtures
from tests.support.ssh_scene import key, server  # noqa: F401 - fixtures

# django-stubs do not know Django's own steps.
TransactionTestCase._fixture_teardown = emptying.empty  # type: ignore[attr-defined]
TestCase._fixture_teardown = emptying.roll_back  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def _apart(settings: Any, tmp_path: Path) -> Iterator[None]:
    """Keep each test's cache and practice grants apart from those of others."""
    settings.PRACTICE_DIR = tmp_path / "practice"
    settings.HOST_ACCOUNT_IDS = os.environ.get("HOST_ACCOUNT_IDS", settings.HOST_ACCOUNT_IDS)
    cache.clear()
    limits.forget()
    once.forget()
    yield
    cache.clear()


@pytest.fixture
def alice(db: None) -> User:
    return builders.make_user("alice")


@pytest.fixture
def outsider(db: None) -> User:
    return builders.make_user("outsider")


@pytest.fixture
def approver(db: None) -> User:
    return builders.make_user("approver")


@pytest.fixture
def admin(db: None) -> User:
    return builders.make_admin()


@pytest.fixture
def auditor(db: None) -> User:
    return builders.make_auditor()


@pytest.fixture
def as_user() -> Callable[[User], Client]:
    """Return a function that logs a browser in as a user: as_user(alice).get(...)."""

    def logged_in(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return logged_in


@pytest.fixture
def boss(admin: User, as_user: Callable[[User], Client]) -> Client:
    """Return a browser that is logged in as the administrator."""
    return as_user(admin)


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over all that is loaded: its full passes took a fifth of the time of the tests."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add options for tests/project/test_fuzz.py, which `make fuzz` runs for much longer."""
    parser.addoption("--requests", type=int, default=300, help="made-up requests in all")
    parser.addoption("--first-seed", type=int, default=1, help="of the first 10,000 of them; the next ones count up")
