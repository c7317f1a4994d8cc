"""A fresh second factor, where the connection profile of a session asks for one: at its start, or at each connect."""

from __future__ import annotations

from django.utils import timezone

from sessions_app.errors import Refused
from sessions_app.people.models import Application
from sessions_app.privileged.models import PrivilegedSession


class FactorNeeded(Refused):
    """The person has to give a second factor first."""


def asks_for_factor(session: PrivilegedSession) -> bool:
    """Return whether whoever connects now must have given a second factor just before. Reads `session.profile`.

    A session that began without its person, because it was scheduled or waited for approval, asks at the first connect
    for the factor of its start.
    """
    profile = session.profile
    return profile.confirm_at_connect or (profile.confirm_at_start and session.start_confirmed_at is None)


def require_factor(session: PrivilegedSession, *, is_confirmed: bool) -> None:
    """Raise FactorNeeded if the session asks for a factor and none was given. Note the one that counts for its start.

    Call it with the row of the session locked.
    """
    if not asks_for_factor(session):
        return
    if not is_confirmed:
        raise factor_needed(session)
    if session.profile.confirm_at_start and session.start_confirmed_at is None:
        session.start_confirmed_at = timezone.now()
        session.save(update_fields=["start_confirmed_at"])


def factor_needed(session: PrivilegedSession) -> FactorNeeded:
    """Return the error that says what the session asks for."""
    asked = f"The connection profile {session.profile} asks for a second factor {session.profile.confirms}."
    if Application.objects.filter(principal_id=session.user_id).exists():
        return FactorNeeded(f"{asked} An application has none: an administrator has to give it another profile.")
    return FactorNeeded(f"{asked} Give it and connect again.")
