"""Log a browser out of the console: one's own, or as an administrator anybody's."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser

from sessions_app.errors import Forbidden, Refused
from sessions_app.logins import service
from sessions_app.logins.models import EndReason, LoginSession
from sessions_app.permission import administrator_refusal, role_of


def logout(actor: AbstractUser, login_session: LoginSession) -> None:
    """End the login session; the very next request of that browser is at the login page.

    Raises Refused when it is over already, Forbidden when it is neither one's own nor the person an administrator.
    """
    is_own = login_session.user_id == actor.pk
    if not is_own and (reason := administrator_refusal(**role_of(actor))):
        raise Forbidden(reason)
    if not service.end(login_session, EndReason.OTHERS if is_own else EndReason.FORCED, actor=actor):
        raise Refused(f"{login_session.user_name} was logged out there already.")


def logout_others(actor: AbstractUser, current_login: LoginSession | None) -> int:
    """End every login session of `actor` but the current one; how many were ended."""
    return service.end_all(actor, EndReason.OTHERS, actor=actor, keep=current_login)
