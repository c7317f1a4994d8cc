"""Extensions of OpenSSH beyond the RFCs that asyncssh does not know. Source: OpenSSH's file PROTOCOL.

Two of OpenSSH's extensions are sent only to a peer whose version begins like its own, because other peers disconnected
on them: eow@openssh.com (2.1) and no-more-sessions@openssh.com (2.2). So the gateway names itself VERSION, to clients
and to hosts, and treats its peers by the same rule. Whatever else OpenSSH decides by the version concerns bugs of old
releases, none of which has this name.

This uses private names of asyncssh 2.24, as pressure.py does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import asyncssh
from asyncssh.connection import SSHConnection
from asyncssh.constants import MSG_CHANNEL_CLOSE
from asyncssh.packet import SSHPacket

LONGEST_COMMAND = 256 * 1024 - 256  # bytes; sshd drops a connection whose packet has more than 256 KiB, all counted
VERSION = "OpenSSH_compatible_SessionAdmin"  # OpenSSH looks for "OpenSSH*"; there is no release of that name

Channel = asyncssh.SSHServerChannel[bytes] | asyncssh.SSHClientChannel[bytes]


def on_end_of_write(channel: Channel, callback: Callable[[], None]) -> None:
    """Call `callback` when the peer says that nothing more should be written to it (eow@openssh.com)."""

    def process(packet: SSHPacket) -> bool:
        packet.check_end()
        callback()
        return True

    _answer(channel, "_process_eow_at_openssh_dot_com_request", process)


def send_end_of_write(channel: Channel) -> None:
    """Tell the peer to write nothing more, if OpenSSH would tell it."""
    if can_send(channel) and is_openssh(channel.get_connection()):
        channel._send_request(b"eow@openssh.com")


def on_close(channel: Channel, callback: Callable[[Callable[[], object]], None]) -> None:
    """Call `callback` when the peer closes the channel, with a function that answers.

    That function is asyncssh's own, which closes our side too. OpenSSH's client closes a channel of a shared connection
    as soon as both sides have said that they send no more, and still waits for the exit status; sshd sends that before
    it answers.
    """
    handlers = channel._packet_handlers
    answer = handlers[MSG_CHANNEL_CLOSE]

    def process(closed: Any, kind: int, number: int, packet: SSHPacket) -> None:
        callback(lambda: answer(closed, kind, number, packet))

    channel._packet_handlers = {**handlers, MSG_CHANNEL_CLOSE: process}


def on_no_more_sessions(connection: asyncssh.SSHServerConnection, callback: Callable[[], None]) -> None:
    """Call `callback` when the client says that it opens no other session (no-more-sessions@openssh.com)."""

    def process(packet: SSHPacket) -> None:
        packet.check_end()
        callback()
        connection._report_global_response(True)

    _answer(connection, "_process_no_more_sessions_at_openssh_dot_com_global_request", process)


def send_no_more_sessions(connection: asyncssh.SSHClientConnection) -> None:
    """Tell the host that no other session will be opened, as OpenSSH's client does without sharing."""
    if is_openssh(connection):
        connection._send_global_request(b"no-more-sessions@openssh.com")


def take_any_command(channel: asyncssh.SSHServerChannel[bytes]) -> None:
    """Accept commands that are not UTF-8: an invalid byte becomes a surrogate, as in Python's file names.

    asyncssh would refuse them without an error.
    """

    def process(packet: SSHPacket) -> bool:
        command = packet.get_string()
        packet.check_end()
        return channel._start_session(command=command.decode("utf-8", "surrogateescape"))

    _answer(channel, "_process_exec_request", process)


def command_bytes(command: str) -> bytes:
    """Return the bytes that the client sent."""
    return command.encode("utf-8", "surrogateescape")


def command_text(command: str) -> str:
    """Return the command for people, logs and the database, which accept no surrogates."""
    return command_bytes(command).decode("utf-8", "replace")


def too_long(length: int, taker: str, longest: int) -> str:
    """Return the text for a person whose command has more bytes than `taker` takes."""
    return (
        f"This command has {length} bytes, and {taker} takes {longest} at most. Nothing was run. Give the command on "
        "the standard input (ssh ... sh -s < FILE), or copy it there as a file and run that."
    )


def can_send(channel: Channel) -> bool:
    """Return whether requests still reach the peer.

    They do after the end of our data too, when is_closing() is already true.
    """
    return channel._send_state not in {"close_pending", "closed"}


def is_openssh(connection: SSHConnection) -> bool:
    """Return whether the peer's version begins like OpenSSH's, which is how OpenSSH decides too."""
    side = "client_version" if connection.is_server() else "server_version"
    return str(connection.get_extra_info(side, "")).startswith("SSH-2.0-OpenSSH")


def _answer(where: Any, name: str, process: Callable[[SSHPacket], bool | None]) -> None:
    """Set a handler, which asyncssh looks up by its name."""
    setattr(where, name, process)
