"""The logon monitor on a real host: one look serves all sessions there, and it says which key opened a login."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from activity.models import Level, LogEntry
from activity.verbs import Verb
from sessions_app.catalogue.models import Resource
from sessions_app.hosts.connectors.ssh import live_account, transport
from sessions_app.hosts.connectors.ssh.results import Result
from sessions_app.hosts.models import HostWatch, UserKey
from sessions_app.privileged.flows.end import end
from sessions_app.privileged.flows.terminate import terminate
from sessions_app.privileged.models import PrivilegedSession, Status
from sessions_app.worker import reconcile
from tests.support import builders, sshd
from tests.support.programs import free_port
from tests.support.scene import ask
from tests.support.ssh_scene import given, host_server, prepare, register_key, said, worked

pytestmark = [pytest.mark.sshd, pytest.mark.django_db]


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that gets the host of every check that reaches one."""
    seen: list[str] = []
    script = transport.Remote.script

    def counted(self: transport.Remote, text: str, *arguments: str, **options: Any) -> Result:
        if text == live_account.WHO:
            seen.append(self.host.name)
        return script(self, text, *arguments, **options)

    monkeypatch.setattr(transport.Remote, "script", counted)
    return seen


def everybody_asks() -> None:
    PrivilegedSession.objects.update(next_monitor_at=None)
    reconcile()


def interval_is_over(seconds: int) -> None:
    past = timezone.now() - dt.timedelta(seconds=seconds)
    HostWatch.objects.update(began_at=past, ended_at=past)


def test_one_look_in_the_shortest_interval_serves_all_sessions_on_a_host(
    server: sshd.Server, alice: User, key: Path, tmp_path: Path, looks: list[str]
) -> None:
    prepare(server, alice)
    policy = alice.access_policies.get()
    people = [alice, builders.make_user("bob"), builders.make_user("carol")]
    policy.users.set(people)
    for person in people[1:]:
        register_key(person, tmp_path / f"id_{person.username}")
    quick = builders.make_profile("Quick", logon_monitor_interval=10)
    for person in people:
        ask(person)
    reconcile()
    PrivilegedSession.objects.filter(user=people[1]).update(profile=quick)
    assert PrivilegedSession.objects.filter(status=Status.AVAILABLE).count() == 3
    for _ in range(3):
        everybody_asks()
    assert looks == ["web-1"]
    interval_is_over(9)
    everybody_asks()
    assert looks == ["web-1"]
    interval_is_over(11)
    for _ in range(3):
        everybody_asks()
    assert looks == ["web-1", "web-1"]
    watch = HostWatch.objects.get()
    assert watch.began_at is not None
    due = {session.next_monitor_at for session in PrivilegedSession.objects.all()}
    assert due == {watch.began_at + dt.timedelta(seconds=10)}  # all at once, so that the next look serves all


def test_while_somebody_looks_nobody_else_does_unless_he_died_of_it(
    server: sshd.Server, alice: User, key: Path, looks: list[str]
) -> None:
    prepare(server, alice)
    given(alice)
    del looks[:]
    now = timezone.now()
    HostWatch.objects.update(began_at=now - dt.timedelta(seconds=50), ended_at=now - dt.timedelta(seconds=100))
    everybody_asks()
    assert looks == []
    HostWatch.objects.update(began_at=now - dt.timedelta(seconds=500), ended_at=now - dt.timedelta(seconds=600))
    everybody_asks()
    assert looks == ["web-1"]


