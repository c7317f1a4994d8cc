"""Let a person through a gateway to the host of their session, and note when they came.

disconnect.py notes when they left. Each connection is one row. The first one makes an Available session Logged In at
once. This module knows no network: the gateway calls it before and after.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone

from activity import log
from activity.models import Level
from activity.text import plain
from activity.verbs import Verb
from sessions_app.errors import Refused
from sessions_app.factors.required import must_enrol_now
from sessions_app.gateway.flows.ssh_login import login_of_client
from sessions_app.gateway.models import EntryPoint, GatewayConnection
from sessions_app.hosts.flows.certificate import OPEN, names_that_certify, session_to_log_in_to
from sessions_app.hosts.models import HostWatch, UserKey
from sessions_app.login_rules.rules import refusal_of
from sessions_app.logins.models import LoginSession, SecondFactor
from sessions_app.people.models import AccountLock
from sessions_app.permission import lock_account_row
from sessions_app.privileged import lifecycle
from sessions_app.privileged.flows.confirm import require_factor
from sessions_app.privileged.flows.permission import locked_session
from sessions_app.privileged.models import ENDED, ControlKind, PrivilegedSession, Status

MUST_ENROL = "Your account needs a second factor. Log in to the console with a browser and set one up first."


@dataclass(frozen=True, slots=True)
class AuthenticatedClient:
    """Who came in, for which session, and how they proved who they are."""

    user_id: int
    session_id: int
    entry_point: EntryPoint
    address: str
    client: str  # what the client calls itself
    key_id: int | None = None  # the registered key, when they came with one
    login_session_id: int | None = None  # the browser's, when they came with a ticket of it
    is_confirmed: bool = False  # whether they gave a second factor for this connection, or shortly before their ticket
    factor: str = ""  # the SecondFactor that an SSH client gave after its key
    client_token: str = field(default="", repr=False)  # secret, the same for all connections of one SSH client


def wanted_session(user: AbstractUser, wanted: str) -> PrivilegedSession:
    """Return the user's session that `wanted` names.

    It is a resource's name in any case, a session's number, or empty when just one session is open. Raises Refused when
    there is no such session, or more than one.
    """
    if wanted:
        return session_to_log_in_to(user, wanted)
    own = PrivilegedSession.objects.filter(user_id=user.pk).order_by("pk")
    found = list(own.filter(status__in=OPEN, resource__connector__in=names_that_certify()))
    if len(found) == 1:
        return found[0]
    if not found:
        raise Refused("You have no session that is Available or Logged In.")
    names = ", ".join(f"{user.get_username()}={one.pk} ({one.resource_name})" for one in found)
    raise Refused(f"You have {len(found)} open sessions. Say which one in the user name: {names}.")


def why_not(session: PrivilegedSession) -> str:
    """Return why nobody can connect to the session now; empty when its user can. Reads `session.resource`."""
    status = Status(session.status)
    if not session.resource.capabilities.can_certify:
        return f"{session.resource_name} cannot be reached through the gateway: it is no host with SSH."
    if status == Status.LOCKED:
        title, message = lock_text(session)
        return f"Your session on {session.resource_name} is locked. {title}. {message}".strip()
    if status in ENDED or status == Status.CANCELING:
        return f"Your session on {session.resource_name} is over ({status.label})."
    if status not in OPEN:
        return f"Your session on {session.resource_name} is not available yet: it is {status.label}."
    if session.end_at is None or session.end_at <= timezone.now():
        return f"Your session on {session.resource_name} has reached its end."
    return ""


def lock_text(session: PrivilegedSession) -> tuple[str, str]:
    """Return title and message of the newest lock, without control characters."""
    asked = session.controls.filter(kind=ControlKind.LOCK).order_by("-pk").first()
    return (plain(asked.title, 120), plain(asked.message, 500)) if asked else ("Session locked", "")


def connect(login: AuthenticatedClient, gateway: str) -> GatewayConnection:
    """Note the new connection before the host is asked. Raises Refused, which is logged.

    1. Lock the rows of the account and the session, so that no lock by an administrator comes in between.

    2. Account, key, login session and session must all be valid now.

    3. The second factor must have been given, if the profile of the session asks for it. The first one of a session
    counts for its start.

    4. The first connection of an SSH client with a key begins its login session (ssh_login.py).

    5. From now on control_loop.py looks at the new row. Earlier requests for the session do not concern it.
    """
    user: AbstractUser = get_user_model().objects.get(pk=login.user_id)
    try:
        with transaction.atomic():
            user = lock_account_row(user)
            session = locked_session(login.session_id, ("user", "resource", "profile"))
            key = _key(login)
            _require(user, session, login)
            own_login = _login_of_key(user, login) if key is not None else login.login_session_id
            newest = session.controls.order_by("-pk").values_list("pk", flat=True).first()
            return GatewayConnection.objects.create(
                session=session,
                confirmed_control=newest or 0,
                gateway=gateway,
                entry_point=login.entry_point,
                address=login.address or None,
                client=plain(login.client, 120),
                key=key,
                fingerprint=key.fingerprint if key else "",
                login_session_id=own_login,
            )
    except Refused as refused:
        _note_refusal(user, login, refused.message)
        raise


def connected(connection: GatewayConnection, host_port: int | None = None) -> PrivilegedSession:
    """Note that the host let the connection in: the session is now Logged In.

    Return the session as it is now, which may have changed since the connection was admitted. `host_port` is the port
    from which the gateway holds a terminal open on the host. The gateway shows messages there itself, so the worker
    need not. Raises Refused when the connection was over before.
    """
    with transaction.atomic():
        session = locked_session(connection.session_id, ("user",))
        if not GatewayConnection.objects.open().filter(pk=connection.pk).exists():
            raise Refused("The connection was over before the host had let it in.")
        if host_port is not None:
            connection.host_port = host_port
            connection.save(update_fields=["host_port"])
        with log.coming_from(connection.address or "", lambda: connection.login_session_id):
            log.record(
                Verb.CONNECTION_OPENED,
                f"{session.user_name} connected to {session.resource_name} through the gateway "
                f"({connection.get_entry_point_display()}{_with(connection)})",
                actor=session.user,
                user=session.user,
                target=session,
                details={
                    "connection": connection.pk,
                    "entry_point": connection.entry_point,
                    "client": connection.client,
                    "key": connection.fingerprint,
                    "gateway": connection.gateway,
                },
            )
            if session.status == Status.AVAILABLE:
                lifecycle.transition(
                    session,
                    Status.LOGGED_IN,
                    Verb.SESSION_LOGGED_IN,
                    f"{session.login_account} logged in to {session.resource_name}",
                    actor=session.user,
                    is_logged_on=True,
                )
            HostWatch.objects.outdate(session.resource_id)
    return session


def _key(login: AuthenticatedClient) -> UserKey | None:
    if login.key_id is None:
        return None
    key = UserKey.objects.filter(pk=login.key_id, user_id=login.user_id).first()
    if key is None:
        raise Refused("Your SSH key was removed meanwhile.")
    return key


def _login_of_key(user: AbstractUser, login: AuthenticatedClient) -> int:
    """Return the number of the login session of an SSH client with a key: the browser's if it depends on one.

    Raise Refused if somebody logged it out.
    """
    if login.login_session_id is not None:
        return login.login_session_id
    given = {"client_token": login.client_token, "client": login.client, "factor": login.factor}
    return login_of_client(user, address=login.address, **given).pk


def _require(user: AbstractUser, session: PrivilegedSession, login: AuthenticatedClient) -> None:
    """Raise Refused unless this person may connect to this session now."""
    if session.user_id != user.pk:
        raise Refused(f"You have no session “{session.pk}”.")
    if lock := AccountLock.objects.in_force().filter(user_id=user.pk).first():
        raise Refused(f"Your account is locked. {plain(lock.title)}. {plain(lock.message)}".strip())
    if not user.is_active:
        raise Refused("Your account is disabled.")
    _require_signed_in(user, login)
    if (refusal := refusal_of(user.pk, login.address)) is not None:
        raise Refused(refusal.text)
    if reason := why_not(session):
        raise Refused(reason)
    limit: int = settings.GATEWAY_CONNECTIONS_PER_USER
    if GatewayConnection.objects.open().filter(session__user_id=user.pk).count() >= limit:
        raise Refused(f"You have {limit} connections already, which is as many as one person may have.")
    require_factor(session, is_confirmed=login.is_confirmed)


def _require_signed_in(user: AbstractUser, login: AuthenticatedClient) -> None:
    """Raise Refused if the login session that the client depends on is over, or must set up a second factor first.

    Whoever comes with a key alone must have the second factor that is required of them. Where a provider of single
    sign-on asks for it, the console sees that at the last login only.
    """
    if login.login_session_id:
        theirs = LoginSession.objects.live().filter(pk=login.login_session_id).first()
        if theirs is None:
            raise Refused("You are logged out of the console.")
        if theirs.must_enrol:
            raise Refused(MUST_ENROL)
    elif must_enrol_now(user):
        last = (
            LoginSession.objects.of_browsers()
            .filter(user_id=user.pk)
            .order_by("-pk")
            .values_list("second_factor", flat=True)
        )
        if last.first() != SecondFactor.PROVIDER:
            raise Refused(MUST_ENROL)


def _note_refusal(user: AbstractUser, login: AuthenticatedClient, reason: str) -> None:
    session = PrivilegedSession.objects.filter(pk=login.session_id, user_id=user.pk).first()
    with log.coming_from(login.address, lambda: login.login_session_id):
        log.record(
            Verb.CONNECTION_REFUSED,
            f"{user.get_username()} was not let through the gateway: {reason}",
            actor=user,
            target=session,
            level=Level.WARNING,
            details={"entry_point": login.entry_point.value, "client": plain(login.client, 120)},
        )


def _with(connection: GatewayConnection) -> str:
    return f", key {connection.fingerprint}" if connection.fingerprint else ""
