"""The database functions that say who an SSH client is. They are run by store.call() only."""

from __future__ import annotations

import contextlib
import datetime as dt
from dataclasses import dataclass

import asyncssh
from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from activity import log
from activity.models import Level
from activity.text import plain
from activity.verbs import Verb
from sessions_app.errors import Refused
from sessions_app.gateway.flows import connect, ticket
from sessions_app.gateway.models import GatewayHostKey, GatewayTicket, TicketKind, hash_ticket
from sessions_app.hosts.models import UserKey
from sessions_app.logins.models import SecondFactor
from sessions_app.sealing import seal, unseal

HOST_KEY_KIND = "ssh-ed25519"
NOBODY = 0  # the number of no user
NOTED_EVERY = dt.timedelta(minutes=1)  # programs log in many times a minute, and each note writes to the database


@dataclass(frozen=True, slots=True)
class Identity:
    """Who somebody proved to be, by a registered key or by a one-time password for a session."""

    user_id: int
    key_id: int | None = None
    session_id: int | None = None
    login_session_id: int | None = None
    is_noted: bool = False  # whether the use of the key was noted less than a minute ago
    factor: SecondFactor | None = None  # what was given after the key
    is_confirmed: bool = False  # whether a second factor was given, here or for the one-time password


@sensitive_variables("made", "private")
def host_key() -> asyncssh.SSHKey:
    """Return the key of this installation's gateways, which the first gateway makes. Raises SealingError."""
    found = GatewayHostKey.objects.filter(kind=HOST_KEY_KIND).first()
    if found is None:
        made = asyncssh.generate_private_key(HOST_KEY_KIND)
        public = " ".join(made.export_public_key().decode().split()[:2])
        values = {
            "public_key": public,
            "fingerprint": made.get_fingerprint("sha256"),
            "private_key": seal(made.export_private_key()),
        }
        try:
            with transaction.atomic():
                found = GatewayHostKey.objects.create(kind=HOST_KEY_KIND, **values)
        except IntegrityError:  # another gateway starts at the same time, and its key is used
            found = GatewayHostKey.objects.get(kind=HOST_KEY_KIND)
    private = unseal(found.private_key)
    return asyncssh.import_private_key(private)


def by_key(user_name: str, fingerprint: str) -> Identity | None:
    """Return the identity if the key with this fingerprint is registered for that person, else None."""
    found = UserKey.objects.filter(fingerprint=fingerprint, user__username=user_name).first()
    if found is None:
        return None
    is_noted = found.last_used_at is not None and found.last_used_at > timezone.now() - NOTED_EVERY
    return Identity(found.user_id, key_id=found.pk, is_noted=is_noted)


@sensitive_variables("password")
def by_password(user_name: str, wanted: str, password: str, address: str) -> Identity:
    """Use up a one-time password and return the identity. Raises Refused with the reason.

    The text is the same whether or not there is such a user.
    """
    password = password.strip()
    is_known = GatewayTicket.objects.filter(secret_hash=hash_ticket(password), kind=TicketKind.PASSWORD).exists()
    user = get_user_model().objects.filter(username=user_name).first()
    session_id = None
    if user is not None and wanted and is_known:  # the same work for every guess, so that its time says nothing
        with contextlib.suppress(Refused):  # a shown password is used up first; the refusal follows
            session_id = connect.wanted_session(user, wanted).pk
    found = ticket.redeem(
        password,
        TicketKind.PASSWORD,
        address=address,
        user_id=user.pk if user is not None else NOBODY,
        session_id=session_id,
    )
    return Identity(
        found.user_id,
        session_id=found.session_id,
        login_session_id=found.login_session_id,
        is_confirmed=found.is_confirmed,
    )


def session_of(user_id: int, wanted: str) -> int:
    """Return the number of the session that `wanted` names. Raises Refused."""
    return connect.wanted_session(get_user_model().objects.get(pk=user_id), wanted).pk


def key_used(key_id: int) -> None:
    """Note that somebody logged in with this key."""
    UserKey.objects.filter(pk=key_id).update(last_used_at=timezone.now())


def refused(user_name: str, address: str, client: str, reason: str) -> None:
    """Record that somebody could not prove who they are.

    Only names of our own users are recorded, so that nobody can fill the log.
    """
    user = get_user_model().objects.filter(username=user_name).first()
    if user is None:
        return
    with log.coming_from(address):
        log.record(
            Verb.CONNECTION_REFUSED,
            f"Somebody who could not prove to be {user_name} was not let through the gateway: {reason}",
            user=user,
            level=Level.WARNING,
            details={"client": plain(client, 120)},
        )


def unsettled(user_id: int, address: str, reason: str) -> None:
    """Record that a person who is authenticated asked for a session that they cannot have."""
    user = get_user_model().objects.get(pk=user_id)
    with log.coming_from(address):
        log.record(
            Verb.CONNECTION_REFUSED,
            f"{user.get_username()} was not let through the gateway: {reason}",
            actor=user,
            level=Level.WARNING,
        )
