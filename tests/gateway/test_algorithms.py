"""Outdated algorithms are refused for keys and encryption, and clients without AES-GCM can connect."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from django.contrib.auth.models import User

from sessions_app.gateway import algorithms
from tests.support import builders
from tests.support.control_scene import run
from tests.support.gateway_scene import Front, front, prepared

pytestmark = pytest.mark.django_db(transaction=True)

OPENSSH = ["chacha20-poly1305@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr", "aes128-gcm@openssh.com"]
SECONDS = 30


async def gets_in(there: Front, **values: Any) -> bool:
    async with await there.connect(**values) as client:
        done = await client.run("swallow", stdin=asyncssh.DEVNULL)
    return done.exit_status == 0


@pytest.mark.parametrize(("algorithm", "is_taken"), [("ssh-rsa", False), ("rsa-sha2-256", True)])
def test_a_signature_with_sha1_proves_nothing(
    alice: User, monkeypatch: pytest.MonkeyPatch, algorithm: str, is_taken: bool
) -> None:
    key = asyncssh.generate_private_key("ssh-rsa", key_size=3072)
    other = asyncssh.generate_private_key("ssh-rsa", key_size=3072)

    def choose(connection: Any, keypair: Any) -> bool:
        if b"rsa" in keypair.algorithm:  # not the gateway's own, towards the host
            keypair.set_sig_algorithm(algorithm.encode())
        return True

    async def scenario() -> None:
        async with asyncio.timeout(SECONDS), front(given) as there:
            monkeypatch.setattr(asyncssh.SSHClientConnection, "_choose_signature_alg", choose)
            if is_taken:
                assert await gets_in(there, client_keys=[key])
            else:
                with pytest.raises(asyncssh.PermissionDenied):
                    await there.connect(client_keys=[key])
            with pytest.raises(asyncssh.PermissionDenied):
                await there.connect(client_keys=[other])

    given = prepared(alice)
    builders.make_key(alice, key.export_public_key().decode())
    run(scenario())


def test_what_is_out_of_use_is_not_announced(alice: User) -> None:
    async def scenario() -> None:
        async with asyncio.timeout(SECONDS), front(given) as there:
            async with await there.connect() as client:
                announced = client._server_sig_algs
                assert b"ssh-ed25519" in announced
                assert not announced & {b"ssh-rsa", b"ssh-dss"}
            for old in ("diffie-hellman-group14-sha1", "diffie-hellman-group1-sha1"):
                with pytest.raises(asyncssh.KeyExchangeFailed):
                    await there.connect(kex_algs=[old])
            with pytest.raises(asyncssh.KeyExchangeFailed):
                await there.connect(encryption_algs=["aes128-ctr"], mac_algs=["hmac-sha1"])

    given = prepared(alice)
    run(scenario())


@pytest.mark.parametrize(
    ("offered", "used"),
    [
        (OPENSSH, "aes128-gcm@openssh.com"),
        (["aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com"], "aes256-gcm@openssh.com"),
        (["aes256-ctr", "aes128-ctr"], "aes128-ctr"),
        (["chacha20-poly1305@openssh.com"], "chacha20-poly1305@openssh.com"),
    ],
)
def test_the_cheapest_cipher_that_the_client_knows_is_used(alice: User, offered: list[str], used: str) -> None:
    async def scenario() -> None:
        async with asyncio.timeout(SECONDS), front(given) as there:
            async with await there.connect(encryption_algs=offered) as client:
                assert client.get_extra_info("send_cipher") == client.get_extra_info("recv_cipher") == used
                assert (await client.run("swallow", stdin=asyncssh.DEVNULL)).exit_status == 0
            with pytest.raises(asyncssh.KeyExchangeFailed):
                await there.connect(encryption_algs=["aes256-cbc"])

    given = prepared(alice)
    run(scenario())


def test_a_client_that_waits_for_the_offer_of_the_server_gets_one(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(algorithms, "OFFER_AFTER", 0.1)

    class Waits(asyncssh.SSHClient):
        """It says what it offers when it has the server's offer."""

        def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
            send = conn._send_kexinit

            def send_kexinit() -> None:
                if conn._server_kexinit:
                    send()
                else:
                    asyncio.get_running_loop().call_soon(setattr, conn, "_kexinit_sent", False)

            conn._send_kexinit = send_kexinit  # type: ignore[method-assign]  # of this connection only

    async def scenario() -> None:
        async with asyncio.timeout(SECONDS), front(given) as there:
            assert await gets_in(there, client_factory=Waits)

    given = prepared(alice)
    run(scenario())


async def ran(*command: str) -> tuple[int | None, bytes, bytes]:
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await process.communicate()
    return process.returncode, output, errors


@pytest.mark.skipif(shutil.which("dbclient") is None, reason="needs dropbear's client")
def test_dropbears_client_connects(alice: User, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with asyncio.timeout(SECONDS), front(given) as there:
            line = ["dbclient", "-y", "-y", "-T", "-i", str(tmp_path / "key"), "-p", str(there.port)]
            code, output, errors = await ran(*line, "alice=web-1@127.0.0.1", "flood 3")
            assert (code, len(output)) == (0, 3 * 32768), errors

    _, made, _ = asyncio.run(ran("dropbearkey", "-t", "ed25519", "-f", str(tmp_path / "key")))
    given = prepared(alice)
    builders.make_key(alice, next(line for line in made.decode().splitlines() if line.startswith("ssh-ed25519")))
    run(scenario())


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl, which has libssh2 on most systems")
def test_libssh2_connects_and_fetches_a_file(alice: User, tmp_path: Path) -> None:
    _, version, _ = asyncio.run(ran("curl", "-V"))
    if b"libssh2" not in version:
        pytest.skip("this curl has no libssh2")

    async def scenario() -> None:
        async with asyncio.timeout(SECONDS), front(given, sftp_factory=True) as there:
            given.key.write_private_key(tmp_path / "key")
            given.key.write_public_key(tmp_path / "key.pub")
            keys = ["--key", str(tmp_path / "key"), "--pubkey", str(tmp_path / "key.pub")]
            where = f"sftp://127.0.0.1:{there.port}{tmp_path}/file"
            code, output, errors = await ran("curl", "-sS", "--insecure", "-u", "alice=web-1:", *keys, where)
            assert (code, output) == (0, b"by sftp"), errors

    (tmp_path / "file").write_text("by sftp")
    given = prepared(alice)
    run(scenario())


def test_a_client_may_have_sixty_four_channels_and_a_command_of_a_mebibyte(alice: User) -> None:
    class Host(asyncssh.SSHServer):
        """It takes longer packets than OpenSSH does."""

        def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
            conn._update_recv_pktlen(2 * 1024 * 1024)

    async def scenario() -> None:
        roomy = front(given, server_factory=Host)
        async with asyncio.timeout(SECONDS * 2), roomy as there, await there.connect() as client:
            long = "swallow " + "x" * (1024 * 1024 - 8)
            done = await client.run(long, stdin=asyncssh.DEVNULL)
            assert done.exit_status == 0
            assert there.host.process.command == long
            everybody = await asyncio.gather(
                *(client.run("swallow", stdin=asyncssh.DEVNULL) for _ in range(64)), return_exceptions=True
            )
            assert [getattr(one, "exit_status", one) for one in everybody] == [0] * 64

    given = prepared(alice)
    run(scenario())
