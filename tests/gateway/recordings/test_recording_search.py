"""The search across recordings follows every change of the lines, and finds the same with its index as without."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from activity import text_index
from sessions_app.gateway.recordings.filters import line_search
from sessions_app.gateway.recordings.models import LINE_WORDS, RecordingText
from tests.support.entries import table_rows
from tests.support.recordings import make_recording

AsUser = Callable[[User], Client]
Texts = Callable[[str], list[str]]
pytestmark = pytest.mark.django_db


@pytest.fixture
def texts(as_user: AsUser, admin: User) -> Texts:
    """Asks the page, which narrows by the index and lets the list decide; returns the lines that it shows."""
    browser = as_user(admin)
    return lambda words: [row["On the screen"] for row in table_rows(browser.get("/recordings/", {"q": words}))]


def test_the_index_follows_lines_that_come_change_and_go(texts: Texts) -> None:
    recording = make_recording(None, (1.0, "a needle here\r\n"))
    assert texts("needle") == ["a needle here"]
    RecordingText.objects.filter(recording=recording).update(text="a thread here")
    assert texts("needle") == []
    assert texts("thread") == ["a thread here"]
    RecordingText.objects.filter(recording=recording).delete()
    assert texts("thread") == []


def test_the_index_narrows_and_the_list_decides(texts: Texts) -> None:
    recording = make_recording(None, (1.0, "abcd bcde\r\nabcde\r\nsomething else\r\n"))
    hay = [RecordingText(recording=recording, at=2.0, text=f"hay {number}") for number in range(text_index.WAITING)]
    RecordingText.objects.bulk_create(hay)  # so that on SQLite none of the first lines waits to be put into the index
    narrowed = line_search("abcde").narrowed(RecordingText.objects.order_by("pk"))
    assert "abcde" in [line.text for line in narrowed]
    assert "something else" not in [line.text for line in narrowed]
    assert texts("abcde") == ["abcde"]


@pytest.mark.parametrize("words", ["he", "needle", "NEEDLE", "a-b", "café", "needle here"])
def test_without_the_index_the_search_finds_the_same(words: str, texts: Texts, monkeypatch: pytest.MonkeyPatch) -> None:
    make_recording(None, (1.0, "a needle here, a-b, CAFE\u0301\r\n"))
    with_index = texts(words)
    monkeypatch.setattr(text_index, "is_ready", lambda index, database="default": False)
    assert texts(words) == with_index
    assert len(with_index) == 1


# --- where the database cannot have it


@pytest.fixture
def _asked_anew() -> Iterator[None]:
    """No later test takes over whether the index is there."""
    yield
    text_index._is_there.cache_clear()


def found_without_index(texts: Texts) -> None:
    """The index cannot be made; lines are written, changed and found all the same."""
    make_recording(None, (1.0, "a needle here\r\n"))
    assert not text_index.is_ready(LINE_WORDS)
    assert texts("NEEDLE") == ["a needle here"]
    RecordingText.objects.update(text="a thread here")
    assert texts("needle") == []
    assert texts("thread") == ["a thread here"]


@pytest.mark.postgres_only
@pytest.mark.usefixtures("_asked_anew")
def test_a_role_that_may_not_create_pg_trgm_searches_without_it(texts: Texts) -> None:
    role = f"{connection.settings_dict['NAME']}_without_extensions"
    with connection.cursor() as cursor:  # all of this is gone with the test's transaction
        cursor.execute("DROP EXTENSION pg_trgm CASCADE")
        cursor.execute(f'CREATE ROLE "{role}"')
        cursor.execute(f'GRANT USAGE, CREATE ON SCHEMA public TO "{role}"')
        cursor.execute(f'GRANT ALL ON ALL TABLES IN SCHEMA public TO "{role}"')
        cursor.execute(f'GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO "{role}"')
        cursor.execute(f'ALTER TABLE {LINE_WORDS.table} OWNER TO "{role}"')
        cursor.execute(f'SET LOCAL ROLE "{role}"')
    assert not text_index.ensure(LINE_WORDS)
    found_without_index(texts)
    with connection.cursor() as cursor:
        cursor.execute("RESET ROLE")
    connection.check_constraints()  # PostgreSQL indexes no table whose rows are still to be checked
    assert text_index.ensure(LINE_WORDS)
    assert text_index.is_ready(LINE_WORDS)
    assert texts("thread") == ["a thread here"]


@pytest.mark.sqlite_only
@pytest.mark.usefixtures("_asked_anew")
def test_an_sqlite_without_trigrams_searches_without_them(texts: Texts) -> None:
    def older(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        """Ask for a tokenizer that this SQLite does not know, as one before 3.34 does not know trigrams."""
        return execute(sql.replace("tokenize='trigram'", "tokenize='unknown'"), params, many, context)

    with connection.cursor() as cursor:
        for name in text_index.sqlite_triggers(LINE_WORDS):
            cursor.execute(f"DROP TRIGGER {name}")
        cursor.execute(f"DROP TABLE {LINE_WORDS.name}")
        cursor.execute(f"DROP TABLE {LINE_WORDS.name}_waiting")
    with connection.execute_wrapper(older):
        assert not text_index.ensure(LINE_WORDS)
    found_without_index(texts)
    assert text_index.ensure(LINE_WORDS)
    assert text_index.is_ready(LINE_WORDS)
    assert texts("thread") == ["a thread here"]
