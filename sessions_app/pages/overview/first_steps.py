"""The first steps of an installation as a checklist, which is read from the database."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser
from django.urls import reverse

from activity.models import Level, LogEntry
from activity.verbs import Verb
from sessions_app.catalogue.models import AccessPolicy, Activity, ConnectionProfile, Resource
from sessions_app.factors.stage import has_factor
from sessions_app.privileged.models import PrivilegedSession

# The words of the buttons and the templates of the form of connection profiles (catalogue/profile_forms.py).
PROFILE_TEMPLATES = (
    ("Working day", "working-day"),
    ("Needs approval", "needs-approval"),
    ("Emergency", "emergency"),
)


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """One line of the checklist. `buttons` are words and addresses."""

    name: str
    text: str
    is_done: bool
    buttons: tuple[tuple[str, str], ...]
    is_next: bool = False


def are_open() -> bool:
    """Return whether an administrator still has to do some of them: there is no policy, or nobody has used one."""
    return not AccessPolicy.objects.exists() or not PrivilegedSession.objects.exists()


def context(person: AbstractUser) -> dict[str, Any]:
    """Return the context of the checklist for this administrator."""
    steps = _with_next(_steps(person))
    return {"heading": "First steps", "steps": steps, "done": sum(step.is_done for step in steps)}


def _with_next(steps: Sequence[Step]) -> list[Step]:
    """Return the steps with the first one that is not done marked as the next."""
    first = next((step for step in steps if not step.is_done), None)
    return [dataclasses.replace(step, is_next=step is first) for step in steps]


def _steps(person: AbstractUser) -> list[Step]:
    """Return all steps in order."""
    return [*_people_and_host(person), *_what_is_given()]


def _people_and_host(person: AbstractUser) -> list[Step]:
    """Return the steps until there are people and a host that can be reached."""
    changed = LogEntry.objects.filter(verb=Verb.PASSWORD_CHANGED, user_id=person.pk)
    people = get_user_model().objects.filter(is_active=True, application=None).exclude(pk=person.pk)
    resource = Resource.objects.filter(is_active=True).order_by("-pk").first()
    return [
        Step(
            "Change your password",
            "The first one was made by a program and printed on a terminal.",
            changed.exists(),
            (("Change password", f"{reverse('password_change')}?next={reverse('home')}"),),
        ),
        Step(
            "Set up a second factor",
            "A passkey, a security key or an app on your phone: a password alone should not open all your hosts.",
            has_factor(person),
            (("Set up", reverse("factors")),),
        ),
        Step(
            "Add people",
            "Everybody has an account of their own, so that the log says who did what.",
            people.exists(),
            (("Add a user", reverse("user_add")),),
        ),
        Step(
            "Add a host",
            "Its name, its address, and the account that SessionAdmin uses on it.",
            resource is not None,
            (("Add a resource", reverse("resource_add")),),
        ),
        Step(
            "Test the connection to it",
            "“Test connection” on its page shows the host's key, which you confirm there.",
            resource is not None and _is_tested(resource),
            (("Open the resource", resource.get_absolute_url()),)
            if resource is not None
            else (("Resources", reverse("resources")),),
        ),
    ]


def _what_is_given() -> list[Step]:
    """Return the steps from an activity to the first session."""
    return [
        Step(
            "Add an activity",
            "What is done on a host, such as Patch Linux: which account, groups and sudo rule it takes.",
            Activity.objects.filter(is_active=True).exists(),
            (("Add an activity", reverse("activity_kind_add")),),
        ),
        Step(
            "Add a connection profile",
            "How long a session lasts, who approves it, and whether it is recorded. Three templates are ready.",
            ConnectionProfile.objects.exists(),
            tuple((words, f"{reverse('profile_add')}?template={template}") for words, template in PROFILE_TEMPLATES),
        ),
        Step(
            "Add an access policy",
            "Who may do which activities on which hosts, and by which connection profile.",
            AccessPolicy.objects.filter(is_active=True).exists(),
            (("Add an access policy", reverse("policy_add")),),
        ),
        Step(
            "Request a session",
            "Try it yourself, if the policy names you, or let somebody else do it.",
            PrivilegedSession.objects.exists(),
            (("Request session", reverse("session_request")),),
        ),
    ]


def _is_tested(newest: Resource) -> bool:
    """Return whether a test of any resource worked. What is no host needs none."""
    tested = LogEntry.objects.filter(verb=Verb.HOST_CHECKED, level=Level.INFO)
    return not newest.capabilities.is_host or tested.exclude(target_id=None).exists()
