"""The resources, activities, connection profiles and access policies of the sample data."""

from __future__ import annotations

import dataclasses
import datetime as dt
import secrets
from collections.abc import Sequence

from sessions_app.catalogue.models import AccessPolicy, Activity, ApprovalTier, ConnectionProfile, Platform, Resource
from sessions_app.sample.people import People
from sessions_app.vault.models import Secret

HOURS, MINUTES = dt.timedelta(hours=1), dt.timedelta(minutes=1)
RESOURCES = (
    ("web-1", Platform.LINUX, "web-1.example.com", 22, "Public web server."),
    ("web-2", Platform.LINUX, "web-2.example.com", 22, "Public web server, the other half."),
    ("db-1", Platform.LINUX, "db-1.example.com", 22, "PostgreSQL, primary."),
    ("backup-1", Platform.LINUX, "192.0.2.40", 22, "Keeps the nightly copies."),
    ("build-1", Platform.LINUX, "build-1.example.com", 2222, "Builds and signs the releases."),
    ("dc-1", Platform.WINDOWS, "dc-1.example.com", 5986, "Domain controller."),
    ("core-switch", Platform.NETWORK, "192.0.2.1", 22, "The switch that everything hangs on."),
    ("team-vault", Platform.VAULT, "", 443, "Shared secrets of the database team."),
    ("retired-mail", Platform.LINUX, "mail.example.com", 22, "Switched off."),
)
ACTIVITIES = (
    (
        "Patch Linux",
        Platform.LINUX,
        "{user}-adm",
        "sudo apt-get\nsudo systemctl",
        "Install updates and restart services.",
    ),
    ("Root shell", Platform.LINUX, "{user}-root", "sudo ALL", "Everything, for when nothing else helps."),
    ("Maintain PostgreSQL", Platform.LINUX, "{user}-dba", "member of postgres", "Vacuum, reindex, failover."),
    ("Manage the domain", Platform.WINDOWS, "{user}-da", "member of Domain Admins", "Accounts and group policy."),
    ("Configure switches", Platform.NETWORK, "net-{session}", "privilege level 15", "VLANs, ports, routes."),
    ("Read shared secrets", Platform.VAULT, "{user}", "read team secrets", "View and copy; each access is logged."),
)
SECRETS = (  # the secrets of team-vault, whose content is random each time
    ("backup passphrase", "Opens the nightly copies on backup-1."),
    ("reporting password", "The role “reporting” in PostgreSQL on db-1."),
)


@dataclasses.dataclass(frozen=True, slots=True)
class Catalogue:
    """The objects that can be requested, by name."""

    resources: dict[str, Resource]
    activities: dict[str, Activity]
    profiles: dict[str, ConnectionProfile]
    policies: dict[str, AccessPolicy]


def make_catalogue(people: People) -> Catalogue:
    """Create the catalogue. Raise SealingError if the secrets of the vault cannot be encrypted."""
    resources = {
        name: Resource.objects.create(
            name=name,
            platform=platform,
            address=address,
            port=port,
            connector="vault" if platform == Platform.VAULT else "practice",
            service_account="" if platform == Platform.VAULT else "sessionadmin",
            description=description,
            is_active=name != "retired-mail",
        )
        for name, platform, address, port, description in RESOURCES
    }
    activities = {
        name: Activity.objects.create(
            name=name,
            platform=platform,
            login_account_template=account,
            grant_actions=actions,
            remove_actions="\n".join(reversed(actions.splitlines())),
            description=description,
        )
        for name, platform, account, actions, description in ACTIVITIES
    }
    for name, description in SECRETS:
        secret = Secret(resource=resources["team-vault"], name=name, description=description)
        secret.set_content(secrets.token_urlsafe(18))
        secret.save()
    profiles = _profiles(people)
    return Catalogue(resources, activities, profiles, _policies(people, resources, activities, profiles))


def _profiles(people: People) -> dict[str, ConnectionProfile]:
    short = ConnectionProfile.objects.create(
        name="Half an hour", maximum_duration=30 * MINUTES, end_notice=5 * MINUTES, record=False
    )
    day = ConnectionProfile.objects.create(
        name="Working day", maximum_duration=8 * HOURS, extension_by=1 * HOURS, extension_limit=2
    )
    one = ConnectionProfile.objects.create(
        name="One approval", maximum_duration=2 * HOURS, extension_limit=1, notes_required=True
    )
    with_ticket = ConnectionProfile.objects.create(
        name="With a ticket", maximum_duration=4 * HOURS, ticket_required=True, extension_limit=2
    )
    three = ConnectionProfile.objects.create(
        name="Three tiers",
        maximum_duration=1 * HOURS,
        approval_timeout=12 * HOURS,
        notes_required=True,
        ticket_required=True,
        confirm_at_start=True,
        confirm_at_connect=True,
    )
    _tier(one, 1, 1, people, groups=["Approvers"])
    _tier(three, 1, 2, people, groups=["Approvers"])
    _tier(three, 2, 1, people, users=["bob", "carol"])
    _tier(three, 3, 1, people, users=["admin"])
    return {profile.name: profile for profile in (short, day, one, with_ticket, three)}


def _tier(
    profile: ConnectionProfile,
    order: int,
    required: int,
    people: People,
    *,
    users: Sequence[str] = (),
    groups: Sequence[str] = (),
) -> None:
    tier = ApprovalTier.objects.create(profile=profile, order=order, required=required)
    tier.users.set([people.users[name] for name in users])
    tier.groups.set([people.groups[name] for name in groups])


def _policies(
    people: People,
    resources: dict[str, Resource],
    activities: dict[str, Activity],
    profiles: dict[str, ConnectionProfile],
) -> dict[str, AccessPolicy]:
    # Name, priority, profile, groups, users, activities, resources.
    rows: tuple[tuple[str, int, str, list[str], list[str], list[str], list[str]], ...] = (
        ("Patch the web", 50, "Working day", ["Linux team"], ["deploy-bot"], ["Patch Linux"], ["web-1", "web-2"]),
        ("Root needs approval", 100, "One approval", ["Linux team"], [], ["Root shell"], ["web-1", "web-2", "db-1"]),
        ("Build server", 90, "Three tiers", ["Linux team"], [], ["Root shell", "Patch Linux"], ["build-1"]),
        (
            "Databases",
            100,
            "With a ticket",
            ["DBAs"],
            ["backup-job"],
            ["Maintain PostgreSQL"],
            ["db-1", "backup-1"],
        ),
        ("Team secrets", 100, "Half an hour", ["DBAs"], ["alice"], ["Read shared secrets"], ["team-vault"]),
        ("Domain", 100, "One approval", ["Windows team"], [], ["Manage the domain"], ["dc-1"]),
        ("Switches", 100, "With a ticket", ["Network team"], [], ["Configure switches"], ["core-switch"]),
    )
    policies = {}
    for name, priority, profile, groups, users, allowed, hosts in rows:
        policy = AccessPolicy.objects.create(name=name, priority=priority, profile=profiles[profile])
        policy.groups.set([people.groups[group] for group in groups])
        policy.users.set([people.users[user] for user in users])
        policy.activities.set([activities[activity] for activity in allowed])
        policy.resources.set([resources[host] for host in hosts])
        policies[name] = policy
    return policies
