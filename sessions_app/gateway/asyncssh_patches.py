"""What asyncssh does not do by itself: send fewer packets for the same bytes, and ask for a second step of a login.

This uses private names of asyncssh 2.24, as pressure.py does; tests/gateway/test_asyncssh_patches.py counts packets.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncssh
from asyncssh import constants


def leave_out_empty_packets(connection: asyncssh.SSHClientConnection | asyncssh.SSHServerConnection) -> None:
    """Send no empty packet (SSH_MSG_IGNORE) before each other one, unless the cipher needs it.

    It hides the vector that the next packet will begin with, which an attacker can use with ciphers in CBC mode only
    (RFC 4251, 9.3.1). With the others it costs the peer a second packet, a wake-up and a system call for each key.
    """
    send = connection.send_packet

    def send_packet(pkttype: int, *args: bytes, **more: Any) -> None:
        if pkttype != constants.MSG_IGNORE or str(connection.get_extra_info("send_cipher")).endswith("-cbc"):
            send(pkttype, *args, **more)

    connection.send_packet = send_packet  # type: ignore[method-assign]  # of this one connection


def ask_for_second_step(
    connection: asyncssh.SSHServerConnection, is_needed: Callable[[], Awaitable[bool]], seconds: float
) -> None:
    """Answer a step of the login that succeeded with a partial success (RFC 4252, 5.1) if `is_needed` says so.

    The client then has `seconds` for the second step, because a person has to find a code and to type it.
    """
    succeed = connection.send_userauth_success

    async def send_userauth_success() -> None:
        if not await is_needed():
            await succeed()
            return
        connection._cancel_login_timer()
        loop = asyncio.get_running_loop()
        connection._login_timer = loop.call_later(seconds, connection._login_timer_callback)
        connection.send_userauth_failure(partial_success=True)

    connection.send_userauth_success = send_userauth_success  # type: ignore[method-assign]  # of this one connection
