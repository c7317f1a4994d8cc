"""Begin and end the login session of an SSH client that logs in with a registered key.

So it stands in the list of login sessions beside the browsers, and Logout cuts it. It lasts as long as the client has a
connection to a host. It has no cookie, and the limits of browsers for idleness and age do not count for it: its
privileged session has an end of its own. A client that comes with a ticket or a one-time password depends on the login
session of the browser that gave it instead.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection

from django.contrib.auth.models import AbstractUser
from django.utils import timezone

from activity import log
from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.errors import Refused
from sessions_app.gateway.models import GatewayConnection
from sessions_app.logins import addresses, origin
from sessions_app.logins.client_ip import ClientAddress, Source
from sessions_app.logins.models import EndReason, LoginSession, Method, hash_session_key
from sessions_app.logins.ssh_client import described

LOGGED_OUT = "You were logged out. Log in again."


def login_of_client(user: AbstractUser, *, client_token: str, client: str, address: str, factor: str) -> LoginSession:
    """Return the login session of an SSH client, which begins with its first connection. Call it in a transaction.

    The account's row must be locked. `client_token` is secret and the same for all connections of one client, `factor`
    is the second factor that it gave. Raise Refused if somebody ended the login session of this client.
    """
    key_hash = hash_session_key(client_token or secrets.token_urlsafe())
    login = LoginSession.objects.select_for_update(no_key=True).filter(key_hash=key_hash).first()
    if login is None:
        return _begin(user, key_hash, client, address, factor)
    if login.is_live:
        return login
    if login.end_reason != EndReason.CLOSED:
        raise Refused(LOGGED_OUT)
    # It had no connection for a while. The row of then stays as history, and another one begins.
    LoginSession.objects.filter(pk=login.pk).update(key_hash=hash_session_key(secrets.token_urlsafe()))
    return _begin(user, key_hash, client, address, factor)


def _begin(user: AbstractUser, key_hash: str, client: str, address: str, factor: str) -> LoginSession:
    now = timezone.now()
    login = LoginSession.objects.create(
        created_at=now,
        last_access_at=now,
        user_id=user.pk,
        user_name=user.get_username(),
        key_hash=key_hash,
        signed_in_with=Method.SSH_KEY,
        second_factor=factor,
        confirmed_at=now if factor else None,
        **described(client),
        **origin.address_of(address, user.pk),
    )
    addresses.note_first(login, ClientAddress(address, Source.PEER))
    with log.coming_from(address, lambda: login.pk):
        log.record(
            Verb.LOGIN,
            f"{login.user_name} logged in with an SSH key and {login.browser or 'an unknown client'} from {login.city}",
            actor=user,
            target=login,
        )
    return login


def end_without_connections(login_ids: Collection[int]) -> list[LogEntry]:
    """End those of the login sessions whose SSH client has no connection any more.

    Return their log entries, which the caller records. Call it in the transaction that ends the connections.
    """
    held = LoginSession.objects.live().select_for_update(no_key=True, of=("self",)).order_by("pk")
    logins = list(held.filter(pk__in=login_ids, signed_in_with=Method.SSH_KEY).select_related("user"))
    open_ones = GatewayConnection.objects.open().filter(login_session__in=logins).order_by()
    busy = set(open_ones.values_list("login_session_id", flat=True)) if logins else set()
    over = [login for login in logins if login.pk not in busy]
    if over:
        LoginSession.objects.filter(pk__in=[login.pk for login in over]).update(
            ended_at=timezone.now(), end_reason=EndReason.CLOSED
        )
    return [_ended(login) for login in over]


def _ended(login: LoginSession) -> LogEntry:
    with log.coming_from(login.ip or "", lambda: login.pk):
        return log.draft(
            Verb.LOGOUT,
            f"{login.user_name} closed {login.browser or 'an SSH client'} ({login.city})",
            actor=login.user,
            target=login,
            details={"reason": EndReason.CLOSED.value},
        )
