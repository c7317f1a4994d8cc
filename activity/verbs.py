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
    LOGIN_TRAVEL = "login.travel", "Login too far away for the time"
    LOGIN_NOT_ME = "login.not_me", "Login reported: this wasn't me"
    LOGOUT = "login.ended", "Logged out"
    LOGOUT_FORCED = "login.forced_out", "Logged out by somebody else"
    FACTOR_CONFIRMED = "factor.confirmed", "Confirmed again"
    BREAK_GLASS_USED = "login.break_glass", "Break-glass account used"
    IDENTITY_LINKED = "identity.linked", "Single sign-on linked"
    IDENTITY_UNLINKED = "identity.unlinked", "Single sign-on unlinked"
    ACCESS_DENIED = "access.denied", "Access denied"
    DEVICE_NAMED = "device.named", "Device named"
    DEVICE_FORGOTTEN = "device.forgotten", "Device forgotten"
    LOGOUT_EVERYWHERE = "login.ended_everywhere", "Logged out everywhere"
    PASSWORD_CHANGED = "account.password_changed", "Password changed"
    FACTOR_ADDED = "factor.added", "Second factor set up"
    FACTOR_CHANGED = "factor.changed", "Second factor renamed"
    FACTOR_REMOVED = "factor.removed", "Second factor removed"
    FACTOR_FAILED = "factor.failed", "Second factor wrong"
    FACTORS_RESET = "factor.reset", "Second factors reset"
    RECOVERY_CODES_MADE = "factor.codes_made", "Recovery codes made"
    RECOVERY_CODE_USED = "factor.code_used", "Recovery code used"
    ACCOUNT_LOCKED = "account.locked", "Account locked"
    ACCOUNT_UNLOCKED = "account.unlocked", "Account unlocked"
    ACCOUNT_CUT = "account.cut", "Everything cut"
    ACCOUNT_IDLE = "account.idle", "Unused account disabled"
    SCIM_TOKEN_MADE = "scim.token_made", "SCIM token made"
    SCIM_TOKEN_REVOKED = "scim.token_revoked", "SCIM token revoked"
    SCIM_REFUSED = "scim.refused", "SCIM request refused"
    ROLE_CHANGED = "account.role_changed", "Role changed"
    SESSION_REQUESTED = "session.requested", "Session requested"
    SESSION_APPROVED = "session.approved", "Session approved"
    SESSION_DENIED = "session.denied", "Session denied"
    SESSION_APPROVAL_FAILED = "session.approval_failed", "Approval failed"
    SESSION_APPROVAL_NEEDED = "session.approval_needed", "Approval needed by now"
    SESSION_POLICY_CHANGED = "session.policy_changed", "Session under another policy"
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
    KEY_USED = "key.used", "SSH key used"
    KEY_REMOVED = "key.removed", "SSH key removed"
    CERTIFICATE_SIGNED = "certificate.signed", "SSH certificate signed"
    PASSWORD_GIVEN = "ticket.password_given", "One-time password given"
    TICKET_REFUSED = "ticket.refused", "Ticket refused"
    AUTHORITY_CREATED = "authority.created", "Certificate authority created"
    AUTHORITY_ROTATED = "authority.rotated", "Certificate authority changed"
    ENCRYPTION_ROTATED = "encryption.rotated", "Encryption key changed"
    HOST_CHECKED = "host.checked", "Connection tested"
    HOST_CLOCK = "host.clock", "Clock of host"
    HOST_KEY_CONFIRMED = "host.key_confirmed", "Host key confirmed"
    CONNECTION_OPENED = "connection.opened", "Connected through the gateway"
    CONNECTION_CLOSED = "connection.closed", "Connection closed"
    CONNECTION_REFUSED = "connection.refused", "Connection refused"
    TCP_OPENED = "tcp.opened", "TCP forwarded"
    TCP_CLOSED = "tcp.closed", "Forwarded TCP closed"
    FILE_SENT = "file.sent", "File sent to resource"
    FILE_FETCHED = "file.fetched", "File fetched from resource"
    FILE_CHANGED = "file.changed", "File renamed, removed or changed"
    RECORD_ADDED = "record.added", "Configuration added"
    RECORD_CHANGED = "record.changed", "Configuration changed"
    RECORD_DELETED = "record.deleted", "Configuration deleted"
    VIEW_SHARED = "view.shared", "Saved view shared"
    VIEW_CHANGED = "view.changed", "Shared view changed"
    VIEW_WITHDRAWN = "view.withdrawn", "Shared view withdrawn"
    LOG_READ = "log.read", "Activity log read"
    LOG_VIEWED = "log.viewed", "Session log viewed"
    REPORT_VIEWED = "report.viewed", "Report viewed"
    RECORDING_VIEWED = "recording.viewed", "Recording viewed"
    RECORDING_WATCHED = "recording.watched", "Session watched live"
    RECORDING_DOWNLOADED = "recording.downloaded", "Recording downloaded"
    RECORDING_CLOSED = "recording.closed", "Recording closed"
    RECORDING_REMOVED = "recording.removed", "Recording removed"
    EXPORT_BEGAN = "export.began", "Export began"
    EXPORTED = "export.csv", "Exported"
    LOG_ERASED = "log.erased", "Personal data erased"
    SCHEDULE_MADE = "schedule.made", "Scheduled export made"
    SCHEDULE_FAILED = "schedule.failed", "Scheduled export not made"
    SCHEDULE_FETCHED = "schedule.fetched", "Scheduled export fetched"
    SCHEDULE_STOPPED = "schedule.stopped", "Scheduled export stopped"
    LOG_REVIEW_BEGUN = "review.begun", "Review of the log begun"
    LOG_REVIEW_DISCARDED = "review.discarded", "Review of the log discarded"
    LOG_REVIEW_SIGNED = "review.signed", "Log reviewed and signed off"
    REVIEW_EXCEPTION_ADDED = "review.exception_added", "Exception added to a review"
    REVIEW_EXCEPTION_REMOVED = "review.exception_removed", "Exception removed from a review"
    REVIEW_EXCEPTION_ANSWERED = "review.exception_answered", "Exception answered"
    REVIEW_EXCEPTION_CLOSED = "review.exception_closed", "Exception closed"
    ACCESS_REVIEW_BEGUN = "access_review.begun", "Access review begun"
    ACCESS_REVIEW_CHANGED = "access_review.changed", "Access review changed"
    ACCESS_REVIEW_DECIDED = "access_review.decided", "Right reviewed"
    ACCESS_REVIEW_COMMITTED = "access_review.committed", "Access review committed"
    ACCESS_REVIEW_CANCELED = "access_review.canceled", "Access review canceled"
    RIGHT_TAKEN_AWAY = "right.taken_away", "Right taken away"
    RIGHT_GIVEN_BACK = "right.given_back", "Right given back"
    LOG_PRUNED = "log.pruned", "Log pruned"
    RETENTION_FAILED = "log.retention_failed", "Old entries not deleted"
    CONSOLE_RESTORED = "console.restored", "Console restored"
    LOG_REPAIRED = "log.repaired", "Protection of the log repaired"
    LOG_IMPORTED = "log.imported", "Entries imported"
    LOG_UPGRADED = "log.upgraded", "Log upgraded"
    SEALING_STARTED = "seal.started", "Sealing of the log started"
    SEALING_STOPPED = "seal.stopped", "Sealing of the log stopped"
    SEAL_FINDING = "seal.finding", "Entry behind the seal"
    SEAL_KEY_MADE = "seal.key_made", "Signing key of the log made"
    SEAL_KEY_ROTATED = "seal.key_rotated", "Signing key of the log changed"
    SIEM_TESTED = "siem.tested", "SIEM destination tested"
    SIEM_PAUSED = "siem.paused", "Delivery to SIEM paused"
    SIEM_RESUMED = "siem.resumed", "Delivery to SIEM resumed"
    SIEM_SENT_AGAIN = "siem.sent_again", "Log sent to SIEM again"
    SIEM_SILENT = "siem.silent", "Nothing reaches SIEM"
    SIEM_BACK = "siem.back", "SIEM gets entries again"
    SIEM_GAP = "siem.gap", "Entries never sent to SIEM"
    PROCESS_STARTED = "process.started", "Process started"
    PROCESS_STOPPED = "process.stopped", "Process stopped"
    CLOCK_CHANGED = "clock.changed", "Console's clock changed"
    GEOIP_UPDATED = "geoip.updated", "GeoIP database updated"


# The outcome of an entry follows from its verb, where the caller of record() says nothing else: success, but for these.
# What went wrong although somebody was allowed to do it:
FAILURES = frozenset(
    {
        Verb.LOGIN_FAILED,
        Verb.FACTOR_FAILED,
        Verb.SESSION_APPROVAL_FAILED,
        Verb.SESSION_FAILED,
        Verb.WORKER_PROBLEM,
        Verb.MAIL_FAILED,
        Verb.SCHEDULE_FAILED,
        Verb.RETENTION_FAILED,
        Verb.SEAL_FINDING,
        Verb.SIEM_SILENT,
        Verb.SIEM_GAP,
    }
)
# What somebody was not allowed to do:
REFUSALS = frozenset(
    {
        Verb.ACCESS_DENIED,
        Verb.LOGIN_THROTTLED,
        Verb.SCIM_REFUSED,
        Verb.SESSION_DENIED,
        Verb.TICKET_REFUSED,
        Verb.CONNECTION_REFUSED,
    }
)


def verb_choices() -> list[tuple[str, str]]:
    """Return the verbs for a model field. A function is given to the field, so that a new verb needs no migration."""
    return Verb.choices
