"""Says whether a login comes from a device that the person has used before."""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from django.utils import timezone

from sessions_app.devices import cookie
from sessions_app.devices.models import Device, RecognisedBy

ALIKE_FOR = dt.timedelta(days=30)  # since a device with the same browser, country and network was last used
MOST_DEVICES = 50  # of one person; the unnamed one that was used longest ago is forgotten first
NETWORK_BITS = {4: 24, 6: 48}  # of an address whose network nobody names


@dataclass(frozen=True, slots=True)
class Origin:
    """What a login shows of its device, and where it comes from."""

    kind: str
    os: str
    browser: str
    country_code: str
    network: str


@dataclass(frozen=True, slots=True)
class Sighting:
    """The device of a login, how it was recognised, and the cookie for its browser."""

    device: Device
    by: RecognisedBy
    cookie: str


def network_of(ip: str, number: int | None = None) -> str:
    """Return the autonomous system with this number, such as "AS64500".

    Without a number it is the network that the address is in: a /24, or a /48 of IPv6; an empty string without an
    address.
    """
    if number:
        return f"AS{number}"
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return ""
    return str(ipaddress.ip_network((address, NETWORK_BITS[address.version]), strict=False))


def recognise(
    user_id: int,
    ids: Mapping[str, str],
    origin: Origin,
    *,
    has_history: Callable[[], bool],
    now: dt.datetime | None = None,
) -> Sighting:
    """Return the device of a login of this person, which is stored as used now.

    1. A device is known by the id in the cookie.

    2. Without one it is known if a device of the last 30 days had the same browser, country and network. It gets a row
    and an id of its own, because two such browsers are two devices.

    3. Otherwise it is new, unless it is the first that the console ever sees of this person (`has_history`).

    Call it inside a transaction that holds the account's row, so that of two logins at the same moment the second one
    sees the device of the first.
    """
    now = now or timezone.now()
    device_id = str(ids.get(str(user_id), ""))
    seen = {
        "kind": origin.kind,
        "os": origin.os,
        "browser": origin.browser,
        "country_code": origin.country_code,
        "network": origin.network,
        "last_seen_at": now,
    }
    mine = Device.objects.filter(user_id=user_id)
    if device_id and (known := mine.filter(secret_hash=cookie.hash_id(user_id, device_id)).first()) is not None:
        mine.filter(pk=known.pk).update(**seen)
        return Sighting(known, RecognisedBy.COOKIE, cookie.with_id(ids, user_id, device_id))
    by = _without_cookie(user_id, origin, now, has_history)
    device_id = cookie.new_id()
    device = Device.objects.create(
        user_id=user_id, secret_hash=cookie.hash_id(user_id, device_id), first_seen_at=now, **seen
    )
    _forget_oldest(user_id)
    return Sighting(device, by, cookie.with_id(ids, user_id, device_id))


def _without_cookie(user_id: int, origin: Origin, now: dt.datetime, has_history: Callable[[], bool]) -> RecognisedBy:
    recent = Device.objects.filter(user_id=user_id, last_seen_at__gt=now - ALIKE_FOR)
    alike = recent.filter(browser=origin.browser, country_code=origin.country_code, network=origin.network)
    if origin.network and alike.exists():  # two unknown networks are not one
        return RecognisedBy.ALIKE
    if Device.objects.filter(user_id=user_id).exists() or has_history():
        return RecognisedBy.NEW
    return RecognisedBy.FIRST


def _forget_oldest(user_id: int) -> None:
    """Forget the unnamed devices beyond the limit, such as those of private windows, which keep no cookie."""
    unnamed = Device.objects.filter(user_id=user_id, name="").order_by("-last_seen_at", "-pk")
    beyond = list(unnamed.values_list("pk", flat=True)[MOST_DEVICES:])
    if beyond:
        Device.objects.filter(pk__in=beyond).delete()
