"""Where a login comes from: its browser, the place of its address, its device, and what is unusual about them."""

from __future__ import annotations

import dataclasses
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest

from activity import log
from activity.models import Level
from activity.text import plain
from activity.verbs import Verb
from sessions_app.devices import cookie
from sessions_app.devices.models import RecognisedBy
from sessions_app.devices.recognition import Origin, Sighting, network_of, recognise
from sessions_app.logins import device, geolocation, networks
from sessions_app.logins.abroad import is_abroad
from sessions_app.logins.models import LoginSession, NewDeviceNotice
from sessions_app.logins.travel import Travel


def browser_of(request: HttpRequest) -> dict[str, str]:
    """Return what the browser says about itself, cut to the lengths of the columns by device.py."""
    hints = device.hints_from(request.META)
    if request.COOKIES.get("touch") == "1":
        hints["touch"] = "1"
    user_agent = plain(request.headers.get("User-Agent", ""), 512)
    return {"user_agent": user_agent, **dataclasses.asdict(device.describe(user_agent, hints))}


def address_of(ip: str, user_id: int, *, but: int | None = None) -> dict[str, Any]:
    """Return the fields of an address: where it is, whose network, and whether that is abroad for the user.

    `but` is the number of a login session that does not count for what is usual.
    """
    where, network = geolocation.locate(ip), networks.network_of(ip)
    return {
        "is_abroad": is_abroad(user_id, where.country_code, but=but),
        "ip": ip or None,
        "city": where.city,
        "region": where.region,
        "country": where.country,
        "country_code": where.country_code,
        "latitude": where.latitude,
        "longitude": where.longitude,
        "accuracy_km": where.accuracy_km,
        "asn": network.number,
        "network": network.name,
    }


def device_of(
    request: HttpRequest, user: AbstractBaseUser, browser: dict[str, str], address: dict[str, Any]
) -> Sighting:
    """Return the device of the login. The account's row must be locked."""
    origin = Origin(
        kind=browser["device"],
        os=browser["os"],
        browser=browser["browser"],
        country_code=address["country_code"],
        network=network_of(address["ip"] or "", address["asn"]),
    )
    seen_before = LoginSession.objects.filter(user_id=user.pk, recognised_by__in=RecognisedBy.values)
    return recognise(user.pk, cookie.ids_of(request), origin, has_history=seen_before.exists)


def note_marks(login: LoginSession, user: AbstractBaseUser, travel: Travel | None) -> None:
    """Log a journey that no aeroplane covers, and note a new device, which a worker mails to the person."""
    if travel is not None:
        log.record(
            Verb.LOGIN_TRAVEL,
            f"{login.user_name} logged in from {login.city}: {travel.text}",
            user=user,
            target=login,
            level=Level.WARNING,
            details={"km": travel.km, "minutes": travel.minutes, "kmh": travel.kmh, "earlier": travel.earlier.pk},
        )
    if login.is_from_new_device:
        NewDeviceNotice.objects.create(login=login, user_id=user.pk)
