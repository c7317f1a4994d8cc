"""The template context for the frame of every page.

Every page and every `alive` request counts the sessions that wait, so that statement is compiled once
(activity/compiled_query.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.utils.html import format_html
from django.utils.safestring import SafeString

from activity.compiled_query import CompiledQuery
from activity.saved_views.seen import favourites
from sessions_app.factors.fresh import confirmed_until
from sessions_app.logins import initial_passwords
from sessions_app.logins.backend import current_login
from sessions_app.pages import main_menu
from sessions_app.pages.health_dot import dot
from sessions_app.privileged.models import PrivilegedSession
from sessions_app.roles import is_administrator, sees_everything

MOST_WAITING = 100  # counting stops at this number
NOTHING = SafeString("")
# Asks every few seconds what is new, and so notices that the person was logged out.
ASKS = (
    '<span id="approvals-count" data-etag="" hx-get="{}" hx-trigger="every 8s, refresh" hx-swap="innerHTML"'
    ' hx-target="this">{}</span>'
)
HEALTH = '<span id="health-dot"{}>{}</span>'
OUT_OF_BAND = SafeString(' hx-swap-oob="true"')


def _awaiting(user_id: int) -> QuerySet[PrivilegedSession, Any]:
    person = get_user_model()(pk=user_id)
    return PrivilegedSession.objects.awaiting(person).order_by().values_list("pk")[:MOST_WAITING]


_waiting = CompiledQuery(PrivilegedSession, _awaiting, user_id=int)


def navigation(request: HttpRequest) -> dict[str, Any]:
    """Return the look, and for a logged-in person the role, the links, and how many sessions wait for their approval.

    The look is looked up here, because a missing variable costs a template 0.1 ms.
    """
    look = {"theme": request.COOKIES.get("theme", ""), "density": request.COOKIES.get("density", "")}
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return look
    login = current_login(request)
    must_enrol = login is not None and login.must_enrol
    context = look | {
        "must_enrol": must_enrol,
        # Then nothing else opens (factors/required_first_middleware.py), so a page has no navigation.
        "has_required_step": must_enrol or initial_passwords.must_be_changed(request),
        "is_administrator": is_administrator(user),
        "sees_everything": sees_everything(user),
        "confirmed_until": confirmed_until(login) if login is not None else None,  # until then no deed asks again
        # A lazy value, because fragments have no navigation and need no query.
        "approvals_waiting": SimpleLazyObject(lambda: len(_waiting.rows(user_id=user.pk)[1])),
    }
    # A function, which a template calls: fragments do not.
    return context | {"main_links": partial(_links, request, context)}


def _links(request: HttpRequest, context: Mapping[str, Any]) -> SafeString:
    match = request.resolver_match
    here = match.view_name if match is not None else ""
    role = main_menu.audiences(is_administrator=context["is_administrator"], sees_everything=context["sees_everything"])
    count = format_html(ASKS, reverse("alive"), pill(context["approvals_waiting"]))
    health = format_html(HEALTH, "", dot.html())
    views = [(view.pk, view.name) for view in favourites(request)]
    asked = request.GET.get("view", "")
    shown = int(asked) if views and asked.isascii() and asked.isdigit() else None
    return main_menu.links(here, role, count=count, dot=health, favourites=views, shown=shown)


def pill(waiting: int) -> SafeString:
    """Return the number of sessions that wait for the person's approval; empty if there are none."""
    return (
        format_html('<span class="pill" aria-label="{0} waiting for you">{0}</span>', waiting) if waiting else NOTHING
    )


def news(context: Mapping[str, Any]) -> SafeString:
    """Return what changes in the navigation of an open page: the number, and for administrators the dot of Health."""
    count = pill(context["approvals_waiting"])
    if not context["is_administrator"]:
        return count
    dot.look()
    return count + format_html(HEALTH, OUT_OF_BAND, dot.html())
