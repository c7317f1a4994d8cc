"""What the page of a login session says: how the person signed in, when it ends, its device and its addresses."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from django.contrib.auth.models import AbstractUser

from activity.addresses import numbered
from activity.listing import counted_time, link, short_time
from activity.names import then_and_now
from sessions_app.devices.models import RecognisedBy
from sessions_app.factors.fresh import confirmed_until
from sessions_app.logins.addresses import place_of
from sessions_app.logins.client_ip import UNIX_SOCKET
from sessions_app.logins.expiry import expiry
from sessions_app.logins.geolocation import UNKNOWN_CITY
from sessions_app.logins.marks import page_badges
from sessions_app.logins.models import AddressSource, LoginAddress, LoginSession, LogoutNote, Method
from sessions_app.logins.tables import (
    browser_text,
    location,
    network_text,
    second_factor_text,
    signed_in_text,
    state_badge,
    system_text,
    why_text,
)
from sessions_app.roles import sees_everything

RECOGNISED: dict[str, str] = {by.value: by.label for by in RecognisedBy}
WAYS = {
    AddressSource.PEER: "the address of the connection itself",
    AddressSource.HEADER: "from X-Forwarded-For, written by {}",
    AddressSource.PROXY: "the address of {} itself, which named no browser",
}
UNKNOWN = "not recorded"


@dataclasses.dataclass(frozen=True, slots=True)
class AddressShown:
    """One address of the trail, as the page shows it."""

    ip: str
    place: str
    network: str
    first: str
    last: str
    way: str
    is_current: bool


def login_facts(person: AbstractUser, login: LoginSession, current: LoginSession | None) -> dict[str, Any]:
    """Return the context of the page without what was opened. `current` is the viewer's own login session."""
    to_user = numbered("user", login.user_id) if sees_everything(person) or person.pk == login.user_id else ""
    name = then_and_now(login.user_name, login.user.get_username(), link(to_user, login.user_name))
    return {
        "state": state_badge(login, is_current=current is not None and login.pk == current.pk),
        "marks": page_badges(login),
        "sign_in": [("User", name), *_sign_in(login)],
        "ends": _ends(login),
        "device": _device(login),
        "addresses": _trail(login),
    }


def _sign_in(login: LoginSession) -> list[tuple[str, str]]:
    until = confirmed_until(login) if login.is_live else None
    rows = [
        ("Logged in", short_time(login.created_at)),
        ("Signed in with", signed_in_text(login) or UNKNOWN),
        ("Second factor", second_factor_text(login) or ("none" if login.signed_in_with else UNKNOWN)),
        ("Last confirmed", short_time(login.confirmed_at) if login.confirmed_at else "never"),
    ]
    if login.travel_kmh is not None:
        speed = f"{login.travel_kmh:,} km/h since another login; no aeroplane is that fast"
        rows.append(("Travel", speed))
    if login.is_live:
        rows.append(
            ("Confirmed until", short_time(until) if until else "expired; the console asks again when it is needed")
        )
    if login.must_enrol:
        rows.append(("Limited", "until a second factor is set up"))
    return rows


def _ends(login: LoginSession) -> list[tuple[str, str]]:
    """Return both limits of a live login session, or when and why it ended."""
    used = ("Last access", short_time(login.last_access_at))
    if login.ended_at is None and login.signed_in_with == Method.SSH_KEY:
        return [used, ("Ends", "with the last connection of the SSH client")]
    if login.ended_at is None:
        limits = expiry(login.created_at, login.last_access_at)
        return [
            used,
            ("Expires unused", counted_time(limits.idle_at)),
            ("Expires in any case", counted_time(limits.oldest_at)),
        ]
    by = login.ended_by.get_username() if login.ended_by else ""
    note = LogoutNote.objects.filter(login=login).values_list("text", flat=True).first()
    rows = [
        used,
        ("Ended", short_time(login.ended_at)),
        ("Why", why_text(login)),
        ("Ended by", by),
        ("Reason", note or ""),
    ]
    return [(label, value) for label, value in rows if value]


def _device(login: LoginSession) -> list[tuple[str, str]]:
    known = login.known_device
    recognised = RECOGNISED.get(login.recognised_by, UNKNOWN)
    rows = [
        ("Name", known.name or "none" if known else ""),
        ("Recognised", recognised),
        ("First seen", short_time(known.first_seen_at) if known else ""),
        ("Device", login.device),
        ("System", system_text(login)),
        ("Browser", browser_text(login)),
        ("User agent", login.user_agent),
    ]
    return [(label, value) for label, value in rows if value]


def _trail(login: LoginSession) -> Sequence[AddressShown]:
    """Return the addresses, the one last seen first. A login session from before they were kept has one."""
    kept = list(LoginAddress.objects.filter(login=login).order_by("-last_seen_at", "-pk"))
    if not kept and login.ip:
        kept = [_only_address(login)]
    shown = [_shown(address, login) for address in kept]
    return sorted(shown, key=lambda address: not address.is_current)


def _only_address(login: LoginSession) -> LoginAddress:
    times = {"first_seen_at": login.created_at, "last_seen_at": login.last_access_at}
    return LoginAddress(ip=login.ip or "", **times, **place_of(login))


def _shown(address: LoginAddress, login: LoginSession) -> AddressShown:
    is_current = address.ip == login.ip
    return AddressShown(
        ip=str(address.ip),
        place=_place(address),
        network=network_text(address),
        first=short_time(address.first_seen_at),
        last=short_time(login.last_access_at if is_current else address.last_seen_at),
        way=_way(address),
        is_current=is_current and login.is_live,
    )


def _place(address: LoginAddress) -> str:
    where = location(address)
    return where if where == address.city or address.city == UNKNOWN_CITY else f"{address.city}, {where}"


def _way(address: LoginAddress) -> str:
    if not address.source:
        return UNKNOWN
    proxies = ["the proxy on this machine" if one == UNIX_SOCKET else f"our proxy {one}" for one in _proxies(address)]
    return WAYS[AddressSource(address.source)].format(_farthest(proxies))


def _proxies(address: LoginAddress) -> list[str]:
    return [one for one in address.proxies.split(", ") if one]


def _farthest(proxies: Sequence[str]) -> str:
    """Return the proxy that saw the browser, and those after it, which passed the request on."""
    if not proxies:
        return "our proxy"
    *others, farthest = proxies
    return f"{farthest}, passed on by {', '.join(reversed(others))}" if others else farthest
