"""What everybody may do, read at once, is what `sessionadmin may` answers for each person, activity and resource."""

from __future__ import annotations

import datetime as dt
import itertools
import random
from io import StringIO

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from sessions_app.catalogue.exception_models import AccessException
from sessions_app.catalogue.flows.resource import lock_resource
from sessions_app.catalogue.models import AccessPolicy, AccountKind, Activity, Resource
from sessions_app.privileged.everybody import EverybodysRights, RightNow
from sessions_app.privileged.flows.account import lock_account
from sessions_app.privileged.models import Status
from sessions_app.privileged.try_it import may_each
from tests.support import builders


def rights_of(user: User) -> dict[tuple[int, int], RightNow]:
    everybody = EverybodysRights()
    return {right.pair.key: right for right in everybody.rights(user, everybody.pairs(user.pk))}


def make_random_catalogue(seed: int, admin: User) -> tuple[list[User], list[Activity], list[Resource]]:
    """Create a catalogue in which everything that stands in the way of a request occurs."""
    chance = random.Random(seed)  # noqa: S311 - the same catalogue each time
    people = [builders.make_user(f"person-{number}") for number in range(6)]
    people += [builders.make_auditor(), builders.make_application().principal]
    groups = [Group.objects.create(name=f"Group {number}") for number in range(3)]
    for user in people:
        user.groups.add(*chance.sample(groups, chance.randint(0, 2)))
    activities = [
        builders.make_activity(
            f"Activity {number}",
            platform=chance.choice(["linux", "linux", "windows"]),
            is_active=number != 3,
            kind=chance.choice(AccountKind.values),
            login_account_template=chance.choice(["root", "{user}-adm", "s{session}"]),
        )
        for number in range(4)
    ]
    resources = [
        builders.make_resource(
            f"host-{number}", platform=chance.choice(["linux", "linux", "windows"]), is_active=number != 4
        )
        for number in range(5)
    ]
    profiles = [
        builders.make_profile(
            f"Profile {number}", tiers=chance.choice([[], [[people[0]]], [[people[1], people[2]], []]]), **more
        )
        for number, more in enumerate(({}, {"confirm_at_start": True, "confirm_at_connect": True}, {}))
    ]
    for number in range(7):
        builders.make_policy(
            f"Policy {number}",
            users=chance.sample(people, chance.randint(1, 4)),
            groups=chance.sample(groups, chance.randint(0, 2)),
            activities=chance.sample(activities, 2),
            resources=chance.sample(resources, 4),
            profile=chance.choice(profiles),
            priority=chance.choice([10, 20]),
            is_active=number != 6,
        )
    for policy, user in ((None, people[0]), (AccessPolicy.objects.earliest("pk"), people[1]), (None, people[2])):
        AccessException.objects.create(
            user=user,
            activity=chance.choice(activities),
            resource=chance.choice(resources),
            policy=policy,
            review_name="Spring",
            reason="Not needed",
            made_by=admin,
        )
    lock_account(admin, people[3], title="Under review", message="")
    people[4].is_active = False
    people[4].save()
    lock_resource(admin, resources[0], title="Maintenance", message="")
    for user, activity, resource in zip(people, itertools.cycle(activities), itertools.cycle(resources), strict=False):
        status = chance.choice([Status.AVAILABLE, Status.PENDING, Status.WAITING, Status.COMPLETE])
        builders.make_session(user, status, activity=activity, resource=resource)
    return [*people, admin], activities, resources


@pytest.mark.parametrize("seed", range(5))
def test_the_rights_of_everybody_are_what_may_answers(admin: User, seed: int) -> None:
    people, activities, resources = make_random_catalogue(seed, admin)
    pairs = list(itertools.product(activities, resources))
    allowed: list[tuple[str, str, str]] = []
    refused: list[tuple[str, str, str]] = []
    for user in User.objects.filter(pk__in=[one.pk for one in people]):
        found = rights_of(user)
        for answer in may_each(user, pairs):
            activity, resource = answer.activity, answer.resource
            right = found.pop((activity.pk, resource.pk), None)
            fits = activity.is_active and resource.is_active and activity.platform == resource.platform
            assert (right is not None) is (answer.policy is not None and fits)
            if right is None:
                assert not answer.is_allowed
                continue
            assert (right.pair.policy, right.obstacle) == (answer.policy, answer.obstacle)
            (allowed if answer.is_allowed else refused).append((user.username, activity.name, resource.name))
        assert not found
    assert allowed
    assert refused
    call_command("may", *allowed[0], stdout=StringIO())
    with pytest.raises(CommandError, match="The answer is no"):
        call_command("may", *refused[0], stdout=StringIO())


def test_more_people_hosts_and_policies_cost_no_more_queries(admin: User) -> None:
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            everybody = EverybodysRights()
            for user in User.objects.all():
                list(everybody.rights(user, everybody.pairs(user.pk)))
        return len(captured)

    make_random_catalogue(1, admin)
    before = queries()
    group = Group.objects.create(name="Everybody")
    hosts = [builders.make_resource(f"more-{number}") for number in range(20)]
    for number in range(20):
        builders.make_user(f"more-{number}").groups.add(group)
    for number in range(5):
        builders.make_policy(
            f"More {number}", groups=[group], resources=hosts, profile=builders.make_profile(f"M{number}")
        )
    assert queries() == before


def test_people_with_the_same_policies_share_their_pairs(alice: User, outsider: User) -> None:
    builders.make_policy(users=[alice, outsider], profile=builders.make_profile(maximum_duration=dt.timedelta(hours=1)))
    everybody = EverybodysRights()
    assert everybody.pairs(alice.pk) is everybody.pairs(outsider.pk)
    assert everybody.count(alice.pk) == 1
    assert everybody.holders() == {alice.pk, outsider.pk}


def test_it_says_by_which_group_a_policy_names_somebody(alice: User) -> None:
    group = Group.objects.create(name="Linux team")
    alice.groups.add(group)
    policy = builders.make_policy(users=[alice], groups=[group])
    assert EverybodysRights().via(alice.pk, policy) == [None, group.pk]
