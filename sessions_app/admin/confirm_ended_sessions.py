"""Asks before a change in the administration ends open sessions, as configuration/ended_sessions.py describes."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from django.db import models
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from sessions_app.admin.folded_search import FoldedSearch
from sessions_app.configuration.ended_sessions import (
    AffectedSessions,
    ChangeEndsSessions,
    affected_sessions,
    question,
    require_agreement,
)

_before_change: ContextVar[AffectedSessions] = ContextVar("sessions_app_before_change")


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
        require_agreement(_before_change.get(), request.POST)

    def delete_model(self, request: HttpRequest, obj: models.Model) -> None:
        """Delete the object if the person has agreed to the end of the sessions that depend on it."""
        super().delete_model(request, obj)
        require_agreement(_before_change.get(), request.POST)

    def _confirm(self, request: HttpRequest, verb: str, view: Callable[[], HttpResponse]) -> HttpResponse:
        if request.method != "POST":
            return view()
        token = _before_change.set(affected_sessions())
        try:
            return view()
        except ChangeEndsSessions as change:
            return self._ask(request, verb, change)
        finally:
            _before_change.reset(token)

    def _ask(self, request: HttpRequest, verb: str, change: ChangeEndsSessions) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "verb": verb,
            **question(change, request.POST),
        }
        return render(request, "admin/ends_sessions.html", context)
