"""The list of recordings, and the list of what a search found in them."""

from __future__ import annotations

import datetime as dt
from urllib.parse import urlencode

from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.safestring import SafeString

from activity.listing import Card, Column, Table, badge, empty, link, short_time, span_of_time
from activity.names import now_column, then_and_now
from sessions_app.gateway.recordings.models import Recording, RecordingText
from sessions_app.help.hints import help_hint
from sessions_app.privileged.models import PrivilegedSession

MOST_OF_SESSION = 50  # on its page; the list of recordings has them all


def clock(seconds: float) -> str:
    """Return a time in a recording as text: 1:02:03 or 2:03."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def replay_url(recording_id: int, at: float | None = None, find: str = "") -> str:
    """Return the address of the replay from `at` seconds on, or a second before, so that one sees it come."""
    parameters = {"t": f"{max(at - 1, 0):.1f}"} if at is not None else {}
    if find:
        parameters["find"] = find
    query = f"?{urlencode(parameters)}" if parameters else ""
    return reverse("recording", args=[recording_id]) + query


def state(row: Recording) -> SafeString:
    """Return a badge that says whether the recording runs, is complete, or was removed."""
    if row.ended_at is None:
        return badge("info", "Running", "play")
    if row.removed_at is not None:
        return badge("plain", "Removed", "trash")
    if not row.is_complete:
        return badge("warning", "Incomplete", "warning")
    if row.is_truncated:
        return badge("warning", "Cut at its limit", "warning")
    return badge("success", "Complete", "check")


def _watch(row: Recording) -> str:
    if row.ended_at is None:
        return link(reverse("recording_live", args=[row.pk]), "Watch live")
    if row.removed_at is not None:
        return link(replay_url(row.pk), "Details")
    return link(replay_url(row.pk), "Replay")


def _command(row: Recording) -> str:
    return row.title or "Shell"


def _session(row: Recording) -> str:
    return link(reverse("session", args=[row.session_id]), row.session.activity_name)


def _user(row: Recording) -> str:
    """Return the user's name at the time, and the current one where they differ.

    `user_now` is an annotation of the list.
    """
    return then_and_now(row.session.user_name, getattr(row, "user_now", None))


def _user_of_line(row: RecordingText) -> str:
    return then_and_now(row.recording.session.user_name, getattr(row, "user_now", None))


def _duration(row: Recording) -> dt.timedelta | None:
    return row.duration if row.ended_at else None


def _shown_duration(row: Recording) -> str:
    return span_of_time(_duration(row))


def _size(row: Recording) -> str:
    return empty(filesizeformat(row.size) if row.size else "")


RECORDINGS_TABLE = Table(
    name="recordings",
    columns=(
        Column("started", "Started", "started_at", 165, sort="pk"),
        Column("watch", "Recording", "pk", 110, _watch, sort=""),
        Column("session", "Session", "session_id", 130, _session, sort=""),
        Column("user", "User", "session__user_name", 120, _user, sort=""),
        Column("host", "Host", "session__resource_name", 120, sort=""),
        Column("title", "Command", "title", 180, _command, sort=""),
        Column("duration", "Duration", width=110, cell=_shown_duration, csv=_duration, is_number=True),
        Column("size", "Size", "size", 100, _size, sort="", is_number=True),
        Column("state", "State", width=130, cell=state, csv=lambda r: "running" if r.ended_at is None else "ended"),
        Column("sha256", "SHA-256", "sha256", 220, sort="", is_hidden=True),
        now_column("user_now", "User now", "session__user", "session__user_name"),
    ),
    default_sort="-started",
    noun="recording",
    nouns="recordings",
    search=("title",),
    empty_text=help_hint(
        "Where the connection profile says so, terminals are recorded when people come through the gateway.",
        "recordings",
        "what-is-kept",
        "What a recording holds",
    ),
    row_name=lambda r: f"recording {r.pk}",
    opens="watch",
    card=Card("host", "state", "user", "started"),
    grows=("session", "user", "host"),
    flexible=("title", "session"),
    slow_csv="Duration and state are known from several fields.",
)


def _start(row: RecordingText) -> str:
    return short_time(row.recording.started_at)


def hits_table(find: str) -> Table:
    """Return the table of found lines, each of which links to the replay at its time."""

    def text(row: RecordingText) -> str:
        return link(replay_url(row.recording_id, row.at, find), row.text)

    return Table(
        name="recording-lines",
        columns=(
            Column("text", "On the screen", "text", 520, text, sort=""),
            Column("started", "Recording of", "recording__started_at", 165, _start, sort="pk"),
            Column("at", "At", "at", 80, lambda r: clock(r.at), lambda r: round(r.at, 3), sort="", is_number=True),
            Column("session", "Session", "recording__session_id", 130, lambda r: _session(r.recording), sort=""),
            Column("user", "User", "recording__session__user_name", cell=_user_of_line, sort=""),
            Column("host", "Host", "recording__session__resource_name", sort=""),
            now_column("user_now", "User now", "recording__session__user", "recording__session__user_name"),
        ),
        default_sort="-started",
        noun="line",
        nouns="lines",
        search=("text",),
        empty_text="",
        row_name=lambda r: f"line {r.pk}",
        row_class=lambda r: "wrap",
        opens="text",
        card=Card("text", text="host", note="started"),
        flexible=("text",),
        slow_csv="The place in the recording is rounded by Python.",
    )


def recordings_of(session: PrivilegedSession) -> list[dict[str, object]]:
    """Return the newest recordings of the session, for session_recordings.html."""
    return [
        {
            "pk": row.pk,
            "is_running": row.ended_at is None,
            "state": state(row),
            "started": short_time(row.started_at),
            "duration": span_of_time(row.duration) if row.ended_at else "",
            "title": row.title,
        }
        for row in Recording.objects.filter(session=session).order_by("-pk")[:MOST_OF_SESSION]
    ]


def facts_of(row: Recording) -> list[tuple[str, str]]:
    """Return what stands beside the replay: label and value of what is known."""
    connection = row.connection
    rows = [
        ("User", then_and_now(row.session.user_name, row.session.user.get_username())),
        ("Host", row.session.resource_name),
        ("Login account", row.session.login_account),
        ("Came in by", f"{connection.get_entry_point_display()} from {connection.address or 'an unknown address'}"),
        ("Client", connection.client),
        ("Command", row.title),
        ("Started", short_time(row.started_at)),
        ("Ended", short_time(row.ended_at)),
        ("Duration", span_of_time(row.duration)),
        ("Closed because", connection.get_end_reason_display() if connection.end_reason else ""),
        ("Removed", short_time(row.removed_at) if row.removed_at else ""),
        ("Bytes", f"{row.size:,}" if row.size else ""),
        ("SHA-256", row.sha256),
    ]
    return [(label, value) for label, value in rows if value]
