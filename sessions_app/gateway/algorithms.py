"""Choose the algorithms of the SSH server, and let its own order of ciphers decide.

The hashes and keys that RFC 8332 and RFC 9142 have taken out of use (SHA-1 and DSA) are left out. This uses private
names of asyncssh 2.24, as pressure.py does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import asyncssh
from asyncssh.packet import SSHPacket

KEX = "-*-sha1"  # what the library knows without these; so a new one needs no change here
SIGNATURES = "-ssh-rsa,ssh-dss"
MACS = ["hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512"]
NO_SIGNATURES = frozenset({b"ssh-rsa", b"ssh-dss"})
OFFER_AFTER = 1.0  # seconds; for a client that waits for the server's offer before it says its own


def take_no_weak_signature(key: asyncssh.SSHKey) -> None:
    """Let asyncssh verify no signature of this client's key that was made with SHA-1 or DSA.

    `signature_algs` alone only announces which signatures are wanted.
    """
    key.all_sig_algorithms = key.all_sig_algorithms - NO_SIGNATURES


def prefer_own_order(connection: asyncssh.SSHServerConnection) -> None:
    """Encrypt with the first of our ciphers that the client knows, not with the first of the client's.

    In SSH the client's order decides (RFC 4253, 7.1), and OpenSSH's begins with a cipher that costs twice as much as
    AES-GCM here. So we read the client's offer before we make ours, which then names one cipher.
    """
    send, loop = connection._send_kexinit, asyncio.get_running_loop()
    timer: asyncio.TimerHandle | None = None

    def send_kexinit() -> None:
        nonlocal timer
        if not connection._client_kexinit and timer is None:
            timer = loop.call_later(OFFER_AFTER, offer_all)
            # The library notes after this that it has sent its offer, which makes it not answer the client's with one.
            loop.call_soon(_not_sent, connection)
            return
        if timer is not None:
            timer.cancel()
        if connection._client_kexinit:
            exchanges, ciphers = _offer_of(connection._client_kexinit)
            connection._enc_algs = next(([one] for one in connection._enc_algs if one in ciphers), connection._enc_algs)
            # It changes not which is used, but a client that guesses it (dropbear's) is right by the RFC's rule too,
            # which looks at the first of both lists, and not only by the library's.
            connection._kex_algs = sorted(connection._kex_algs, key=lambda one: one != exchanges[0])
        connection._send_kexinit = send  # type: ignore[method-assign]  # it holds for what comes after too
        send()

    def offer_all() -> None:
        if not connection._client_kexinit and connection._transport is not None:
            connection._send_kexinit = send  # type: ignore[method-assign]
            send()
            connection._kexinit_sent = True

    connection._send_kexinit = send_kexinit  # type: ignore[method-assign]  # of this one connection


def _not_sent(connection: asyncssh.SSHServerConnection) -> None:
    connection._kexinit_sent = False


def _offer_of(kexinit: bytes) -> tuple[Sequence[bytes], set[bytes]]:
    """Return the key exchanges that a client offers, and the ciphers that it offers for both directions."""
    packet = SSHPacket(kexinit)
    packet.get_byte()
    packet.get_bytes(16)  # cookie
    exchanges = packet.get_namelist()
    packet.get_namelist()  # host keys
    return exchanges or [b""], {*packet.get_namelist()} & {*packet.get_namelist()}