def test_a_look_that_failed_is_said_by_every_session_and_made_once(
    server: sshd.Server, alice: User, key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(server, alice)
    bob = builders.make_user("bob")
    alice.access_policies.get().users.add(bob)
    register_key(bob, tmp_path / "id_bob")
    sessions = [given(alice), given(bob)]
    Resource.objects.update(port=free_port())
    interval_is_over(60)
    everybody_asks()
    assert {said(session)[-1].partition(":")[0] for session in sessions} == {"Cannot see who is logged on"}
    Resource.objects.update(port=server.port)
    for session in sessions:
        transport.TURNS._silent.clear()
        assert worked(session).status == Status.AVAILABLE
        assert said(session)[-1] == "web-1 answers again"


def test_lines_that_are_no_answer_are_passed_over(
    server: sshd.Server, alice: User, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a host's shell, or what stands there for one of its programs, says something besides."""
    prepare(server, alice)
    session = given(alice)
    junk = f"\n{session.pk}\n{session.pk} no more\nsession-{session.pk} no\n-{session.pk} no\n² no\nno\n\x00\ufffd\n"
    script = transport.Remote.script

    def answered(self: transport.Remote, text: str, *arguments: str, given: str = "") -> Result:
        if text != live_account.WHO:
            return script(self, text, *arguments, given=given)
        return Result(0, f"{junk}{session.pk} yes\n{junk}", "")

    monkeypatch.setattr(transport.Remote, "script", answered)
    interval_is_over(60)
    everybody_asks()
    session.refresh_from_db()
    assert session.is_logged_on
    assert session.status == Status.LOGGED_IN


def test_a_login_is_traced_to_the_registered_key(server: sshd.Server, alice: User, key: Path) -> None:
    prepare(server, alice)
    session = given(alice)
    registered = UserKey.objects.get(user=alice)
    assert registered.last_used_at is None
    hold = "setsid sleep 60 >/dev/null 2>&1 < /dev/null & sleep 60"
    with sshd.client_running(server, session.login_account, key, hold):
        assert worked(session).status == Status.LOGGED_IN
    through = f"the key “laptop” ({registered.fingerprint})"
    entry = LogEntry.objects.get(verb=Verb.SESSION_LOGGED_IN)
    assert entry.message == f"{session.login_account} logged in to web-1 from 127.0.0.1 with {through}"
    assert entry.ip == "127.0.0.1"
    used = LogEntry.objects.get(verb=Verb.KEY_USED)
    assert used.message == f"{session.login_account} on web-1 was opened with {through} from 127.0.0.1"
    assert (used.ip, used.level, used.user_name, used.details["title"]) == (
        "127.0.0.1",
        Level.INFO,
        "alice",
        "laptop",
    )
    registered.refresh_from_db()
    assert registered.last_used_at is not None


def test_logins_between_two_looks_are_counted_and_told_once(server: sshd.Server, alice: User, key: Path) -> None:
    prepare(server, alice)
    session = given(alice)
    for _ in range(3):
        assert server.ssh(session.login_account, key, "true").returncode == 0
    for _ in range(2):
        assert worked(session).status == Status.AVAILABLE
    [used] = LogEntry.objects.filter(verb=Verb.KEY_USED)
    assert used.message.endswith("from 127.0.0.1, 3 times")
    assert server.ssh(session.login_account, key, "true").returncode == 0
    worked(session)
    assert LogEntry.objects.filter(verb=Verb.KEY_USED).count() == 2


def test_what_an_earlier_session_of_the_account_did_is_not_told_again(
    server: sshd.Server, alice: User, key: Path
) -> None:
    prepare(server, alice, login_account_template="satest-{user}")
    first = given(alice)
    assert server.ssh(first.login_account, key, "true").returncode == 0
    end(alice, first)
    assert worked(first).status == Status.COMPLETE
    second = given(alice)
    assert worked(second).login_account == first.login_account
    assert not LogEntry.objects.of_target(second).filter(verb=Verb.KEY_USED).exists()


def test_a_key_that_nobody_registered_is_a_warning(server: sshd.Server, alice: User, key: Path, tmp_path: Path) -> None:
    prepare(server, alice)
    session = given(alice)
    other = tmp_path / "id_other"
    line = sshd.make_key(other)
    server.ssh(session.login_account, key, f"echo {line} >> .ssh/authorized_keys")
    assert server.ssh(session.login_account, other, "true").returncode == 0
    worked(session)
    entry = LogEntry.objects.get(verb=Verb.KEY_USED, level=Level.WARNING)
    assert "a key that alice has not registered" in entry.message
    assert sshd.fingerprint(other.with_suffix(".pub")) in entry.message


def test_a_log_that_was_put_aside_is_read_to_its_end(tmp_path: Path, alice: User, key: Path) -> None:
    with host_server(tmp_path, by_name=True) as server:
        prepare(server, alice)
        session = given(alice)
        assert server.ssh(session.login_account, key, "true").returncode == 0
        log = server.directory / "log"
        log.rename(server.directory / "log.1")
        log.write_text("")
        assert server.ssh(session.login_account, key, "true").returncode == 0  # sshd has the old one open still
        for _ in range(2):
            worked(session)
    [used] = LogEntry.objects.filter(verb=Verb.KEY_USED)
    assert used.message.endswith("from 127.0.0.1, 2 times")


def test_a_host_without_a_log_is_said_once(
    server: sshd.Server, alice: User, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sessions_app.hosts.connectors.ssh.sshd_log.READ", "echo none")
    monkeypatch.setattr("sessions_app.hosts.connectors.ssh.sshd_log.NOTE", "true")
    prepare(server, alice)
    session = given(alice)
    for _ in range(3):
        worked(session)
    assert sum("keeps no log of its logins" in line for line in said(session)) == 1
    entry = LogEntry.objects.of_target(session).get(message__contains="keeps no log")
    assert entry.level == Level.INFO


def test_a_cut_is_believed_without_another_look(
    server: sshd.Server, alice: User, admin: User, key: Path, looks: list[str]
) -> None:
    prepare(server, alice)
    session = given(alice)
    with sshd.client_running(server, session.login_account, key, "sleep 60"):
        assert worked(session).status == Status.LOGGED_IN
        del looks[:]
        terminate(admin, session, cancel=False)
        reconcile()
        session.refresh_from_db()
        assert session.status == Status.AVAILABLE
    assert looks == []
