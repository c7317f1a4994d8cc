"""The list of recordings, and the list of what a search found in them."""

from __future__ import annotations

from urllib.parse import urlencode

from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.safestring import SafeString

from activity.listing import Column, Table, badge, empty, link, moment, span_of_time
from activity.names import now_column, then_and_now
from sessions_app.gateway.recordings.models import Recording, RecordingText
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


RECORDINGS_TABLE = Table(
    name="recordings",
    columns=(
        Column("started", "Started", lambda r: moment(r.started_at), "pk", lambda r: r.started_at, 165),
        Column("watch", "Recording", _watch, csv=lambda r: r.pk, width=110),
        Column("session", "Session", _session, csv=lambda r: r.session_id, width=160),
        Column("user", "User", _user, csv=lambda r: r.session.user_name, width=140),
        Column("host", "Host", lambda r: r.session.resource_name, csv=lambda r: r.session.resource_name, width=140),
        Column("title", "Command", _command, csv=lambda r: r.title, width=220),
        Column(
            "duration",
            "Duration",
            lambda r: span_of_time(r.duration if r.ended_at else None),
            csv=lambda r: r.duration if r.ended_at else None,
            width=110,
            is_number=True,
        ),
        Column(
            "size",
            "Size",
            lambda r: empty(filesizeformat(r.size) if r.size else ""),
            csv=lambda r: r.size,
            width=100,
            is_number=True,
        ),
        Column("state", "State", state, csv=lambda r: "running" if r.ended_at is None else "ended", width=130),
        Column("sha256", "SHA-256", lambda r: empty(r.sha256), csv=lambda r: r.sha256, width=220, is_hidden=True),
        now_column("user_now", "User now", "session__user", "session__user_name"),
    ),
    default_sort="-started",
    noun="recording",
    nouns="recordings",
    search=("title",),
    empty_text="Where the connection profile says so, terminals are recorded when people come through the gateway.",
    row_name=lambda r: f"recording {r.pk}",
)


def _start(row: RecordingText) -> str:
    return moment(row.recording.started_at)


def hits_table(find: str) -> Table:
    """Return the table of found lines, each of which links to the replay at its time."""

    def text(row: RecordingText) -> str:
        return link(replay_url(row.recording_id, row.at, find), row.text)

    return Table(
        name="recording-lines",
        columns=(
            Column("text", "On the screen", text, csv=lambda r: r.text, width=520),
            Column("started", "Recording of", _start, "pk", lambda r: r.recording.started_at, 165),
            Column("at", "At", lambda r: clock(r.at), csv=lambda r: round(r.at, 3), width=80, is_number=True),
            Column(
                "session",
                "Session",
                lambda r: _session(r.recording),
                csv=lambda r: r.recording.session_id,
                width=130,
            ),
            Column("user", "User", _user_of_line, csv=lambda r: r.recording.session.user_name),
            Column(
                "host",
                "Host",
                lambda r: r.recording.session.resource_name,
                csv=lambda r: r.recording.session.resource_name,
            ),
            now_column("user_now", "User now", "recording__session__user", "recording__session__user_name"),
        ),
        default_sort="-started",
        noun="line",
        nouns="lines",
        search=("text",),
        empty_text="",
        row_name=lambda r: f"line {r.pk}",
        row_class=lambda r: "wrap",
    )


def recordings_of(session: PrivilegedSession) -> list[dict[str, object]]:
    """Return the newest recordings of the session, for session_recordings.html."""
    return [
        {
            "pk": row.pk,
            "is_running": row.ended_at is None,
            "state": state(row),
            "started": moment(row.started_at),
            "duration": span_of_time(row.duration) if row.ended_at else "",
            "title": row.title,
        }
        for row in Recording.objects.filter(session=session).order_by("-pk")[:MOST_OF_SESSION]
    ]
