"""Lock one session: its connections stay, but the user can do nothing."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import transaction

from activity.retries import retry_while_unavailable
from sessions_app.catalogue.flows.resource import close_resource
from sessions_app.permission import clean_text, lock_account_row
from sessions_app.privileged.flows.account import lock_account as lock_whole_account
from sessions_app.privileged.flows.apply_lock import apply_lock
from sessions_app.privileged.flows.permission import lock_session_row, require
from sessions_app.privileged.models import PrivilegedSession


@retry_while_unavailable
def lock(
    actor: AbstractUser,
    session: PrivilegedSession,
    *,
    title: str,
    message: str = "",
    forbid_resource: bool = False,
    lock_account: bool = False,
) -> None:
    """Lock the session, and show its user `title` and `message`. Do all of it or nothing.

    It may also close the resource to new sessions, or lock the user's whole account with every live session. Raise
    Refused if the person may not lock it, if it cannot be locked, or if a text is missing or too long.
    """
    title = clean_text(title, "title", 120, required="Enter a title; the user sees it.")
    message = clean_text(message, "message", 500)
    with transaction.atomic():
        if lock_account:
            lock_account_row(session.user)
        lock_session_row(session)
        require(actor, session, "lock")
        if forbid_resource:
            close_resource(session.resource, actor=actor, title=title, message=message)
        if lock_account:
            lock_whole_account(actor, session.user, title=title, message=message)
            session.refresh_from_db()
        else:
            apply_lock(session, actor=actor, title=title, message=message)
