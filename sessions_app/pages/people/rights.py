"""The tab “Rights” of a person's or an application's page: what they may do where, by which access policy."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.models import AbstractUser
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from activity.typed import typed
from sessions_app.catalogue.models import Activity, Resource
from sessions_app.pages.try_it import question_about
from sessions_app.privileged.try_it import PAIR_NAMES, may_each, pairs_of, pairs_of_policies

MOST_PAIRS = 50  # on a page


def rights(request: HttpRequest, account: AbstractUser, context: dict[str, Any]) -> HttpResponse:
    """Show what the account may do, one line for each activity and resource, with a constant number of queries."""
    search = typed(request.GET, "q")
    conditions = []
    if search:
        activity, resource = (Q(**{f"{name}__folded_contains": search}) for name in PAIR_NAMES)
        conditions.append(activity | resource)
    if after := typed(request.GET, "after"):
        conditions.append(_behind(after))
    rows = list(pairs_of_policies(account, *conditions)[: MOST_PAIRS + 1])
    pairs = pairs_of(rows[:MOST_PAIRS])
    last = rows[MOST_PAIRS - 1] if len(rows) > MOST_PAIRS else None
    shown = {
        **context,
        "answers": may_each(account, pairs),
        "search": search,
        "first_url": "?" + urlencode({"tab": "rights", "q": search}) if after else "",
        "next_url": "?" + urlencode({"tab": "rights", "q": search, "after": _mark(last)}) if last else "",
        "blanks": question_about(request, user=account.get_username()),
    }
    response = render(request, "sessions_app/pages/people/rights.html", shown)
    response["Cache-Control"] = "no-store"
    return response


def _mark(row: dict[str, Any]) -> str:
    return f"{row['policies__activities']}.{row['pk']}"


def _behind(mark: str) -> Q:
    """Return a condition for the pairs behind the one that the address names. Raise Http404 if it does not exist."""
    activity_id, _, resource_id = mark.partition(".")
    if not all(part.isascii() and part.isdigit() and len(part) < 19 for part in (activity_id, resource_id)):
        raise Http404("The list has no such page.")
    names = [
        model._default_manager.filter(pk=int(key)).values_list("name", flat=True).first()
        for model, key in ((Activity, activity_id), (Resource, resource_id))
    ]
    if None in names:
        raise Http404("The list has no such page.")
    activity, resource = PAIR_NAMES
    return Q(**{f"{activity}__gt": names[0]}) | Q(**{activity: names[0], f"{resource}__gt": names[1]})
