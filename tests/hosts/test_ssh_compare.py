"""A host is compared before and after a session with root rights. Only people who see everything see the result."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client

from sessions_app.catalogue.models import ConnectionProfile
from sessions_app.hosts.connectors.ssh import compare
from sessions_app.hosts.models import HostComparison
from sessions_app.privileged.flows.end import end
from sessions_app.privileged.models import PrivilegedSession, Status
from tests.support import own_accounts, sshd
from tests.support.pages import elements, text
from tests.support.ssh_scene import given, host_server, prepare, register_key, said, worked

pytestmark = [pytest.mark.sshd, pytest.mark.django_db]

# What somebody with root does who means to stay.
HOSTILE = r"""
set -e
sudo -n sh -c '
  set -e
  useradd --shell /bin/sh satest-toor
  usermod --password x --append --groups sudo satest-old
  echo "satest-old ALL=(ALL) NOPASSWD: ALL" > /etc/sudoers.d/satest
  chmod 0440 /etc/sudoers.d/satest
  echo "* * * * * root id" > /etc/cron.d/satest
  cp /bin/sh /home/satest-sh
  chmod 4755 /home/satest-sh
  echo "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIsatestsatestsatest stranger" >> /home/satest-old/.ssh/authorized_keys
  echo "[Service]" > /etc/systemd/system/satest.service
  echo "PermitRootLogin yes" >> /etc/ssh/sshd_config
'
"""


@pytest.fixture
def server(tmp_path: Path, db: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[sshd.Server]:
    if not own_accounts.IS_OWN:
        pytest.skip("this machine lets nobody mount: the accounts would be its own")
    settings.HOST_SEARCH_SECONDS = 20
    mounts = tmp_path / "mountinfo"  # setuid files of all of the machine take too long
    lines = Path("/proc/self/mountinfo").read_text().splitlines(keepends=True)
    mounts.write_text("".join(line for line in lines if line.split()[4] == "/home"))
    monkeypatch.setattr(compare, "SNAPSHOT", compare.SNAPSHOT.replace("/proc/self/mountinfo", str(mounts)))
    with host_server(tmp_path) as running:
        subprocess.run(["useradd", "-m", "-s", "/bin/sh", "satest-old"], check=True)
        Path("/home/satest-old/.ssh").mkdir()
        setting = Path("/etc/ssh/sshd_config").read_text()
        yield running
        Path("/etc/ssh/sshd_config").write_text(setting)
        for planted in ("sudoers.d/satest", "cron.d/satest", "systemd/system/satest.service", "../home/satest-sh"):
            Path("/etc", planted).unlink(missing_ok=True)


def test_what_root_left_behind_is_on_the_sessions_page(
    server: sshd.Server, alice: User, admin: User, auditor: User, tmp_path: Path, as_user: Callable[[User], Client]
) -> None:
    prepare(server, alice)
    key = register_key(alice, tmp_path / "id_alice")
    ConnectionProfile.objects.update(compare_host=True)
    session = given(alice)
    page = text(elements(as_user(auditor).get(session.get_absolute_url())))
    assert "It is examined again, and compared, when the session is over." in page
    done = server.ssh(session.login_account, key, HOSTILE)
    assert done.returncode == 0, done.stderr
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        out = StringIO()
        call_command("audit_grants", "web-1", deep=True, stdout=out)  # while it goes on
        assert "new setuid file /home/satest-sh: -rwsr-xr-x of 0:0" in out.getvalue()
        assert session.login_account not in out.getvalue()  # given, and to be taken away
        assert "no proof" in out.getvalue()
        end(alice, session)
        assert worked(session).status == Status.COMPLETE, said(session)
    row = HostComparison.objects.get()
    assert not row.problem
    assert row.before == {}
    news = {(what, kind, name) for what, kind, name, _ in row.news}
    assert news >= {
        ("new", "account", "satest-toor"),
        ("new", "password", "satest-toor"),
        ("changed", "password", "satest-old"),
        ("changed", "group", "sudo"),
        ("new", "sudo rule", "/etc/sudoers.d/satest"),
        ("new", "cron", "/etc/cron.d/satest"),
        ("new", "setuid file", "/home/satest-sh"),
        (
            "new",
            "authorized key",
            "/home/satest-old/.ssh/authorized_keys: ssh-ed25519 ...AIsatestsatestsatest stranger",
        ),
        ("new", "unit", "/etc/systemd/system/satest.service"),
        ("changed", "login setting", "/etc/ssh/sshd_config"),
        ("new", "port", f"tcp 127.0.0.1:{port}"),
    }
    assert not any(session.login_account in name or "sessionadmin" in name for _, _, name in news)
    assert any("changed on web-1 since before the session, whoever did it" in line for line in said(session))
    for person in (admin, auditor):
        page = text(elements(as_user(person).get(session.get_absolute_url())))
        assert "new setuid file /home/satest-sh" in page
        assert "it is no proof" in page
    assert "satest-sh" not in text(elements(as_user(alice).get(session.get_absolute_url())))
    out = StringIO()
    call_command("audit_grants", "web-1", deep=True, session=session.pk, stdout=out)
    assert "new account satest-toor" in out.getvalue()


def test_a_host_that_was_not_compared_is_said_and_one_too_slow_stops_nothing(
    server: sshd.Server, alice: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(server, alice)
    register_key(alice, tmp_path / "id_alice")
    with pytest.raises(CommandError, match="No session on web-1 was compared"):
        call_command("audit_grants", "web-1", deep=True)
    ConnectionProfile.objects.update(compare_host=True)
    monkeypatch.setattr(compare, "SNAPSHOT", "exit 124")
    session = given(alice)
    end(alice, session)
    assert worked(session).status == Status.COMPLETE, said(session)
    row = HostComparison.objects.get()
    assert row.problem == "The host could not be checked: web-1 did not finish a step in time."
    assert row.news == []


def test_only_what_is_not_the_same_is_news_and_a_search_that_was_cut_off_is_told() -> None:
    before, is_incomplete = compare.parse(
        "account\ta\t1\naccount\tb\t2\nport\ttcp 1\tx\nport\ttcp 1\ty\nnonsense\tq\t1\ncut\n"
    )
    assert is_incomplete
    assert before == {"account": {"a": "1", "b": "2"}, "port": {"tcp 1": "x y"}}
    after, is_incomplete = compare.parse("account\tb\t3\naccount\tc\x1b[2J\t4\nport\ttcp 1\tx\nport\ttcp 1\ty\n")
    assert not is_incomplete
    assert compare.differences(before, after) == [
        ["gone", "account", "a", "1"],
        ["changed", "account", "b", "3"],
        ["new", "account", "c [2J", "4"],
    ]
    assert compare.differences(before, before) == []


def test_sessions_whose_profile_does_not_ask_for_it_are_not_compared(
    server: sshd.Server, alice: User, tmp_path: Path
) -> None:
    prepare(server, alice)
    register_key(alice, tmp_path / "id_alice")
    session: PrivilegedSession = given(alice)
    end(alice, session)
    assert worked(session).status == Status.COMPLETE
    assert not HostComparison.objects.exists()
