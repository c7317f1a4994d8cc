"""The head of a session's pages: status, the one main action, the other verbs, the time left, messages and tabs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.urls import reverse
from django.utils.html import format_html

from activity.listing import relative_time, short_time, span_of_time
from sessions_app.catalogue.lock_models import ResourceLock
from sessions_app.catalogue.models import AccountKind
from sessions_app.gateway import heartbeats
from sessions_app.gateway.recordings.models import Recording
from sessions_app.gateway.views import may_connect
from sessions_app.people.models import AccountLock
from sessions_app.privileged.models import HOLDS_GRANT, ControlKind, PrivilegedSession, Status
from sessions_app.privileged.policy import NOT_BEGUN
from sessions_app.privileged.status_badges import status_cell
from sessions_app.privileged.tables import refusals_for
from sessions_app.privileged.time_left import time_left
from sessions_app.privileged.toolbar import Button, page_buttons
from sessions_app.roles import is_administrator, sees_everything

CONNECT, WATCH = "Connect", "Watch"
ELSEWHERE = ("log", "extend")  # a tab, and beside the time left


@dataclasses.dataclass(frozen=True, slots=True)
class MainAction:
    """What leads the page for this person now: a link to a page, or a verb with a dialog."""

    label: str
    url: str = ""
    deed: Button | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Tab:
    """One tab of the pages of a session."""

    name: str
    label: str
    url: str


def head_context(person: AbstractUser, session: PrivilegedSession, tab: str) -> dict[str, Any]:
    """Return the context of _session_head.html, the same on each tab, with a constant number of queries.

    Load `session` by sessions_queryset() with resource and activity.
    """
    buttons = page_buttons(person, refusals_for(person)(session), has_begun=session.status not in NOT_BEGUN)
    possible = {button.verb: button for button in buttons if not button.refused}
    running = _running_recording(person, session)
    main = _main_action(person, session, possible, running)
    return {
        **tabs_context(person, session, tab),
        "main": main,
        "deeds": [
            button
            for button in possible.values()
            if button.verb not in ELSEWHERE and not (main and button == main.deed)
        ],
        "watch_url": _watch_url(running) if main is None or main.label != WATCH else "",
        "impossible": _impossible(buttons),
        "extend": possible.get("extend"),
        "time_left": time_left(session),
        **_messages(session),
        **_before_connecting(main, session),
    }


def tabs_context(person: AbstractUser, session: PrivilegedSession, tab: str) -> dict[str, Any]:
    """Return the context of _session_title.html and _session_tabs.html: the session, its status, and the tabs."""
    return {
        "session": session,
        "heading": str(session),
        "number": session.pk,
        "status": status_cell(session),
        "since": _since(session),
        "tab": tab,
        "tabs": _tabs(person, session),
    }


def _main_action(
    person: AbstractUser, session: PrivilegedSession, possible: dict[str, Button], running: int | None
) -> MainAction | None:
    """Return the one action that most likely brought this person here; None if there is none."""
    if may_connect(person, session):
        return MainAction(CONNECT, reverse("session_terminal", args=[session.pk]))
    if approve := possible.get("approve"):
        return MainAction(approve.label, deed=approve)
    if running and is_administrator(person):
        return MainAction(WATCH, _watch_url(running))
    return None


def _running_recording(person: AbstractUser, session: PrivilegedSession) -> int | None:
    """Return the newest recording that still runs, for people who watch others; None if there is none."""
    if session.status not in HOLDS_GRANT or not sees_everything(person):
        return None
    running = Recording.objects.filter(session=session, ended_at=None).order_by("-pk")
    return running.values_list("pk", flat=True).first()


def _watch_url(running: int | None) -> str:
    return reverse("recording_live", args=[running]) if running else ""


def _impossible(buttons: Sequence[Button]) -> list[tuple[str, str]]:
    """Return each reason once, after the labels of the verbs that it refuses."""
    labels: dict[str, list[str]] = {}
    for button in buttons:
        if button.refused:
            labels.setdefault(button.refused, []).append(button.label)
    return [(", ".join(names), reason) for reason, names in labels.items()]


def _tabs(person: AbstractUser, session: PrivilegedSession) -> list[Tab]:
    tabs = [
        Tab("overview", "Overview", reverse("session", args=[session.pk])),
        Tab("terminal", "Terminal", reverse("session_connections", args=[session.pk])),
        Tab("recordings", "Recordings", reverse("session_recordings", args=[session.pk])),
        Tab("log", "Log", reverse("session_log", args=[session.pk])),
    ]
    return [tab for tab in tabs if tab.name != "recordings" or may_see_recordings(person, session)]


def may_see_recordings(person: AbstractUser, session: PrivilegedSession) -> bool:
    return sees_everything(person) or session.user_id == person.pk


def _since(session: PrivilegedSession) -> str:
    """Return, as the rest of a sentence that begins with the status, what is next or what was."""
    if session.status == Status.PENDING:
        return format_html("starts {}", relative_time(session.scheduled_for, "when"))
    if session.status == Status.WAITING:
        return format_html("to be decided {}", relative_time(session.approval_deadline, "when"))
    if session.is_ended:
        lasted = f", lasted {span_of_time(session.duration)}" if session.duration is not None else ""
        return format_html("ended {}{}", short_time(session.ended_at), lasted)
    return ""


def _messages(session: PrivilegedSession) -> dict[str, Any]:
    """Return the context of _session_messages.html: what stands in the way of this session now."""
    is_open = not session.is_ended
    lock = None
    if session.status == Status.LOCKED:
        lock = session.controls.filter(kind=ControlKind.LOCK).select_related("requested_by").order_by("-pk").first()
    return {
        "is_stuck": bool(session.last_error) and session.status in (Status.CANCELING, Status.PROVISIONING),
        "next_attempt": short_time(session.next_attempt_at) if session.next_attempt_at else "",
        "waits_since": short_time(session.waiting_since) if session.lease and session.waiting_since else "",
        "is_taking_away": session.status == Status.CANCELING,
        "is_locked": session.status == Status.LOCKED,
        "locked_by": lock.requested_by.get_username() if lock and lock.requested_by else "",
        "locked_at": short_time(lock.requested_at) if lock else "",
        "others_on_account": _others_on_account(session) if session.status in HOLDS_GRANT else 0,
        "account_lock": AccountLock.objects.in_force().filter(user_id=session.user_id).first() if is_open else None,
        "resource_lock": ResourceLock.objects.in_force().filter(resource_id=session.resource_id).first()
        if is_open
        else None,
    }


def _others_on_account(session: PrivilegedSession) -> int:
    """Return how many other sessions hold rights on the same account of the same host."""
    if session.activity.kind == AccountKind.EPHEMERAL or not session.resource.capabilities.makes_accounts:
        return 0
    same = PrivilegedSession.objects.filter(resource=session.resource_id, login_account=session.login_account)
    return same.filter(status__in=sorted(HOLDS_GRANT)).exclude(pk=session.pk).count()


def _before_connecting(main: MainAction | None, session: PrivilegedSession) -> dict[str, Any]:
    """Return what a person must know before they connect: whether they are recorded, and whether anything answers."""
    if main is None or main.label != CONNECT:
        return {}
    return {"says_recorded": session.profile.record, "is_gateway_missing": not heartbeats.running()}
