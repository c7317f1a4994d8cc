"""Who waits for a host is told for what; and a host that answers again is visited at once."""

from __future__ import annotations

import contextlib
import datetime as dt
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from sessions_app.hosts.connectors import progress
from sessions_app.hosts.connectors.practice import PracticeConnector
from sessions_app.hosts.connectors.ssh.transport import TURNS, Host
from sessions_app.hosts.models import HostWatch
from sessions_app.privileged.flows.lock import lock
from sessions_app.privileged.models import ControlRequest, PrivilegedSession, Status
from sessions_app.worker import lease, passes, reconcile
from sessions_app.worker.host_recovery import RecoveryWatcher
from tests.support import builders, pages
from tests.support.programs import free_port
from tests.support.scene import ask
from tests.support.waiting import wait_until

AsUser = Callable[[User], Client]
LATER = dt.timedelta(minutes=5)


@pytest.mark.django_db(transaction=True)
def test_a_host_that_stalls_shows_what_is_waited_for_until_it_goes_on(
    as_user: AsUser, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    builders.make_resource()
    builders.make_activity()
    builders.make_policy(users=[alice])
    session = ask(alice)
    other = builders.make_session(
        builders.make_user("other"), Status.PROVISIONING, lease="x", lease_until=LATER + timezone.now()
    )
    client, seen = as_user(alice), []
    give = PracticeConnector.grant

    def stalling(self: PracticeConnector, *args: Any) -> None:
        progress.begin("the step “Make the account” has not ended yet")
        rows = PrivilegedSession.objects.filter(pk=session.pk).exclude(waiting_for="")
        wait_until(rows.exists, "the row says it")
        seen.append(pages.text(pages.elements(client.get(f"/sessions/{session.pk}/"))))
        give(self, *args)

    monkeypatch.setattr(lease, "SLOW", 0.05)
    monkeypatch.setattr(PracticeConnector, "grant", stalling)
    reconcile()
    assert f"Waiting for {session.resource_name} since " in seen[0]
    assert ": the step “Make the account” has not ended yet." in seen[0]
    session.refresh_from_db()
    assert (session.status, session.waiting_for, session.waiting_since) == (Status.AVAILABLE, "", None)
    assert "Waiting for" not in pages.text(pages.elements(client.get(f"/sessions/{session.pk}/")))
    assert PrivilegedSession.objects.get(pk=other.pk).waiting_for == ""


@contextlib.contextmanager
def greeting(port: int) -> Iterator[None]:
    """Run a server that sends the greeting of an SSH server and then closes the connection."""
    with socket.create_server(("127.0.0.1", port)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = server.accept()
                    client.sendall(b"SSH-2.0-Test\r\n")
                    client.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)


@pytest.mark.django_db
def test_a_host_that_answers_again_is_visited_at_once_and_no_other(alice: User, admin: User) -> None:
    port, later = free_port(), timezone.now() + LATER
    web = builders.make_resource("web-1", connector="ssh", address="127.0.0.1", port=port)
    dead = builders.make_resource("web-2", connector="ssh", address="127.0.0.1", port=free_port())
    values = {"attempts": 7, "last_error": "no answer", "next_attempt_at": later}
    stuck = builders.make_session(alice, Status.CANCELING, resource=web, ends_as=Status.COMPLETE, **values)
    other = builders.make_session(alice, Status.CANCELING, resource=dead, ends_as=Status.COMPLETE, **values)
    locked = builders.make_session(alice, resource=web, next_monitor_at=later)
    lock(admin, locked, title="Stop")
    ControlRequest.objects.update(last_error="no answer", next_attempt_at=later)
    PrivilegedSession.objects.filter(pk=locked.pk).update(next_monitor_at=later)
    HostWatch.objects.create(resource=web, began_at=later, ended_at=later, problem="no answer")
    for one in (web, dead):
        TURNS.note(Host(one.name, one.address, one.port, "root", ""), "no answer")
    recovery = RecoveryWatcher(threading.Event())
    assert recovery.look() == 0
    assert passes.due(timezone.now()) == []
    with greeting(port):
        assert recovery.look() == 1
        assert passes.due(timezone.now()) == [stuck.pk, locked.pk]
        assert HostWatch.objects.get().began_at is None
        assert not TURNS.is_silent(("127.0.0.1", port))
        assert recovery.look() == 0
    assert PrivilegedSession.objects.get(pk=other.pk).next_attempt_at == later
    TURNS._silent.clear()


@pytest.mark.django_db
def test_a_host_that_greets_and_then_breaks_off_is_left_to_the_pauses(alice: User) -> None:
    port, later = free_port(), timezone.now() + LATER
    web = builders.make_resource("web-1", connector="ssh", address="127.0.0.1", port=port)
    values = {"attempts": 7, "last_error": "broke off", "next_attempt_at": later}
    builders.make_session(alice, Status.CANCELING, resource=web, ends_as=Status.COMPLETE, **values)
    TURNS.note(Host(web.name, web.address, web.port, "root", ""), "broke off")
    recovery = RecoveryWatcher(threading.Event())
    with greeting(port):
        assert [recovery.look() for _ in range(2)] == [0, 0]
    assert passes.due(timezone.now()) == []
    TURNS._silent.clear()
