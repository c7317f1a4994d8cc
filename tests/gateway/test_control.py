"""What the console changes is enforced on live connections at once, and confirmed."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.utils import timezone

from sessions_app.gateway import connection_state, store, upkeep
from sessions_app.gateway import control_loop as control_module
from sessions_app.gateway.control_loop import ControlLoop
from sessions_app.gateway.models import ConnectionEnd, EntryPoint, GatewayConnection
from sessions_app.gateway.recording import Asciicast
from sessions_app.gateway.registry import Registry
from sessions_app.hosts.flows.ssh_keys import remove_key
from sessions_app.logins.flows.logout import logout
from sessions_app.privileged.flows.account import lock_account, unlock_account
from sessions_app.privileged.flows.end import end
from sessions_app.privileged.flows.extend import extend
from sessions_app.privileged.flows.lock import lock
from sessions_app.privileged.flows.lockdown import lock_down
from sessions_app.privileged.flows.terminate import terminate
from sessions_app.privileged.flows.unlock import unlock
from sessions_app.privileged.models import ControlRequest, PrivilegedSession
from tests.support import builders
from tests.support.control_scene import OWNER, away, connect, controlled, hold, make_connection, run
from tests.support.recordings import make_cast
from tests.support.waiting import PATIENCE, until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _only_woken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turn off regular checks, so that the gateway only reacts to announcements."""
    monkeypatch.setattr(control_module, "LOOK_EVERY_SECONDS", 600.0)


def row(connection: GatewayConnection) -> GatewayConnection:
    return GatewayConnection.objects.get(pk=connection.pk)


def test_a_lock_freezes_the_session_and_no_other_and_is_confirmed(admin: User, alice: User) -> None:
    session, other = builders.make_session(alice), make_connection()
    one, two = connect(session), connect(session, entry_point=EntryPoint.BROWSER)

    async def scenario() -> None:
        registry = Registry(OWNER)
        (first, seen), (second, _), (apart, _) = (hold(registry, each) for each in (one, two, other))
        async with controlled(registry):
            await away(lock, admin, session, title="Stop now", message="Call 12")
            await until(lambda: first.is_frozen and second.is_frozen, "both are frozen")
            assert not apart.is_frozen
            assert b"Stop now" in seen.seen
            assert b"Call 12" in seen.seen
            asked = await away(lambda: ControlRequest.objects.get().pk)
            for each in (one, two):
                while (shown := await away(row, each)).confirmed_control < asked:
                    await asyncio.sleep(0.01)
                assert shown.is_frozen
                assert shown.confirmed_at is not None
            await away(lambda: unlock(admin, PrivilegedSession.objects.get(pk=session.pk)))
            await until(lambda: not first.is_frozen and not second.is_frozen, "both go on")
            while (shown := await away(row, one)).confirmed_control == asked:
                await asyncio.sleep(0.01)
            assert not shown.is_frozen

    run(scenario())


Step = Callable[[User, PrivilegedSession, dict[str, Any]], object]
CUTS: dict[str, tuple[EntryPoint, Step, ConnectionEnd]] = {
    "terminate": (EntryPoint.SSH, lambda admin, session, has: terminate(admin, session), ConnectionEnd.TERMINATED),
    "cut": (
        EntryPoint.SSH,
        lambda admin, session, has: terminate(admin, session, cancel=False),
        ConnectionEnd.TERMINATED,
    ),
    "end": (EntryPoint.SSH, lambda admin, session, has: end(session.user, session), ConnectionEnd.ENDED),
    "log out": (
        EntryPoint.BROWSER,
        lambda admin, session, has: logout(session.user, has["login"]),
        ConnectionEnd.LOGGED_OUT,
    ),
    "log somebody out": (
        EntryPoint.SSH,
        lambda admin, session, has: logout(admin, has["login"]),
        ConnectionEnd.LOGGED_OUT,
    ),
    "lock the account": (
        EntryPoint.BROWSER,
        lambda admin, session, has: lock_account(admin, session.user, title="Stop"),
        ConnectionEnd.REVOKED,
    ),
    "lock the account of an SSH client": (
        EntryPoint.SSH,
        lambda admin, session, has: lock_account(admin, session.user, title="Stop"),
        ConnectionEnd.REVOKED,
    ),
    "lock the account of a locked session": (
        EntryPoint.SSH,
        lambda admin, session, has: lock_both(admin, session),
        ConnectionEnd.REVOKED,
    ),
    "cut everything": (
        EntryPoint.SSH,
        lambda admin, session, has: lock_down(admin, session.user),
        ConnectionEnd.REVOKED,  # the lock of the account comes first
    ),
    "remove the key": (
        EntryPoint.SSH,
        lambda admin, session, has: remove_key(session.user, has["key"]),
        ConnectionEnd.REVOKED,
    ),
    "disable the account": (EntryPoint.SSH, lambda admin, session, has: disable(session.user), ConnectionEnd.REVOKED),
}


