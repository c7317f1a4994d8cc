"""A login session in the words of a mail or a page: when, from where and with what it was."""

from __future__ import annotations

import datetime as dt

from sessions_app.logins.geolocation import UNKNOWN, Place
from sessions_app.logins.models import LoginSession


def facts(login: LoginSession, zone: dt.tzinfo) -> list[str]:
    """Return when, from where and with what the login was, one line each."""
    return [
        f"Time:    {login.created_at.astimezone(zone):%Y-%m-%d %H:%M %Z}",
        f"Place:   {place_of(login)} ({login.ip or 'unknown address'})",
        f"Browser: {browser_of(login)}",
    ]


def place_of(login: LoginSession) -> str:
    """Return the place in words, such as "Bern, Switzerland"."""
    where = Place(city=login.city, region=login.region, country=login.country)
    return "an unknown place" if where == UNKNOWN else str(where.label)


def browser_of(login: LoginSession) -> str:
    """Return browser and system in words, such as "Firefox 128 on Linux"."""
    browser = f"{login.browser or 'Unknown browser'} {login.browser_version}".strip()
    return f"{browser} on {login.os or 'an unknown system'} {login.os_version}".strip()
