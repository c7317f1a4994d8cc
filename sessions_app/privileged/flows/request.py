"""Request sessions, and select what a user may request."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet
from django.utils import timezone

from activity import limits
from sessions_app.catalogue.exception_models import AccessException
from sessions_app.catalogue.models import AccessPolicy, Activity, Resource
from sessions_app.errors import Forbidden, NotAllowed, Refused, TooOften
from sessions_app.people.models import Application
from sessions_app.permission import AUDITORS_CHANGE_NOTHING, clean_text, lock_account_row, role_of
from sessions_app.privileged import lifecycle, policy
from sessions_app.privileged.flows import mail
from sessions_app.privileged.flows.policy_inputs import Request, policy_inputs_of
from sessions_app.privileged.models import PrivilegedSession, Status
from sessions_app.privileged.policy import PolicyInputs
from sessions_app.roles import is_administrator

MOST_RESOURCES = 50  # in one request
WINDOW = 10 * 60  # seconds


def allowed_activities(user: AbstractUser) -> QuerySet[Activity]:
    """Return active activities that the user's policies allow on an active resource of their platform."""
    taken_away = AccessException.objects.of_policy(OuterRef("policies")).filter(
        user=user.pk, activity=OuterRef("pk"), resource=OuterRef("policies__resources")
    )
    return Activity.objects.filter(
        pk__in=Activity.objects.filter(
            ~Exists(taken_away),
            is_active=True,
            policies__in=_policies(user),
            policies__resources__is_active=True,
            policies__resources__platform=F("platform"),
        ).values("pk")
    )


def allowed_resources(user: AbstractUser, activity: Activity) -> QuerySet[Resource]:
    """Return active resources on which the user's policies allow the activity."""
    taken_away = AccessException.objects.of_policy(OuterRef("policies")).filter(
        user=user.pk, activity=activity.pk, resource=OuterRef("pk")
    )
    return Resource.objects.filter(
        pk__in=Resource.objects.filter(
            ~Exists(taken_away),
            is_active=True,
            platform=activity.platform,
            policies__in=_policies(user).filter(activities=activity),
        ).values("pk")
    )


def request_sessions(
    actor: AbstractUser,
    *,
    user: AbstractUser,
    activity: Activity,
    resources: Sequence[Resource],
    notes: str = "",
    ticket_number: str = "",
    start_at: dt.datetime | None = None,
    is_confirmed: bool = False,
) -> list[PrivilegedSession]:
    """Request `activity` on each of `resources` for `user`. Make all sessions or none.

    1. Check the requester: the user, or an administrator for an application.

    2. Decide by policy for each resource: it waits for approval, is scheduled, is provisioned at once, or is refused
    with a reason.

    3. Create the sessions with their log entries. After the commit, send e-mail to the approvers of the first tier.

    `is_confirmed` says that the requester has given a second factor just before. It counts for the start of what begins
    at once under a profile that asks for it; everything else asks at its first connect.

    Raise TooOften if the requester asked too often. Raise Refused with `field` set to resources, notes, ticket or
    start_at if a change there would help.
    """
    require_may_ask(actor, user)
    request = Request(
        actor_id=actor.pk,
        user=user,
        activity=activity,
        notes=clean_text(notes, "notes", 1000),
        ticket_number=clean_text(ticket_number, "ticket_number", 80),
        start_at=start_at,
        speaks_to_user=actor.pk == user.pk,
    )
    chosen = list({resource.pk: resource for resource in resources}.values())
    if not 1 <= len(chosen) <= MOST_RESOURCES:
        raise Refused(f"Choose at least one resource, and at most {MOST_RESOURCES}.", field="resources")
    with transaction.atomic():
        lock_account_row(user)
        sessions = _decide(actor, request, chosen, timezone.now(), is_confirmed=is_confirmed)
        mail.ask_approvers([session for session in sessions if session.status == Status.WAITING])
    return sessions


