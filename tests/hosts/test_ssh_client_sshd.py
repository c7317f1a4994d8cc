"""`sessionadmin ssh` as a person runs it: a process of its own, a console that serves, a real OpenSSH server.

The login account is root on loopback, by an authorized_keys file of the test's own; no account is made.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.hosts.models import UserKey
from sessions_app.hosts.ssh import ca
from sessions_app.logins.models import LoginSession
from sessions_app.privileged.models import PrivilegedSession, Status
from tests.support import builders, programs
from tests.support.sshd import Server, make_key, serving
from tests.support.waiting import seconds

pytestmark = [pytest.mark.sshd, pytest.mark.django_db(transaction=True)]
PASSWORD = "a-long-password-of-alice"


@pytest.fixture
def session(alice: User, live_server: Any) -> PrivilegedSession:
    """Create a session of alice as root of a host that does not run yet."""
    ca.create()
    alice.set_password(PASSWORD)
    alice.save()
    resource = builders.make_resource("web-1", connector="ssh", address="127.0.0.1", port=1)
    return builders.make_session(alice, Status.AVAILABLE, resource=resource, login_account="root")


@pytest.fixture
def host(tmp_path: Path, session: PrivilegedSession) -> Iterator[Server]:
    """Run the host, which accepts only certificates of the session. Its host key is pinned."""
    with serving(tmp_path / "host", authorized="\n".join(ca.session_lines(session.pk))) as server:
        resource = session.resource
        resource.port, resource.host_key = server.port, server.host_key
        resource.save()
        yield server


def ssh(live_server: Any, scratch: Path, *arguments: str, password: str = PASSWORD) -> subprocess.CompletedProcess[str]:
    """Run it without a terminal, so that the password is read from standard input; `scratch` is its home and /tmp."""
    scratch.mkdir(exist_ok=True)
    environment = programs.clean_environment(
        SESSIONADMIN_URL=live_server.url, SESSIONADMIN_USER="alice", HOME=str(scratch), TMPDIR=str(scratch)
    )
    return subprocess.run(
        [*programs.MANAGE, "ssh", *arguments],
        env=environment,
        input=f"{password}\n",
        capture_output=True,
        text=True,
        timeout=seconds(60),
        check=False,
        start_new_session=True,
    )


def test_the_name_of_the_host_is_enough(
    live_server: Any, tmp_path: Path, session: PrivilegedSession, host: Server
) -> None:
    ran = ssh(live_server, tmp_path / "home", "web-1", "id -un; exit 7")
    assert (ran.returncode, ran.stdout) == (7, "root\n"), ran.stderr
    assert PASSWORD not in ran.stdout + ran.stderr
    # Nothing stays: no key on this machine, none in the console, no login.
    assert list((tmp_path / "home").rglob("*key*")) == []
    assert not UserKey.objects.exists()
    assert LoginSession.objects.filter(ended_at=None).count() == 0
    assert LoginSession.objects.count() == 1
    entry = LogEntry.objects.of_target(session).get(verb=Verb.CERTIFICATE_SIGNED)
    assert f'Accepted certificate ID "alice/session-{session.pk}" (serial {entry.details["serial"]})' in host.printed()


def test_the_number_of_the_session_is_enough(
    live_server: Any, tmp_path: Path, session: PrivilegedSession, host: Server
) -> None:
    assert ssh(live_server, tmp_path / "home", str(session.pk), "-T", "id", "-u").stdout == "0\n"


def test_a_host_with_another_key_is_not_logged_in_to(
    live_server: Any, tmp_path: Path, session: PrivilegedSession, host: Server
) -> None:
    session.resource.host_key = make_key(tmp_path / "another")
    session.resource.save()
    loosened = ("-oStrictHostKeyChecking=no", "-oUserKnownHostsFile=/dev/null")
    ran = ssh(live_server, tmp_path / "home", "web-1", *loosened, "id")
    assert ran.returncode == 255
    assert "Host key verification failed" in ran.stderr
    assert "Accepted" not in host.printed()


@pytest.mark.parametrize(
    ("name", "password", "said"),
    [
        ("web-2", PASSWORD, "You have no session “web-2”"),
        ("web-1", "wrong", "The user name or the password is wrong"),
    ],
)
def test_what_the_console_refuses_is_said_and_ssh_is_not_run(
    live_server: Any, tmp_path: Path, session: PrivilegedSession, host: Server, name: str, password: str, said: str
) -> None:
    ran = ssh(live_server, tmp_path / "home", name, "id", password=password)
    assert ran.returncode == 1
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr
    assert ran.stdout == ""
    assert LoginSession.objects.filter(ended_at=None).count() == 0
    assert "Connection from" not in host.printed()