def lock_both(admin: User, session: PrivilegedSession) -> None:
    lock(admin, session, title="Wait")
    lock_account(admin, session.user, title="Stop")


def disable(user: User) -> None:
    user.is_active = False
    user.save()


@pytest.mark.parametrize("name", CUTS)
def test_it_cuts_and_says_why(admin: User, alice: User, name: str) -> None:
    entry_point, step, expected = CUTS[name]
    session = builders.make_session(alice)
    has: dict[str, Any] = {"login": builders.make_login(alice), "key": builders.make_key(alice)}
    login = has["login"] if name.startswith("log ") or entry_point == EntryPoint.BROWSER else None
    mine = connect(
        session, entry_point=entry_point, login_session=login, key=has["key"], fingerprint=has["key"].fingerprint
    )
    other = make_connection() if name != "cut" else connect(builders.make_session(builders.make_user("bob")))
    if "account" in name or name == "cut everything":
        other = connect(builders.make_session(builders.make_user("bob")))

    async def scenario() -> None:
        registry = Registry(OWNER)
        (relay, person), (apart, _) = hold(registry, mine), hold(registry, other)
        async with controlled(registry):
            await away(step, admin, session, has)
            await until(relay.closed.is_set, "it is cut")
            assert person.closed
            assert person.closed.encode() in person.seen
            assert not apart.is_over

    run(scenario())
    shown = row(mine)
    assert shown.end_reason == expected
    newest = session.controls.order_by("-pk").first()
    if name != "cut everything":  # which asks for more when the connection may be over already
        assert newest is None or shown.confirmed_control == newest.pk
    assert row(other).end_reason == ""


def test_the_last_words_are_those_of_the_accounts_lock_and_who_was_unlocked_comes_back(
    admin: User, alice: User
) -> None:
    session = builders.make_session(alice)
    mine = connect(session)

    async def scenario() -> None:
        registry = Registry(OWNER)
        relay, person = hold(registry, mine)
        async with controlled(registry):
            await away(lock_account, admin, alice, title="Lost laptop", message="Call 12")
            await until(relay.closed.is_set, "it is cut")
            assert person.closed == "Your account is locked: Lost laptop. Call 12."
            assert not relay.is_frozen
            await away(unlock_account, admin, alice)
            again, _ = hold(registry, await away(connect, session))
            await away(lock, admin, session, title="Wait")
            await until(lambda: again.is_frozen, "it was looked at")
            assert not again.is_over

    run(scenario())


def test_who_connects_after_a_cut_stays(admin: User, alice: User) -> None:
    session = builders.make_session(alice)
    before = connect(session)

    async def scenario() -> None:
        registry = Registry(OWNER)
        first, _ = hold(registry, before)
        async with controlled(registry):
            await away(terminate, admin, session, cancel=False)
            await until(first.closed.is_set, "it is cut")
            second, _ = hold(registry, await away(connect, session))
            await away(lock, admin, session, title="Stop")
            await until(lambda: second.is_frozen, "it was looked at again")
            assert not second.is_over

    run(scenario())


def test_an_extension_moves_the_end_and_the_person_is_told(admin: User, alice: User) -> None:
    session = builders.make_session(alice, profile=builders.make_profile(extension_limit=1))
    mine = connect(session)

    async def scenario() -> None:
        registry = Registry(OWNER)
        relay, person = hold(registry, mine)
        before = relay.end_at
        async with controlled(registry):
            await away(extend, alice, session)
            await until(lambda: b"Extended: this session ends at" in person.seen, "it is told")
            assert relay.end_at == before + session.profile.extension_by
            assert not relay.can_extend

    run(scenario())


