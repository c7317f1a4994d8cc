"""The vocabulary as tables: who may do what where (access), what was asked for (privileged), who is here (login)."""

from sessions_app.models.access import (
    AccessPolicy,
    AccountKind,
    Activity,
    ApprovalTier,
    ConnectionProfile,
    Platform,
    Resource,
    ServiceAuth,
)
from sessions_app.models.application import Application
from sessions_app.models.comparison import HostComparison
from sessions_app.models.gateway import (
    ConnectionEnd,
    Door,
    GatewayConnection,
    GatewayEnforcement,
    GatewayHeartbeat,
    GatewayHostKey,
    GatewayTicket,
    Recording,
    RecordingChunk,
    RecordingText,
    TicketKind,
    hash_ticket,
)
from sessions_app.models.keys import AuthorityState, CertificateAuthority, ServiceKey, UserKey
from sessions_app.models.locks import AccountCut, AccountLock, ResourceLock
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
from sessions_app.models.search import HostSearch, LeftFiles
from sessions_app.models.vault import Secret
from sessions_app.models.watch import HostWatch
from sessions_app.models.worker import ConsoleMark, HealthMark, WorkerHeartbeat

__all__ = [
    "ENDED",
    "HOLDS_GRANT",
    "LIVE",
    "AccessPolicy",
    "AccountCut",
    "AccountKind",
    "AccountLock",
    "Activity",
    "Application",
    "Approval",
    "ApprovalTier",
    "AuthorityState",
    "CertificateAuthority",
    "ConnectionEnd",
    "ConnectionProfile",
    "ConsoleMark",
    "ControlKind",
    "ControlRequest",
    "Door",
    "EndReason",
    "GatewayConnection",
    "GatewayEnforcement",
    "GatewayHeartbeat",
    "GatewayHostKey",
    "GatewayTicket",
    "HealthMark",
    "HostComparison",
    "HostSearch",
    "HostWatch",
    "LeftFiles",
    "LoginSession",
    "Platform",
    "PrivilegedSession",
    "Recording",
    "RecordingChunk",
    "RecordingText",
    "Resource",
    "ResourceLock",
    "Secret",
    "ServiceAuth",
    "ServiceKey",
    "Status",
    "TicketKind",
    "UserKey",
    "WorkerHeartbeat",
    "hash_ticket",
]
