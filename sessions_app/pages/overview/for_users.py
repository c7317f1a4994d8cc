"""The parts that everybody sees who works with sessions, and those who approve them."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db.models import Q
from django.urls import reverse
from django.utils.http import urlencode

from sessions_app.gateway.views import may_connect
from sessions_app.pages.approvals.cards import waiting_for
from sessions_app.pages.overview.lines import MOST_LINES, Lines, plain_line, session_line, when
from sessions_app.privileged.models import ENDED, HOLDS_GRANT, LIVE, PrivilegedSession

LOOKED_THROUGH = 50  # of one's newest ended sessions
MOST_OPEN = 20


def mine(person: AbstractUser) -> Lines:
    """Return the person's open sessions with the time that is left, those that can be entered first."""
    own = PrivilegedSession.objects.filter(Q(user_id=person.pk) | Q(requested_by_id=person.pk), ended_at=None)
    sessions = sorted(
        own.select_related("resource", "activity")[:MOST_OPEN], key=lambda one: (one.status not in LIVE, -one.pk)
    )
    lines = []
    for one in sessions:
        aside = ""
        if one.status in HOLDS_GRANT:
            aside = when("ends", one.end_at, f"mine-{one.pk}")
        elif one.scheduled_for is not None:
            aside = when("starts", one.scheduled_for, f"mine-{one.pk}")
        connects = may_connect(person, one)
        url = reverse("session_terminal", args=[one.pk]) if connects else ""
        lines.append(session_line(one, aside, "Connect" if connects else "", url))
    return Lines(
        tuple(lines), "You have no open session. Request one to get to a host.", ("All sessions", reverse("sessions"))
    )


def again(person: AbstractUser) -> Lines:
    """Return what the person had sessions for before, each once, to be requested again."""
    ended = PrivilegedSession.objects.filter(user_id=person.pk, status__in=sorted(ENDED)).order_by("-pk")
    open_now = set(
        PrivilegedSession.objects.filter(ended_at=None, user_id=person.pk).values_list("activity_id", "resource_id")
    )
    kinds: dict[tuple[int, int], PrivilegedSession] = {}
    for one in ended[:LOOKED_THROUGH]:
        if (one.activity_id, one.resource_id) not in open_now:
            kinds.setdefault((one.activity_id, one.resource_id), one)
    lines = tuple(
        session_line(
            one,
            action="Request again",
            action_url=f"{reverse('session_request')}?"
            + urlencode({"activity": one.activity_id, "resources": one.resource_id}),
        )
        for one in list(kinds.values())[:MOST_LINES]
    )
    return Lines(
        lines,
        "What you had a session for appears here, to be requested again.",
        ("Request session", reverse("session_request")),
    )


def queue(person: AbstractUser) -> Lines:
    """Return what waits for the person's decision, the most urgent first."""
    return Lines(
        tuple(
            plain_line(one, when("decide", one.approval_deadline, f"queue-{one.pk}"))
            for one in waiting_for(person)[:MOST_LINES]
        ),
        "Nothing waits for your decision.",
        ("Approvals", reverse("approvals")),
    )
