"""Log out a browser: one's own, or anybody's as an administrator."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser

from activity.text import plain
from sessions_app.errors import Forbidden, Refused
from sessions_app.logins import service
from sessions_app.logins.models import EndReason, LoginSession
from sessions_app.permission import administrator_refusal, role_of


def logout(actor: AbstractUser, login_session: LoginSession, *, note: str = "") -> None:
    """End the login session, so that the next request of that browser gets the login page.

    An administrator's `note` says why; the person reads it there.

    Raise Refused if it is over already, and Forbidden if it is not one's own and the actor is no administrator.
    """
    is_own = login_session.user_id == actor.pk
    if not is_own and (reason := administrator_refusal(**role_of(actor))):
        raise Forbidden(reason)
    reason, note = (EndReason.OTHERS, "") if is_own else (EndReason.FORCED, plain(note, 120).strip())
    if not service.end(login_session, reason, actor=actor, note=note):
        raise Refused(f"{login_session.user_name} was logged out there already.")


def logout_others(actor: AbstractUser, current_login: LoginSession | None) -> int:
    """End every login session of `actor` except the current one. Return how many were ended."""
    return service.end_all(actor, EndReason.OTHERS, actor=actor, keep=current_login)
