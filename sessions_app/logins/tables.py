"""The rows and columns of the list of login sessions."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable, Mapping
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import F, QuerySet
from django.utils.html import format_html
from django.utils.safestring import SafeString

from activity.addresses import numbered
from activity.listing import Card, Column, Table, badge, empty, link, short_time
from activity.names import name_now, now_column, renamed_to, then_and_now
from sessions_app.logins.expiry import expiry
from sessions_app.logins.marks import (
    abroad_word,
    city_cell,
    country_cell,
    device_cell,
    device_columns,
    device_group,
)
from sessions_app.logins.models import LOGIN_WORDS, EndReason, LoginAddress, LoginSession, Method, SecondFactor
from sessions_app.roles import Person, is_administrator, sees_everything

ENDED = badge("complete", "Ended", "flag")
METHODS: dict[str, str] = {method.value: method.label for method in Method}
FACTORS: dict[str, str] = {factor.value: factor.label for factor in SecondFactor}
REASONS = {reason.value: reason.label for reason in EndReason}
LOCATION = ("city", "region", "latitude", "longitude", "accuracy_km")


def logins_queryset(viewer: Person) -> QuerySet[LoginSession]:
    """Return the login sessions that `viewer` may see, live and ended.

    `ended_by_name`, `user_now` and `device_name` are the current names of the person who ended it, of its user and of
    its device, as columns instead of joined rows.
    """
    ended_by_name = F(f"ended_by__{get_user_model().USERNAME_FIELD}")
    return LoginSession.objects.visible_to(viewer).annotate(
        ended_by_name=ended_by_name, user_now=name_now(), device_name=F("known_device__name")
    )


def logins_table(viewer: Person, current: LoginSession | None = None) -> Table:
    """Return the columns that `viewer` sees. The list marks `current`, which is the viewer's own login session."""
    current_pk = current.pk if current is not None else None
    may_end_all, may_see_all = is_administrator(viewer), sees_everything(viewer)

    def user_cell(row: LoginSession) -> SafeString:
        linked = link(numbered("user", row.user_id) if may_see_all else "", row.user_name)
        return then_and_now(row.user_name, getattr(row, "user_now", None), linked)

    def state_cell(row: LoginSession) -> SafeString:
        return state_badge(row, is_current=row.pk == current_pk)

    return Table(
        name="logins",
        columns=(
            Column("user", "User", "user_name", 90, user_cell, reads=("user",)),
            *_origin_columns(),
            *_browser_columns(),
            *_sign_in_columns(),
            *_time_columns(),
            Column(
                "state", "State", "ended_at", 128, state_cell, _state_word, reads=("end_reason", "ended_by", "user")
            ),
            *_end_columns(),
            now_column("user_now", "User now", "user", "user_name"),
        ),
        default_sort="-last_access",
        noun="login session",
        nouns="login sessions",
        search=LOGIN_WORDS.columns,
        text_index=LOGIN_WORDS,
        search_also=functools.partial(renamed_to, paths=("user_id",)),
        empty_text="Each browser that logs in to this console is listed here.",
        is_selectable=True,
        row_name=lambda row: f"{row.user_name} with {row.browser or 'an unknown browser'}",
        refusals=_refusals(viewer.pk, may_end_all=may_end_all),
        row_class=lambda row: "current" if row.pk == current_pk else "",
        reads=("user_name", "browser", "os", "user", "ended_at"),
        grouped_by="device_number",
        group=device_group,
        opens="last_access",
        card=Card("user", "device", "location", "last_access"),
        grows=("user", "ip", "city", "country", "os", "browser", "state"),
        flexible=("location", "state", "browser"),
        slow_csv="Location, system and browser are written from several fields.",
    )


def _refusals(viewer_id: int | None, *, may_end_all: bool) -> Callable[[LoginSession], Mapping[str, str]]:
    refused: dict[str, Mapping[str, str]] = {"": {}}  # one result for all rows with the same reason

    def refusals(row: LoginSession) -> Mapping[str, str]:
        reason = refusal(row, viewer_id=viewer_id, may_end_all=may_end_all)
        return refused.setdefault(reason, {"logout": reason})

    return refusals


def refusal(login: LoginSession, *, viewer_id: int | None, may_end_all: bool) -> str:
    """Return why the person cannot log this browser out; an empty string if they can. The flow checks again."""
    if not login.is_live:
        return "This login session is over already."
    if login.user_id != viewer_id and not may_end_all:
        return "Only administrators log other people out."
    return ""


def location(row: LoginSession | LoginAddress) -> str:
    """Return region, country and the approximate coordinates: "Bern, Switzerland (46.95, 7.45 ± 20 km)"."""
    area = ", ".join(part for part in (row.region, row.country) if part)
    if row.latitude is None or row.longitude is None:
        return area or row.city
    point = f"{row.latitude:.2f}, {row.longitude:.2f}"
    if row.accuracy_km is not None:
        point += f" ± {row.accuracy_km} km"
    return f"{area} ({point})" if area else point


