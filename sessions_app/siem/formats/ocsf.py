"""Messages as JSON after the Open Cybersecurity Schema Framework, version 1.5.0.

Logins are Authentication (3002), changes of accounts and their factors are Account Change (3001), everything else is
API Activity (6003). Source of the classes: schema.ocsf.io, version 1.5.0.
"""

from __future__ import annotations

import datetime as dt
import socket
from collections.abc import Mapping
from typing import Any

from activity.models import Level, Outcome
from activity.verbs import Verb
from sessions_app.siem.message import PRODUCT, VENDOR, Message, as_json, version

VERSION = "1.5.0"
AUTHENTICATION, ACCOUNT_CHANGE, API_ACTIVITY = 3002, 3001, 6003
CLASSES = {
    AUTHENTICATION: ("Authentication", 3, "Identity & Access Management"),
    ACCOUNT_CHANGE: ("Account Change", 3, "Identity & Access Management"),
    API_ACTIVITY: ("API Activity", 6, "Application Activity"),
}
SEVERITIES = {
    Level.DEBUG: (1, "Informational"),
    Level.INFO: (1, "Informational"),
    Level.WARNING: (3, "Medium"),
    Level.ERROR: (4, "High"),
}
OTHER = (99, "Other")
LOGON, LOGOFF = (1, "Logon"), (2, "Logoff")
OF_AUTHENTICATION: Mapping[str, tuple[int, str]] = {
    Verb.LOGIN: LOGON,
    Verb.LOGIN_FAILED: LOGON,
    Verb.LOGIN_THROTTLED: LOGON,
    Verb.BREAK_GLASS_USED: LOGON,
    Verb.LOGOUT: LOGOFF,
    Verb.LOGOUT_FORCED: LOGOFF,
    Verb.LOGOUT_EVERYWHERE: LOGOFF,
}
OF_ACCOUNTS: Mapping[str, tuple[int, str]] = {
    Verb.PASSWORD_CHANGED: (3, "Password Change"),
    Verb.ACCOUNT_IDLE: (5, "Disable"),
    Verb.ACCOUNT_LOCKED: (9, "Lock"),
    Verb.ACCOUNT_UNLOCKED: (12, "Unlock"),
    Verb.FACTOR_ADDED: (10, "MFA Factor Enable"),
    Verb.FACTOR_REMOVED: (11, "MFA Factor Disable"),
    Verb.FACTORS_RESET: (11, "MFA Factor Disable"),
}
AUTHENTICATES = {"login", Verb.FACTOR_CONFIRMED, Verb.FACTOR_FAILED, Verb.RECOVERY_CODE_USED}
CHANGES_ACCOUNTS = {"account", "identity", "factor"}
CREATE, READ, UPDATE, DELETE = (1, "Create"), (2, "Read"), (3, "Update"), (4, "Delete")
# The ends of verbs, and which of the four things an API does they are.
OF_API = {
    **dict.fromkeys(("added", "created", "requested", "signed", "token_made", "password_given", "imported"), CREATE),
    **dict.fromkeys(("viewed", "copied", "watched", "downloaded", "fetched", "csv", "began", "checked"), READ),
    **dict.fromkeys(("changed", "locked", "unlocked", "extended", "rotated", "updated", "approved", "named"), UPDATE),
    **dict.fromkeys(("removed", "deleted", "pruned", "forgotten", "token_revoked"), DELETE),
}


def body(message: Message) -> str:
    """Return the event as compact JSON."""
    return as_json(event(message))


def event(message: Message) -> dict[str, Any]:
    """Return the event with everything that its class requires."""
    class_uid, (activity_id, activity) = _class_of(message.verb)
    name, category_uid, category = CLASSES[class_uid]
    severity_id, severity = SEVERITIES.get(Level(message.level), (1, "Informational"))
    is_success = message.outcome == Outcome.SUCCESS
    return {
        "class_uid": class_uid,
        "class_name": name,
        "category_uid": category_uid,
        "category_name": category,
        "activity_id": activity_id,
        "activity_name": activity,
        "type_uid": class_uid * 100 + activity_id,
        "type_name": f"{name}: {activity}",
        "time": int(message.at.timestamp() * 1000),
        "severity_id": severity_id,
        "severity": severity,
        "status_id": 1 if is_success else 2,
        "status": "Success" if is_success else "Failure",
        "status_detail": message.outcome,
        "message": message.text,
        "metadata": _metadata(message),
        "actor": _actor(message),
        **_of_class(class_uid, message),
        "unmapped": _unmapped(message),
    }


def _class_of(verb: str) -> tuple[int, tuple[int, str]]:
    group, _, action = verb.partition(".")
    if group in AUTHENTICATES or verb in AUTHENTICATES:
        return AUTHENTICATION, OF_AUTHENTICATION.get(verb, OTHER)
    if group in CHANGES_ACCOUNTS:
        return ACCOUNT_CHANGE, OF_ACCOUNTS.get(verb, OTHER)
    return API_ACTIVITY, OF_API.get(action, OTHER)


def _metadata(message: Message) -> dict[str, Any]:
    return {
        "version": VERSION,
        "uid": message.key,
        "event_code": message.verb,
        "log_name": "activity log",
        "original_time": message.at.astimezone(dt.UTC).isoformat(),
        "product": {"name": PRODUCT, "vendor_name": VENDOR, "version": version()},
    }


def _of_class(class_uid: int, message: Message) -> dict[str, Any]:
    source = {"src_endpoint": {"ip": message.ip}} if message.ip else {}
    if class_uid == API_ACTIVITY:
        resource = {"type": message.target_type, "uid": _text(message.target_id), "name": message.target}
        shown = {name: value for name, value in resource.items() if value}
        return {
            "api": {"operation": message.verb, "service": {"name": PRODUCT}},
            "src_endpoint": {"ip": message.ip} if message.ip else {"hostname": socket.gethostname()},
            **({"resources": [shown]} if shown else {}),
        }
    user = {"user": _user(message.user_id, message.user or message.actor)}
    if class_uid == AUTHENTICATION:
        session = {"session": {"uid": _text(message.login_id)}} if message.login_id else {}
        return {**user, "service": {"name": PRODUCT}, **source, **session}
    return {**user, **source}


def _actor(message: Message) -> dict[str, Any]:
    return {"user": _user(message.actor_id, message.actor), "app_name": PRODUCT}


def _user(uid: int | None, name: str) -> dict[str, Any]:
    """Return a user of the schema: a person, an application, or the console itself."""
    if uid is None and not name:
        return {"name": PRODUCT, "type_id": 3, "type": "System"}
    return {"name": name or _text(uid), **({"uid": _text(uid)} if uid is not None else {})}


def _text(number: int | None) -> str:
    return "" if number is None else str(number)


def _unmapped(message: Message) -> dict[str, Any]:
    values = {
        "kind": message.kind,
        "entry_id": message.entry_id,
        "verb": message.verb,
        "level": Level(message.level).name.lower(),
        "outcome": message.outcome,
        "user_id": message.user_id,
        "user": message.user,
        "target_type": message.target_type,
        "target_id": message.target_id,
        "target": message.target,
        "login_id": message.login_id,
        "details": message.details,
    }
    return {name: value for name, value in values.items() if value not in (None, "", {})}
