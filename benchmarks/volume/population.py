"""The people, hosts, activities, profile and policy of generated data.

Nobody of them can log in, and none of the hosts can be requested. Their e-mail addresses end in a domain that cannot
exist (RFC 2606), by which generated people are recognized.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import random
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.db.models import Q

from sessions_app.catalogue.models import AccessPolicy, Activity, ConnectionProfile, Platform, Resource

DOMAIN = "generated.invalid"
SAMPLE_DOMAIN = "example.com"  # the people of load_sample
FIRST = ("Anna", "Boris", "Chloé", "Dmitri", "Elif", "Fumiko", "Gábor", "Hana", "Iker", "Жанна", "健", "Łukasz")
LAST = ("Keller", "Ivanov", "Dubois", "Öztürk", "Satō", "Nagy", "Novák", "Ruiz", "Соколова", "田中", "Nowak")
ROLES = ("web", "db", "app", "cache", "mail", "build", "backup", "queue")
ACTIVITIES = (
    "Rotate certificates",
    "Restart services",
    "Inspect logs",
    "Upgrade packages",
    "Repair file system",
    "Tune database",
    "Investigate alarm",
    "Change firewall",
)
NAME = "Generated"


@dataclasses.dataclass(frozen=True, slots=True)
class Population:
    """Ids and names. People are sorted by how much they do."""

    people: list[tuple[int, str]]
    hosts: list[tuple[int, str]]
    activities: list[tuple[int, str]]
    profile: ConnectionProfile
    policy: int

    def person(self, chance: random.Random) -> int:
        """Return the number of a random person. The busiest k of n do the part (k/n) ** (1/3) of everything."""
        return int(len(self.people) * chance.random() ** 3)


def real_people() -> int:
    """Return how many accounts are neither generated nor sample data. Applications count like their owners."""
    made_up = Q(email__endswith=f"@{DOMAIN}") | Q(email__endswith=f"@{SAMPLE_DOMAIN}") | Q(application__isnull=False)
    return get_user_model()._default_manager.exclude(made_up).count()


def make_population(users: int, hosts: int) -> Population:
    """Make `users` more people, and hosts, activities, a profile and a policy if they are missing."""
    profile, _ = ConnectionProfile.objects.get_or_create(
        name=NAME, defaults={"maximum_duration": dt.timedelta(hours=8)}
    )
    policy, _ = AccessPolicy.objects.get_or_create(name=NAME, defaults={"profile": profile, "is_active": False})
    host_names = [f"{ROLES[number % len(ROLES)]}-{number:04}" for number in range(hosts)]
    return Population(
        _people(users),
        _named(Resource, host_names, connector="practice", address="192.0.2.1"),
        _named(Activity, list(ACTIVITIES)),
        profile,
        policy.pk,
    )


def _people(count: int) -> list[tuple[int, str]]:
    model: Any = get_user_model()
    manager = model._default_manager
    before = manager.filter(email__endswith=f"@{DOMAIN}").count()
    password = make_password(None)
    names = ((number, FIRST[number % len(FIRST)], LAST[number % len(LAST)]) for number in range(before, before + count))
    made = manager.bulk_create(
        [
            model(
                username=f"person-{number:05}",
                first_name=first,
                last_name=last,
                email=f"person-{number:05}@{DOMAIN}",
                password=password,
            )
            for number, first, last in names
        ],
        batch_size=1000,
    )
    return [(person.pk, person.get_username()) for person in made]


def _named(model: Any, names: list[str], **values: Any) -> list[tuple[int, str]]:
    there = dict(model.objects.filter(name__in=names).values_list("name", "pk"))
    missing = [name for name in names if name not in there]
    model.objects.bulk_create(
        [
            model(name=name, platform=Platform.LINUX, is_active=False, description="Generated.", **values)
            for name in missing
        ]
    )
    there = dict(model.objects.filter(name__in=names).values_list("name", "pk"))
    return [(there[name], name) for name in names]
