"""Certificates on a real OpenSSH server: they open the session they name, for as long as they say, and forward nothing.

The login account is root on loopback, by an authorized_keys file of the test's own; no account is made.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from sessions_app.hosts.models import CertificateAuthority
from sessions_app.hosts.ssh import ca
from tests.support.builders import make_key as register
from tests.support.builders import make_resource, make_session
from tests.support.sshd import Server, make_key, public_half, serving
from tests.support.waiting import seconds

AsUser = Callable[[User], Client]
SESSION = 7

pytestmark = [pytest.mark.sshd, pytest.mark.django_db]


@pytest.fixture
def key(tmp_path: Path) -> Path:
    make_key(tmp_path / "id")
    return tmp_path / "id"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Server]:
    """Run a host whose account belongs to session 7."""
    ca.create()
    with serving(tmp_path / "host", authorized="\n".join(ca.session_lines(SESSION))) as server:
        yield server


def run(line: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        line, capture_output=True, text=True, timeout=seconds(30), check=False, stdin=subprocess.DEVNULL
    )


def certify(key: Path, principal: str = f"session-{SESSION}", seconds: int = 60) -> None:
    """Put the certificate beside the key, where ssh finds it by itself."""
    signed = ca.sign(public_half(key), principals=[principal], key_id="alice/test", seconds=seconds)
    key.with_name(f"{key.name}-cert.pub").write_text(signed.line + "\n")


def test_a_certificate_opens_its_session_and_the_key_alone_does_not(host: Server, key: Path) -> None:
    refused = host.ssh("root", key, "id", "-u")
    assert refused.returncode == 255
    assert "Permission denied" in refused.stderr
    certify(key)
    let_in = host.ssh("root", key, "id", "-u")
    assert (let_in.returncode, let_in.stdout) == (0, "0\n"), let_in.stderr + host.printed()
    assert "alice/test" in host.printed()


@pytest.mark.parametrize("principal", ["session-8", "root", "session-77", "alice"])
def test_a_certificate_for_something_else_does_not(host: Server, key: Path, principal: str) -> None:
    certify(key, principal)
    assert host.ssh("root", key, "true").returncode == 255


def test_a_certificate_of_another_authority_does_not(host: Server, key: Path) -> None:
    stranger = asyncssh.generate_private_key("ssh-ed25519")
    certificate = stranger.generate_user_certificate(
        asyncssh.read_public_key(key.with_suffix(".pub")), "alice/test", principals=[f"session-{SESSION}"]
    )
    key.with_name(f"{key.name}-cert.pub").write_bytes(certificate.export_certificate())
    assert host.ssh("root", key, "true").returncode == 255


def test_a_certificate_that_is_over_does_not(host: Server, key: Path) -> None:
    certify(key, seconds=2)
    assert host.ssh("root", key, "true").returncode == 0
    time.sleep(2.5)
    assert host.ssh("root", key, "true").returncode == 255


def test_nothing_is_forwarded_through_it(host: Server, key: Path) -> None:
    certify(key)
    through = host.client("root", key)
    through[1:1] = ["-W", f"127.0.0.1:{host.port}"]
    asked = run(through)
    assert asked.returncode != 0
    assert "administratively prohibited" in asked.stderr
    assert "SSH-2.0" not in asked.stdout


def test_what_the_old_key_signed_opens_until_its_time_is_over(host: Server, key: Path, tmp_path: Path) -> None:
    certify(key)
    ca.rotate(dt.timedelta(days=1))
    during = "\n".join(ca.session_lines(SESSION))
    with serving(tmp_path / "during", authorized=during) as server:
        assert server.ssh("root", key, "true").returncode == 0
    CertificateAuthority.objects.filter(state="retired").update(trusted_until=dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
    after = "\n".join(ca.session_lines(SESSION))
    with serving(tmp_path / "after", authorized=after) as server:
        assert server.ssh("root", key, "true").returncode == 255
        certify(key)
        assert server.ssh("root", key, "true").returncode == 0


def root_of(server: Server, pair: Any) -> str:
    """Log in as root with these credentials, and return what `id -u` prints."""

    async def asked() -> str:
        known = asyncssh.import_known_hosts(f"[127.0.0.1]:{server.port} {server.host_key}\n")
        async with asyncssh.connect(
            "127.0.0.1", server.port, username="root", client_keys=[pair], known_hosts=known, config=None
        ) as connection:
            return str((await connection.run("id -u", check=True)).stdout)

    return asyncio.run(asked())


def test_the_console_itself_logs_in_by_its_authority(tmp_path: Path) -> None:
    authority = ca.create()
    with serving(tmp_path / "host", trusted_authority=authority.public_key) as server:
        assert root_of(server, ca.service_login("root")) == "0\n"


@pytest.mark.parametrize("hours", [-1, 1])
def test_the_console_logs_in_to_a_host_whose_clock_is_an_hour_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    # The host's clock cannot be moved, so the one that signs is.
    authority, off = ca.create(), dt.datetime.now(dt.UTC) + dt.timedelta(hours=hours)
    with serving(tmp_path / "host", trusted_authority=authority.public_key) as server:
        with monkeypatch.context() as moved:
            moved.setattr(timezone, "now", lambda: off)
            pair = ca.service_login("root")
            key = asyncssh.generate_private_key("ssh-ed25519")
            public = key.export_public_key().decode().strip()
            short = ca.sign(public, principals=["root"], key_id="alice/root", seconds=300)
        assert root_of(server, pair) == "0\n"
        # What people download is refused: else it would not be off at all.
        with pytest.raises(asyncssh.PermissionDenied):
            root_of(server, (key, asyncssh.import_certificate(short.line)))


def test_the_download_of_the_session_page_opens_the_session(
    tmp_path: Path, key: Path, alice: User, as_user: AsUser
) -> None:
    ca.create()
    session = make_session(alice, resource=make_resource("ssh-1", connector="ssh"))
    registered = register(alice, public_half(key))
    answer = as_user(alice).post(f"/sessions/{session.pk}/certificate/", {"key": registered.pk})
    path = tmp_path / f"session-{session.pk}-cert.pub"
    path.write_bytes(answer.content)
    with serving(tmp_path / "host", authorized="\n".join(ca.session_lines(session.pk))) as server:
        assert server.ssh("root", key, "true").returncode == 255
        line = server.client("root", key, "id", "-u")
        line[1:1] = ["-o", f"CertificateFile={path}"]
        assert run(line).stdout == "0\n"
