"""Give the user of a session a short-lived SSH certificate that opens its login account and nothing else."""

from __future__ import annotations

import datetime as dt
import logging
import re

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone

from activity.text import plain
from sessions_app.catalogue.connectors import names_where
from sessions_app.errors import Forbidden, Refused
from sessions_app.factors.fresh import FRESH_FOR, is_fresh
from sessions_app.hosts.flows.ssh_keys import require_unused_key
from sessions_app.hosts.models import HostWatch, UserKey
from sessions_app.hosts.ssh import ca
from sessions_app.logins.models import LoginSession
from sessions_app.people.models import AccountLock
from sessions_app.permission import lock_account_row
from sessions_app.privileged.flows.confirm import require_factor
from sessions_app.privileged.flows.permission import lock_session_row
from sessions_app.privileged.models import PrivilegedSession, Status
from sessions_app.sealing import SealingError

OPEN = frozenset({Status.AVAILABLE, Status.LOGGED_IN})
NUMBER = re.compile(r"[0-9]{1,18}")  # a number that fits into 64 bits
NOT_YOURS = "Only the person a session is for gets a certificate for it."

logger = logging.getLogger(__name__)


def names_that_certify() -> list[str]:
    """Return the names of the connectors whose login accounts a certificate opens, also for a gateway."""
    return names_where(lambda one: one.can_certify)


def why_no_certificate(session: PrivilegedSession, now: dt.datetime) -> str:
    """Return why the user gets no certificate for the session now; an empty string if they do.

    Reads `session.resource`.
    """
    if not session.resource.capabilities.can_certify:
        return f"Certificates do not open {session.resource_name}."
    if session.status == Status.LOCKED:
        return "This session is locked."
    if session.status not in OPEN:
        status = Status(session.status).label
        return f"A certificate is given while a session is Available or Logged In; this one is {status}."
    if session.end_at is None or session.end_at <= now:
        return "This session has reached its end."
    return ""


def give_certificate(
    actor: AbstractUser, session: PrivilegedSession, key: UserKey, *, login: LoginSession | None = None
) -> ca.Certificate:
    """Sign one of the actor's keys for their session.

    The principal is session-<id>. It is valid until the end of the session, or for CERTIFICATE_SECONDS if that is
    shorter; at most for five minutes where the profile asks for a second factor at each connect. The signature is
    logged about the session. Raise Forbidden if the session or the key is not the actor's. Raise Refused if the session
    is not open, if the account is locked, or if nothing can be signed. Raise FactorNeeded if the profile asks for a
    second factor and none is fresh in `login`.
    """
    if actor.pk != key.user_id:
        raise Forbidden(NOT_YOURS)
    return _sign(actor, session, key.public_key, key, login=login)


def give_certificate_for(
    actor: AbstractUser, session: PrivilegedSession, line: str, *, login: LoginSession | None = None
) -> ca.Certificate:
    """Sign a public key that the actor holds and has not registered. It is not stored.

    Raise the errors of give_certificate(), and Refused for a key that is weak, damaged or somebody else's.
    """
    if actor.pk != session.user_id:
        raise Forbidden(NOT_YOURS)
    return _sign(actor, session, require_unused_key(actor, line).line, login=login)


def session_to_log_in_to(actor: AbstractUser, wanted: str) -> PrivilegedSession:
    """Return the actor's session with this number, or their only open session on the host with this name.

    The case of the name does not matter. Raise Refused if there is no such session, or more than one.
    """
    wanted = plain(wanted)
    own = PrivilegedSession.objects.filter(user_id=actor.pk).order_by("pk")
    if NUMBER.fullmatch(wanted) and (session := own.filter(pk=int(wanted)).first()):
        return session
    there = list(
        own.filter(resource_name__folded_exact=wanted, ended_at=None, resource__connector__in=names_that_certify())
    )
    is_open = [session for session in there if session.status in OPEN]
    if len(is_open) > 1:
        numbers = ", ".join(f"{session.pk} as {session.login_account}" for session in is_open)
        raise Refused(f"You have {len(is_open)} sessions on {wanted}: {numbers}. Say which, by its number.")
    if found := is_open or there:
        return found[-1]
    raise Refused(f"You have no session “{wanted[:80]}”. Name the host of an available session, or its number.")


def _sign(
    actor: AbstractUser,
    session: PrivilegedSession,
    public_key: str,
    registered: UserKey | None = None,
    *,
    login: LoginSession | None,
) -> ca.Certificate:
    if actor.pk != session.user_id:
        raise Forbidden(NOT_YOURS)
    try:
        with transaction.atomic():
            lock_account_row(actor)
            lock_session_row(session)
            now = timezone.now()
            if reason := why_no_certificate(session, now):
                raise Refused(reason)
            if not session.user.is_active or AccountLock.objects.in_force().filter(user_id=actor.pk).exists():
                raise Refused("Your account is locked.")
            require_factor(session, is_confirmed=login is not None and is_fresh(login))
            if registered and not UserKey.objects.filter(pk=registered.pk).update(last_used_at=now):
                raise Refused("This key was removed meanwhile. Choose another one.", field="key")
            return ca.sign(
                public_key,
                principals=[ca.session_principal(session.pk)],
                key_id=f"{actor.get_username()}/{ca.session_principal(session.pk)}",
                seconds=_seconds(session, now),
                actor=actor,
                target=session,
                clock_off=HostWatch.objects.clock_off(session.resource_id),
            )
    except (ca.AuthorityError, SealingError) as error:
        logger.exception("No certificate for session %s", session.pk)
        raise Refused("Certificates cannot be signed at the moment. An administrator has to set this up.") from error


def _seconds(session: PrivilegedSession, now: dt.datetime) -> int:
    left = int((session.end_at - now).total_seconds()) if session.end_at else 0
    if left < 1:
        raise Refused("This session has reached its end.")
    at_most: int = settings.CERTIFICATE_SECONDS
    if session.profile.confirm_at_connect:  # else one confirmation would open the host again and again
        at_most = min(at_most, int(FRESH_FOR.total_seconds()))
    return min(left, at_most)
