"""Who may do what with a session now, and what a request needs. Pure: plain data in, reasons out, no query.

The pages show these reasons on disabled buttons and the flows refuse with the same ones, so that there is one truth.
A reason is a whole sentence for the person.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sessions_app.permission import ADMINISTRATORS_ONLY, AUDITORS_CHANGE_NOTHING
from sessions_app.privileged.models import ENDED, PrivilegedSession, Status

LONGEST_AHEAD = dt.timedelta(days=365)
NOT_BEGUN = frozenset({Status.PENDING, Status.WAITING})

RIGHT_IS_GONE = "The right to this session was withdrawn."
ACCOUNT_IS_LOCKED = "The whole account is locked. Unlock the account instead."


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks, as far as one session is concerned."""

    pk: int
    is_administrator: bool
    is_auditor_only: bool
    awaits_me: bool
    right_gone: str = ""  # why policy would not give the session any more


def refusals(
    session: PrivilegedSession,
    *,
    viewer_id: int,
    is_administrator: bool,
    is_auditor_only: bool,
    awaits_me: bool,
    right_gone: str = "",
) -> dict[str, str]:
    """Verb -> why this person may not do it with this session now. A verb that is missing is allowed.

    Verbs: end, lock, unlock, terminate, approve, deny, extend, relaunch. Reads `session.profile`, so select it along.
    `right_gone`: what withdrawn() says, where it was asked.
    """
    viewer = Viewer(viewer_id, is_administrator, is_auditor_only, awaits_me, right_gone)
    reasons = {verb: rule(session, viewer) for verb, rule in RULES.items()}
    if is_auditor_only:
        own = {"end": reasons["end"]} if viewer.pk == session.user_id else {}
        reasons = dict.fromkeys(RULES, AUDITORS_CHANGE_NOTHING) | own
    return {verb: reason for verb, reason in reasons.items() if reason}


def role_refusal(verb: str, *, is_administrator: bool, is_auditor_only: bool) -> str:
    """Why this role never allows the verb, whatever the session; empty when it may. Who has become an auditor may still
    end what they have open themselves."""
    if is_auditor_only and verb != "end":
        return AUDITORS_CHANGE_NOTHING
    if verb in ADMINISTRATORS_VERBS and not is_administrator:
        return ADMINISTRATORS_ONLY
    return ""


def _state(session: PrivilegedSession) -> str:
    """Why nothing can be done any more, or not yet, with rights on the resource; empty when it holds them."""
    status = Status(session.status)
    if status in ENDED:
        return f"This session has ended ({status.label})."
    if status == Status.CANCELING:
        return "The rights of this session are being taken away already."
    if status in NOT_BEGUN:
        return f"This session has not begun ({status.label})."
    if status == Status.PROVISIONING:
        return "This session is still being provisioned."
    return ""


def _end(session: PrivilegedSession, viewer: Viewer) -> str:
    if not viewer.is_administrator and viewer.pk != session.user_id:
        return "Only the person a session is for, or an administrator, may end it."
    if session.status in ENDED or session.status == Status.CANCELING:
        return _state(session)
    if session.status == Status.LOCKED and not viewer.is_administrator:
        return "An administrator locked this session; only an administrator may end it now."
    return ""


def _lock(session: PrivilegedSession, viewer: Viewer) -> str:
    if not viewer.is_administrator:
        return ADMINISTRATORS_ONLY
    return "This session is locked already." if session.status == Status.LOCKED else _state(session)


def _unlock(session: PrivilegedSession, viewer: Viewer) -> str:
    if not viewer.is_administrator:
        return ADMINISTRATORS_ONLY
    if session.status != Status.LOCKED:
        return _state(session) or "This session is not locked."
    return ACCOUNT_IS_LOCKED if session.account_lock_id else ""


def _terminate(session: PrivilegedSession, viewer: Viewer) -> str:
    if not viewer.is_administrator:
        return ADMINISTRATORS_ONLY
    return _state(session)


def _decide(session: PrivilegedSession, viewer: Viewer) -> str:
    if session.status != Status.WAITING:
        return "This session does not wait for approval."
    if viewer.pk in (session.user_id, session.requested_by_id):
        return "Nobody decides on a request of their own."
    return "" if viewer.awaits_me else "This session does not wait for your decision."


def _extend(session: PrivilegedSession, viewer: Viewer) -> str:
    if not viewer.is_administrator and viewer.pk != session.user_id:
        return "Only the person a session is for, or an administrator, may extend it."
    if session.status == Status.LOCKED:
        return "This session is locked."
    if reason := _state(session):
        return reason
    if viewer.right_gone:
        return f"{viewer.right_gone} A session whose right was withdrawn is not extended."
    limit = session.profile.extension_limit
    if not limit or session.profile.extension_by <= dt.timedelta(0):
        return f"The connection profile {session.profile.name} allows no extension."
    if session.extensions >= limit:
        times = "once" if limit == 1 else f"{limit} times"
        return f"The connection profile {session.profile.name} allows to extend {times}, and that was done."
    return ""


