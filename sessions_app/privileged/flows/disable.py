"""Disable an account, and cut all that it has open: logins, connections, requests and privileged sessions."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import transaction

from activity.models import Level
from activity.retries import retry_while_unavailable
from activity.verbs import Verb
from sessions_app.permission import lock_account_row
from sessions_app.privileged import lifecycle
from sessions_app.privileged.flows.control import request_control, start_canceling
from sessions_app.privileged.models import HOLDS_GRANT, ControlKind, PrivilegedSession, Status
from sessions_app.privileged.policy import NOT_BEGUN


@retry_while_unavailable
def disable_account(user: AbstractUser, *, why: str) -> None:
    """Disable the account of `user`, who can be enabled again, and end what it has open. `why` goes into the log.

    1. The account is disabled. The signals of the model end its logins, and gateways close its connections; keys,
    one-time passwords and certificates are refused from now on.

    2. Sessions that have not begun are canceled. Those that may hold rights are terminated, and a worker takes the
    rights away.

    All of it is one transaction. Nobody's permission is checked: this is for programs, such as SCIM.
    """
    message = f"The account {user.get_username()} was disabled: {why}"
    with transaction.atomic():
        account = lock_account_row(user)
        if account.is_active:
            account.is_active = False
            account.save(update_fields=["is_active"])
        sessions = PrivilegedSession.objects.filter(user_id=user.pk).not_ended().select_related("user", "profile")
        for session in sessions.select_for_update(of=("self",)).order_by("pk"):
            _end(session, message)


def _end(session: PrivilegedSession, message: str) -> None:
    if session.status in NOT_BEGUN:
        verb, reason = Verb.SESSION_CANCELED, message[:300]
        lifecycle.transition(session, Status.CANCELED, verb, message, level=Level.WARNING, end_reason=reason)
    elif session.status != Status.CANCELING:
        holds_rights = session.status in HOLDS_GRANT
        verb = Verb.SESSION_TERMINATED if holds_rights else Verb.SESSION_CANCELING
        start_canceling(session, Status.CANCELED, message, verb=verb, level=Level.WARNING)
        if holds_rights:
            request_control(session, ControlKind.DISCONNECT, actor=None)
