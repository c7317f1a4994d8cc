"""What an access review took away: it is refused at the request, at the start, and ends what stands on it."""

from __future__ import annotations

import datetime as dt
from io import StringIO

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.db.models import Q
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from sessions_app.catalogue.exception_models import AccessException
from sessions_app.catalogue.models import AccessPolicy
from sessions_app.errors import Refused
from sessions_app.privileged.effective_rights import TooManyRights, effective_rights
from sessions_app.privileged.flows.extend import extend
from sessions_app.privileged.flows.request import allowed_activities, allowed_resources
from sessions_app.privileged.models import PrivilegedSession, Status
from sessions_app.privileged.try_it import may
from sessions_app.worker import passes, reconcile
from tests.support import builders
from tests.support.scene import HOUR, age, ask

SENTENCE = "The access review “Autumn” took Patch Linux on web-1 away from alice: moved to sales."


def take_away(user: User, policy: AccessPolicy | None, **values: object) -> AccessException:
    defaults = {
        "activity": builders.make_activity(),
        "resource": builders.make_resource(),
        "review_name": "Autumn",
        "reason": "moved to sales",
        "made_by": builders.make_admin(),
    }
    return AccessException.objects.create(user=user, policy=policy, **(defaults | values))


@pytest.fixture
def policy(alice: User) -> AccessPolicy:
    return builders.make_policy(users=[alice], profile=builders.make_profile(extension_limit=3))


@pytest.mark.parametrize("is_for_every_policy", [False, True])
def test_a_request_is_refused_and_says_why(alice: User, policy: AccessPolicy, is_for_every_policy: bool) -> None:
    take_away(alice, None if is_for_every_policy else policy)
    with pytest.raises(Refused, match="took Patch Linux on web-1 away from alice: moved to sales"):
        ask(alice)
    assert PrivilegedSession.objects.count() == 0


def test_nothing_else_of_the_policy_is_taken_away(alice: User, outsider: User, policy: AccessPolicy) -> None:
    policy.users.add(outsider)
    policy.resources.add(builders.make_resource("web-2"))
    take_away(alice, policy)
    assert [ask(alice, resource="web-2").status, ask(outsider).status] == [Status.PROVISIONING] * 2


def test_another_policy_gives_it_unless_the_exception_is_for_every_one(alice: User, policy: AccessPolicy) -> None:
    other = builders.make_policy("Second way", users=[alice], priority=500)
    take_away(alice, policy)
    assert ask(alice).policy == other
    take_away(alice, None)
    answer = may(alice, builders.make_activity(), builders.make_resource())
    assert answer.policy is None


def test_the_wizard_offers_it_no_more(alice: User, policy: AccessPolicy) -> None:
    linux, web = builders.make_activity(), builders.make_resource()
    policy.resources.add(builders.make_resource("web-2"))
    exception = take_away(alice, policy)
    assert [str(one) for one in allowed_resources(alice, linux)] == ["web-2"]
    assert list(allowed_activities(alice)) == [linux]
    take_away(alice, policy, resource=builders.make_resource("web-2"))
    assert list(allowed_activities(alice)) == []
    builders.make_policy("Second way", users=[alice])
    assert list(allowed_resources(alice, linux)) == [web]
    assert list(allowed_activities(alice)) == [linux]
    take_away(alice, None)
    assert list(allowed_activities(alice)) == []
    AccessException.objects.filter(policy=None).delete()
    exception.lifted_at = timezone.now()
    exception.save()
    assert [str(one) for one in allowed_resources(alice, linux)] == ["web-1"]


def test_an_open_session_ends_in_one_pass_and_is_not_extended(alice: User, policy: AccessPolicy) -> None:
    session = ask(alice)
    reconcile()
    take_away(alice, policy)
    with pytest.raises(Refused, match="whose right was withdrawn is not extended"):
        extend(alice, session)
    assert passes.due(timezone.now()) == [session.pk]
    reconcile()
    session.refresh_from_db()
    assert (session.status, session.end_reason) == (Status.CANCELED, f"The right was withdrawn: {SENTENCE}")


