"""The search across recordings is answered from an index, follows every change of the lines, and works without one."""

from __future__ import annotations

import pytest
from django.db import connection
from django.db.models import QuerySet

from sessions_app.gateway.recordings import search_index
from sessions_app.gateway.recordings.models import RecordingText
from tests.support.recordings import make_recording

pytestmark = pytest.mark.django_db


def found(words: str) -> QuerySet[RecordingText]:
    """As the list of recordings asks."""
    return search_index.narrowed(RecordingText.objects.filter(text__folded_contains=words), words)


def texts(words: str) -> list[str]:
    return [line.text for line in found(words).order_by("pk")]


@pytest.mark.sqlite_only
def test_on_sqlite_a_search_is_answered_by_the_trigrams() -> None:
    assert search_index.FTS in found("needle").explain() or "VIRTUAL TABLE" in found("needle").explain()


@pytest.mark.postgres_only
def test_on_postgresql_a_search_is_answered_by_the_trigrams() -> None:
    with connection.cursor() as cursor:  # an empty table is read as a whole, unless that is said to be dear
        cursor.execute("SET LOCAL enable_seqscan = off")
    assert "recording_text_search" in found("needle").explain()


def test_an_index_that_folds_in_another_way_is_made_anew() -> None:
    make_recording(None, (1.0, "café Größe\r\n"))
    connection.check_constraints()  # PostgreSQL indexes no table whose rows are still to be checked
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("DROP TRIGGER recording_text_added")
            cursor.execute(
                "CREATE TRIGGER recording_text_added AFTER INSERT ON sessions_app_recordingtext "
                "BEGIN SELECT NEW.id; END"
            )
        else:
            cursor.execute("DROP INDEX recording_text_search")
            cursor.execute(
                "CREATE INDEX recording_text_search ON sessions_app_recordingtext "
                "USING gin (upper(text::text) gin_trgm_ops)"
            )
    search_index.ensure(connection)
    make_recording(None, (1.0, "another CAFE\u0301\r\n"))
    assert texts("café") == ["café Größe", "another CAFE\u0301"]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_get_indexdef('recording_text_search'::regclass)")
            assert "activity_fold" in cursor.fetchone()[0]


def test_the_index_follows_lines_that_come_change_and_go() -> None:
    recording = make_recording(None, (1.0, "a needle here\r\n"))
    assert texts("needle") == ["a needle here"]
    RecordingText.objects.filter(recording=recording).update(text="a thread here")
    assert texts("needle") == []
    assert texts("thread") == ["a thread here"]
    RecordingText.objects.filter(recording=recording).delete()
    assert texts("thread") == []


@pytest.mark.parametrize("words", ["he", "needle", "NEEDLE"])
def test_without_the_index_the_search_finds_the_same(words: str) -> None:
    make_recording(None, (1.0, "a needle here\r\n"))
    with_index = texts(words)
    search_index.remove(connection)
    assert texts(words) == with_index == ["a needle here"]
    connection.check_constraints()  # PostgreSQL indexes no table whose rows are still to be checked
    assert search_index.install(connection)
    assert texts(words) == with_index


@pytest.mark.postgres_only
def test_a_database_that_may_not_have_the_extension_is_migrated_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    search_index.remove(connection)
    refused = ["CREATE EXTENSION no_such_extension"]
    monkeypatch.setitem(search_index.INSTALL, "postgresql", refused)
    assert not search_index.install(connection)
    assert RecordingText.objects.count() == 0  # the transaction goes on


@pytest.mark.sqlite_only
def test_an_sqlite_without_trigrams_is_migrated_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    search_index.remove(connection)
    monkeypatch.setitem(search_index.INSTALL, "sqlite", ["CREATE VIRTUAL TABLE x USING fts5(text, tokenize='none')"])
    assert not search_index.install(connection)
    assert RecordingText.objects.count() == 0
