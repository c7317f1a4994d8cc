"""Instances that are built quickly from rows of the database equal those that Django would build."""

from __future__ import annotations

import copy
import pickle

import pytest
from django.contrib.auth.models import User
from django.db import models

from activity.models import LogEntry
from sessions_app.logins.models import LoginSession
from sessions_app.privileged.models import PrivilegedSession, Status
from tests.support import builders
from tests.support.entries import make_entry


@pytest.mark.parametrize("model", [LogEntry, LoginSession, PrivilegedSession])
def test_they_hold_and_defer_what_django_says(model: type[models.Model], alice: User) -> None:
    make_entry(actor=alice, user=alice)
    builders.make_login(alice)
    builders.make_session(alice, Status.COMPLETE)
    names = [field.attname for field in model._meta.concrete_fields]
    djangos_own = vars(models.Model)["from_db"].__func__
    for asked in (names, names[:3]):
        [row] = model._default_manager.values_list(*asked)[:1]
        ours, theirs = model.from_db("default", asked, row), djangos_own(model, "default", asked, row)
        assert {**vars(ours), "_state": None} == {**vars(theirs), "_state": None}
        assert (ours._state.adding, ours._state.db) == (theirs._state.adding, theirs._state.db) == (False, "default")
        assert ours._state.fields_cache == theirs._state.fields_cache == {}
        assert ours.get_deferred_fields() == theirs.get_deferred_fields()
        assert ours == theirs == copy.copy(ours) == pickle.loads(pickle.dumps(ours))  # noqa: S301 - our own


def test_they_are_saved_and_read_again_as_any_other(alice: User) -> None:
    session = PrivilegedSession.objects.select_related("user").defer("notes").get(pk=builders.make_session(alice).pk)
    assert session.user == alice
    assert session.notes == ""
    session.ticket_number = "CHG-1"
    session.save(update_fields=["ticket_number"])
    session.user_id = alice.pk
    session.refresh_from_db()
    assert session.ticket_number == "CHG-1"
    assert PrivilegedSession.objects.get(ticket_number="CHG-1") == session
