"""Which entries of the log are settled, while other transactions write."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, transaction

from activity import integrity_rows, settled
from activity.settled import SettledEntries
from tests.support.entries import another_connection, make_entry
from tests.support.migrated import copy_on_postgresql

INSERT = (
    "INSERT INTO activity_logentry (at, actor_name, user_name, verb, level, message, target_type, target_name, details)"
    " VALUES (now(), '', '', 'login.succeeded', 20, 'slow', '', '', '{}') RETURNING id"
)


@contextlib.contextmanager
def writing(statement: str = INSERT, database: str | None = None) -> Iterator[Any]:
    """Open a transaction of another program that has written `statement` and is not committed."""
    other = another_connection(database)
    try:
        other.execute("BEGIN")
        other.execute(statement)
        yield other
    finally:
        other.close()


@pytest.mark.django_db(transaction=True)
def test_everything_committed_is_settled_while_nobody_writes() -> None:
    entries = SettledEntries()
    newest = make_entry().pk
    assert entries.newest() == newest
    assert entries.waiting_since is None


@pytest.mark.postgres_only
@pytest.mark.django_db(transaction=True)
def test_an_open_transaction_holds_back_what_comes_after_it() -> None:
    entries, first = SettledEntries(), make_entry().pk
    assert entries.newest() == first
    with writing() as slow:
        later = make_entry().pk
        assert later == first + 2
        assert [entries.newest() for _ in range(3)] == [first] * 3
        assert entries.waiting_since
        assert f"of process {slow.info.backend_pid} of PostgreSQL, open since 2" in entries.waiting_for()
        slow.execute("COMMIT")
    assert entries.newest() == later
    assert not entries.waiting_since
    assert not entries.waiting_for()


@pytest.mark.postgres_only
@pytest.mark.django_db(transaction=True)
def test_another_console_on_the_same_server_holds_nothing_back() -> None:
    """Copies of one database have tables of the same number, which name the locks of PostgreSQL."""
    elsewhere = f"{connection.settings_dict['NAME']}_elsewhere"
    copy_on_postgresql(elsewhere)
    try:
        with writing(database=elsewhere), writing() as slow:
            entries, newest = SettledEntries(), make_entry().pk
            entries.newest()
            assert f"of process {slow.info.backend_pid} of" in entries.waiting_for()
            slow.execute("COMMIT")
            assert entries.newest() == newest
            assert not entries.waiting_for()
            with connection.cursor() as cursor:
                cursor.execute("SELECT setval(pg_get_serial_sequence('activity_logentry', 'id'), %s)", [newest + 5000])
            [problem] = integrity_rows.numbers(connection)
            assert problem.text.endswith("entries were removed.")
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE {connection.ops.quote_name(elsewhere)} WITH (FORCE)")


@pytest.mark.postgres_only
@pytest.mark.django_db(transaction=True)
def test_a_transaction_that_took_its_id_and_wrote_nothing_yet_is_waited_for() -> None:
    entries = SettledEntries()
    # An INSERT of nothing takes the lock; a transaction id it takes only with its first row.
    with writing(INSERT.replace("VALUES (", "SELECT ").replace("'{}')", "'{}' WHERE false")) as slow:
        newest = make_entry().pk
        assert entries.newest() == 0
        slow.execute("ROLLBACK")
    assert entries.newest() == newest


@pytest.mark.postgres_only
@pytest.mark.django_db(transaction=True)
def test_transactions_that_begin_later_are_not_waited_for() -> None:
    entries = SettledEntries()
    with writing() as early:
        middle = make_entry().pk
        assert entries.newest() == 0
        with writing():
            early.execute("COMMIT")
            assert entries.newest() == middle
            assert entries.newest() == middle  # the later one has an id that is not settled


@pytest.mark.postgres_only
@pytest.mark.django_db(transaction=True)
def test_a_transaction_that_only_reads_holds_nothing_back() -> None:
    with writing("SELECT count(*) FROM activity_logentry"):
        newest = make_entry().pk
        assert SettledEntries().newest() == newest


@pytest.mark.postgres_only
@pytest.mark.django_db(transaction=True)
def test_a_transaction_that_is_prepared_meanwhile_is_still_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    newest = make_entry().pk
    entries, seen = SettledEntries(), iter([{"3/17"}, {"-1/900"}, set(), set()])
    monkeypatch.setattr(settled, "_writers", lambda: next(seen))
    assert entries.newest() == 0
    assert entries.newest() == 0  # 3/17 is called -1/900 now
    assert entries.newest() == newest


@pytest.mark.django_db
def test_what_the_caller_wrote_itself_does_not_hold_it_back() -> None:
    with transaction.atomic():
        newest = make_entry().pk
        assert SettledEntries().newest() == newest
        assert connection.in_atomic_block
