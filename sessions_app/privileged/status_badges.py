"""How the status of a session looks: its badge, and in a word or two what is to be said beside it."""

from __future__ import annotations

from django.utils.html import format_html
from django.utils.safestring import SafeString

from activity.listing import badge
from sessions_app.privileged.models import ENDED, WITHDRAWN, ControlKind, PrivilegedSession, Status

ICONS = {
    Status.PENDING: "clock",
    Status.WAITING: "hourglass",
    Status.PROVISIONING: "gear",
    Status.AVAILABLE: "check",
    Status.LOGGED_IN: "user",
    Status.LOCKED: "lock",
    Status.CANCELING: "arrow-undo",
    Status.COMPLETE: "flag",
    Status.CANCELED: "x",
    Status.DENIED: "ban",
    Status.FAILED: "error",
    Status.APPROVAL_FAILED: "warning",
}
WITHDRAWN_BADGE = format_html(
    '{} <small title="{}">withdrawn</small>',
    badge(Status.COMPLETE.value, Status.COMPLETE.label, ICONS[Status.COMPLETE]),
    WITHDRAWN,
)
BADGES = {status.value: badge(status.value, status.label, icon) for status, icon in ICONS.items()}
ASKED = {
    ControlKind.LOCK: "lock requested",
    ControlKind.UNLOCK: "unlock requested",
    ControlKind.DISCONNECT: "cut requested",
    ControlKind.EXTEND: "extension requested",
}


def status_cell(session: PrivilegedSession) -> SafeString:
    """Return the badge, and whether a control is only requested or already enforced on the resource."""
    shown = BADGES[session.status]
    if session.status in ENDED:
        return WITHDRAWN_BADGE if session.is_withdrawn else shown
    note, more = _status_note(session, Status(session.status))
    return format_html('{} <small title="{}">{}</small>', shown, more, note) if note else shown


def _status_note(session: PrivilegedSession, status: Status) -> tuple[str, str]:
    """Return what stands behind the badge, in a word or two because columns are narrow, and what it says on hover."""
    asked = getattr(session, "open_control", None)
    if asked:
        return ASKED[ControlKind(asked)], ""
    if status == Status.LOCKED:
        return "enforced", ""
    if session.last_error and status in (Status.CANCELING, Status.PROVISIONING):
        return "stuck", f"tried {session.attempts} time{'s' if session.attempts != 1 else ''}"
    return "", ""
