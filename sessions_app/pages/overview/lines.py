"""What the parts of the overview consist of."""

from __future__ import annotations

import dataclasses
import datetime as dt

from django.utils.html import format_html
from django.utils.safestring import SafeString

from activity.listing import relative_time
from sessions_app.privileged.models import PrivilegedSession
from sessions_app.privileged.status_badges import status_cell

MOST_LINES = 6  # of one part; the page that it links to has all


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """One line: a badge, a text that may be a link, what stands behind it, and a button."""

    text: str
    url: str = ""
    badge: str = ""
    aside: str = ""
    action: str = ""
    action_url: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Lines:
    """The content of a part. `more` holds the words and the address of a link to the page that has all of it."""

    lines: tuple[Line, ...]
    empty: str
    more: tuple[str, str] = ("", "")
    summary: str = ""


def session_line(session: PrivilegedSession, aside: str = "", action: str = "", action_url: str = "") -> Line:
    """Return a line that names and links the session, with its status."""
    return Line(str(session), session.get_absolute_url(), status_cell(session), aside, action, action_url)


def plain_line(session: PrivilegedSession, aside: str) -> Line:
    """Return the same without the status, for a part whose sessions all have one."""
    return Line(str(session), session.get_absolute_url(), aside=aside)


def when(label: str, time: dt.datetime | None, element_id: str) -> SafeString:
    """Return a label and a time that is counted from now. The id must be unique on the page."""
    return format_html("{} {}", label, relative_time(time, element_id))
