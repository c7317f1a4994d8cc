"""The page of one login session."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from activity.listing import short_time
from activity.models import Level, LogEntry
from activity.tables import message_text
from activity.viewer import viewer
from sessions_app.logins.backend import current_login
from sessions_app.logins.tables import logins_queryset, refusal
from sessions_app.pages.logins.facts import login_facts
from sessions_app.pages.logins.opened import MOST_ENTRIES, entries_of, opened_in
from sessions_app.permission import administrator_refusal, role_of
from sessions_app.roles import is_administrator


@require_safe
def login_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one login session: how it began and ends, from where, with which device, and what was done in it."""
    person = viewer(request)
    login = get_object_or_404(logins_queryset(person).select_related("user", "ended_by", "known_device"), pk=pk)
    administers = is_administrator(person)
    opened = opened_in(person, login)
    context = {
        "heading": f"Login of {login.user_name}",
        "number": login.pk,
        "logout_url": f"{reverse('logins_logout')}?{urlencode({'ids': login.pk, 'next': request.path})}",
        "login": login,
        **login_facts(person, login, current_login(request)),
        "opened": opened,
        "has_opened": any(kind.rows for kind in opened),
        "entries": [_entry(entry) for entry in entries_of(person, login)],
        "most_entries": MOST_ENTRIES,
        "logout_refused": refusal(login, viewer_id=person.pk, may_end_all=administers),
        "is_own": login.user_id == person.pk,
        "everywhere_refused": administrator_refusal(**role_of(person)),
        "is_written_down": bool(login.signed_in_with),
    }
    return render(request, "sessions_app/pages/logins/login_detail.html", context)


def _entry(entry: LogEntry) -> dict[str, Any]:
    level = Level(entry.level)
    return {
        "pk": entry.pk,
        "at": short_time(entry.at),
        "css": level.label.lower(),
        "level": level.label if level > Level.INFO else "",
        "message": message_text(entry),
    }