def _relaunch(session: PrivilegedSession, viewer: Viewer) -> str:
    if not viewer.is_administrator and viewer.pk != session.user_id:
        return "Only the person a session was for, or an administrator, may ask for it again."
    return "" if session.status in ENDED else "This session has not ended; there is nothing to ask for again."


RULES: Mapping[str, Callable[[PrivilegedSession, Viewer], str]] = {
    "end": _end,
    "lock": _lock,
    "unlock": _unlock,
    "terminate": _terminate,
    "approve": _decide,
    "deny": _decide,
    "extend": _extend,
    "relaunch": _relaunch,
}
ADMINISTRATORS_VERBS = frozenset({"lock", "unlock", "terminate"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """One activity on one resource for one person: everything that decides about the request."""

    user_name: str
    activity: str
    activity_is_active: bool
    activity_platform: str
    resource: str
    resource_is_active: bool
    resource_platform: str
    policy: str  # empty: no policy gives it
    profile: str
    notes_required: bool
    ticket_required: bool
    notes: str
    ticket: str
    start_at: dt.datetime | None  # none: as soon as it may
    account_is_active: bool = True
    account_lock: str = ""  # the title of the standing lock, empty: none
    resource_lock: str = ""
    is_running: bool = False  # the same is asked for or going on already
    taken_account: str = ""  # the login account, while another session has it there
    short_tier: str = ""  # says which approval tier could never be had, empty: none
    needs_approval: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """The first status of a request, or why it is refused and which field would mend it."""

    status: Status | None
    reason: str = ""
    field: str = ""


def decide(wanted: Wanted, *, now: dt.datetime) -> Decision:
    """What a request becomes: waits for approval, scheduled, or provisioned at once; or why it is refused."""
    if reason := obstacle(wanted):
        return Decision(None, reason)
    if refused := _not_filled_in(wanted, now):
        return refused
    if wanted.needs_approval:
        return Decision(Status.WAITING)
    if wanted.start_at is not None:
        return Decision(Status.PENDING)
    if wanted.taken_account:
        return Decision(
            None,
            f"The account {wanted.taken_account} on {wanted.resource} is open for another session. "
            "End that one first, or choose a start after its End.",
            "start_at",
        )
    return Decision(Status.PROVISIONING)


def obstacle(wanted: Wanted) -> str:
    """Why the request would be refused whatever its details say; empty when nothing stands in its way."""
    return _lock_reason(wanted) or _not_given(wanted)


def may_start(wanted: Wanted) -> str:
    """Why a session that got its request must not begin now; empty when it may. The worker asks at the start."""
    return _lock_reason(wanted) or _gone_reason(wanted)


def withdrawn(wanted: Wanted) -> str:
    """Why the right that an open session stands on is gone; empty while it stands. A resource that is closed to new
    sessions lets open ones go on, and a locked account locks them."""
    return _gone_reason(wanted)


def _lock_reason(wanted: Wanted) -> str:
    if not wanted.account_is_active:
        return f"The account {wanted.user_name} is disabled."
    if wanted.account_lock:
        return f"The account {wanted.user_name} is locked: {wanted.account_lock}."
    if wanted.resource_lock:
        return f"{wanted.resource} is closed to new sessions: {wanted.resource_lock}."
    return ""


def _gone_reason(wanted: Wanted) -> str:
    if not wanted.activity_is_active:
        return f"The activity {wanted.activity} is not active."
    if not wanted.resource_is_active:
        return f"The resource {wanted.resource} is not active."
    if wanted.activity_platform != wanted.resource_platform:
        return f"The activity {wanted.activity} is made for another platform than {wanted.resource}."
    if not wanted.policy:
        return f"No access policy gives {wanted.user_name} the activity {wanted.activity} on {wanted.resource}."
    return ""


def _not_given(wanted: Wanted) -> str:
    if reason := _gone_reason(wanted):
        return reason
    if wanted.is_running:
        return (
            f"{wanted.user_name} has a session for {wanted.activity} on {wanted.resource} already. "
            "Use that one, or end it first."
        )
    if wanted.short_tier:
        return f"The access policy {wanted.policy} cannot be followed: {wanted.short_tier}"
    return ""


def _not_filled_in(wanted: Wanted, now: dt.datetime) -> Decision | None:
    if wanted.notes_required and not wanted.notes:
        return Decision(None, f"The connection profile {wanted.profile} requires notes: say why you need it.", "notes")
    if wanted.ticket_required and not wanted.ticket:
        return Decision(None, f"The connection profile {wanted.profile} requires a ticket number.", "ticket")
    if reason := untimely(wanted.start_at, now):
        return Decision(None, reason, "start_at")
    return None


def untimely(start_at: dt.datetime | None, now: dt.datetime) -> str:
    """Why nothing can start at that time; empty when it can, and where none is asked for."""
    if start_at is not None and start_at <= now:
        return "The start must be in the future. Choose a later time, or start now."
    if start_at is not None and start_at > now + LONGEST_AHEAD:
        return "The start may be at most one year ahead. Choose an earlier date."
    return ""
