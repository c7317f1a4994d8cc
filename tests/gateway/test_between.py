"""What happens while something else does: a lock while the host is being reached, an end before the beginning is noted,
one connection that breaks what is done about all."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import time
from typing import Any

import asyncssh
import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.catalogue.models import ConnectionProfile
from sessions_app.errors import Refused
from sessions_app.gateway import heartbeats, process, store
from sessions_app.gateway import relay as relay_module
from sessions_app.gateway import upkeep as heartbeat
from sessions_app.gateway.control_loop import ControlLoop
from sessions_app.gateway.flows import connect as connecting
from sessions_app.gateway.flows.disconnect import Ending, disconnected
from sessions_app.gateway.models import ConnectionEnd, EntryPoint, GatewayConnection
from sessions_app.gateway.recording_writer import RecordingWriter
from sessions_app.gateway.registry import Registry
from sessions_app.gateway.store import Admitted
from sessions_app.gateway.upstream import HostRefused, Upstream, open_upstream
from sessions_app.hosts.models import HostWatch
from sessions_app.privileged.flows.lock import lock
from sessions_app.privileged.models import PrivilegedSession, Status
from tests.support import builders
from tests.support.control_scene import OWNER, away, connect, controlled, hold, run
from tests.support.gateway_scene import Front, front, prepared
from tests.support.waiting import seconds, until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("terminal", ["xterm", None])
def test_what_was_asked_before_a_lock_does_not_begin_after_it(
    alice: User, monkeypatch: pytest.MonkeyPatch, terminal: str | None
) -> None:
    """A host may take seconds to let somebody in; the lock is enforced, and confirmed, meanwhile."""
    scene: list[Front] = []

    async def slow(admitted: Admitted) -> Upstream:
        upstream = await open_upstream(admitted)
        scene[0].relay().freeze("Stop now", "")
        return upstream

    async def scenario() -> None:
        async with asyncio.timeout(seconds(30)), front(given) as there, await there.connect() as client:
            scene.append(there)
            done = await client.run("swallow", term_type=terminal)
            assert done.exit_status == 1
            assert "was locked meanwhile" in f"{done.stdout!s}{done.stderr!s}"
            if terminal:  # the screen of the lock is gone again
                assert str(done.stdout).rindex("\x1b[?1049l") > str(done.stdout).rindex("\x1b[?1049h")
            assert there.host.process is None
            assert not there.registry.relays

    given = prepared(alice)
    monkeypatch.setattr(relay_module, "open_upstream", slow)
    run(scenario())
    assert GatewayConnection.objects.get().end_reason == ConnectionEnd.FAILED


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (asyncssh.HostKeyNotVerifiable("x"), "shows another host key"),
        (asyncssh.KeyExchangeFailed("x"), "offers no host key of the confirmed kind"),
        (asyncssh.PermissionDenied("x"), r"does not let satest-1 in\..*certificate authority .* request a new session"),
        (asyncssh.ConnectionLost("the wire was cut"), "cannot be reached: the wire was cut"),
        (ConnectionRefusedError("Connection refused"), "cannot be reached: Connection refused"),
        (TimeoutError(), "cannot be reached: no answer in time"),
    ],
)
def test_a_host_that_lets_nobody_in_is_named_with_the_reason(
    alice: User, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    mine = connect(builders.make_session(alice, login_account="satest-1"))
    key = asyncssh.generate_private_key("ssh-ed25519")

    async def refused(*args: object, **options: object) -> None:
        raise error

    async def scenario() -> None:
        relay, _ = hold(Registry(OWNER), mine)
        confirmed = dataclasses.replace(relay.admitted.host, host_key=key.export_public_key().decode().strip())
        monkeypatch.setattr(asyncssh, "create_connection", refused)
        with pytest.raises(HostRefused, match=said):
            await open_upstream(dataclasses.replace(relay.admitted, host=confirmed))

    run(scenario())


def test_a_certificate_is_signed_by_the_clock_of_its_host_which_is_named_when_it_is_refused(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = prepared(alice).session
    HostWatch.objects.create(resource=session.resource, clock_off=-600.0)
    HostWatch.objects.create(resource=builders.make_resource("web-2"), clock_off=7200.0)
    admitted = store.admit(
        connecting.AuthenticatedClient(alice.pk, session.pk, EntryPoint.SSH, "192.0.2.9", "ssh"), OWNER
    )
    details = LogEntry.objects.get(verb=Verb.CERTIFICATE_SIGNED).details
    assert details["clock_off"] == -600
    there = time.time() - 600
    certificate: Any = admitted.certificate  # the library keeps its times to itself
    assert certificate._valid_after < there < certificate._valid_before < there + 400

    async def refused(*args: object, **options: object) -> None:
        raise asyncssh.PermissionDenied("x")

    async def scenario() -> None:
        monkeypatch.setattr(asyncssh, "create_connection", refused)
        with pytest.raises(
            HostRefused, match=r"Its clock was 10 min behind the console's; .* expired or is not valid yet"
        ):
            await open_upstream(admitted)
        with pytest.raises(HostRefused, match="the clock is read now, so try again in a few seconds"):
            await open_upstream(dataclasses.replace(admitted, clock_off=0.0))

    run(scenario())


def test_what_goes_wrong_beside_a_connection_is_in_the_log_and_what_was_broken_off_is_not(
    alice: User, caplog: pytest.LogCaptureFixture
) -> None:
    mine = connect(builders.make_session(alice))

    async def breaks() -> None:
        raise KeyError("of a task")

    async def scenario() -> None:
        relay, _ = hold(Registry(OWNER), mine)
        wrong, over = relay._spawn(breaks()), relay._spawn(asyncio.sleep(60))
        await asyncio.sleep(0)
        over.cancel()
        await asyncio.wait({wrong, over})
        await asyncio.sleep(0)
        assert not relay._tasks

    run(scenario())
    [record] = caplog.records
    assert record.getMessage() == f"Connection {mine.pk} of session {mine.session_id}"
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], KeyError)


def test_while_it_is_locked_nothing_new_is_forwarded(alice: User) -> None:
    scene: list[Front] = []
    asked, reached = [], []

    class Forwards(asyncssh.SSHServer):
        """A host that forwards connections to any port. During the second one the session is locked."""

        def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> bool:
            asked.append(dest_port)
            if len(asked) == 2:
                scene[0].relay().freeze("Stop now", "")
            return True

    async def target(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            reached.append(data)
        writer.close()

    async def scenario() -> None:
        listening = await asyncio.start_server(target, "127.0.0.1", 0)
        where = listening.sockets[0].getsockname()[:2]
        await away(ConnectionProfile.objects.update, tcp_targets=f"{where[0]}:{where[1]}")
        async with (
            asyncio.timeout(seconds(30)),
            front(given, server_factory=Forwards) as there,
            await there.connect() as client,
        ):
            scene.append(there)
            _, first = await client.open_connection(*where, encoding=None)
            first.write(b"before")
            await until(lambda: b"before" in reached, "it is forwarded")
            for _ in range(2):
                with pytest.raises(asyncssh.ChannelOpenError, match="locked"):
                    await client.open_connection(*where, encoding=None)
            assert len(asked) == 2
            first.write(b"after")
            await asyncio.sleep(0.1)
            assert reached == [b"before"]
            there.relay().unfreeze()
            await until(lambda: b"after" in reached, "it goes on")
        listening.close()

    given = prepared(alice)
    run(scenario())


def test_a_connection_that_is_over_before_it_began_logs_nobody_in(alice: User) -> None:
    """Its gateway was given up, or the host failed, while the beginning was on its way to the database."""
    session = builders.make_session(alice)
    connection = connect(session)
    assert disconnected([Ending(connection.pk, ConnectionEnd.LOST)])
    with pytest.raises(Refused):
        connecting.connected(connection)
    assert PrivilegedSession.objects.get().status == Status.AVAILABLE
    assert not LogEntry.objects.filter(verb=Verb.CONNECTION_OPENED).exists()


def test_one_connection_that_breaks_is_dropped_and_the_others_are_locked(admin: User, alice: User) -> None:
    session = builders.make_session(alice)
    rows = [connect(session) for _ in range(3)]

    async def scenario() -> None:
        registry = Registry(OWNER)
        (first, _), (broken, person), (last, _) = (hold(registry, each) for each in rows)

        def fail(data: bytes) -> None:
            raise RuntimeError("The library changed its mind.")

        person.write = person.write_error = fail  # type: ignore[method-assign]  # this person's only
        async with controlled(registry):
            await away(lock, admin, session, title="Stop now")
            await until(lambda: first.is_frozen and last.is_frozen, "the others are frozen")
            await broken.closed.wait()
        assert person.closed

    run(scenario())
    ends = [GatewayConnection.objects.get(pk=one.pk).end_reason for one in rows]
    assert ends == ["", ConnectionEnd.FAILED, ""]


@pytest.mark.parametrize("name", ["control", "heartbeat", "recording writer"])
def test_a_gateway_that_lost_what_runs_beside_lets_nobody_go_on_and_fails(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Without control no lock would be enforced, for as long as people may take to finish."""
    hurried: list[bool] = []

    async def broken(*args: object) -> None:
        raise RuntimeError("out of memory")

    async def drain(registry: Registry, seconds: float, hurry: asyncio.Event) -> None:
        hurried.append(hurry.is_set())

    writer = (RecordingWriter, "run")
    target = {"control": (ControlLoop, "run"), "heartbeat": (heartbeat, "run"), "recording writer": writer}[name]
    monkeypatch.setattr(*target, broken)
    monkeypatch.setattr(process, "drain", drain)
    options = process.Options(OWNER, "127.0.0.1", 0, 0, 3600)
    with pytest.raises(process.Failed, match=name):
        run(process.run(options, lambda ssh, terminals: None))
    assert hurried == [True]


def test_a_terminal_ends_with_the_time_of_its_login_also_while_no_worker_is_there(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeats, "REAP_EVERY_SECONDS", 0.01)
    old, new = builders.make_login(alice, created_at=timezone.now() - dt.timedelta(days=2)), builders.make_login(alice)
    session = builders.make_session(alice)
    rows = [connect(session, login_session=login, entry_point=EntryPoint.BROWSER) for login in (old, new)]

    async def scenario() -> None:
        registry = Registry(OWNER)
        (ended, _), (stays, _) = (hold(registry, row) for row in rows)
        async with controlled(registry):
            beating = asyncio.create_task(heartbeat.run(registry))
            await ended.closed.wait()
            assert not stays.is_over
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)

    run(scenario())
    assert GatewayConnection.objects.get(pk=rows[0].pk).end_reason == ConnectionEnd.LOGGED_OUT