def test_the_end_comes_without_anybody_saying_so(alice: User) -> None:
    mine = connect(builders.make_session(alice, end_at=timezone.now() + dt.timedelta(seconds=1)))

    async def scenario() -> None:
        registry = Registry(OWNER)
        relay, person = hold(registry, mine)
        await until(relay.closed.is_set, "it ends")
        assert b"ended" in person.seen

    run(scenario())
    assert row(mine).end_reason == ConnectionEnd.ENDED


def test_a_clock_that_jumps_ahead_ends_sessions_and_one_that_jumps_back_does_not(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    soon = connect(builders.make_session(alice, end_at=timezone.now() + dt.timedelta(seconds=2)))
    later = connect(builders.make_session(alice))
    real = timezone.now
    jump = dt.timedelta(0)
    monkeypatch.setattr(timezone, "now", lambda: real() + jump)
    offset = control_module._wall_offset
    monkeypatch.setattr(control_module, "_wall_offset", lambda: offset() + jump.total_seconds())

    async def scenario() -> None:
        nonlocal jump
        registry = Registry(OWNER)
        control = ControlLoop(registry, asyncio.Event())
        (first, _), (second, _) = hold(registry, soon), hold(registry, later)
        jump = dt.timedelta(minutes=-10)
        await control.look()
        await asyncio.sleep(2.5)
        assert not first.is_over
        jump = dt.timedelta(hours=2)
        await control.look()
        await until(lambda: first.closed.is_set() and second.closed.is_set(), "both have ended")

    run(scenario())


@pytest.mark.parametrize("hangs", [False, True])
def test_without_its_database_nobody_goes_on_until_it_is_back(
    alice: User, monkeypatch: pytest.MonkeyPatch, hangs: bool
) -> None:
    mine = connect(builders.make_session(alice))
    monkeypatch.setattr(control_module, "ISOLATED_AFTER_SECONDS", 0.3)
    monkeypatch.setattr(control_module, "STALE_AFTER_SECONDS", 0.2)
    monkeypatch.setattr(control_module, "LOOK_EVERY_SECONDS", 0.1)
    real = connection_state.connection_states
    back = threading.Event()

    def broken(gateway: str) -> Any:
        if hangs and back.wait(PATIENCE):
            return []  # as it stood long ago: nothing that anybody may act on
        raise OperationalError("gone")

    async def scenario() -> None:
        registry = Registry(OWNER)
        relay, person = hold(registry, mine)
        relay.bridge.recorder, cast = recorder()
        host: Any = Quiet()
        relay.bridge._host = host
        async with controlled(registry):
            monkeypatch.setattr(connection_state, "connection_states", broken)
            await until(lambda: relay.is_frozen, "it is frozen")
            assert b"cannot reach its database" in person.seen
            assert b"What you type now is lost" in person.seen
            assert b"administrator" not in person.seen
            relay.bridge.client_data(b"ls\r")
            monkeypatch.setattr(connection_state, "connection_states", real)
            back.set()
            await until(lambda: not relay.is_frozen, "it goes on")
            assert not relay.is_over
            assert b"3 bytes that you typed meanwhile did not reach the host." in person.seen
            marks = [event[2] for event in map(json.loads, cast.take()[0].splitlines()[1:]) if event[1] == "m"]
            assert marks[0].startswith("Paused: The gateway cannot reach its database.")
            assert marks[1:] == ["Goes on"]
            relay.bridge._host = None

    run(scenario())


def recorder() -> tuple[Any, Asciicast]:
    """Return a recorder for the terminal of a relay that needs no database."""
    cast = make_cast()

    class Keeps:
        output, resize, mark, typed = cast.output, cast.resize, cast.mark, cast.typed

        async def finish(self) -> None:
            cast.finish()

    return Keeps(), cast


class Quiet:
    """A channel to a host that sends nothing."""

    _send_state = "open"

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        return

    resume_reading = pause_reading

    def change_terminal_size(self, *size: int) -> None:
        return


def test_a_look_that_hangs_is_waited_for_and_not_joined_by_others(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    session = builders.make_session(alice)
    mine = connect(session)
    monkeypatch.setattr(control_module, "STALE_AFTER_SECONDS", 0.05)
    real, back, asked = connection_state.connection_states, threading.Event(), []
    ask = store.call_first

    def hanging(gateway: str) -> Any:
        assert back.wait(PATIENCE)
        return []  # as it stood long ago: nobody may act on it

    async def counted(*args: Any) -> Any:
        asked.append(args)
        return await ask(*args)

    async def scenario() -> None:
        registry = Registry(OWNER)
        relay, _ = hold(registry, mine)
        control = ControlLoop(registry, asyncio.Event())
        monkeypatch.setattr(store, "call_first", counted)
        monkeypatch.setattr(connection_state, "connection_states", hanging)
        for _ in range(4):
            with pytest.raises(TimeoutError):
                await control.look()
        assert len(asked) == 1
        monkeypatch.setattr(connection_state, "connection_states", real)
        monkeypatch.setattr(control_module, "STALE_AFTER_SECONDS", PATIENCE)
        control._asked_at -= PATIENCE  # it was long ago
        back.set()
        await control.look()
        assert len(asked) == 1
        assert not relay.is_over
        lost = {"ended_at": timezone.now(), "end_reason": ConnectionEnd.LOST}
        await away(GatewayConnection.objects.filter(pk=mine.pk).update, **lost)
        await control.look()
        assert len(asked) == 2
        assert relay.is_over

    run(scenario())


def test_a_connection_that_others_gave_up_is_cut(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_module, "LOOK_EVERY_SECONDS", 0.1)
    mine = connect(builders.make_session(alice))

    async def scenario() -> None:
        registry = Registry(OWNER)
        relay, person = hold(registry, mine)
        async with controlled(registry):
            lost = {"ended_at": timezone.now(), "end_reason": ConnectionEnd.LOST}
            await away(GatewayConnection.objects.filter(pk=mine.pk).update, **lost)
            await until(relay.closed.is_set, "it is cut")
            assert b"out of touch" in person.seen

    run(scenario())
    assert row(mine).end_reason == ConnectionEnd.LOST


def test_a_row_that_nobody_holds_is_ended_after_a_while(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_module, "LOOK_EVERY_SECONDS", 0.1)
    monkeypatch.setattr(control_module, "ORPHAN_AFTER_SECONDS", 0.5)
    mine = connect(builders.make_session(alice))

    async def scenario() -> None:
        async with controlled(Registry(OWNER)):
            while not (await away(row, mine)).end_reason:
                await asyncio.sleep(0.05)

    run(scenario())
    assert row(mine).end_reason == ConnectionEnd.FAILED


@pytest.mark.postgres_only
def test_a_listener_that_lost_its_connection_listens_again(
    admin: User, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = builders.make_session(alice)
    mine = connect(session)

    def hang_up() -> int:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE datname = current_database() AND query LIKE 'LISTEN%%'"
            )
            return int(cursor.fetchone()[0])

    async def scenario() -> None:
        registry = Registry(OWNER)
        relay, _ = hold(registry, mine)
        async with controlled(registry):
            while not await away(hang_up):
                await asyncio.sleep(0.05)
            await away(lock, admin, session, title="Stop")
            await until(lambda: relay.is_frozen, "it is frozen all the same")
            assert not relay.is_over

    run(scenario())


def test_five_hundred_are_one_query_and_a_few_writes(
    admin: User, alice: User, django_assert_max_num_queries: Any
) -> None:
    session = builders.make_session(alice)
    for _ in range(500):
        connect(session)
    with django_assert_max_num_queries(1):
        found = connection_state.connection_states(OWNER)
    assert len(found) == 500
    done = [connection_state.EnforcedState(one.connection_id, 7, True) for one in found]
    with django_assert_max_num_queries(8):
        connection_state.confirm(done)
    assert GatewayConnection.objects.filter(confirmed_control=7, is_frozen=True).count() == 500


def test_who_types_in_a_browsers_terminal_is_not_idle(alice: User) -> None:
    hour = timezone.now() - dt.timedelta(hours=1)
    logins = {one: builders.make_login(alice, last_access_at=hour) for one in ("typed", "silent", "ssh")}
    session = builders.make_session(alice)
    rows = {
        one: connect(session, login_session=login, entry_point=EntryPoint.SSH if one == "ssh" else EntryPoint.BROWSER)
        for one, login in logins.items()
    }

    async def scenario() -> None:
        registry = Registry(OWNER)
        held = {one: hold(registry, each)[0] for one, each in rows.items()}
        held["typed"].bridge.bytes_in = held["ssh"].bridge.bytes_in = 1
        typed = await upkeep._touch(registry, {})
        assert typed[rows["typed"].pk] == 1

    run(scenario())
    for login in logins.values():
        login.refresh_from_db()
    assert logins["typed"].last_access_at > hour
    assert logins["silent"].last_access_at == logins["ssh"].last_access_at == hour
