"""Says which open sessions a change of policy, of a group's members or of an account would end, before it is saved.

The change is made in a transaction, the sessions that it ends are counted, and unless the person has agreed to that
many, the transaction is rolled back and they are asked.
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
from sessions_app.admin.folded import FoldedSearch
from sessions_app.privileged.models import PrivilegedSession
from sessions_app.privileged.rights import ending_for_their_right, runs_without_right

AGREED = "_agreed_to_end"  # the field that says to how many the person has agreed
NAMED = 20  # sessions named one by one; more are counted


@dataclass(frozen=True, slots=True)
class _Before:
    """Session numbers as they were before the change: what ends anyway, and what runs on without a right."""

    ending: frozenset[int]
    running_on: frozenset[int]


_before: ContextVar[_Before] = ContextVar("sessions_app_before_change")


class _EndsSessions(Exception):
    """The change ends these sessions, to which nobody has agreed; it is rolled back."""

    def __init__(self, ending: list[int], running_on: int) -> None:
        super().__init__(ending, running_on)
        self.ending, self.running_on = ending, running_on


class TellsWhatEnds(FoldedSearch):
    """Asks before it saves or deletes what would end open sessions."""

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """As usual, and the question instead of the answer when open sessions would end."""
        view = super().changeform_view
        return self._asking(request, "Save", lambda: view(request, object_id, form_url, extra_context))

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None) -> Any:
        """As usual, and the question instead of the answer when open sessions would end."""
        view = super().delete_view
        return self._asking(request, "Delete", lambda: view(request, object_id, extra_context))

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """The last step of a save: now everything is as it would be."""
        super().save_related(request, form, formsets, change)
        _require_agreement(request)

    def delete_model(self, request: HttpRequest, obj: models.Model) -> None:
        """Delete it, if the person has agreed to what that ends."""
        super().delete_model(request, obj)
        _require_agreement(request)

    def _asking(self, request: HttpRequest, verb: str, view: Callable[[], HttpResponse]) -> HttpResponse:
        if request.method != "POST":
            return view()
        token = _before.set(_standing())
        try:
            return view()
        except _EndsSessions as ends:
            return self._ask(request, verb, ends)
        finally:
            _before.reset(token)

    def _ask(self, request: HttpRequest, verb: str, ends: _EndsSessions) -> HttpResponse:
        """What was sent comes back in hidden fields, to be sent once more."""
        count = len(ends.ending)
        named = (
            PrivilegedSession.objects.filter(pk__in=ends.ending[:NAMED]).annotate(user_now=name_now()).order_by("pk")
        )
        skipped = ("csrfmiddlewaretoken", AGREED)
        context = {
            **self.admin_site.each_context(request),
            "title": f"This ends {count} open session{'' if count == 1 else 's'}",
            "opts": self.opts,
            "verb": verb,
            "count": count,
            "sessions": list(named),
            "more": max(count - NAMED, 0),
            "running_on": ends.running_on,
            "agreed": AGREED,
            "sent": [
                (name, value) for name in request.POST if name not in skipped for value in request.POST.getlist(name)
            ],
        }
        return render(request, "admin/ends_sessions.html", context)


def _standing() -> _Before:
    running_on = PrivilegedSession.objects.filter(runs_without_right()).order_by()
    return _Before(
        frozenset(ending_for_their_right().values_list("pk", flat=True)),
        frozenset(running_on.values_list("pk", flat=True)),
    )


def _require_agreement(request: HttpRequest) -> None:
    """Raise _EndsSessions when the change ends more open sessions than the person has agreed to."""
    before, after = _before.get(), _standing()
    ending = sorted(after.ending - before.ending)
    agreed = typed(request.POST, AGREED)
    if len(ending) > (int(agreed) if agreed.isascii() and agreed.isdigit() and len(agreed) < 10 else 0):
        raise _EndsSessions(ending, len(after.running_on - before.running_on))
