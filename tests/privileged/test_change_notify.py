"""What gateways enforce is announced on PostgreSQL, with the commit and not without one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction

from sessions_app import change_notify
from sessions_app.hosts.flows.ssh_keys import remove_key
from sessions_app.logins.flows.logout import logout
from sessions_app.privileged.flows.account import lock_account
from sessions_app.privileged.flows.end import end
from sessions_app.privileged.flows.extend import extend
from sessions_app.privileged.flows.lock import lock
from sessions_app.privileged.flows.terminate import terminate
from sessions_app.privileged.flows.unlock import unlock
from tests.support import builders

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres_only]


@pytest.fixture
def heard() -> Iterator[Callable[[], int]]:
    """Yield a function that returns how many announcements arrived since its last call."""
    listener = psycopg.connect(**connection.get_connection_params(), autocommit=True)
    listener.execute(f"LISTEN {change_notify.CHANNEL}")
    try:
        yield lambda: len(list(listener.notifies(timeout=0.2)))
    finally:
        listener.close()


def test_each_thing_that_a_gateway_enforces_is_announced(admin: User, alice: User, heard: Callable[[], int]) -> None:
    session = builders.make_session(alice, profile=builders.make_profile(extension_limit=1))
    login, key = builders.make_login(alice), builders.make_key(alice)
    steps: list[tuple[str, Callable[[], object]]] = [
        ("extend", lambda: extend(alice, session)),
        ("lock", lambda: lock(admin, session, title="Stop")),
        ("unlock", lambda: unlock(admin, session)),
        ("cut", lambda: terminate(admin, session, cancel=False)),
        ("log out", lambda: logout(admin, login)),
        ("remove a key", lambda: remove_key(alice, key)),
        ("end", lambda: end(alice, session)),
    ]
    heard()
    for name, step in steps:
        step()
        assert heard() >= 1, name
    alice.is_active = False
    alice.save()
    assert heard() >= 1, "disable the account"


def test_an_account_with_many_sessions_is_one_word(admin: User, alice: User, heard: Callable[[], int]) -> None:
    for _ in range(20):
        builders.make_session(alice)
    lock_account(admin, alice, title="Lost laptop")
    assert heard() == 1


def test_nothing_is_announced_of_what_did_not_happen(alice: User, heard: Callable[[], int]) -> None:
    session = builders.make_session(alice)
    with transaction.atomic():
        end(alice, session)
        transaction.set_rollback(True)
    assert heard() == 0
