"""What the inbox shows of each request, with a number of queries that does not depend on the requests."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Sequence

from django.contrib.auth.models import AbstractUser
from django.db.models import OuterRef, QuerySet, Subquery

from activity.listing import link, relative_time, short_time, span_of_time
from activity.names import name_now, then_and_now
from sessions_app.catalogue.models import ApprovalTier
from sessions_app.people.models import Application
from sessions_app.privileged.flows.approvers import approvers_by_tier
from sessions_app.privileged.models import Approval, PrivilegedSession, Status
from sessions_app.privileged.status_badges import status_cell
from sessions_app.privileged.tables import Links

MOST_SHOWN = 50  # requests of one part of the page
MOST_NAMED = 5  # approvers who are named; the others are counted
MOST_RECENT = 5  # earlier sessions of the person on the same resource

Names = dict[int, str]  # of people, by their ids


@dataclasses.dataclass(frozen=True, slots=True)
class Recent:
    """An earlier session of the same person on the same resource."""

    text: str
    when: str
    status: str
    url: str  # empty where the viewer may not open it


@dataclasses.dataclass(frozen=True, slots=True)
class Card:
    """One request as the inbox shows it."""

    session: PrivilegedSession
    may_decide: bool
    is_own: bool
    user: str
    resource: str
    activity: str
    facts: tuple[tuple[str, str], ...]
    recent: tuple[Recent, ...]


def waiting_for(viewer: AbstractUser) -> QuerySet[PrivilegedSession]:
    """Return the requests that wait for the viewer's decision, the most urgent first."""
    return _in_order(PrivilegedSession.objects.awaiting(viewer))


def waiting_for_others(viewer: AbstractUser) -> QuerySet[PrivilegedSession]:
    """Return the requests that the viewer may see and that wait for other people, the most urgent first."""
    awaiting = PrivilegedSession.objects.awaiting(viewer).values("pk")
    return _in_order(
        PrivilegedSession.objects.visible_to(viewer).filter(status=Status.WAITING).exclude(pk__in=awaiting)
    )


def _in_order(sessions: QuerySet[PrivilegedSession]) -> QuerySet[PrivilegedSession]:
    """Return them with the most urgent first. The index of open sessions is used, as in pages/sessions/views.py."""
    sessions = sessions.filter(ended_at=None).annotate(user_now=name_now()).prefetch_related("profile", "requested_by")
    return sessions.order_by("approval_deadline", "pk")


def cards(viewer: AbstractUser, waiting: Sequence[PrivilegedSession], *, may_decide: bool) -> list[Card]:
    """Return a card for each request, in order."""
    tiers = _tiers_of(waiting)
    able = approvers_by_tier([tier for of_profile in tiers.values() for tier in of_profile])
    decided: dict[int, list[Approval]] = defaultdict(list)
    for approval in Approval.objects.filter(session__in=waiting).select_related("approver").order_by("pk"):
        decided[approval.session_id].append(approval)
    links, recent = Links(viewer), _recent(waiting)
    applications = set(
        Application.objects.filter(principal__in={one.user_id for one in waiting}).values_list(
            "principal_id", flat=True
        )
    )
    return [
        Card(
            one,
            may_decide,
            viewer.pk in (one.user_id, one.requested_by_id),
            then_and_now(one.user_name, getattr(one, "user_now", None), link(links.user(one), one.user_name)),
            link(links.resource(one), one.resource_name),
            link(links.activity(one), one.activity_name),
            _facts(one, tiers[one.profile_id], able, decided[one.pk], viewer.pk, one.user_id in applications),
            tuple(_shown(each, links.sees_everything) for each in recent[one.user_id, one.resource_id, one.pk]),
        )
        for one in waiting
    ]


def _tiers_of(waiting: Iterable[PrivilegedSession]) -> dict[int, list[ApprovalTier]]:
    """Return the tiers of each profile by its id, in order."""
    tiers: dict[int, list[ApprovalTier]] = defaultdict(list)
    for tier in ApprovalTier.objects.filter(profile__in={one.profile_id for one in waiting}).order_by("order"):
        tiers[tier.profile_id].append(tier)
    return tiers


