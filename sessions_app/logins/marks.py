"""What marks a login in lists: from abroad, from too far away for the time, from a new device."""

from __future__ import annotations

from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from activity.listing import Column, badge, empty
from sessions_app.devices.models import RecognisedBy
from sessions_app.logins.models import LoginSession

ABROAD = '<span title="Another country than usual">{}<span class="visually-hidden"> (from abroad)</span></span>'
# A small badge before the name of the city, which is often too long to stand in one.
TRAVEL = (
    '<b class="badge badge-warning i-bolt" title="No aeroplane is that fast: {} km/h since another login">'
    '<span class="visually-hidden">Too far away for the time: </span></b> {}'
)
# The drawing says which kind of device it is, for which there is no room beside "New".
NEW = '<span title="{} that the console did not know">New<span class="visually-hidden"> ({})</span></span>'
NAMED = '<span title="{} ({})">{}</span>'
RECOGNISED: dict[str, str] = {by.value: by.label for by in RecognisedBy}
DEVICE_ICONS = {
    "Desktop": "desktop",
    "Mobile": "mobile",
    "Tablet": "tablet",
    "TV": "tv",
    "Bot": "bot",
    "SSH client": "terminal",
}


def country_cell(row: LoginSession) -> str:
    """Return the country, marked where it is another than the person's usual one."""
    if not row.is_abroad:
        return empty(row.country)
    return badge("warning", format_html(ABROAD, row.country), "globe")


def city_cell(row: LoginSession) -> str:
    """Return the city, marked where no aeroplane is fast enough for the time since another login."""
    if row.travel_kmh is None:
        return row.city
    return format_html(TRAVEL, f"{row.travel_kmh:,}", row.city)


def device_cell(row: Any) -> SafeString:
    """Return the kind of device and the name that its person gave it, marked where the console did not know it.

    The drawing says the kind, so that the name has its place.
    """
    icon, name = DEVICE_ICONS.get(row.device, "question"), row.device_name  # an annotation of logins_queryset()
    if row.is_from_new_device:
        mark = badge("warning", format_html(NEW, row.device, row.device), icon)
        return format_html("{} {}", mark, name) if name else mark
    return badge("plain", format_html(NAMED, name, row.device, name) if name else row.device, icon)


def page_badges(row: LoginSession) -> SafeString:
    """Return the badges beside the heading of a login's page."""
    badges = []
    if row.is_from_new_device:
        badges.append(badge("warning", "New device", "plus"))
    if row.is_abroad:
        badges.append(badge("warning", "From abroad", "globe"))
    if row.travel_kmh is not None:
        badges.append(badge("warning", "Too far away for the time", "bolt"))
    return format_html_join(" ", "{}", ((one,) for one in badges))


def abroad_word(row: LoginSession) -> str:
    return "yes" if row.is_abroad else "no"


def device_columns() -> tuple[Column, ...]:
    """Return the columns about the known device. Only its number has an index, which groups logins by device."""

    def recognised(row: LoginSession) -> str:
        return RECOGNISED.get(row.recognised_by, "")

    return (
        Column("device_number", "Device number", "known_device_id", 110, is_number=True, is_hidden=True),
        Column("device_name", "Device name (now)", "device_name", 150, sort="", is_hidden=True),
        Column(
            "recognised",
            "Device recognised",
            "recognised_by",
            190,
            lambda row: empty(recognised(row)),
            recognised,
            sort="",
            is_hidden=True,
        ),
    )


def device_group(row: Any) -> tuple[object, str]:
    """Return what tells the devices of a list apart, and the words for the device: "alice: work laptop"."""
    if row.known_device_id is None:
        return None, "No known device"
    words = row.device_name or f"{row.browser or 'Unknown browser'} on {row.os or 'an unknown system'}"
    return row.known_device_id, f"{row.user_name}: {words}"
