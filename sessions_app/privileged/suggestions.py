"""Names for the filters of lists of sessions, looked up while somebody types: hosts, activities and users."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib.auth.models import AbstractUser
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from activity.filters import options, suggest_users
from activity.folding import fold
from activity.typed import typed
from activity.viewer import viewer
from sessions_app.catalogue.models import Activity, Resource
from sessions_app.privileged.models import PrivilegedSession
from sessions_app.roles import sees_everything

MOST_NAMES = 20
NEWEST_SESSIONS = 200  # of one's own, whose names are suggested


def _hosts(text: str) -> list[str]:
    found = Resource.objects.filter(name__folded_contains=text).order_by("name")
    return list(found.values_list("name", flat=True)[:MOST_NAMES])


def _activities(text: str) -> list[str]:
    found = Activity.objects.filter(name__folded_contains=text).order_by("name")
    return list(found.values_list("name", flat=True)[:MOST_NAMES])


# For each kind, the field of a session that holds its name, and what is suggested to those who see everything.
KINDS: dict[str, tuple[str, Callable[[str], list[str]]]] = {
    "host": ("resource_name", _hosts),
    "activity": ("activity_name", _activities),
    "user": ("user_name", lambda text: [name for name, _ in suggest_users(text)]),
}


@require_safe
def session_names(request: HttpRequest, kind: str) -> HttpResponse:
    """Return up to 20 names that hold the text in the parameter `kind`, as options of a datalist.

    Those who see only their own sessions get the names in their newest 200.
    """
    if kind not in KINDS:
        raise Http404
    field, everything = KINDS[kind]
    text, person = typed(request.GET, kind), viewer(request)
    names = everything(text) if sees_everything(person) else _own(person, field, text)
    return HttpResponse(options((name, "") for name in names))


def _own(person: AbstractUser, field: str, text: str) -> list[str]:
    newest = PrivilegedSession.objects.visible_to(person).order_by("-pk").values_list(field, flat=True)
    asked = fold(text)
    return sorted({name for name in newest[:NEWEST_SESSIONS] if asked in fold(name)})[:MOST_NAMES]
