"""Compiled queries give the same rows as ordinary ones for all values, and their SQL is built only once."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Group, Permission, User
from django.db.models import QuerySet

from activity.compiled_query import CompiledQuery
from activity.models import LogEntry
from sessions_app.logins.backend import LoginSessionBackend
from tests.support.entries import make_entry


def test_other_values_are_put_into_the_same_statement(alice: User) -> None:
    built = []

    def build(user_name: str, pk: int, at: Any) -> QuerySet[LogEntry, Any]:
        built.append(user_name)
        return LogEntry.objects.filter(user_name=user_name, level=10, pk__gt=pk, at__lte=at).values_list("pk", "at")

    entry, other = (make_entry(user_name=name, level=10) for name in ("o'hara %s", "other"))
    asked = CompiledQuery(LogEntry, build, user_name=str, pk=int, at=type(entry.at))
    for each in (entry, other):
        _, rows = asked.rows(user_name=each.user_name, pk=each.pk - 1, at=each.at)
        assert rows == [(each.pk, each.at)]
    assert asked.rows(user_name=entry.user_name, pk=entry.pk, at=entry.at)[1] == []
    assert len(built) == 1


def test_a_value_that_is_computed_with_is_refused(db: None) -> None:
    asked = CompiledQuery(LogEntry, lambda pk: LogEntry.objects.filter(pk=pk + 1).values_list("pk"), pk=int)
    with pytest.raises(LookupError, match="pk"):
        asked.rows(pk=1)


def test_an_account_may_do_what_django_says(alice: User, admin: User, auditor: User) -> None:
    alice.user_permissions.add(Permission.objects.get(content_type__app_label="activity", codename="view_logentry"))
    alice.groups.add(Group.objects.create(name="Readers"))
    Group.objects.get(name="Readers").permissions.add(*Permission.objects.filter(codename__endswith="_user"))
    superuser = User.objects.create_superuser("root")
    gone = User.objects.create_superuser("gone", is_active=False)
    for person in (alice, admin, auditor, superuser, gone):
        ours, theirs = (User.objects.get(pk=person.pk) for _ in range(2))
        allowed = LoginSessionBackend().get_all_permissions(ours)
        assert allowed == ModelBackend().get_all_permissions(theirs), person
        assert all(ours.has_perm(name) for name in allowed)
        assert bool(allowed) == person.is_active
