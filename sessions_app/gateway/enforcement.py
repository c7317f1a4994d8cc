"""Decide what must be enforced on a connection, from its state and the time. Pure functions."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sessions_app.gateway.connection_state import ConnectionState
from sessions_app.gateway.downstream import UNTIL_UNLOCKED
from sessions_app.gateway.models import ConnectionEnd, EntryPoint
from sessions_app.logins.models import EndReason
from sessions_app.privileged.models import HOLDS_GRANT, Status

# A terminal in the browser is part of a login session and ends with it, however that ends. A connection that came with
# a one-time password from an SSH client is cut when an administrator or another browser of the person ended the login
# session, when the person said that it was not theirs, or the password was changed; not when the login session ran out
# or the person logged out of it.
ENDS_SSH_TOO = frozenset({EndReason.FORCED, EndReason.OTHERS, EndReason.PASSWORD, EndReason.NOT_ME})

ASK_AGAIN = "Request a new session in the console if you need one."


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Says that the connection must be dropped, and why."""

    end: ConnectionEnd
    text: str


@dataclass(frozen=True, slots=True)
class Freeze:
    """Says that the person can do nothing, and sees this text."""

    title: str
    message: str
    until: str = UNTIL_UNLOCKED
    is_lock: bool = True  # locked by an administrator; else the gateway waits for something
    by: str = ""  # who locked it


Decision = Disconnect | Freeze | None  # None: it goes on


def decide(state: ConnectionState, now: dt.datetime) -> Decision:
    """Return the first decision that applies; None when the connection goes on."""
    if not state.is_account_active:
        return Disconnect(ConnectionEnd.REVOKED, "Your account is disabled.")
    if state.account_lock:
        return Disconnect(ConnectionEnd.REVOKED, " ".join(["Your account is locked:", *_sentences(state)]))
    if state.is_key_gone:
        return Disconnect(ConnectionEnd.REVOKED, "The SSH key that you connected with was removed from your account.")
    if state.is_disconnect_requested:
        return Disconnect(ConnectionEnd.TERMINATED, "An administrator terminated this connection.")
    if state.status not in HOLDS_GRANT:
        why = f": {state.end_reason}" if state.end_reason else ""
        return Disconnect(ConnectionEnd.ENDED, f"Your session is over{why}. {ASK_AGAIN}")
    if state.end_at is None or state.end_at <= now:
        return Disconnect(ConnectionEnd.ENDED, f"Your session has reached its end. {ASK_AGAIN}")
    if state.login_end and (state.entry_point == EntryPoint.BROWSER or state.login_end in ENDS_SSH_TOO):
        return Disconnect(ConnectionEnd.LOGGED_OUT, "You were logged out of the console.")
    if state.status == Status.LOCKED:
        until = f"Locked by {state.locked_by}. {UNTIL_UNLOCKED}" if state.locked_by else UNTIL_UNLOCKED
        return Freeze(state.lock_title or "Locked", state.lock_message, until, by=state.locked_by)
    return None


def _sentences(state: ConnectionState) -> list[str]:
    """Return title and message of the account's lock, each as a sentence."""
    texts = (state.account_lock, state.account_lock_message)
    return [one if one.endswith((".", "!", "?")) else f"{one}." for one in texts if one]
