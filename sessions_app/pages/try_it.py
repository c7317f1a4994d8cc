"""The page “May alice do Root shell on db-1?”, and the question as a part of other pages.

Administrators and auditors ask about everybody, and other people about themselves and what they may see.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.utils.html import format_html_join
from django.views.decorators.http import require_safe

from activity.listing.response import is_fragment
from activity.typed import typed
from activity.viewer import viewer
from sessions_app.choosing import find_by_name
from sessions_app.errors import Refused
from sessions_app.pages.catalogue.tables import visible_activities, visible_resources
from sessions_app.pages.people.tables import visible_accounts
from sessions_app.privileged.try_it import Answer, may
from sessions_app.roles import sees_everything

MOST_OFFERED = 100  # names that a field suggests


@dataclasses.dataclass(frozen=True, slots=True)
class Blank:
    """One field of the question. `names` are suggested while one types."""

    name: str
    label: str
    value: str
    names: list[str]
    is_fixed: bool
    problem: str = ""

    @property
    def id(self) -> str:
        return f"try-{self.name}"


@require_safe
def try_it(request: HttpRequest) -> HttpResponse:
    """Show the question, and the answer if it is complete. With `names`, return what a field suggests."""
    person = viewer(request)
    if asked := typed(request.GET, "names"):
        return _suggestions(request, asked)
    sent = {name: typed(request.GET, name) for name in ("user", "activity", "resource")}
    found: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for name, (things, field) in _choices(request).items():
        if not sent[name] and name == "user" and not sees_everything(person):
            sent[name] = person.get_username()
        if not sent[name]:
            continue
        try:
            found[name] = find_by_name(things, field, sent[name])
        except Refused as unknown:
            problems[name] = unknown.message
    answer: Answer | None = None
    if len(found) == len(sent):
        answer = may(found["user"], found["activity"], found["resource"])
        if not sees_everything(person):
            answer = answer.without_policies
    context = {"blanks": blanks(request, sent, problems), "answer": answer, "problems": list(problems.values())}
    template = "_try_it_answer.html" if is_fragment(request) else "try_it.html"
    response = render(request, f"sessions_app/pages/{template}", context)
    response["Cache-Control"] = "no-store"
    patch_vary_headers(response, ["HX-Request"])
    return response


def _suggestions(request: HttpRequest, name: str) -> HttpResponse:
    """Return the first names of one field that hold what was typed there, as options of its list."""
    if name not in (choices := _choices(request)):
        raise Http404("The question has no such field.")
    (things, field), search = choices[name], typed(request.GET, name)
    if search:
        things = things.filter(**{f"{field}__folded_contains": search})
    response = HttpResponse(
        format_html_join("", '<option value="{}"></option>', ((each,) for each in _first(things, field)))
    )
    response["Cache-Control"] = "no-store"
    return response


def _first(things: QuerySet[Any], field: str) -> list[str]:
    return list(things.order_by(field).values_list(field, flat=True)[:MOST_OFFERED])


def question_about(request: HttpRequest, **names: str) -> list[Blank]:
    """Return the fields of the question for another page, which knows some of the names already."""
    return blanks(request, {"user": "", "activity": "", "resource": "", **names}, {})


def blanks(request: HttpRequest, sent: dict[str, str], problems: dict[str, str]) -> list[Blank]:
    """Return the three fields, with the first names that the person may choose, with three queries."""
    labels = {"user": "Who", "activity": "Does what", "resource": "Where"}
    own_only = not sees_everything(viewer(request))
    return [
        Blank(
            name=name,
            label=labels[name],
            value=sent[name],
            names=_first(things, field),
            is_fixed=own_only and name == "user",
            problem=problems.get(name, ""),
        )
        for name, (things, field) in _choices(request).items()
    ]


def _choices(request: HttpRequest) -> dict[str, tuple[QuerySet[Any], str]]:
    """Return what each field may name, and the field of the model that holds the name."""
    person: AbstractUser = viewer(request)
    return {
        "user": (visible_accounts(person), "username"),
        "activity": (visible_activities(person), "name"),
        "resource": (visible_resources(person), "name"),
    }
