"""How much time a session has left, as the bar on its page and above its terminal says it.

static/time-left.js counts on in the same words.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString

from activity.listing import moment
from sessions_app.privileged.models import HOLDS_GRANT, PrivilegedSession

SHORT = dt.timedelta(minutes=5)  # from then on the bar looks urgent


@dataclass(frozen=True, slots=True)
class TimeLeft:
    """The time of a session that holds rights, at one moment."""

    start_at: dt.datetime
    end_at: dt.datetime
    now: dt.datetime
    extension_by: dt.timedelta
    extensions_left: int
    extension_limit: int  # 0 where the profile allows none

    @property
    def seconds(self) -> int:
        """Return the whole seconds that are left, never less than 0."""
        return max(0, int((self.end_at - self.now).total_seconds()))

    @property
    def whole(self) -> int:
        """Return the seconds from the start to the end."""
        return max(1, int((self.end_at - self.start_at).total_seconds()))

    @property
    def words(self) -> str:
        return f"{short_span(self.seconds)} left" if self.seconds else "The time is over"

    @property
    def extension(self) -> str:
        """Return by how much one extension moves the end."""
        return short_span(int(self.extension_by.total_seconds()))

    @property
    def is_short(self) -> bool:
        return self.seconds < SHORT.total_seconds()

    @property
    def until(self) -> str:
        """Return the end in the viewer's zone, without the date if that is today's."""
        day, _, clock = moment(self.end_at).partition(" ")
        return clock[:5] if day == moment(self.now)[:10] else f"{day} {clock[:5]}"

    @property
    def exactly(self) -> str:
        return moment(self.end_at)

    def ticking(self) -> SafeString:
        """Return the part of the bar that the time alone changes, for refreshing_pages.live_response()."""
        return render_to_string("sessions_app/privileged/_time_left_now.html", {"time_left": self})


def time_left(session: PrivilegedSession) -> TimeLeft | None:
    """Return the time that is left; None if the session holds no rights. Load `session` with its profile."""
    if session.status not in HOLDS_GRANT or session.start_at is None or session.end_at is None:
        return None
    limit, by = session.profile.extension_limit, session.profile.extension_by
    allowed = limit if by > dt.timedelta(0) else 0
    left = max(allowed - session.extensions, 0)
    return TimeLeft(session.start_at, session.end_at, timezone.now(), by, left, allowed)


def short_span(seconds: int) -> str:
    """Return a time as people say it, without what is too small to matter: 2 h, 1 h 12 min, 45 s."""
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60} min" if minutes % 60 else f"{hours} h"
    return f"{minutes} min" if minutes else f"{seconds} s"
