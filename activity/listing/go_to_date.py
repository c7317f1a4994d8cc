"""Find where a day begins in a list that is sorted by time, for the field "Go to date".

This module knows neither lists nor requests. A day begins at midnight in the viewer's time zone.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable

from django.utils import timezone

from activity.listing.cursors import cursor_to
from activity.listing.errors import BadListRequest
from activity.listing.keyset import Page
from activity.period import FIRST_DAY, LAST_DAY


def cursor_of_day(text: str, *, is_descending: bool) -> str:
    """Return the cursor before the first row of a day (2026-01-31) in the order of the list.

    Its value is the midnight at which the day begins, or at which the day ends if the newest rows come first. Raise
    BadListRequest for text that is no date.
    """
    try:
        day = min(max(dt.date.fromisoformat(text), FIRST_DAY), LAST_DAY)
    except ValueError as error:
        raise BadListRequest(f"“{text[:40]}” is not a date. Write it as 2026-01-31.") from error
    if is_descending:
        day += dt.timedelta(days=1)
    midnight = dt.datetime.combine(day, dt.time.min, timezone.get_current_timezone())
    return cursor_to(midnight.astimezone(dt.UTC), 0)


def page_from(read: Callable[..., Page], cursor: str) -> Page:
    """Return the page that begins after a cursor, or the last page if no row comes after it.

    The cursor need not belong to a row. `read` takes `after`, `before` or `last`.
    """
    page = read(after=cursor)
    if not page.rows:
        return read(last=True)
    if not read(before=page.previous).rows:
        page = dataclasses.replace(page, previous="")
    return page
