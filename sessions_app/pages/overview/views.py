"""The home page, and its parts, each of which has an address of its own and loads apart."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotModified
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils.cache import patch_vary_headers
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_safe

from activity.listing.response import is_fragment
from activity.viewer import viewer
from sessions_app.logins.backend import current_login
from sessions_app.logins.notices import MOST_SHOWN, shown_to
from sessions_app.pages.approvals.cards import waiting_for
from sessions_app.pages.overview import first_steps, for_administrators, for_auditors, for_users
from sessions_app.privileged.toolbar import is_approver
from sessions_app.roles import is_administrator, sees_everything

ADMINISTRATOR, AUDITOR, APPROVER, USER = "administrator", "auditor", "approver", "user"


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """One part of the overview."""

    title: str
    roles: tuple[str, ...]
    content: Callable[[AbstractUser], Any]
    template: str = "lines"
    is_wide: bool = False


PARTS: Mapping[str, Part] = {
    "attention": Part("Needs attention", (ADMINISTRATOR,), for_administrators.attention, is_wide=True),
    "queue": Part("Waiting for your decision", (APPROVER,), for_users.queue, is_wide=True),
    "mine": Part("Your sessions", (APPROVER, USER), for_users.mine, is_wide=True),
    "again": Part("Request again", (APPROVER, USER), for_users.again, is_wide=True),
    "ending": Part("Ends soon", (ADMINISTRATOR,), for_administrators.ending),
    "waiting": Part("Waiting for approval", (ADMINISTRATOR,), for_administrators.waiting),
    "live": Part("Live sessions, last 24 hours", (ADMINISTRATOR,), for_administrators.live, "live"),
    "countries": Part("Logins by country, last 7 days", (ADMINISTRATOR,), for_administrators.countries),
    "refused": Part("Refused attempts, last 24 hours", (ADMINISTRATOR,), for_administrators.refused, is_wide=True),
    "reviews": Part("Reviews due", (AUDITOR,), for_auditors.reviews, is_wide=True),
    "figures": Part("The last 7 days", (AUDITOR,), for_auditors.figures, "figures"),
    "exports": Part("Downloads", (AUDITOR,), for_auditors.exports),
}


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Show the overview of the person's role.

    Approvers with something to decide are sent to the inbox, and administrators get the first steps until a policy
    exists and a session was requested.
    """
    person = viewer(request)
    role = _role(person)
    if role == APPROVER and waiting_for(person).exists():
        return redirect("approvals")
    if role == ADMINISTRATOR and first_steps.are_open():
        return render(request, "sessions_app/pages/overview/first_steps.html", first_steps.context(person))
    parts = {name: part for name, part in PARTS.items() if role in part.roles}
    context = {
        "heading": "Overview",
        "parts": parts,
        "may_request": role != AUDITOR,
        "new_devices": shown_to(person, current_login(request))[:MOST_SHOWN],
    }
    return render(request, "sessions_app/pages/overview/overview.html", context)


@require_safe
def overview_part(request: HttpRequest, name: str) -> HttpResponse:
    """Return one part: for HTMX its content or a 304, else a page of its own."""
    person = viewer(request)
    part = PARTS.get(name)
    if part is None:
        raise Http404
    if _role(person) not in part.roles:
        raise PermissionDenied("This part of the overview is for another role.")
    content = {"content": part.content(person), "name": name}
    body = render_to_string(f"sessions_app/pages/overview/{part.template}.html", content, request)
    response: HttpResponse
    if is_fragment(request):
        etag = f'"{hashlib.blake2b(body.encode(), digest_size=12).hexdigest()}"'
        is_known = request.headers.get("If-None-Match") == etag
        response = HttpResponseNotModified() if is_known else HttpResponse(body)
        response["ETag"] = etag
        response["Cache-Control"] = "no-store"  # our JavaScript keeps the ETag itself
    else:
        shown = {"heading": part.title, "body": mark_safe(body)}  # noqa: S308 - rendered by our template
        response = render(request, "sessions_app/pages/overview/part.html", shown)
    patch_vary_headers(response, ["HX-Request"])
    return response


def _role(person: AbstractUser) -> str:
    if is_administrator(person):
        return ADMINISTRATOR
    if sees_everything(person):
        return AUDITOR
    return APPROVER if is_approver(person) else USER
