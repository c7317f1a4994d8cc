"""All models of the app, in the module where Django looks for them. Code imports them from their own packages."""

from sessions_app.catalogue.exception_models import AccessException
from sessions_app.catalogue.lock_models import ResourceLock
from sessions_app.catalogue.models import AccessPolicy, Activity, ApprovalTier, ConnectionProfile, Resource
from sessions_app.devices.models import Device
from sessions_app.evidence.models import LogRetention, Publication, SigningKey
from sessions_app.factors.models import FactorRule, RecoveryCode, TotpSecret
from sessions_app.gateway.models import (
    GatewayConnection,
    GatewayEnforcement,
    GatewayHeartbeat,
    GatewayHostKey,
    GatewayTicket,
)
from sessions_app.gateway.recordings.models import Recording, RecordingChunk, RecordingText
from sessions_app.hosts.models import (
    CertificateAuthority,
    ConsoleIdentity,
    HostComparison,
    HostWatch,
    ServiceKey,
    UserKey,
)
from sessions_app.hosts.search_models import HostSearch, LeftFiles
from sessions_app.login_rules.models import LoginRule, ReenabledAccount, SignInSettings
from sessions_app.logins.models import LoginSession, LogoutNote, NewDeviceNotice
from sessions_app.not_me.models import NotMeReport
from sessions_app.people.models import AccountLock, AccountLockdown, Application, InitialPassword, PersonalSettings
from sessions_app.privileged.models import Approval, ControlRequest, PrivilegedSession
from sessions_app.reviews.models import AccessReview, AccessReviewItem, LogReview, ReviewException
from sessions_app.schedules.models import Schedule, ScheduledExport
from sessions_app.scim.models import ScimAccount, ScimGroup, ScimToken
from sessions_app.siem.models import DeliveryState, Destination
from sessions_app.sso.models import BreakGlassUse, Identity, LogoutToken, ProviderLogin, SamlKey, SamlMessage
from sessions_app.vault.models import Secret
from sessions_app.worker.models import HealthMark, WebHeartbeat, WorkerHeartbeat

__all__ = [
    "AccessException",
    "AccessPolicy",
    "AccessReview",
    "AccessReviewItem",
    "AccountLock",
    "AccountLockdown",
    "Activity",
    "Application",
    "Approval",
    "ApprovalTier",
    "BreakGlassUse",
    "CertificateAuthority",
    "ConnectionProfile",
    "ConsoleIdentity",
    "ControlRequest",
    "DeliveryState",
    "Destination",
    "Device",
    "FactorRule",
    "GatewayConnection",
    "GatewayEnforcement",
    "GatewayHeartbeat",
    "GatewayHostKey",
    "GatewayTicket",
    "HealthMark",
    "HostComparison",
    "HostSearch",
    "HostWatch",
    "Identity",
    "InitialPassword",
    "LeftFiles",
    "LogRetention",
    "LogReview",
    "LoginRule",
    "LoginSession",
    "LogoutNote",
    "LogoutToken",
    "NewDeviceNotice",
    "NotMeReport",
    "PersonalSettings",
    "PrivilegedSession",
    "ProviderLogin",
    "Publication",
    "Recording",
    "RecordingChunk",
    "RecordingText",
    "RecoveryCode",
    "ReenabledAccount",
    "Resource",
    "ResourceLock",
    "ReviewException",
    "SamlKey",
    "SamlMessage",
    "Schedule",
    "ScheduledExport",
    "ScimAccount",
    "ScimGroup",
    "ScimToken",
    "Secret",
    "ServiceKey",
    "SignInSettings",
    "SigningKey",
    "TotpSecret",
    "UserKey",
    "WebHeartbeat",
    "WorkerHeartbeat",
]
