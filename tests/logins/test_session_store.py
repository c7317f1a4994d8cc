"""The session engine reads and writes Django's own rows, and asks for them by a statement that is kept."""

from __future__ import annotations

import datetime as dt

import pytest
from django.contrib.sessions.backends import db as djangos
from django.contrib.sessions.models import Session
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from sessions_app.logins.session_store import SessionStore

pytestmark = pytest.mark.django_db


def test_each_engine_reads_what_the_other_wrote() -> None:
    for writer, reader in ((djangos.SessionStore, SessionStore), (SessionStore, djangos.SessionStore)):
        store = writer()
        store["name"] = "Zoë"
        store.save()
        assert reader(store.session_key)["name"] == "Zoë"


def test_it_asks_as_django_does() -> None:
    store = SessionStore()
    store["name"] = "x"
    store.save()
    asked = []
    for engine in (SessionStore, SessionStore, djangos.SessionStore):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert engine(store.session_key).load() == {"name": "x"}
        asked.append(len(queries))
    assert asked == [1, 1, 1]


@pytest.mark.parametrize("engine", [SessionStore, djangos.SessionStore])
def test_a_key_that_is_expired_or_invented_is_forgotten(engine: type[djangos.SessionStore]) -> None:
    store = engine()
    store["name"] = "x"
    store.save()
    Session.objects.update(expire_date=timezone.now() - dt.timedelta(seconds=1))
    for key in (store.session_key, "k" * 32):
        found = engine(key)
        assert found.load() == {}
        assert found.session_key is None


def test_a_row_that_somebody_changed_holds_nothing() -> None:
    store = SessionStore()
    store["name"] = "x"
    store.save()
    Session.objects.update(session_data="tampered")
    assert SessionStore(store.session_key).load() == {}
