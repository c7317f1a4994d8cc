"""Who may do what with a session now, and what a request needs. Pure functions on plain data, without a query.

The pages show these reasons on disabled buttons, and the flows refuse with the same reasons. Each reason is a whole
sentence for the person.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sessions_app.permission import ADMINISTRATORS_ONLY, AUDITORS_CHANGE_NOTHING
from sessions_app.privileged.booking import Booking
from sessions_app.privileged.models import ENDED, PrivilegedSession, Status

LONGEST_AHEAD = dt.timedelta(days=365)
NOT_BEGUN = frozenset({Status.PENDING, Status.WAITING})

RIGHT_IS_GONE = "The right to this session was withdrawn."
ACCOUNT_IS_LOCKED = "The whole account is locked. Unlock the account instead."


@dataclass(frozen=True, slots=True)
class Viewer:
    """The person who asks, with what matters for one session."""

    pk: int
    is_administrator: bool
    is_auditor_only: bool
    awaits_me: bool
    right_gone: str = ""  # why the policy would not allow the session any more


def refusals(
    session: PrivilegedSession,
    *,
    viewer_id: int,
    is_administrator: bool,
    is_auditor_only: bool,
    awaits_me: bool,
    right_gone: str = "",
) -> dict[str, str]:
    """Return for each verb why this person may not do it with this session now. A verb that is missing is allowed.

    The verbs are the keys of RULES. It reads `session.profile`, so select that too. `right_gone` is the reason from
    why_right_withdrawn(), if that was asked.
    """
    viewer = Viewer(viewer_id, is_administrator, is_auditor_only, awaits_me, right_gone)
    reasons = {verb: rule(session, viewer) for verb, rule in RULES.items()}
    if is_auditor_only:
        own = {"end": reasons["end"]} if viewer.pk == session.user_id else {}
        reasons = dict.fromkeys(RULES, AUDITORS_CHANGE_NOTHING) | own
    return {verb: reason for verb, reason in reasons.items() if reason}


def role_refusal(verb: str, *, is_administrator: bool, is_auditor_only: bool) -> str:
    """Return why this role never allows the verb, for any session; an empty string if it does.

    Somebody who has become an auditor may still end their own open sessions.
    """
    if is_auditor_only and verb != "end":
        return AUDITORS_CHANGE_NOTHING
    if verb in ADMINISTRATORS_VERBS and not is_administrator:
        return ADMINISTRATORS_ONLY
    return ""


def _state(session: PrivilegedSession) -> str:
    """Return why the session holds no rights on the resource now; an empty string if it holds them."""
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
class PolicyInputs:
    """All inputs of the decision about one activity on one resource for one user."""

    user_name: str
    activity: str
    activity_is_active: bool
    activity_platform: str
    resource: str
    resource_is_active: bool
    resource_platform: str
    policy: str  # empty if no policy allows it
    profile: str
    notes_required: bool
    ticket_required: bool
    notes: str
    ticket_number: str
    start_at: dt.datetime | None  # None for as soon as possible
    account_is_active: bool = True
    account_lock: str = ""  # the title of the lock in force; empty if there is none
    resource_lock: str = ""
    same_session: Booking | None = None  # the user's session of the same kind at that time
    login_account: str = ""
    account_session: Booking | None = None  # another session on the login account at that time
    speaks_to_user: bool = False  # whether the user reads the reasons, and is called "you"
    short_tier: str = ""  # which approval tier cannot be fulfilled; empty if there is none
    needs_approval: bool = False
    needs_person: bool = False  # it is for an application, which cannot give the second factor that is asked for
    taken_away: str = ""  # the sentence of the exception by which a policy gives it no more; empty if there is none


@dataclass(frozen=True, slots=True)
class Decision:
    """The first status of a request, or why it is refused and which field to correct."""

    status: Status | None
    reason: str = ""
    field: str = ""


def decide(inputs: PolicyInputs, *, now: dt.datetime) -> Decision:
    """Return the first status of a request (waiting for approval, scheduled or provisioning), or why it is refused."""
    if reason := why_request_refused(inputs):
        return Decision(None, reason)
    if refused := _not_filled_in(inputs, now):
        return refused
    if reason := why_account_taken(inputs):
        return Decision(None, reason, "start_at")
    if inputs.needs_approval:
        return Decision(Status.WAITING)
    return Decision(Status.PROVISIONING if inputs.start_at is None else Status.PENDING)


def why_account_taken(inputs: PolicyInputs) -> str:
    """Return why the login account is not free at the time of the request; an empty string if it is.

    Nobody knows when a session begins that waits for approval and has no start, so its account is not compared.
    """
    other = inputs.account_session
    if other is None or (inputs.needs_approval and inputs.start_at is None):
        return ""
    return (
        f"The account {inputs.login_account} on {inputs.resource} is open for another session ({other.says}). "
        "End that one first, or choose a start after its End."
    )


def why_request_refused(inputs: PolicyInputs) -> str:
    """Return why the request would be refused with any details; an empty string if nothing is against it."""
    return _lock_reason(inputs) or _not_given(inputs)


def why_start_refused(inputs: PolicyInputs) -> str:
    """Return why a requested session must not begin now; an empty string if it may. The worker asks at the start."""
    return _lock_reason(inputs) or _gone_reason(inputs)


def why_right_withdrawn(inputs: PolicyInputs) -> str:
    """Return why the right of an open session is gone; an empty string if it is not.

    A resource that is closed to new sessions and a locked account do not end open sessions: those continue, or are
    locked.
    """
    return _gone_reason(inputs)


def _lock_reason(inputs: PolicyInputs) -> str:
    if not inputs.account_is_active:
        return f"The account {inputs.user_name} is disabled."
    if inputs.account_lock:
        return f"The account {inputs.user_name} is locked: {inputs.account_lock}."
    if inputs.resource_lock:
        return f"{inputs.resource} is closed to new sessions: {inputs.resource_lock}."
    return ""


def _gone_reason(inputs: PolicyInputs) -> str:
    if not inputs.activity_is_active:
        return f"The activity {inputs.activity} is not active."
    if not inputs.resource_is_active:
        return f"The resource {inputs.resource} is not active."
    if inputs.activity_platform != inputs.resource_platform:
        return f"The activity {inputs.activity} is made for another platform than {inputs.resource}."
    if not inputs.policy and inputs.taken_away:
        return inputs.taken_away
    if not inputs.policy:
        return f"No access policy gives {inputs.user_name} the activity {inputs.activity} on {inputs.resource}."
    return ""


def _not_given(inputs: PolicyInputs) -> str:
    if reason := _gone_reason(inputs):
        return reason
    if inputs.same_session:
        return (
            f"{already_has(inputs.user_name, inputs.same_session, speaks_to_user=inputs.speaks_to_user)} "
            f"for {inputs.activity} on {inputs.resource}. "
            "Use that one, end it first, or choose a start after its End."
        )
    if inputs.needs_person:
        return f"The connection profile {inputs.profile} asks for a second factor, which an application cannot give."
    if inputs.short_tier:
        return f"The access policy {inputs.policy} cannot be followed: {inputs.short_tier}"
    return ""


def already_has(user_name: str, other: Booking, *, speaks_to_user: bool = False) -> str:
    """Return the beginning of a sentence that names the session which the user has at that time."""
    who = "You already have" if speaks_to_user else f"{user_name} already has"
    return f"{who} session {other.session_id} ({other.says})"


def _not_filled_in(inputs: PolicyInputs, now: dt.datetime) -> Decision | None:
    if inputs.notes_required and not inputs.notes:
        return Decision(None, f"The connection profile {inputs.profile} requires notes: say why you need it.", "notes")
    if inputs.ticket_required and not inputs.ticket_number:
        return Decision(None, f"The connection profile {inputs.profile} requires a ticket number.", "ticket_number")
    if reason := why_start_time_invalid(inputs.start_at, now):
        return Decision(None, reason, "start_at")
    return None


def why_start_time_invalid(start_at: dt.datetime | None, now: dt.datetime) -> str:
    """Return why nothing can start at that time; an empty string if it can, or if no time is given."""
    if start_at is not None and start_at <= now:
        return "The start must be in the future. Choose a later time, or start now."
    if start_at is not None and start_at > now + LONGEST_AHEAD:
        return "The start may be at most one year ahead. Choose an earlier date."
    return ""


def decide_before(now: dt.datetime, timeout: dt.timedelta, start_at: dt.datetime | None) -> dt.datetime:
    """Return until when the approvers can decide: for the time that the profile gives them, but not after the start.

    A start that has passed counts no more: such a session begins as soon as it is approved.
    """
    end = now + timeout
    return end if start_at is None or start_at <= now else min(end, start_at)