def _decide(
    actor: AbstractUser, request: Request, chosen: Sequence[Resource], now: dt.datetime, *, is_confirmed: bool
) -> list[PrivilegedSession]:
    """Create a session on each of the resources as its policy says. Raise Refused, or TooOften, for all of them."""
    decided = [(inputs, found, policy.decide(inputs, now=now)) for inputs, found in policy_inputs_of(request, chosen)]
    _refuse([(inputs, decision) for inputs, _, decision in decided])
    _count(actor)
    return [
        _create(actor, request, resource, found, decision.status, now, is_confirmed=is_confirmed)
        for resource, (_, found, decision) in zip(chosen, decided, strict=True)
        if found is not None and decision.status is not None
    ]


def _policies(user: AbstractUser) -> QuerySet[AccessPolicy]:
    return AccessPolicy.objects.for_user(user).order_by()


def require_may_ask(actor: AbstractUser, user: AbstractUser) -> None:
    """Raise Forbidden if the role of `actor` does not let them request sessions for `user`."""
    if role_of(actor)["is_auditor_only"]:
        raise Forbidden(AUDITORS_CHANGE_NOTHING)
    if actor.pk == user.pk:
        return
    if not is_administrator(actor):
        raise Forbidden("You may ask for sessions of your own only.")
    if not Application.objects.filter(principal_id=user.pk).exists():
        raise Forbidden("Administrators ask for themselves and for applications. Other people ask for themselves.")


def _count(actor: AbstractUser) -> None:
    """Raise TooOften if the actor has made too many requests.

    They are limited because each one is mailed to its approvers.
    """
    most: int = settings.SESSION_REQUESTS_LIMIT
    wait = limits.count("session-requests", actor.pk, 1, most, WINDOW)
    if wait is not None:
        raise TooOften(
            f"You asked for sessions {most} times within {WINDOW // 60} minutes, which is as often as one person may, "
            "because approvers are told of each. Nothing was requested. "
            f"Ask again in {-(-wait // 60)} minutes, for several hosts at once if you need them.",
            retry_after=wait,
        )


def _refuse(decisions: Sequence[tuple[PolicyInputs, policy.Decision]]) -> None:
    """Raise one Refused with every different reason, for the first field that a reason names."""
    refused = [decision for _, decision in decisions if decision.status is None]
    if refused:
        reasons = dict.fromkeys(decision.reason for decision in refused)
        raise NotAllowed(" ".join(reasons), field=next((one.field for one in refused if one.field), ""))


def _create(
    actor: AbstractUser,
    request: Request,
    resource: Resource,
    found: AccessPolicy,
    status: Status,
    now: dt.datetime,
    *,
    is_confirmed: bool,
) -> PrivilegedSession:
    tiers = list(found.profile.tiers.all())
    # Pass the instances, so that nothing is read again. They are in a dict, because the stubs know only one user model.
    people: dict[str, Any] = {"user": request.user, "requested_by": actor}
    session = PrivilegedSession(
        **people,
        user_name=request.user.get_username(),
        resource=resource,
        resource_name=resource.name,
        activity=request.activity,
        activity_name=request.activity.name,
        policy=found,
        profile=found.profile,
        maximum_duration=found.profile.maximum_duration,
        notes=request.notes,
        ticket_number=request.ticket_number,
        requested_at=now,
        scheduled_for=request.start_at,
    )
    if status == Status.PROVISIONING and found.profile.confirm_at_start and is_confirmed:
        session.start_confirmed_at = now
    if status == Status.WAITING:
        session.current_tier = min(tier.order for tier in tiers)
        session.approval_deadline = policy.decide_before(now, found.profile.approval_timeout, request.start_at)
    asked = f"{actor.get_username()} asked for {request.activity.name} on {resource.name}"
    if actor.pk != request.user.pk:
        asked += f" for {request.user.get_username()}"
    details = {
        "policy": found.name,
        "profile": found.profile.name,
        "ticket_number": request.ticket_number,
        "notes": request.notes,
        "start_at": request.start_at.isoformat() if request.start_at else None,
    }
    return lifecycle.create(session, status, asked, actor=actor, details=details)
