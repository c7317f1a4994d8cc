"""Messages in the Log Event Extended Format, version 2.0, as IBM QRadar reads it."""

from __future__ import annotations

from activity.models import Level
from sessions_app.siem.message import PRODUCT, VENDOR, Message, version, visible

SEVERITIES = {Level.DEBUG: 1, Level.INFO: 3, Level.WARNING: 6, Level.ERROR: 8}
DELIMITER = "\t"  # written as x09 in the header; no value holds one, because visible() replaces it


def body(message: Message) -> str:
    """Return the header and the attributes. LEEF has no escape: a pipe in the header becomes a slash."""
    header = (VENDOR, PRODUCT, version(), message.verb)
    parts = "|".join(visible(part).replace("|", "/") for part in header)
    values: tuple[tuple[str, object], ...] = (
        ("devTime", int(message.at.timestamp() * 1000)),
        ("sev", SEVERITIES.get(Level(message.level), 3)),
        ("cat", message.verb.partition(".")[0]),
        ("externalId", message.key),
        ("entryId", message.entry_id),
        ("kind", message.kind),
        ("outcome", message.outcome),
        ("usrName", message.actor),
        ("usrId", message.actor_id),
        ("accountName", message.user),
        ("accountId", message.user_id),
        ("src", message.ip),
        ("resource", message.target),
        ("resourceType", message.target_type),
        ("resourceId", message.target_id),
        ("loginId", message.login_id),
        ("details", message.details_json()),
        ("msg", message.text),
    )
    shown = (f"{name}={visible(str(value))}" for name, value in values if value not in (None, ""))
    return f"LEEF:2.0|{parts}|x09|{DELIMITER.join(shown)}"
