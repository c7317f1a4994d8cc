"""Asks before a change of a policy, of a group's members or of an account ends open sessions.

The change is made in a transaction, and the sessions that it ends are counted. Unless the person has agreed to that
number, the transaction is rolled back and the person is asked. Which sessions end is not known here: the privileged
sessions say it when the console starts (`provide_open_sessions`).
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from django.db import models
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from activity.names import name_now
from activity.typed import typed
from sessions_app.admin.folded_search import FoldedSearch

AGREED = "_agreed_to_end"  # the form field with the number of ending sessions that the person has agreed to
NAMED = 20  # this many sessions are listed by name; the others are counted


@dataclass(frozen=True, slots=True)
class OpenSessions:
    """The questions about open sessions that the administration asks."""

    all: Callable[[], models.QuerySet[Any]]
    ending: Callable[[], models.QuerySet[Any]]
    running_without_right: Callable[[], models.QuerySet[Any]]


_open_sessions: list[OpenSessions] = []


def provide_open_sessions(open_sessions: OpenSessions) -> None:
    """Set where the questions about open sessions are answered. wiring.py calls this once when the console starts."""
    _open_sessions[:] = [open_sessions]


@dataclass(frozen=True, slots=True)
class _AffectedSessions:
    """The primary keys of the sessions that end, and of those that run on without a right, at one point in time."""

    ending: frozenset[int]
    running_on: frozenset[int]


_before_change: ContextVar[_AffectedSessions] = ContextVar("sessions_app_before_change")


class _ChangeEndsSessions(Exception):
    """Rolls back a change that ends more sessions than the person has agreed to."""

    def __init__(self, ending: list[int], running_on: int) -> None:
        super().__init__(ending, running_on)
        self.ending, self.running_on = ending, running_on


class ConfirmsEndedSessions(FoldedSearch):
    """An admin class that asks the person before a change or deletion ends open sessions."""

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Show and save the form as Django does. Answer with a question instead if open sessions would end."""
        view = super().changeform_view
        return self._confirm(request, "Save", lambda: view(request, object_id, form_url, extra_context))

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None) -> Any:
        """Delete the object as Django does. Answer with a question instead if open sessions would end."""
        view = super().delete_view
        return self._confirm(request, "Delete", lambda: view(request, object_id, extra_context))

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Save the related objects, which is the last step of a save, and then count the sessions that would end."""
        super().save_related(request, form, formsets, change)
        _require_agreement(request)

    def delete_model(self, request: HttpRequest, obj: models.Model) -> None:
        """Delete the object if the person has agreed to the end of the sessions that depend on it."""
        super().delete_model(request, obj)
        _require_agreement(request)

    def _confirm(self, request: HttpRequest, verb: str, view: Callable[[], HttpResponse]) -> HttpResponse:
        if request.method != "POST":
            return view()
        token = _before_change.set(_affected_sessions())
        try:
            return view()
        except _ChangeEndsSessions as change:
            return self._ask(request, verb, change)
        finally:
            _before_change.reset(token)

    def _ask(self, request: HttpRequest, verb: str, change: _ChangeEndsSessions) -> HttpResponse:
        """Render the question. Hidden fields repeat what was sent, so that agreeing sends it once more."""
        count = len(change.ending)
        named = _open_sessions[0].all().filter(pk__in=change.ending[:NAMED]).annotate(user_now=name_now())
        skipped = ("csrfmiddlewaretoken", AGREED)
        context = {
            **self.admin_site.each_context(request),
            "title": f"This ends {count} open session{'' if count == 1 else 's'}",
            "opts": self.opts,
            "verb": verb,
            "count": count,
            "sessions": list(named.order_by("pk")),
            "more": max(count - NAMED, 0),
            "running_on": change.running_on,
            "agreed": AGREED,
            "sent": [
                (name, value) for name in request.POST if name not in skipped for value in request.POST.getlist(name)
            ],
        }
        return render(request, "admin/ends_sessions.html", context)


def _affected_sessions() -> _AffectedSessions:
    (sessions,) = _open_sessions
    return _AffectedSessions(
        frozenset(sessions.ending().values_list("pk", flat=True)),
        frozenset(sessions.running_without_right().values_list("pk", flat=True)),
    )


def _require_agreement(request: HttpRequest) -> None:
    """Raise _ChangeEndsSessions if the change ends more open sessions than the person has agreed to."""
    before, after = _before_change.get(), _affected_sessions()
    ending = sorted(after.ending - before.ending)
    agreed = typed(request.POST, AGREED)
    if len(ending) > (int(agreed) if agreed.isascii() and agreed.isdigit() and len(agreed) < 10 else 0):
        raise _ChangeEndsSessions(ending, len(after.running_on - before.running_on))