def _facts(
    session: PrivilegedSession,
    tiers: Sequence[ApprovalTier],
    able: dict[int, Names],
    decided: Sequence[Approval],
    viewer_id: int,
    is_application: bool,
) -> tuple[tuple[str, str], ...]:
    """Return labels and values; what does not apply is left out."""
    asks = session.requested_by.get_username()
    rows = [
        ("Why", session.notes or "No notes were entered"),
        ("Ticket", session.ticket_number),
        ("Requested by", asks if is_application or session.requested_by_id != session.user_id else ""),
        (
            "Start",
            relative_time(session.scheduled_for, f"start-{session.pk}")
            if session.scheduled_for
            else "As soon as it is approved",
        ),
        ("For", f"at most {span_of_time(session.maximum_duration)}"),
        ("Decide before", relative_time(session.approval_deadline, f"decide-{session.pk}")),
        ("Approvals", _progress(session, tiers, able, decided)),
        ("Other approvers", _others(session, tiers, able, decided, viewer_id)),
    ]
    return tuple((label, value) for label, value in rows if value)


def _progress(
    session: PrivilegedSession, tiers: Sequence[ApprovalTier], able: dict[int, Names], decided: Sequence[Approval]
) -> str:
    """Return how many approvals the tier that is asked has, and who approved so far."""
    tier = next((each for each in tiers if each.order == session.current_tier), None)
    if tier is None:
        return f"The connection profile no longer has tier {session.current_tier}"
    given = [one for one in decided if one.tier == tier.order and one.is_approved and one.approver_id in able[tier.pk]]
    text = f"{len(given)} of {tier.required}"
    if len(tiers) > 1:
        text = f"Tier {tier.order} of {len(tiers)}: {text}"
    names = dict.fromkeys(one.approver.get_username() for one in decided if one.is_approved)
    return f"{text}; approved by {', '.join(names)}" if names else text


def _others(
    session: PrivilegedSession,
    tiers: Sequence[ApprovalTier],
    able: dict[int, Names],
    decided: Sequence[Approval],
    viewer_id: int,
) -> str:
    """Return who else can decide now. A long list is cut."""
    tier = next((each for each in tiers if each.order == session.current_tier), None)
    done = {one.approver_id for one in decided if one.tier == session.current_tier}
    not_asked = done | {viewer_id, session.user_id, session.requested_by_id}
    names = sorted(name for pk, name in able[tier.pk].items() if pk not in not_asked) if tier is not None else []
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more or "Nobody else"


def _recent(waiting: Sequence[PrivilegedSession]) -> dict[tuple[int, int, int], list[PrivilegedSession]]:
    """Return the last sessions of each person on the same resource, without the request itself, with two queries.

    The index session_user_resource finds each of them, however many sessions there are.
    """
    same = PrivilegedSession.objects.filter(user=OuterRef("user"), resource=OuterRef("resource"), pk__lt=OuterRef("pk"))
    newest = same.order_by("-pk").values("pk")
    columns = {f"recent_{n}": Subquery(newest[n : n + 1]) for n in range(MOST_RECENT)}
    asked = PrivilegedSession.objects.filter(pk__in=[one.pk for one in waiting]).order_by().annotate(**columns)
    keys = {
        (user, resource, pk): [number for number in numbers if number is not None]
        for user, resource, pk, *numbers in asked.values_list("user_id", "resource_id", "pk", *columns)
    }
    found = PrivilegedSession.objects.in_bulk({number for numbers in keys.values() for number in numbers})
    return {key: [found[number] for number in numbers if number in found] for key, numbers in keys.items()}


def _shown(session: PrivilegedSession, may_open: bool) -> Recent:
    return Recent(
        session.activity_name,
        short_time(session.start_at or session.requested_at),
        status_cell(session),
        session.get_absolute_url() if may_open else "",
    )
