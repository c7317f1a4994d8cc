"""A login session in the words of a mail or a page: when, from where and with what it was."""

from __future__ import annotations

import datetime as dt
import re

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
    system = f"{login.os or 'an unknown system'} {login.os_version}"
    return no_link(f"{name_of(login)} {login.browser_version} on {system}")


def name_of(login: LoginSession) -> str:
    """Return the name of the browser."""
    return no_link(login.browser) or "Unknown browser"


def no_link(text: str) -> str:
    """Return a text without what a mail program would make a link of.

    Browsers say themselves what they are called, so a stranger's could be called like an address.
    """
    kept = re.sub(r"[^\w ().+-]|(?<!\d)\.|\.(?!\d)", "", text)
    return " ".join(kept.split())
