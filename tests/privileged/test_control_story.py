"""The page tells truly when each gateway and the host enforced a control, until when, and what came after it."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.gateway import connection_state
from sessions_app.gateway.flows.disconnect import Ending, disconnected
from sessions_app.gateway.models import ConnectionEnd, GatewayConnection, GatewayEnforcement
from sessions_app.hosts.connectors.practice import PracticeConnector
from sessions_app.privileged.flows.end import end
from sessions_app.privileged.flows.extend import extend
from sessions_app.privileged.flows.lock import lock
from sessions_app.privileged.flows.unlock import unlock
from sessions_app.privileged.models import ControlRequest, PrivilegedSession, Status
from sessions_app.worker import reconcile
from tests.support import builders, pages
from tests.support.control_scene import OWNER, connect
from tests.support.scene import ask

pytestmark = pytest.mark.django_db
AsUser = Callable[[User], Client]


def given(user: User) -> PrivilegedSession:
    """Return a session that the worker made available on a practice host."""
    session = ask(user)
    reconcile()
    session.refresh_from_db()
    assert session.status == Status.AVAILABLE
    return session


@pytest.fixture
def session(alice: User) -> PrivilegedSession:
    builders.make_resource()
    builders.make_activity()
    builders.make_policy(users=[alice])
    return given(alice)


def confirm(*connections: GatewayConnection, is_frozen: bool) -> None:
    newest = ControlRequest.objects.order_by("-pk")[0].pk
    connection_state.confirm([connection_state.EnforcedState(one.pk, newest, is_frozen) for one in connections])


def shown(client: Client, session: PrivilegedSession) -> list[dict[str, str]]:
    return pages.controls(pages.elements(client.get(f"/sessions/{session.pk}/")))


def fresh(session: PrivilegedSession) -> PrivilegedSession:
    return PrivilegedSession.objects.get(pk=session.pk)


def test_a_lock_that_a_gateway_and_the_host_enforced_is_told_with_the_times_of_each(
    as_user: AsUser, admin: User, auditor: User, session: PrivilegedSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other = connect(session), builders.make_session(builders.make_user("other"))
    untouched = connect(other)
    freeze = PracticeConnector.lock

    def carried_out_while_it_is_unlocked(self: PracticeConnector, *args: Any) -> None:
        freeze(self, *args)
        unlock(admin, fresh(session))

    lock(admin, fresh(session), title="Stop")
    confirm(mine, is_frozen=True)
    asked = ControlRequest.objects.get()
    monkeypatch.setattr(PracticeConnector, "lock", carried_out_while_it_is_unlocked)
    reconcile()
    confirm(mine, is_frozen=False)
    reconcile()
    # As if five seconds lay between them.
    begin = timezone.now() - dt.timedelta(seconds=60)
    seconds = [begin + dt.timedelta(seconds=number) for number in range(10)]
    GatewayEnforcement.objects.filter(control=asked).update(began_at=seconds[0], ended_at=seconds[5])
    ControlRequest.objects.filter(pk=asked.pk).update(enforced_at=seconds[2], enforced_until=seconds[7])
    unlocking, locking = shown(as_user(auditor), session)
    assert locking["Control"] == "Lock Superseded superseded by Unlock"
    assert locking["Requested"] == f"{asked.requested_at:%H:%M:%S} by admin “Stop”"
    assert locking["Gateway"].startswith(f"{span(seconds[0], seconds[5])} {OWNER}, 1 connection")
    assert locking["Host"] == span(seconds[2], seconds[7])
    assert unlocking["Control"] == "Unlock Enforced"
    shown_text = [entry.message for entry in LogEntry.objects.filter(verb=Verb.CONTROL_ENFORCED).order_by("pk")]
    assert shown_text[0] == f"The lock is in force in the gateway {OWNER} for 1 connection to {session.resource_name}"
    assert shown_text[1] == f"The lock is in force on {session.resource_name}, and superseded by Unlock"
    assert shown_text[2].startswith(f"The lock is lifted in the gateway {OWNER} for 1 connection")
    assert shown_text[2].endswith("Z (gateway)")
    assert "Lock was in force" in shown_text[2]
    assert shown_text[3].startswith(f"The lock is lifted on {session.resource_name}; Lock was in force ")
    assert shown_text[3].endswith("Z (host)")
    cells = {cell for line in csv.reader(io.StringIO(download(as_user(auditor), session))) for cell in line}
    assert set(shown_text) <= cells
    assert GatewayConnection.objects.get(pk=untouched.pk).confirmed_at is None
    assert not other.controls.exists()


def span(since: dt.datetime, until: dt.datetime) -> str:
    return f"{since:%H:%M:%S} to {until:%H:%M:%S}"


def download(client: Client, session: PrivilegedSession) -> str:
    answer = client.get(f"/sessions/{session.pk}/log/?csv=1")
    assert answer.status_code == 200
    return pages.streamed(answer).decode()


def test_an_extension_that_only_the_gateway_enforced_is_told_as_that(
    as_user: AsUser, auditor: User, alice: User, session: PrivilegedSession
) -> None:
    session.profile.extension_limit = 1
    session.profile.save()
    mine = connect(session)
    extend(alice, fresh(session))
    confirm(mine, is_frozen=False)
    end(alice, fresh(session))
    disconnected([Ending(mine.pk, ConnectionEnd.ENDED)])
    reconcile()
    assert fresh(session).status == Status.COMPLETE
    (control,) = shown(as_user(auditor), session)
    row = GatewayEnforcement.objects.get()
    assert row.ended_at is not None
    assert control["Gateway"].startswith(f"{row.began_at:%H:%M:%S} to ")
    assert control["Host"] == "never in force"
    assert control["Control"] == "Extend Over the session ended"


def test_what_was_never_in_force_is_told_as_that(as_user: AsUser, admin: User, session: PrivilegedSession) -> None:
    lock(admin, fresh(session), title="Stop")
    unlock(admin, fresh(session))
    reconcile()
    unlocking, locking = shown(as_user(admin), session)
    assert locking["Control"] == "Lock Never in force superseded by Unlock"
    assert locking["Host"] == "never in force"
    assert unlocking["Host"].startswith("since ")


def test_a_lock_that_stands_at_the_end_was_in_force_until_the_rights_were_gone(
    as_user: AsUser, admin: User, session: PrivilegedSession
) -> None:
    lock(admin, fresh(session), title="Stop")
    reconcile()
    end(admin, fresh(session))
    reconcile()
    control = session.controls.get()
    assert control.enforced_at is not None
    assert control.enforced_until is not None
    assert "Lock was in force" in LogEntry.objects.filter(verb=Verb.CONTROL_ENFORCED).latest("pk").message
    (row,) = shown(as_user(admin), session)
    assert " to " in row["Host"]
    assert row["Control"].endswith("the session ended")


def test_of_two_gateways_each_has_its_own_times_and_connections(admin: User, session: PrivilegedSession) -> None:
    one, two, three = connect(session), connect(session), connect(session, gateway="gate-2")
    lock(admin, fresh(session), title="Stop")
    confirm(one, is_frozen=True)
    confirm(two, is_frozen=True)
    confirm(three, is_frozen=True)
    rows = GatewayEnforcement.objects.order_by("gateway")
    assert [(row.gateway, row.connections, row.ended_at) for row in rows] == [(OWNER, 2, None), ("gate-2", 1, None)]
    disconnected([Ending(three.pk, ConnectionEnd.HOST)])
    assert [row.ended_at is None for row in rows.all()] == [True, False]
    unlock(admin, fresh(session))
    confirm(one, two, is_frozen=False)
    assert [row.control.kind for row in GatewayEnforcement.objects.filter(ended_at=None)] == ["unlock"]
