"""The template context for the frame of every page.

Every page and every `alive` request counts the sessions that wait, so that statement is compiled once
(activity/compiled_query.py).
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from activity.compiled_query import CompiledQuery
from sessions_app.privileged.models import PrivilegedSession
from sessions_app.roles import is_administrator, sees_everything

MOST_WAITING = 100  # counting stops at this number


def _awaiting(user_id: int) -> QuerySet[PrivilegedSession, Any]:
    person = get_user_model()(pk=user_id)
    return PrivilegedSession.objects.awaiting(person).order_by().values_list("pk")[:MOST_WAITING]


_waiting = CompiledQuery(PrivilegedSession, _awaiting, user_id=int)


def navigation(request: HttpRequest) -> dict[str, Any]:
    """Return the theme, and for a logged-in person the role and how many sessions wait for their approval.

    The theme is looked up here, because a missing variable costs a template 0.1 ms.
    """
    theme = {"theme": request.COOKIES.get("theme", "")}
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return theme
    return theme | {
        "is_administrator": is_administrator(user),
        "sees_everything": sees_everything(user),
        # A lazy value, because fragments have no navigation and need no query.
        "approvals_waiting": SimpleLazyObject(lambda: len(_waiting.rows(user_id=user.pk)[1])),
    }
