"""Every verb that the activity log knows. A verb is an enum member, never a free string.

Stored values are `object.action`; they are part of the CSV format and so never renamed.
"""

from django.db import models


class Verb(models.TextChoices):
    """What was done. The label is what people read in filters and on pages."""

    LOGIN = "login.succeeded", "Logged in"
    LOGIN_FAILED = "login.failed", "Login failed"
    LOGIN_THROTTLED = "login.throttled", "Login refused for too many failures"
    LOGIN_MOVED = "login.moved", "Login moved to another address"
    LOGOUT = "login.ended", "Logged out"
    LOGOUT_FORCED = "login.forced_out", "Logged out by somebody else"
    PASSWORD_CHANGED = "account.password_changed", "Password changed"
    ACCOUNT_LOCKED = "account.locked", "Account locked"
    ACCOUNT_UNLOCKED = "account.unlocked", "Account unlocked"
    ACCOUNT_CUT = "account.cut", "Everything cut"
    ROLE_CHANGED = "account.role_changed", "Role changed"
    SESSION_REQUESTED = "session.requested", "Session requested"
    SESSION_APPROVED = "session.approved", "Session approved"
    SESSION_DENIED = "session.denied", "Session denied"
    SESSION_APPROVAL_FAILED = "session.approval_failed", "Approval failed"
    SESSION_SCHEDULED = "session.scheduled", "Session scheduled"
    SESSION_PROVISIONING = "session.provisioning", "Provisioning started"
    SESSION_AVAILABLE = "session.available", "Session available"
    SESSION_LOGGED_IN = "session.logged_in", "Logged in to resource"
    SESSION_LOGGED_OFF = "session.logged_off", "Logged off from resource"
    SESSION_LOCKED = "session.locked", "Session locked"
    SESSION_UNLOCKED = "session.unlocked", "Session unlocked"
    SESSION_EXTENDED = "session.extended", "Session extended"
    SESSION_END_NOTICE = "session.end_notice", "End announced"
    SESSION_TERMINATED = "session.terminated", "Session terminated"
    SESSION_CANCELING = "session.canceling", "Taking rights away"
    SESSION_COMPLETED = "session.completed", "Session complete"
    SESSION_CANCELED = "session.canceled", "Session canceled"
    SESSION_FAILED = "session.failed", "Session failed"
    CONNECTOR_STEP = "connector.step", "Step on resource"
    WORKER_PROBLEM = "worker.problem", "Worker problem"
    MAIL_FAILED = "mail.failed", "E-mail not sent"
    CONTROL_ENFORCED = "control.enforced", "Control enforced"
    RESOURCE_LOCKED = "resource.locked", "Resource closed to new sessions"
    RESOURCE_UNLOCKED = "resource.unlocked", "Resource opened to new sessions"
    SECRET_VIEWED = "secret.viewed", "Secret viewed"
    SECRET_COPIED = "secret.copied", "Secret copied"
    KEY_ADDED = "key.added", "SSH key registered"
    KEY_REMOVED = "key.removed", "SSH key removed"
    CERTIFICATE_SIGNED = "certificate.signed", "SSH certificate signed"
    AUTHORITY_CREATED = "authority.created", "Certificate authority created"
    AUTHORITY_ROTATED = "authority.rotated", "Certificate authority changed"
    ENCRYPTION_ROTATED = "encryption.rotated", "Encryption key changed"
    HOST_CHECKED = "host.checked", "Connection tested"
    HOST_KEY_CONFIRMED = "host.key_confirmed", "Host key confirmed"
    RECORD_ADDED = "record.added", "Added in administration"
    RECORD_CHANGED = "record.changed", "Changed in administration"
    RECORD_DELETED = "record.deleted", "Deleted in administration"
    LOG_VIEWED = "log.viewed", "Session log viewed"
    RECORDING_VIEWED = "recording.viewed", "Recording viewed"
    EXPORTED = "export.csv", "Exported as CSV"
    LOG_PRUNED = "log.pruned", "Log pruned"
    GEOIP_UPDATED = "geoip.updated", "GeoIP database updated"


def verb_choices() -> list[tuple[str, str]]:
    """The verbs for a model field. A callable, so that a new verb needs no migration."""
    return Verb.choices
