"""Plain builders with keyword defaults, so that the value under test is visible in the test. The cast: alice (a user),
approver, auditor, admin, outsider."""

from __future__ import annotations

import datetime as dt
from typing import Any

import asyncssh
from django.contrib.auth.models import Group, User
from django.utils import timezone

from sessions_app.catalogue.models import AccessPolicy, Activity, ApprovalTier, ConnectionProfile, Resource
from sessions_app.hosts.models import UserKey
from sessions_app.hosts.ssh.keys import read_public_key
from sessions_app.logins.models import LoginSession
from sessions_app.people.models import Application
from sessions_app.privileged.models import ENDED, HOLDS_GRANT, PrivilegedSession, Status
from sessions_app.roles import ADMINISTRATORS, AUDITORS

PASSWORD = "correct horse battery staple"


def make_user(username: str = "alice", **values: Any) -> User:
    found = User.objects.filter(username=username).first()
    return found or User.objects.create_user(username, f"{username}@example.com", PASSWORD, **values)


def make_admin(username: str = "admin") -> User:
    user = make_user(username, is_staff=True)
    user.groups.add(Group.objects.get(name=ADMINISTRATORS))
    return User.objects.get(pk=user.pk)


def make_auditor(username: str = "auditor") -> User:
    user = make_user(username)
    user.groups.add(Group.objects.get(name=AUDITORS))
    return User.objects.get(pk=user.pk)


def make_application(username: str = "backup-job") -> Application:
    principal = User.objects.create_user(username)
    principal.set_unusable_password()
    principal.save(update_fields=["password"])
    return Application.objects.create(principal=principal)


def make_resource(name: str = "web-1", **values: Any) -> Resource:
    defaults = {"address": f"{name}.example.com", "connector": "practice"} | values
    return Resource.objects.get_or_create(name=name, defaults=defaults)[0]


def make_activity(name: str = "Patch Linux", **values: Any) -> Activity:
    defaults = {"grant_actions": "sudo rule ALL", "remove_actions": "sudo rule ALL"} | values
    return Activity.objects.get_or_create(name=name, defaults=defaults)[0]


def make_profile(name: str = "Two hours", tiers: list[list[User]] | None = None, **values: Any) -> ConnectionProfile:
    """Create a profile. `tiers` holds the approvers of each tier, one of whom must approve."""
    profile = ConnectionProfile.objects.create(name=name, **values)
    for order, approvers in enumerate(tiers or [], start=1):
        ApprovalTier.objects.create(profile=profile, order=order).users.set(approvers)
    return profile


def make_policy(
    name: str = "Linux work",
    *,
    users: list[User] | None = None,
    groups: list[Group] | None = None,
    activities: list[Activity] | None = None,
    resources: list[Resource] | None = None,
    profile: ConnectionProfile | None = None,
    **values: Any,
) -> AccessPolicy:
    policy = AccessPolicy.objects.create(name=name, profile=profile or make_profile(f"Profile of {name}"), **values)
    policy.users.set(users or [])
    policy.groups.set(groups or [])
    policy.activities.set(activities or [make_activity()])
    policy.resources.set(resources or [make_resource()])
    return policy


def give_right(user: User, activity: Activity, resource: Resource, profile: ConnectionProfile) -> AccessPolicy:
    """Return a policy that allows this work, or create one. Without it the worker would end the session."""
    given = AccessPolicy.objects.for_user(user).filter(activities=activity, resources=resource).first()
    name = f"{activity.name} on {resource.name} for {user.username}"
    return given or make_policy(
        name, users=[user], activities=[activity], resources=[resource], profile=profile, priority=1000
    )


def make_session(user: User | None = None, status: Status = Status.AVAILABLE, **values: Any) -> PrivilegedSession:
    """Create a session in any status, with the times that it needs. No flow runs, and no log entry is written."""
    user = user or make_user()
    resource = values.pop("resource", None) or make_resource()
    activity = values.pop("activity", None) or make_activity()
    profile = values.pop("profile", None) or ConnectionProfile.objects.get_or_create(name="Default")[0]
    now = timezone.now()
    times: dict[str, Any] = {}
    if status in HOLDS_GRANT:
        give_right(user, activity, resource, profile)
        times = {"start_at": now - dt.timedelta(minutes=5), "end_at": now + dt.timedelta(hours=1)}
    elif status == Status.CANCELING:
        times = {"ends_as": Status.CANCELED}
    elif status == Status.PENDING:
        times = {"scheduled_for": now + dt.timedelta(hours=1)}
    elif status == Status.WAITING:
        times = {"current_tier": 1, "approval_deadline": now + dt.timedelta(hours=1)}
    elif status in ENDED:
        times = {"ended_at": now}
    return PrivilegedSession.objects.create(
        **(
            {
                "user": user,
                "user_name": user.username,
                "requested_by": user,
                "resource": resource,
                "resource_name": resource.name,
                "activity": activity,
                "activity_name": activity.name,
                "profile": profile,
                "maximum_duration": profile.maximum_duration,
                "login_account": activity.login_account(user.username, 1),
                "status": status,
            }
            | times
            | values
        )
    )


def make_key(user: User | None = None, line: str = "", title: str = "laptop") -> UserKey:
    """Create a registered SSH key. It is a new one unless `line` is given."""
    key = read_public_key(line or asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode())
    return UserKey.objects.create(
        user=user or make_user(), title=title, public_key=key.line, kind=key.kind, fingerprint=key.fingerprint
    )


def make_login(user: User | None = None, **values: Any) -> LoginSession:
    """Create a login session. No test client has its cookie."""
    user = user or make_user()
    number = LoginSession.objects.count()
    defaults = {
        "user": user,
        "user_name": user.username,
        "key_hash": f"{number:064x}",
        "ip": "198.51.100.7",
        "city": "Bern",
        "region": "Bern",
        "country": "Switzerland",
        "country_code": "CH",
        "latitude": 46.95,
        "longitude": 7.45,
        "accuracy_km": 20,
        "device": "Desktop",
        "os": "Windows",
        "os_version": "11",
        "browser": "Firefox",
        "browser_version": "140",
    }
    return LoginSession.objects.create(**(defaults | values))
