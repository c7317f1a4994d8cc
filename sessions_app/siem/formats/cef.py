"""Messages in the Common Event Format, version 0, as ArcSight and Microsoft Sentinel read it."""

from __future__ import annotations

import ipaddress

from activity.models import Level
from sessions_app.siem.message import PRODUCT, VENDOR, Message, version, visible

SEVERITIES = {Level.DEBUG: 1, Level.INFO: 3, Level.WARNING: 6, Level.ERROR: 8}


def body(message: Message) -> str:
    """Return the header and the extension. Pipes are escaped in the header, equals signs in the extension."""
    header = (VENDOR, PRODUCT, version(), message.verb, message.title)
    severity = SEVERITIES.get(Level(message.level), 3)
    return f"CEF:0|{'|'.join(map(_in_header, header))}|{severity}|{_extension(message)}"


def _extension(message: Message) -> str:
    is_ipv6 = bool(message.ip) and ipaddress.ip_address(message.ip).version == 6
    values: tuple[tuple[str, object], ...] = (
        ("rt", int(message.at.timestamp() * 1000)),
        ("externalId", message.key),
        ("cat", message.kind),
        ("act", message.verb),
        ("outcome", message.outcome),
        ("suid", message.actor_id),
        ("suser", message.actor),
        ("duid", message.user_id),
        ("duser", message.user),
        ("c6a2" if is_ipv6 else "src", message.ip),
        ("c6a2Label", "Source IPv6 Address" if is_ipv6 else ""),
        *_labelled("cn1", "Target ID", message.target_id),
        *_labelled("cn2", "Login session", message.login_id),
        *_labelled("cn3", "Entry ID", message.entry_id),
        *_labelled("cs1", "Target", message.target),
        *_labelled("cs2", "Target type", message.target_type),
        *_labelled("cs3", "Details", message.details_json()),
        ("msg", message.text),
    )
    return " ".join(f"{name}={_in_extension(str(value))}" for name, value in values if value not in (None, ""))


def _labelled(name: str, label: str, value: object) -> tuple[tuple[str, object], ...]:
    return ((f"{name}Label", label), (name, value)) if value not in (None, "") else ()


def _in_header(text: str) -> str:
    return visible(text).replace("\\", "\\\\").replace("|", "\\|")


def _in_extension(text: str) -> str:
    return visible(text).replace("\\", "\\\\").replace("=", "\\=")
