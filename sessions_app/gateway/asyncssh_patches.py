"""Send fewer packets on an SSH connection than asyncssh does by itself, for the same bytes.

This uses private names of asyncssh 2.24, as pressure.py does; tests/gateway/test_asyncssh_patches.py counts packets.
"""

from __future__ import annotations

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
