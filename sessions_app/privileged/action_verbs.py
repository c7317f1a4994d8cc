"""The actions of the toolbar: the texts of each dialog, its form, and the flow that it calls."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from activity.listing import exact_time, span_of_time
from sessions_app.privileged.flows.approve import approve
from sessions_app.privileged.flows.deny import deny
from sessions_app.privileged.flows.end import end
from sessions_app.privileged.flows.extend import extend
from sessions_app.privileged.flows.lock import lock
from sessions_app.privileged.flows.terminate import terminate
from sessions_app.privileged.flows.unlock import unlock
from sessions_app.privileged.forms import ActionForm, ApproveForm, DenyForm, LockForm, TerminateForm
from sessions_app.privileged.models import PrivilegedSession
from sessions_app.privileged.policy import NOT_BEGUN

About = Callable[[PrivilegedSession], str]


@dataclasses.dataclass(frozen=True, slots=True)
class Action:
    """One action of the toolbar, as a dialog shows it."""

    label: str  # the label of the button
    text: str  # what will happen
    done: str  # "2 sessions {done}."
    do: Callable[..., object]  # the flow; it gets the person, the session and the values of the form
    form: type[ActionForm] = ActionForm
    is_danger: bool = False
    undo: str = ""  # the verb that takes it back, which needs no form
    about: About = lambda session: ""  # what the person should know about each session


def _request_of(session: PrivilegedSession) -> str:
    """Return what an approver decides on, as a line of the dialog."""
    facts = [f"Notes: {session.notes}"] if session.notes else []
    facts += [f"Ticket: {session.ticket_number}"] if session.ticket_number else []
    facts += [f"Start: {exact_time(session.scheduled_for)}"] if session.scheduled_for else []
    return ". ".join([*facts, f"At most {span_of_time(session.maximum_duration)}"])


def _extension_of(session: PrivilegedSession) -> str:
    """Return the new end after an extension, and how many extensions are left then."""
    if session.end_at is None:
        return ""
    left = session.profile.extension_limit - session.extensions - 1
    return f"New end: {exact_time(session.end_at + session.profile.extension_by)}. Extensions left after it: {left}"


WITHDRAWING = Action(
    "Withdraw",
    "The request is over before it began, and nothing was given. Your own becomes Complete, withdrawn before it began; "
    "somebody else's becomes Canceled.",
    "withdrawn",
    end,
)


def action_for(verb: str, sessions: Sequence[PrivilegedSession]) -> Action:
    """Return the action for a verb. For sessions that have not begun, “end” means that the request is withdrawn."""
    if verb == "end" and all(session.status in NOT_BEGUN for session in sessions):
        return WITHDRAWING
    return ACTIONS[verb]


ACTIONS = {
    "end": Action(
        "End Session",
        "The rights are taken away in order, and the session is over. A request that has not begun is withdrawn.",
        "ended or being ended",
        end,
    ),
    "lock": Action(
        "Lock",
        "The connection stays, and the user can do nothing until the session is unlocked.",
        "locked",
        lock,
        LockForm,
        is_danger=True,
        undo="unlock",
    ),
    "unlock": Action(
        "Unlock",
        "The user can go on where the lock stopped them.",
        "unlocked",
        unlock,
    ),
    "terminate": Action(
        "Terminate",
        "Live connections are cut at once; work that is not saved there is lost.",
        "terminated",
        terminate,
        TerminateForm,
        is_danger=True,
    ),
    "approve": Action(
        "Approve",
        "When every tier has approved, the session begins, or waits for the date it is scheduled for.",
        "approved",
        approve,
        ApproveForm,
        about=_request_of,
    ),
    "deny": Action(
        "Deny",
        "The request is over. Whoever asked gets an e-mail with the reason.",
        "denied",
        deny,
        DenyForm,
        is_danger=True,
        about=_request_of,
    ),
    "extend": Action(
        "Extend",
        "The end moves by one extension of the connection profile.",
        "extended",
        extend,
        about=_extension_of,
    ),
}
