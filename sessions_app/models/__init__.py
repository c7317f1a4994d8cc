"""The vocabulary as tables: who may do what where (access), what was asked for (privileged), who is here (login)."""

from sessions_app.models.access import (
    AccessPolicy,
    Activity,
    Application,
    ApprovalTier,
    ConnectionProfile,
    Platform,
    Resource,
)
from sessions_app.models.locks import AccountLock, ResourceLock
from sessions_app.models.login import EndReason, LoginSession
from sessions_app.models.privileged import (
    ENDED,
    HOLDS_GRANT,
    LIVE,
    Approval,
    ControlKind,
    ControlRequest,
    PrivilegedSession,
    Status,
)

__all__ = [
    "ENDED",
    "HOLDS_GRANT",
    "LIVE",
    "AccessPolicy",
    "AccountLock",
    "Activity",
    "Application",
    "Approval",
    "ApprovalTier",
    "ConnectionProfile",
    "ControlKind",
    "ControlRequest",
    "EndReason",
    "LoginSession",
    "Platform",
    "PrivilegedSession",
    "Resource",
    "ResourceLock",
    "Status",
]
