"""Tickets, each of which lets the user of a session in through the gateway once, soon, and from one address.

There is one kind for the terminal in the browser, whose page asks for it by itself, and one-time passwords for SSH
clients. The console issues them and the gateway redeems them. Only a hash is stored.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import secrets

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from activity import log
from activity.models import Level
from activity.verbs import Verb
from sessions_app.errors import Forbidden, NotAllowed, Refused
from sessions_app.factors.fresh import is_fresh
from sessions_app.gateway.flows.connect import why_not
from sessions_app.gateway.models import EntryPoint, GatewayConnection, GatewayTicket, TicketKind, hash_ticket
from sessions_app.logins import backend
from sessions_app.logins.models import LoginSession
from sessions_app.people.models import AccountLock
from sessions_app.permission import lock_account_row
from sessions_app.privileged.flows.confirm import asks_for_factor, factor_needed
from sessions_app.privileged.flows.permission import RELATED, lock_session_row
from sessions_app.privileged.models import PrivilegedSession, Status

VALID_FOR = {
    TicketKind.TERMINAL: dt.timedelta(seconds=30),
    TicketKind.WATCH: dt.timedelta(seconds=30),
    TicketKind.PASSWORD: dt.timedelta(seconds=120),
}
PASSWORD_LENGTH = 26  # letters and digits
TICKETS_A_MINUTE = 60  # for one person over all their sessions: a page that reconnects asks every few seconds
KEEP_TICKETS_FOR = dt.timedelta(days=1)  # after that a ticket, used or not, tells nobody anything
NOT_YOURS = "Only the person a session is for connects to it."


@dataclasses.dataclass(frozen=True, slots=True)
class IssuedTicket:
    """A ticket on its way to the person. The secret is stored nowhere else."""

    secret: str = dataclasses.field(repr=False)
    seconds: int
    expires_at: dt.datetime


@sensitive_variables()
def issue(
    actor: AbstractUser,
    session: PrivilegedSession,
    kind: TicketKind,
    *,
    login: LoginSession | None,
    address: str,
) -> IssuedTicket:
    """Issue a ticket for the actor's own session, valid for VALID_FOR[kind], from `address`, while `login` lasts.

    A one-time password is logged. The ticket of a terminal is not, because the connection that it opens is logged.
    Raises Forbidden when the session is not the actor's. Raises Refused when the session is not open (or, for its
    terminal, locked), when the address is not known, or when too many tickets were asked for. Raises FactorNeeded when
    the session asks for a second factor that the person has not given in the last minutes.
    """
    if actor.pk != session.user_id:
        raise Forbidden(NOT_YOURS)
    if not address:
        raise Refused(
            "The console does not know which address you come from, and a ticket is valid for one address only. "
            "An administrator has to look at TRUSTED_PROXIES."
        )
    secret = _password() if kind == TicketKind.PASSWORD else secrets.token_urlsafe(32)
    with transaction.atomic():
        lock_account_row(actor)
        lock_session_row(session)
        now = timezone.now()
        if reason := _why_not(session, kind) or _why_no_account(session.user):
            raise NotAllowed(reason)
        is_confirmed = login is not None and is_fresh(login)
        if asks_for_factor(session) and not is_confirmed and not _comes_back(session, kind, login):
            raise factor_needed(session)
        _count(actor, now)
        ticket = GatewayTicket.objects.create(
            kind=kind,
            secret_hash=hash_ticket(secret),
            user_id=actor.pk,
            session=session,
            login_session=login,
            address=address,
            is_confirmed=is_confirmed,
            created_at=now,
            expires_at=now + VALID_FOR[kind],
        )
        if kind == TicketKind.PASSWORD:
            _log_password(actor, ticket)
    return IssuedTicket(secret, VALID_FOR[kind].seconds, ticket.expires_at)


def _log_password(actor: AbstractUser, ticket: GatewayTicket) -> None:
    seconds = VALID_FOR[TicketKind.PASSWORD].seconds
    log.record(
        Verb.PASSWORD_GIVEN,
        f"{actor.get_username()} got a one-time password for {ticket.address}, good for {seconds} s",
        actor=actor,
        target=ticket.session,
        details={"ticket": ticket.pk, "address": ticket.address},
    )


@sensitive_variables()
def redeem(
    secret: str, kind: TicketKind, *, address: str, user_id: int | None = None, session_id: int | None = None
) -> GatewayTicket:
    """Use a ticket up and return it, with user, session, resource, activity and profile.

    1. Whoever shows a ticket has used it, even if it is refused. A ticket that is shown late, from another address or
    for something else (`user_id` and `session_id` are what the client named) is in the wrong hands, and nobody can use
    it from then on.

    2. It must be within its time and from its address, and its login session must last. Whether account and session let
    anybody in is checked when the connection begins (gateway/flows/connect.py: connect()).

    Raises Refused, with a text for the client. Call it outside a transaction, so that the first step is kept.
    """
    now = timezone.now()
    found = GatewayTicket.objects.filter(secret_hash=hash_ticket(secret), kind=kind)
    if not found.filter(used_at=None).update(used_at=now):
        if (used := found.select_related("user", "session").first()) is not None:
            _log_refusal(used, "it was used before")
            raise Refused("It was used before. Ask for a new one in the console.")
        raise Refused("It is not valid. Ask for a new one in the console.")
    related = ("user", "login_session", *(f"session__{name}" for name in RELATED))
    ticket = found.select_related(*related).get()
    if wrong := _wrong(ticket, now, address, user_id, session_id):
        _log_refusal(ticket, wrong)
        raise Refused(f"It cannot be used: {wrong}. Ask for a new one in the console.")
    return ticket


def _wrong(ticket: GatewayTicket, now: dt.datetime, address: str, user_id: int | None, session_id: int | None) -> str:
    """Return what is wrong with how the ticket is shown; empty when nothing is."""
    if now >= ticket.expires_at or now < ticket.created_at - VALID_FOR[TicketKind(ticket.kind)]:
        return "its time is over"
    if not address or ticket.address != address:
        return f"it was given to {ticket.address}"
    if user_id not in (None, ticket.user_id) or session_id not in (None, ticket.session_id):
        return "it is for another session"
    if ticket.user_id != ticket.session.user_id:
        return "the session is somebody else's"
    if ticket.login_session_id is not None and not _lasts(ticket.login_session_id, now):
        return "you have logged out of the console since"
    return ""


def _lasts(login_session_id: int, now: dt.datetime) -> bool:
    return LoginSession.objects.live().exclude(backend.is_expired(now)).filter(pk=login_session_id).exists()


def _why_not(session: PrivilegedSession, kind: TicketKind) -> str:
    """Return why no ticket can be issued; empty when one can.

    The page of a terminal gets one while the session is locked. It then shows the lock and is frozen, and nobody new is
    let in (gateway/flows/connect.py: connect()).
    """
    is_frozen = kind == TicketKind.TERMINAL and session.status == Status.LOCKED
    return "" if is_frozen else why_not(session)


def _comes_back(session: PrivilegedSession, kind: TicketKind, login: LoginSession | None) -> bool:
    """Return whether the page of a terminal that is open asks, which only comes back after a break of its network.

    The gateway lets that ticket open nothing new, because it is not confirmed.
    """
    mine = GatewayConnection.objects.open().filter(session=session, login_session=login)
    return kind == TicketKind.TERMINAL and login is not None and mine.filter(entry_point=EntryPoint.BROWSER).exists()


def _why_no_account(user: AbstractUser) -> str:
    if not user.is_active:
        return "Your account is disabled."
    lock = AccountLock.objects.in_force().filter(user_id=user.pk).first()
    return f"Your account is locked: {lock.title}" if lock else ""


def _count(actor: AbstractUser, now: dt.datetime) -> None:
    """Delete old tickets of the actor. Raises Refused when they asked for too many within a minute."""
    mine = GatewayTicket.objects.filter(user_id=actor.pk)
    mine.filter(expires_at__lt=now - KEEP_TICKETS_FOR).delete()
    if mine.filter(created_at__gt=now - dt.timedelta(minutes=1)).count() >= TICKETS_A_MINUTE:
        raise Refused(f"You asked for {TICKETS_A_MINUTE} tickets within a minute, which is the limit. Wait a minute.")


def _log_refusal(ticket: GatewayTicket, wrong: str) -> None:
    log.record(
        Verb.TICKET_REFUSED,
        f"A {ticket.get_kind_display().lower()} of {ticket.user.get_username()} was refused: {wrong}",
        user=ticket.user,
        target=ticket.session,
        level=Level.WARNING,
        details={"ticket": ticket.pk, "kind": ticket.kind},
    )


def is_password(text: str) -> bool:
    """Return whether a text is as long as a one-time password, whatever is in it."""
    return len(text.strip().replace("-", "")) == PASSWORD_LENGTH


def _password() -> str:
    """Return a one-time password that a person can type.

    It has 26 letters and digits without those that look alike, which is 128 bits.
    """
    alphabet = "abcdefghjkmnpqrstuvwxyz23456789"
    letters = [secrets.choice(alphabet) for _ in range(PASSWORD_LENGTH)]
    return "-".join("".join(letters[start : start + 6]) for start in range(0, PASSWORD_LENGTH, 6)).rstrip("-")
