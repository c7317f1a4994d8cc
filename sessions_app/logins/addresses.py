"""Keeps the addresses that a login session was used from, each with its place and how it was found.

Only a change of address writes here. While a session stays at one address, its own row says when it was last used.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from sessions_app.logins.client_ip import ClientAddress
from sessions_app.logins.models import LoginAddress, LoginSession

MOST = 50  # addresses of one login session; the log has every change of address
PLACE = (
    "city",
    "region",
    "country",
    "country_code",
    "latitude",
    "longitude",
    "accuracy_km",
    "asn",
    "network",
)


def note_first(login: LoginSession, came: ClientAddress) -> None:
    """Store the address that a new login session begins with, if it is known."""
    if login.ip:
        LoginAddress.objects.create(
            login=login,
            ip=login.ip,
            first_seen_at=login.created_at,
            last_seen_at=login.created_at,
            **_way(came),
            **place_of(login),
        )


def note_move(login: LoginSession, came: ClientAddress, place: Mapping[str, Any], now: dt.datetime) -> None:
    """Store that `login` goes on from another address, whose place is `place`.

    `login` still has the address before, which was last seen with its last use.
    """
    if login.ip:
        before, _ = LoginAddress.objects.get_or_create(  # a login session from before the console kept addresses
            login=login,
            ip=login.ip,
            defaults={"first_seen_at": login.created_at, "last_seen_at": login.last_access_at, **place_of(login)},
        )
        LoginAddress.objects.filter(pk=before.pk).update(last_seen_at=login.last_access_at)
    found = {"last_seen_at": now, **_way(came), **{name: place[name] for name in PLACE}}
    LoginAddress.objects.update_or_create(
        login=login, ip=came.address, defaults=found, create_defaults={**found, "first_seen_at": now}
    )
    _forget_some(login)


def _forget_some(login: LoginSession) -> None:
    """Delete what is more than MOST: those that were not seen for the longest time, but never the first one."""
    known = list(LoginAddress.objects.filter(login=login).order_by("-last_seen_at", "-pk").values_list("pk", flat=True))
    if len(known) > MOST:
        LoginAddress.objects.filter(pk__in=set(known[MOST - 1 :]) - {min(known)}).delete()


def _way(came: ClientAddress) -> dict[str, str]:
    return {"source": came.source.value, "proxies": ", ".join(came.proxies)[:200]}


def place_of(login: LoginSession) -> dict[str, Any]:
    """Return the fields of a login session that say where its address is."""
    return {name: getattr(login, name) for name in PLACE}
