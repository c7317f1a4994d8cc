"""The choices in the request wizard: for whom, which activity, which resources.

They are in the URL, so that the back button, a reload and a prefilled link work without JavaScript.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from urllib.parse import urlencode

from django.contrib.auth.models import AbstractUser
from django.http import QueryDict

from activity.typed import typed
from sessions_app.catalogue.models import Activity, Resource
from sessions_app.people.models import Application
from sessions_app.privileged.flows.request import MOST_RESOURCES, allowed_activities, allowed_resources
from sessions_app.privileged.request_memory import DRAFT, new_draft
from sessions_app.roles import is_administrator

LARGEST_ID = 2**63 - 1


class BadDraft(Exception):
    """The address or form was not made by the wizard. The text is for the person, and the status is 400."""


@dataclasses.dataclass(frozen=True, slots=True)
class Draft:
    """The choices so far. `problems` says which choices were removed because they are no longer possible."""

    user: AbstractUser  # the user of the sessions
    application: Application | None
    activity: Activity | None
    resources: tuple[Resource, ...]
    problems: tuple[str, ...]
    key: str  # what was entered besides is stored under it (request_memory.py)

    @property
    def pairs(self) -> list[tuple[str, int | str]]:
        """Return the choices as parameters of an address, or as hidden fields of a form."""
        pairs: list[tuple[str, int | str]] = [("draft", self.key)]
        if self.application is not None:
            pairs.append(("for", self.application.pk))
        if self.activity is not None:
            pairs.append(("activity", self.activity.pk))
        return pairs + [("resources", resource.pk) for resource in self.resources]

    @property
    def query(self) -> str:
        """Return the choices as the query of an address."""
        return urlencode(self.pairs)


def read_draft(person: AbstractUser, sent: QueryDict) -> Draft:
    """Return the choices in an address or form that a policy allows. Raise BadDraft."""
    application = _application(person, sent)
    user = application.principal if application is not None else person
    activity_ids, resource_ids = _numbers(sent, "activity"), _numbers(sent, "resources")
    if len(resource_ids) > MOST_RESOURCES:
        raise BadDraft(f"At most {MOST_RESOURCES} resources in one request. Choose fewer.")
    problems: list[str] = []
    activity = allowed_activities(user).filter(pk__in=activity_ids).first() if activity_ids else None
    if activity_ids and activity is None:
        problems.append(f"No access policy gives {user.get_username()} that activity. Choose another.")
    resources: tuple[Resource, ...] = ()
    if activity is not None and resource_ids:
        resources = tuple(allowed_resources(user, activity).filter(pk__in=resource_ids).order_by("name", "pk"))
        missing = len(resource_ids) - len(resources)
        if missing:
            those = "one of the chosen resources" if missing == 1 else f"{missing} of the chosen resources"
            problems.append(f"No access policy gives {user.get_username()} {activity.name} on {those}; left out.")
    key = typed(sent, "draft")
    if not DRAFT.fullmatch(key):
        key = new_draft()
    return Draft(user, application, activity, resources, tuple(problems), key)


def with_ticked(draft: Draft, numbers: Sequence[str]) -> Draft:
    """Return the draft with those resources besides, as far as a policy allows them. They were ticked and not sent."""
    wanted = [int(text) for text in numbers if text.isdigit()]
    if draft.activity is None or draft.resources or not wanted:
        return draft
    ticked = allowed_resources(draft.user, draft.activity).filter(pk__in=wanted).order_by("name", "pk")
    return dataclasses.replace(draft, resources=tuple(ticked[:MOST_RESOURCES]))


def _application(person: AbstractUser, sent: QueryDict) -> Application | None:
    numbers = _numbers(sent, "for")
    if not numbers:
        return None
    if not is_administrator(person):
        raise BadDraft("Only administrators request sessions for an application.")
    application = Application.objects.select_related("principal").filter(pk__in=numbers).first()
    if application is None:
        raise BadDraft("That application does not exist.")
    return application


def _numbers(sent: QueryDict, name: str) -> list[int]:
    texts = [text for text in dict.fromkeys(sent.getlist(name)) if text]
    if not all(text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= LARGEST_ID for text in texts):
        raise BadDraft("This request was not understood. Start again.")
    if name != "resources" and len(texts) > 1:
        raise BadDraft("This request was not understood. Start again.")
    return [int(text) for text in texts]
