"""Write times and durations for people: in full, without the date if it is today's, or counted from now."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator
from contextvars import ContextVar

from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

EMPTY = SafeString("–")

Here = tuple[dt.tzinfo, str, dt.datetime]  # the viewer's zone, the date of today there, and the time now

_here: ContextVar[Here | None] = ContextVar("activity_listing_here", default=None)


def _look_up_here() -> Here:
    zone, now = timezone.get_current_timezone(), timezone.now()
    return zone, now.astimezone(zone).date().isoformat(), now


@contextlib.contextmanager
def in_one_zone() -> Iterator[None]:
    """Write all times inside in the viewer's time zone, which is looked up once.

    To look it up for each of hundreds would cost as much as to write them.
    """
    token = _here.set(_look_up_here())
    try:
        yield
    finally:
        _here.reset(token)


def moment(value: dt.datetime | None) -> str:
    """Return a time in the viewer's zone as plain text, exact to the second."""
    if value is None:
        return EMPTY
    here = _here.get()
    zone = here[0] if here is not None else timezone.get_current_timezone()
    return value.astimezone(zone).isoformat(" ", "seconds")[:19]


def short_time(value: dt.datetime | None) -> str:
    """Return a time in the viewer's zone: without the date if it is today's, which then appears on hover.

    It is HTML only then. Lists write hundreds of these.
    """
    if value is None:
        return EMPTY
    zone, today, _ = _here.get() or _look_up_here()
    local = value.astimezone(zone)
    text = local.isoformat(" ", "seconds")[:19]
    if not text.startswith(today):
        return text
    return SafeString(f'<time title="{text} {zone_name(local)}">{text[11:]}</time>')  # safe: digits and a zone


def counted_time(value: dt.datetime) -> SafeString:
    """Return a time as short_time() does, and after it how far it is from now. This is for lists, where it is quick."""
    now = (_here.get() or _look_up_here())[2]
    return SafeString(f"{short_time(value)} <small>{relative_words(value, now)}</small>")  # safe: words of ours


def exact_time(value: dt.datetime) -> str:
    """Return a time in the viewer's zone in full, with the zone: 2026-11-29 15:10:22 CET."""
    local = value.astimezone((_here.get() or _look_up_here())[0])
    return f"{local.isoformat(' ', 'seconds')[:19]} {zone_name(local)}"


def zone_name(local: dt.datetime) -> str:
    """Return the short name of the zone of `local`, such as UTC or CEST; UTC+05 where the zone has none."""
    name = local.tzname() or ""
    return f"UTC{name}" if name.startswith(("+", "-")) else name


def relative_time(value: dt.datetime | None, element_id: str = "") -> SafeString:
    """Return a time counted from now, such as "in 23 min", as HTML. The exact time appears on hover and on focus.

    With an `element_id` that is unique on its page the focus stays when htmx exchanges the part around it.
    """
    if value is None:
        return EMPTY
    return format_html(
        '<time class="relative"{} tabindex="0" datetime="{}Z" title="{}">{}</time>',
        format_html(' id="{}"', element_id) if element_id else "",
        value.astimezone(dt.UTC).isoformat("T", "seconds")[:19],
        exact_time(value),
        relative_words(value, timezone.now()),
    )


def relative_words(value: dt.datetime, now: dt.datetime) -> str:
    """Return how far `value` is from `now` in words: "in 23 min", "2 h ago". Parts of a minute are left out.

    All words on a page change together when a minute begins, so that a page that refreshes itself changes once a
    minute. What is ahead is counted from the end of this minute, so that nobody is promised more time than there
    is.
    """
    since_minute = value - now.replace(second=0, microsecond=0)
    minutes = since_minute.days * 1440 + since_minute.seconds // 60  # lists ask for hundreds: // by a span is slower
    if value > now:
        return f"in {_minutes(minutes - 1)}" if minutes > 1 else "in less than 1 min"
    return f"{_minutes(-minutes)} ago" if minutes < 0 else "just now"


def _minutes(count: int) -> str:
    """Return a number of minutes in the units that matter: 23 min, 1 h 20 min, 5 h, 3 d."""
    if count < 60:
        return f"{count} min"
    hours, minutes = divmod(count, 60)
    if hours < 3 and minutes:
        return f"{hours} h {minutes} min"
    return f"{hours} h" if hours < 48 else f"{hours // 24} d"


def span_of_time(value: dt.timedelta | None) -> str:
    """Return a duration as people say it: 2 h 05 min, 3 min 10 s, 12 s."""
    if value is None:
        return EMPTY
    seconds = int(value.total_seconds())
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02} s"
    if seconds < 86400:
        return f"{seconds // 3600} h {seconds % 3600 // 60:02} min"
    return f"{seconds // 86400} d {seconds % 86400 // 3600:02} h"
