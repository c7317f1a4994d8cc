"""What every page's frame needs to know of the person."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from sessions_app.models import PrivilegedSession
from sessions_app.roles import is_administrator, sees_everything


def navigation(request: HttpRequest) -> dict[str, Any]:
    """The person's role and how many sessions wait for their approval. Empty for strangers."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {}
    return {
        "is_administrator": is_administrator(user),
        "sees_everything": sees_everything(user),
        # Asked of the database only where it is shown: fragments have no navigation.
        "approvals_waiting": SimpleLazyObject(PrivilegedSession.objects.awaiting(user)[:100].count),
    }
