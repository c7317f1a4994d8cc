"""What somebody does to one session leaves everything else as it is: the same person's session on another host, and
another person's on the same host. And what is said when the remedy fails too."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils import timezone

from activity.models import Level, LogEntry
from activity.verbs import Verb
from sessions_app.catalogue.flows.resource import lock_resource
from sessions_app.catalogue.lock_models import ResourceLock
from sessions_app.catalogue.models import AccessPolicy, Resource
from sessions_app.errors import Refused
from sessions_app.gateway.flows.disconnect import Ending, disconnected
from sessions_app.gateway.flows.lost_connections import lose_connections
from sessions_app.gateway.models import ConnectionEnd, GatewayConnection, GatewayHeartbeat
from sessions_app.hosts.connectors import practice
from sessions_app.hosts.connectors.practice import PracticeConnector
from sessions_app.hosts.connectors.ssh import presence
from sessions_app.hosts.models import HostWatch
from sessions_app.privileged.flows.account import lock_account, unlock_account
from sessions_app.privileged.flows.end import end
from sessions_app.privileged.flows.extend import extend
from sessions_app.privileged.flows.lock import lock
from sessions_app.privileged.flows.lockdown import lock_down
from sessions_app.privileged.flows.terminate import terminate
from sessions_app.privileged.flows.unlock import unlock
from sessions_app.privileged.models import PrivilegedSession, Status
from sessions_app.worker import reconcile
from tests.support import builders
from tests.support.control_scene import OWNER, connect
from tests.support.scene import HOUR, age, ask, granted

LATER = dt.timedelta(minutes=10)


@pytest.fixture
def sessions(alice: User, outsider: User) -> list[PrivilegedSession]:
    """Return the session of alice on web-1 that a test changes, and two that must stay: alice's on web-2, outsider's.

    Each has a watch of its host and a connection, and is checked in ten minutes.
    """
    terms: dict[str, Any] = {"extension_limit": 2, "logon_monitor_interval": 600}
    made = [
        granted(alice, **terms),
        granted(alice, resource="web-2", **terms),
        granted(outsider, resource="web-1", **terms),
    ]
    for session in made:
        HostWatch.objects.get_or_create(
            resource=session.resource, defaults={"began_at": timezone.now(), "ended_at": timezone.now()}
        )
        connect(session)
    return made


def state(session: PrivilegedSession) -> tuple[Any, ...]:
    """Return everything that the console and the host store about a session."""
    return (
        PrivilegedSession.objects.filter(pk=session.pk).values().get(),
        list(session.controls.order_by("pk").values()),
        list(session.approvals.order_by("pk").values()),
        list(GatewayConnection.objects.filter(session=session).order_by("pk").values()),
        list(LogEntry.objects.of_target(session).order_by("pk").values_list("pk", "message")),
        practice.find_grant(session.pk),
        [grant for grant in practice.grants() if grant[1].get("session_id") == session.pk],
    )


def lock_and_unlock(admin: User, session: PrivilegedSession) -> None:
    lock(admin, session, title="Wait")
    reconcile()
    unlock(admin, session)


def reach_the_end(admin: User, session: PrivilegedSession) -> None:
    age(session, 3 * HOUR)


def lose_the_right(admin: User, session: PrivilegedSession) -> None:
    assert session.policy_id is not None
    AccessPolicy.objects.filter(pk=session.policy_id).update(is_active=False)


def lose_the_connection(admin: User, session: PrivilegedSession) -> None:
    disconnected([Ending(GatewayConnection.objects.get(session=session).pk, ConnectionEnd.CLOSED)])


TO_ONE_SESSION: list[Callable[[User, PrivilegedSession], Any]] = [
    end,
    terminate,
    extend,
    lock_and_unlock,
    reach_the_end,
    lose_the_right,
    lose_the_connection,
]


@pytest.mark.parametrize("happen", TO_ONE_SESSION)
def test_what_happens_to_one_session_leaves_the_others_as_they_are(
    admin: User, sessions: list[PrivilegedSession], happen: Callable[[User, PrivilegedSession], Any]
) -> None:
    session, *others = sessions
    elsewhere = HostWatch.objects.filter(resource=others[0].resource)
    before = [state(session), *(state(one) for one in others), elsewhere.values().get()]
    happen(admin, session)
    reconcile()
    after = [state(session), *(state(one) for one in others), elsewhere.values().get()]
    assert after[0] != before[0]
    assert after[1:] == before[1:]


def test_what_happens_to_an_account_leaves_other_people_as_they_are(
    alice: User, admin: User, sessions: list[PrivilegedSession]
) -> None:
    builders.make_login(alice)
    login = builders.make_login(sessions[2].user)
    before = state(sessions[2])
    lock_account(admin, alice, title="Wait")
    reconcile()
    unlock_account(admin, alice)
    reconcile()
    lock_down(admin, alice)
    reconcile()
    assert state(sessions[2]) == before
    login.refresh_from_db()
    assert login.is_live
    assert {PrivilegedSession.objects.get(pk=one.pk).status for one in sessions[:2]} == {Status.CANCELED}


def test_one_connection_that_ends_outdates_its_own_session_and_host(sessions: list[PrivilegedSession]) -> None:
    session, elsewhere, same_host = sessions
    looks = dict(PrivilegedSession.objects.values_list("pk", "next_monitor_at"))
    assert None not in looks.values()
    lose_the_connection(session.user, session)
    found = dict(PrivilegedSession.objects.values_list("pk", "next_monitor_at"))
    assert found == looks | {session.pk: None}
    assert HostWatch.objects.get(resource=session.resource).began_at is None
    assert HostWatch.objects.get(resource=elsewhere.resource).began_at is not None
    assert same_host.resource_id == session.resource_id


def test_a_cut_is_noted_in_the_watch_of_its_own_host(sessions: list[PrivilegedSession]) -> None:
    on = {str(one.pk): {"is_logged_on": True} for one in sessions}
    HostWatch.objects.update(found=on)
    watched, other = (HostWatch.objects.get(resource=sessions[number].resource) for number in (1, 0))
    assert other.pk < watched.pk  # else any first row would do
    presence.note_disconnect(watched.resource_id, sessions[1].pk)
    watched.refresh_from_db()
    other.refresh_from_db()
    assert watched.found == on | {str(sessions[1].pk): {"is_logged_on": False}}
    assert other.found == on


# --- the remedy fails too


def test_a_grant_that_comes_too_late_and_cannot_be_removed_is_left_to_people_in_the_log(
    alice: User, outsider: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    builders.make_policy(users=[alice])
    other = granted(outsider, resource="web-2")
    before = state(other)
    session = ask(alice)
    give = PracticeConnector.grant

    def late(self: PracticeConnector, *args: Any) -> None:
        PrivilegedSession.objects.filter(pk=session.pk).update(lease="", lease_until=None)  # it ran out meanwhile
        end(alice, PrivilegedSession.objects.get(pk=session.pk))
        reconcile(owner="another worker")
        give(self, *args)
        practice.set_state("web-1", practice.UNREACHABLE)

    monkeypatch.setattr(PracticeConnector, "grant", late)
    reconcile()
    session.refresh_from_db()
    assert session.status == Status.COMPLETE
    entries = LogEntry.objects.of_target(session).filter(verb=Verb.WORKER_PROBLEM).order_by("pk")
    assert list(entries.values_list("level", "message")) == [
        (Level.WARNING, "Rights were given too late and are taken away at once"),
        (Level.ERROR, "Take the rights of alice-adm on web-1 away by hand: web-1 cannot be reached."),
    ]
    assert state(other) == before


@pytest.mark.parametrize("by", [dt.timedelta(0), -LATER])
def test_an_extension_of_nothing_is_no_extension(alice: User, by: dt.timedelta) -> None:
    session = granted(alice, extension_limit=2, extension_by=by)
    before = state(session)
    with pytest.raises(Refused, match="allows no extension"):
        extend(alice, session)
    assert state(session) == before


# --- who comes while somebody else decides waits, on both databases


def meanwhile(first: Callable[[], Any], second: Callable[[], Any]) -> Any:
    """Begin `second` while the transaction of `first` is open; what it returned after that, or the exception."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append(second())
        except Refused as refused:
            outcome.append(refused)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    with transaction.atomic():
        first()
        thread.start()
        time.sleep(0.4)
        assert outcome == [], "it did not wait"
    thread.join(30)
    return outcome[0]


