"""Ask whether one person, a group or everybody else is to be logged out everywhere, and do it."""

from __future__ import annotations

import dataclasses
import logging
from typing import Any

from django.contrib.auth.models import AbstractUser, Group
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, InterfaceError, models
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from activity.outage import Outage
from activity.viewer import viewer
from sessions_app.logins.flows.logout_everywhere import logout_everywhere
from sessions_app.logins.forms import LogoutForm
from sessions_app.logins.models import LoginSession, LoginSessionQuerySet
from sessions_app.outcome import confirmation, outage_text, outcome
from sessions_app.pages.people.tables import visible_accounts
from sessions_app.permission import administrator_refusal, role_of
from sessions_app.roles import sees_everything

logger = logging.getLogger(__name__)

MOST_NAMED = 10  # people in the question; the others are counted

get_or_post = require_http_methods(["GET", "HEAD", "POST"])


@dataclasses.dataclass(frozen=True, slots=True)
class Whom:
    """Who is logged out, as the question, the answer and the log call them, and where their page is."""

    words: str
    logins: LoginSessionQuerySet
    action_url: str
    page_url: str
    target: models.Model | None = None
    is_without_me: bool = True  # the administrator who asks is among them, and stays logged in


@get_or_post
def user_logout(request: HttpRequest, pk: int) -> HttpResponse:
    """Log out one person everywhere. For oneself there is “Logout everywhere else”."""
    account: AbstractUser = get_object_or_404(visible_accounts(viewer(request)), pk=pk)
    _administrators_only(request)
    if account.pk == viewer(request).pk:
        return redirect("logins_logout_others")
    logins = LoginSession.objects.live().filter(user_id=account.pk)
    pages = reverse("user_logout", args=[pk]), reverse("user", args=[pk])
    return _answer(request, Whom(account.get_username(), logins, *pages, target=account, is_without_me=False))


@get_or_post
def group_logout(request: HttpRequest, pk: int) -> HttpResponse:
    """Log out all members of a group everywhere, but never the person who asks."""
    visible = Group.objects.all() if sees_everything(viewer(request)) else Group.objects.none()
    group = get_object_or_404(visible, pk=pk)
    _administrators_only(request)
    members = group.user_set.values("pk")
    logins = LoginSession.objects.live().filter(user__in=members).exclude(user_id=viewer(request).pk)
    pages = reverse("group_logout", args=[pk]), reverse("group", args=[pk])
    return _answer(
        request,
        Whom(
            f"the group {group.name}",
            logins,
            *pages,
            target=group,
            is_without_me=group.user_set.filter(pk=viewer(request).pk).exists(),
        ),
    )


@get_or_post
def logins_logout_everybody(request: HttpRequest) -> HttpResponse:
    """Log out everybody everywhere but the person who asks."""
    _administrators_only(request)
    logins = LoginSession.objects.live().exclude(user_id=viewer(request).pk)
    return _answer(request, Whom("everybody else", logins, reverse("logins_logout_everybody"), reverse("logins")))


def _administrators_only(request: HttpRequest) -> None:
    if reason := administrator_refusal(**role_of(viewer(request))):
        raise PermissionDenied(reason)


def _answer(request: HttpRequest, whom: Whom) -> HttpResponse:
    """Show how many and whom (GET), or log them out (POST)."""
    form = LogoutForm(request.POST if request.method == "POST" else None, auto_id="logout-%s")
    if form.is_valid():
        return _log_out(request, whom, form.cleaned_data["reason"])
    context = {
        "title": "Logout everywhere",
        "heading": "Session Information",
        "whom": whom,
        "form": form,
        "action_url": whom.action_url,
        "back": whom.page_url,
        "back_label": "Back",
        **_how_many(whom),
    }
    status = 422 if form.is_bound else 200
    return confirmation(request, "sessions_app/pages/logins/logout_everywhere.html", context, status=status)


def _how_many(whom: Whom) -> dict[str, Any]:
    """Return the numbers of browsers and people, and the names of those with the most browsers."""
    totals = whom.logins.aggregate(possible=Count("pk"), people=Count("user_id", distinct=True))
    by_person = whom.logins.order_by().values("user_name").annotate(count=Count("pk"))
    named = list(by_person.order_by("-count", "user_name")[:MOST_NAMED])
    return {**totals, "named": named, "others": max(0, totals["people"] - len(named))}


def _log_out(request: HttpRequest, whom: Whom, note: str) -> HttpResponse:
    count, lines = 0, []
    try:
        for ended in logout_everywhere(viewer(request), whom.logins, whom=whom.words, note=note, target=whom.target):
            count += ended
    except (DatabaseError, InterfaceError) as error:
        outage = Outage.of(error)
        if outage is None:
            raise
        logger.warning("%s was not logged out everywhere", whom.words, exc_info=error)
        lines.append(("error", f"Not all of {whom.words} were logged out. {outage_text(outage)}"))
    if count:
        sessions = "session" if count == 1 else "sessions"
        lines.append(("success", f"Logged out {whom.words} everywhere: {count:,} {sessions}."))
    elif not lines:
        lines.append(("info", f"Nobody of {whom.words} was logged in any more."))
    return outcome(request, lines, whom.page_url, leaves_page=whom.target is not None)