def network_text(row: LoginSession | LoginAddress) -> str:
    """Return whose network the address belongs to, with its number: "Example Net (AS64496)"; empty if unknown."""
    number = f"AS{row.asn}" if row.asn is not None else ""
    return f"{row.network} ({number})" if row.network and number else row.network or number


def signed_in_text(row: LoginSession) -> str:
    """Return the first step of the login; empty for a login from before the console wrote it down."""
    first = METHODS.get(row.signed_in_with, "")
    return f"{first} ({row.provider})" if row.provider else first


def second_factor_text(row: LoginSession) -> str:
    """Return the second step of the login; empty if there was none."""
    return FACTORS.get(row.second_factor, "")


def expires(row: LoginSession) -> dt.datetime | None:
    """Return when the login session ends unless it is used; None for an ended one.

    It is by the settings of now. The stored time, by which the list is sorted, is by those of the last use.
    """
    return expiry(row.created_at, row.last_access_at).at if row.is_live else None


def _text_column(
    key: str, label: str, path: str, width: int, words: Callable[[LoginSession], str], **more: Any
) -> Column:
    """Return a column that shows and downloads what `words` says of a row."""
    return Column(key, label, path, width, lambda row: empty(words(row)), words, **more)


def _origin_columns() -> tuple[Column, ...]:
    return (
        Column("ip", "Public IP", "ip", 100),
        Column("country", "Country", "country", 112, country_cell, reads=("is_abroad",)),
        Column("city", "City", "city", 90, city_cell, reads=("travel_kmh",)),
        Column("location", "Location", "country", 78, location, location, reads=LOCATION),
        Column("country_code", "Country code", "country_code", 110, sort="", is_hidden=True),
        Column("abroad", "From abroad", "is_abroad", 110, csv=abroad_word, sort="", is_hidden=True),
        Column("travel", "Travel (km/h)", "travel_kmh", 110, sort="", is_number=True, is_hidden=True),
        _text_column("network", "Network", "network", 150, network_text, reads=("asn",), is_hidden=True),
    )


def _browser_columns() -> tuple[Column, ...]:
    """Return the columns about the browser.

    The user agent cannot be sorted by, because the three columns before it are made from it.
    """
    return (
        Column("device", "Device details", "device", 112, device_cell, reads=("recognised_by", "device_name")),
        _text_column("os", "OS details", "os", 85, system_text, reads=("os_version",)),
        _text_column("browser", "Browser details", "browser", 118, browser_text, reads=("browser_version",)),
        Column("user_agent", "User agent", "user_agent", 320, sort="", is_hidden=True),
        *device_columns(),
    )


def _sign_in_columns() -> tuple[Column, ...]:
    return (
        _text_column(
            "signed_in",
            "Signed in with",
            "signed_in_with",
            125,
            signed_in_text,
            reads=("provider",),
            is_hidden=True,
        ),
        _text_column("second_factor", "Second factor", "second_factor", 140, second_factor_text, is_hidden=True),
    )


def _time_columns() -> tuple[Column, ...]:
    def last_access(row: LoginSession) -> SafeString:
        return link(numbered("login_detail", row.pk), short_time(row.last_access_at))

    return (
        Column("logged_in", "Logged in", "created_at", 162, is_hidden=True),
        Column("last_access", "Last access time", "last_access_at", 162, last_access),
        Column(
            "expires",
            "Expires",
            "expires_at",
            162,
            lambda row: short_time(expires(row)),
            expires,
            reads=("created_at", "last_access_at"),
            is_hidden=True,
        ),
    )


def _end_columns() -> tuple[Column, ...]:
    """Return the columns about the end, which the state column shows in one cell, for sorting and for downloads.

    "Ended by" is the current name. It cannot be sorted by, because it is in the table of users, which no index of login
    sessions covers.
    """
    return (
        Column("ended", "Ended", "ended_at", 160, is_hidden=True),
        Column("ended_by", "Ended by (now)", "ended_by_name", csv=_ended_by, sort="", is_hidden=True),
        _text_column("reason", "Why it ended", "end_reason", 220, why_text, is_hidden=True),
    )


def system_text(row: LoginSession) -> str:
    """Return the operating system and its version."""
    return f"{row.os} {row.os_version}".strip()


def browser_text(row: LoginSession) -> str:
    """Return the browser and its version."""
    return f"{row.browser} {row.browser_version}".strip()


def _state_word(row: LoginSession) -> str:
    return "live" if row.is_live else "ended"


def why_text(row: LoginSession) -> str:
    """Return why the login session ended; an empty string for a live one."""
    return REASONS.get(row.end_reason, "")


def _ended_by(row: Any) -> str:
    return row.ended_by_name or ""  # an annotation of logins_queryset()


def state_badge(row: LoginSession, *, is_current: bool) -> SafeString:
    """Return whether the login session is live, as icon and text. Load an ended one by logins_queryset()."""
    if row.ended_at is None:
        return badge("available", "This browser" if is_current else "Live", "check")
    by = _ended_by(row) if row.ended_by_id != row.user_id else ""
    why = f"{why_text(row)}{f' ({by})' if by else ''}"
    return format_html("{} <small>{}, {}</small>", ENDED, why, short_time(row.ended_at))
