"""Fixtures for every test: the cast, and a database that can be emptied although its log is append-only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection
from django.test import Client, TransactionTestCase

from activity import append_only
from tests import builders, own_accounts  # noqa: F401 - own_accounts before anything starts a thread
from tests.browser import chromium_browser, open_as  # noqa: F401 - fixtures
from tests.machine import pytest_collection_modifyitems  # noqa: F401 - a hook: skips what this machine cannot run

_teardown = TransactionTestCase._fixture_teardown


def _empty_database(self: TransactionTestCase) -> None:
    """Tests with real transactions empty every table afterwards, which the log's triggers refuse."""
    append_only.remove(connection)
    _teardown(self)
    append_only.install(connection)


TransactionTestCase._fixture_teardown = _empty_database


@pytest.fixture(autouse=True)
def _apart(settings: Any, tmp_path: Path) -> Iterator[None]:
    """No test sees another's cache or practice grants."""
    settings.PRACTICE_DIR = tmp_path / "practice"
    cache.clear()
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
    """A browser that is logged in as that user: as_user(alice).get(...)."""

    def logged_in(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return logged_in