def test_an_open_session_runs_on_where_the_policy_says_so_or_another_gives_it(
    alice: User, policy: AccessPolicy
) -> None:
    AccessPolicy.objects.update(keeps_open_sessions=True)
    session = ask(alice)
    reconcile()
    take_away(alice, policy)
    reconcile()
    session.refresh_from_db()
    assert session.status == Status.AVAILABLE
    AccessPolicy.objects.update(keeps_open_sessions=False)
    builders.make_policy("Second way", users=[alice])
    reconcile()
    session.refresh_from_db()
    assert session.status == Status.AVAILABLE


def test_a_scheduled_session_does_not_start(alice: User, policy: AccessPolicy) -> None:
    session = ask(alice, start_at=timezone.now() + HOUR)
    take_away(alice, policy)
    age(session, 2 * HOUR)
    reconcile()
    session.refresh_from_db()
    assert (session.status, session.end_reason) == (Status.CANCELED, SENTENCE)


def test_a_session_that_is_being_given_is_not_given(alice: User, policy: AccessPolicy) -> None:
    session = ask(alice)
    take_away(alice, policy)
    reconcile()
    session.refresh_from_db()
    assert (session.status, session.end_reason) == (Status.CANCELED, SENTENCE)


def test_try_it_names_the_exception(alice: User, policy: AccessPolicy) -> None:
    take_away(alice, policy)
    answer = may(alice, builders.make_activity(), builders.make_resource())
    assert answer.obstacle == SENTENCE
    assert answer.lines == ["The access policy Linux work has an exception of the access review “Autumn”."]
    out = StringIO()
    with pytest.raises(CommandError, match="The answer is no"):
        call_command("may", "alice", "Patch Linux", "web-1", stdout=out)
    assert SENTENCE in out.getvalue()


def test_what_was_taken_away_is_taken_away_once(alice: User, policy: AccessPolicy) -> None:
    first = take_away(alice, policy)
    take_away(alice, None)
    for which in (policy, None):
        with pytest.raises(IntegrityError), transaction.atomic():
            take_away(alice, which)
    AccessException.objects.filter(pk=first.pk).update(lifted_at=timezone.now())
    take_away(alice, policy)


def test_rights_say_by_which_group_and_policy_and_when_they_were_used(alice: User, outsider: User) -> None:
    group = Group.objects.create(name="Night shift")
    alice.groups.add(group)
    builders.make_policy("By name", users=[alice], priority=5)
    behind = builders.make_policy("By group", groups=[group], users=[alice])
    began = timezone.now() - dt.timedelta(days=3)
    builders.make_session(alice, Status.COMPLETE, start_at=began)
    builders.make_session(alice, Status.COMPLETE, start_at=began - HOUR)
    rights = effective_rights()
    assert [
        (f"{one.user}: {one.pair.activity} on {one.pair.resource} by {one.pair.policy} ({one.via})", one.decides)
        for one in rights
    ] == [
        ("alice: Patch Linux on web-1 by By name (directly)", True),
        ("alice: Patch Linux on web-1 by By group (directly, Night shift)", False),
    ]
    assert [one.last_used_at for one in rights] == [began] * 2
    [only] = effective_rights(policies=frozenset({behind.pk}))
    assert (only.pair.policy.name, only.decides) == ("By group", False)
    take_away(alice, AccessPolicy.objects.get(name="By name"))
    [left] = effective_rights()
    assert (left.pair.policy.name, left.decides) == ("By group", True)
    assert effective_rights(users=Q(pk=outsider.pk)) == []


def test_rights_leave_out_what_nobody_can_request(alice: User, policy: AccessPolicy) -> None:
    policy.activities.add(builders.make_activity("Windows", platform="windows"))
    policy.resources.add(builders.make_resource("off", is_active=False))
    assert len(effective_rights()) == 1
    policy.is_active = False
    policy.save()
    assert effective_rights() == []
    policy.is_active = True
    policy.save()
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert effective_rights() == []
    assert len(effective_rights(users=Q(is_active=False))) == 1


def test_many_rights_cost_the_same_queries_and_can_be_too_many(alice: User, policy: AccessPolicy) -> None:
    counts = []
    for number in (1, 20):
        policy.resources.set([builders.make_resource(f"web-{each}") for each in range(number)])
        with CaptureQueriesContext(connection) as captured:
            assert len(effective_rights(most=20)) == number
        counts.append(len(captured))
    assert counts[0] == counts[1]
    with pytest.raises(TooManyRights) as raised:
        effective_rights(most=19)
    assert raised.value.count == 20
