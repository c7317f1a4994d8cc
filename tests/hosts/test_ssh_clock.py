"""A host whose clock is an hour off, either way, judges expiry by it. Starts a real sshd under libfaketime."""

from __future__ import annotations

import datetime as dt
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.catalogue.models import ConnectionProfile, Resource
from sessions_app.hosts.connectors.ssh import host
from sessions_app.hosts.connectors.ssh.check import check_host
from sessions_app.hosts.flows.certificate import give_certificate_for
from sessions_app.hosts.host_watch import clock_words
from sessions_app.hosts.models import HostWatch
from sessions_app.hosts.ssh import ca
from sessions_app.privileged.flows.end import end
from sessions_app.privileged.flows.extend import extend
from sessions_app.privileged.models import Status
from sessions_app.worker.health.clocks import clocks
from tests.support import sshd
from tests.support.ssh_scene import forget, given, prepare, worked
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.sshd, pytest.mark.clock, pytest.mark.django_db]


@pytest.fixture(params=["+1h", "-1h"])
def server(request: pytest.FixtureRequest, tmp_path: Path, db: None) -> Iterator[sshd.Server]:
    with sshd.alone():
        forget()
        authority = ca.create().public_key
        with sshd.serving(tmp_path / "sshd", trusted_authority=authority, clock=request.param) as running:
            yield running


def test_rights_are_given_used_and_taken_away(server: sshd.Server, alice: User, key: Path, tmp_path: Path) -> None:
    resource = prepare(server, alice)
    clock = next(line for line in check_host(resource, timezone.now().timestamp()).lines if line.what == "Clock")
    assert not clock.is_good
    session = given(alice)
    ahead = HostWatch.objects.clock_off(resource.pk)
    assert 3590 < abs(ahead) < 3610
    words = clock_words(ahead)
    assert f"The clock of web-1 is {words}" in LogEntry.objects.get(verb=Verb.HOST_CLOCK).message
    assert words in clocks().text
    other = tmp_path / "other"
    line = give_certificate_for(alice, session, sshd.make_key(other)).line
    (tmp_path / "other-cert.pub").write_text(f"{line}\n")
    assert server.ssh(session.login_account, other, "true").returncode == 0, server.printed()
    said = server.ssh(session.login_account, key, "date +%s; sudo -n id -u").stdout.split()
    assert abs(abs(int(said[0]) - timezone.now().timestamp()) - 3600) < 60
    assert said[1] == "0"
    end(alice, session)
    assert worked(session).status == Status.COMPLETE
    assert sshd.leftovers() == []


def test_keys_run_out_with_the_session_although_nothing_else_ends_it(
    server: sshd.Server, alice: User, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "MARGIN", 3)
    prepare(server, alice)
    ConnectionProfile.objects.update(
        maximum_duration=dt.timedelta(seconds=8), extension_limit=1, extension_by=dt.timedelta(minutes=30)
    )
    session = given(alice)
    [(watchdog, _)] = sshd.watchdogs()
    os.kill(watchdog, signal.SIGKILL)
    assert server.ssh(session.login_account, key, "true").returncode == 0
    wait_until(lambda: server.ssh(session.login_account, key, "true").returncode == 255, "the key runs out")
    assert session.login_account in sshd.accounts()
    assert session.end_at is not None
    assert session.end_at <= timezone.now()


def test_an_extension_opens_it_for_longer(server: sshd.Server, alice: User, key: Path) -> None:
    prepare(server, alice)
    ConnectionProfile.objects.update(extension_limit=1, extension_by=dt.timedelta(minutes=30))
    session = given(alice)
    extend(alice, session)
    assert worked(session).controls.get().state == "enforced"
    assert server.ssh(session.login_account, key, "true").returncode == 0


def test_the_host_alone_ends_everything_at_the_right_moment(
    server: sshd.Server, alice: User, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "MARGIN", 3)
    prepare(server, alice)
    ConnectionProfile.objects.update(maximum_duration=dt.timedelta(seconds=6))
    session = given(alice)
    assert server.ssh(session.login_account, key, "setsid nohup sleep 4731 >/dev/null 2>&1 &").returncode == 0
    ended = sshd.STATE / f"session-{session.pk}" / "ended"
    assert not ended.exists()
    wait_until(ended.exists, "the host ends it by itself")
    assert session.end_at is not None
    assert session.end_at <= timezone.now()
    assert sshd.accounts() == []
    # Its clock shows another hour, and the worker is let in to see that nothing is left.
    assert Resource.objects.get().connector == "ssh"
    worked(session)
    assert worked(session).status == Status.COMPLETE
    assert sshd.leftovers() == []
