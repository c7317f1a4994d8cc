"""The activity log: record() writes it, the database refuses to change it."""

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, connection, transaction

from activity import log
from activity.models import LogEntry
from activity.verbs import Verb


def test_an_entry_keeps_names_and_loses_control_characters(alice: User) -> None:
    with log.coming_from("203.0.113.9"):
        entry = log.record(Verb.LOGIN, "hello\x1b[31m\nworld\u202e", actor=alice)
    entry.refresh_from_db()
    assert entry.message == "hello [31m world"
    assert (entry.actor_name, entry.user_name, entry.ip) == ("alice", "alice", "203.0.113.9")


@pytest.mark.parametrize("statement", ["UPDATE activity_logentry SET message = 'x'", "DELETE FROM activity_logentry"])
def test_the_database_refuses_to_change_an_entry(alice: User, statement: str) -> None:
    log.record(Verb.LOGIN, "one", actor=alice)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert LogEntry.objects.filter(message="one").exists()


def test_an_entry_is_not_saved_twice(alice: User) -> None:
    entry = log.record(Verb.LOGIN, "one", actor=alice)
    with pytest.raises(TypeError, match="append-only"):
        entry.save()