@pytest.mark.django_db(transaction=True)
def test_who_closes_a_resource_waits_for_who_does_so_at_the_same_moment(admin: User) -> None:
    resource, other = builders.make_resource("web-1"), builders.make_resource("web-2")
    second = builders.make_admin("second-admin")
    refused = meanwhile(
        lambda: lock_resource(admin, resource, title="First"),
        lambda: lock_resource(second, resource, title="Second"),
    )
    assert isinstance(refused, Refused)
    assert refused.message == "web-1 is closed to new sessions already: First."
    assert list(ResourceLock.objects.values_list("resource", "title")) == [(resource.pk, "First")]
    assert not ResourceLock.objects.filter(resource=other).exists()


@pytest.mark.django_db(transaction=True)
def test_who_closes_a_resource_waits_for_whoever_holds_it(admin: User) -> None:
    resource = builders.make_resource("web-1")
    made = meanwhile(
        lambda: Resource.objects.select_for_update(no_key=True).get(pk=resource.pk),
        lambda: lock_resource(admin, resource, title="Second"),
    )
    assert list(ResourceLock.objects.values_list("pk", "title")) == [(made.pk, "Second")]


@pytest.mark.django_db(transaction=True)
def test_connections_are_not_lost_while_their_gateway_gives_a_sign_of_life(alice: User) -> None:
    long_ago = timezone.now() - HOUR
    GatewayHeartbeat.objects.create(owner=OWNER, host="gate-1", started_at=long_ago, seen_at=long_ago)
    opened = connect(builders.make_session(alice), gateway=OWNER)
    lost = meanwhile(
        lambda: GatewayHeartbeat.objects.filter(owner=OWNER).update(seen_at=timezone.now()),
        lambda: lose_connections(OWNER, long_ago),
    )
    assert lost == 0
    assert GatewayConnection.objects.open().filter(pk=opened.pk).exists()
