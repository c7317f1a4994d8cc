"""The people, groups and applications of the sample data."""

from __future__ import annotations

import dataclasses
import secrets
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group

from sessions_app.people.models import Application
from sessions_app.roles import ADMINISTRATORS, AUDITORS

Account = Any  # an instance of the user model
# Without letters and digits that look alike. Sixteen of them have 79 random bits.
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
# Who can log in to try each role: user name, first name, last name, groups.
ACCOUNTS = (
    ("admin", "Ada", "Minster", (ADMINISTRATORS,)),
    ("auditor", "Otto", "Prüfer", (AUDITORS,)),
    ("approver", "Ines", "Vega", ("Approvers",)),
    ("alice", "Alice", "Ferrari", ("Linux team",)),
)
# More people, who have no usable password.
OTHERS = (
    ("bob", "Bob", "Okafor", ("Linux team",)),
    ("carol", "Carol", "Lindqvist", ("DBAs", "Approvers")),
    ("dave", "Dave", "Nakamura", ("Linux team",)),
    ("erin", "Erin", "Souza", ("DBAs",)),
    ("frank", "Frank", "Moreau", ("Network team",)),
    ("grace", "Grace", "Hollingsworth-Papadopoulos", ("Windows team",)),
    ("heidi", "Heidi", "Brunner", ("Approvers", "Windows team")),
    ("maximilian.von-und-zu-hohenstein", "Maximilian", "von und zu Hohenstein", ("Network team", "Windows team")),
)
APPLICATIONS = (
    ("backup-job", "Copies the databases every night.", "carol"),
    ("deploy-bot", "Rolls releases out to the web servers.", "bob"),
)


@dataclasses.dataclass(frozen=True, slots=True)
class People:
    """The users of the sample data by name, and the passwords of those who can log in."""

    users: dict[str, Account]
    groups: dict[str, Group]
    applications: dict[str, Application]
    passwords: dict[str, str]


def new_password() -> str:
    """Return a random password in four groups that are easy to read aloud: abcd-efgh-jkmn-pqrs."""
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(4)) for _ in range(4))


def make_people() -> People:
    manager = get_user_model()._default_manager
    groups: dict[str, Group] = {}
    users: dict[str, Account] = {}
    passwords = {name: new_password() for name, *_ in ACCOUNTS}
    for name, first, last, memberships in (*ACCOUNTS, *OTHERS):
        user = manager.create_user(
            name,
            f"{name}@example.com",
            passwords.get(name),
            first_name=first,
            last_name=last,
            is_staff=ADMINISTRATORS in memberships,
        )
        for membership in memberships:
            if membership not in groups:
                groups[membership] = Group.objects.get_or_create(name=membership)[0]
            user.groups.add(groups[membership])
        users[name] = user
    applications = {}
    for name, description, owner in APPLICATIONS:
        principal = manager.create_user(name)
        users[name] = principal
        applications[name] = Application.objects.create(
            principal=principal, description=description, owner=users[owner]
        )
    return People(users, groups, applications, passwords)
