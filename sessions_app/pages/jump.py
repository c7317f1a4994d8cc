"""Jump to a page, an action, a session by its number, a person, a group, an application or a host: Ctrl+K.

What is typed is the beginning of a name, so that the database finds it in the index of the names, however many there
are. Each kind is one query of at most MOST rows, and only for those who may see that kind.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser, Group
from django.db import connections
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe

from activity.addresses import numbered
from activity.listing.response import is_fragment
from activity.names import begins_with
from activity.typed import typed
from activity.viewer import viewer
from sessions_app.pages import main_menu
from sessions_app.pages.catalogue.tables import visible_resources
from sessions_app.privileged.models import PrivilegedSession
from sessions_app.roles import is_administrator, sees_everything

MOST = 5  # of each kind
LONGEST = 150  # characters
LARGEST_NUMBER = 2**63 - 1  # of a row
RESULTS = "jump-results"  # the id of the part that htmx exchanges while one types

Row = TypeVar("Row", bound=Model)


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """One thing to jump to. `kind` is the word beside it."""

    label: str
    url: str
    kind: str
    icon: str


@require_safe
def jump(request: HttpRequest) -> HttpResponse:
    """Show what begins with `q`: as a page, in the dialog, or only the results for a dialog that is open."""
    words = " ".join(typed(request.GET, "q", LONGEST).split())
    context = {
        "heading": "Jump to",
        "words": words,
        "found": list(find(viewer(request), words)),
        "is_dialog": is_fragment(request),
    }
    if not is_fragment(request):
        template = "sessions_app/pages/jump_page.html"
    elif request.headers.get("HX-Target") == RESULTS:
        template = "sessions_app/pages/jump_results.html"
    else:
        template = "sessions_app/pages/jump.html"
    response = render(request, template, context)
    patch_vary_headers(response, ["HX-Request", "HX-Target"])
    return response


@require_safe
def keys(request: HttpRequest) -> HttpResponse:
    """Show which keys the console knows."""
    is_dialog = is_fragment(request)
    template = "sessions_app/pages/keys.html" if is_dialog else "sessions_app/pages/keys_page.html"
    response = render(request, template, {"heading": "Keys", "is_dialog": is_dialog})
    patch_vary_headers(response, ["HX-Request"])
    return response


def find(person: AbstractUser, words: str) -> Iterator[Found]:
    """Yield what begins with `words` and the person may see, the nearest first. Without words: the pages."""
    role = main_menu.audiences(is_administrator=is_administrator(person), sees_everything=sees_everything(person))
    if not words:
        yield from _pages(role, words)
        return
    yield from _session(person, words.removeprefix("#"))
    pages = list(_pages(role, words))
    yield from pages[:MOST]
    if main_menu.READERS in role:
        people = get_user_model()._default_manager.select_related("application")
        for user in _first(people, "username", words):
            application = getattr(user, "application", None)
            if application is None:
                yield Found(user.get_username(), numbered("user", user.pk), "User", "user")
            else:
                yield Found(user.get_username(), numbered("application", application.pk), "Application", "bot")
        for group in _first(Group.objects.all(), "name", words):
            yield Found(group.name, numbered("group", group.pk), "Group", "users")
    for resource in _first(visible_resources(person), "name", words):
        yield Found(resource.name, resource.get_absolute_url(), "Resource", "server")


def _session(person: AbstractUser, number: str) -> Iterator[Found]:
    if not (number.isascii() and number.isdecimal()) or int(number) > LARGEST_NUMBER:
        return
    for session in PrivilegedSession.objects.visible_to(person).filter(pk=int(number)):
        label = f"#{session.pk} {session.user_name} on {session.resource_name}"
        yield Found(label, session.get_absolute_url(), f"Session, {session.get_status_display()}", "terminal")


def _pages(role: frozenset[str], words: str) -> Iterator[Found]:
    wanted = words.casefold().split()
    for link in main_menu.reachable(role):
        names = link.label.casefold().split()
        if all(any(name.startswith(word) for name in names) for word in wanted):
            yield Found(link.label, reverse(link.name), link.kind, link.icon)


def _first(rows: QuerySet[Row, Any], field: str, words: str) -> Iterable[Row]:
    """Return the first rows whose `field` begins with `words`, by its index."""
    return rows.filter(begins_with(field, words, connections[rows.db].vendor)).order_by(field)[:MOST]
