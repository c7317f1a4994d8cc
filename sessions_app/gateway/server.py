"""The SSH server for people: who they are, how they prove it, and what they may ask for.

It knows only the numbers of sessions. The reason of a refusal is told to authenticated clients only.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, ParamSpec

import asyncssh
from asyncssh import constants
from django.conf import settings

from activity.text import plain
from sessions_app.errors import Refused
from sessions_app.gateway import algorithms, identity, openssh, second_step, store, user_names
from sessions_app.gateway.asyncssh_patches import ask_for_second_step, leave_out_empty_packets
from sessions_app.gateway.connection_limits import ConnectionLimits
from sessions_app.gateway.downstream import message_for_person
from sessions_app.gateway.flows.connect import AuthenticatedClient
from sessions_app.gateway.identity import Identity
from sessions_app.gateway.models import EntryPoint
from sessions_app.gateway.port_forwarding import PortForwarding
from sessions_app.gateway.pressure import Pressure
from sessions_app.gateway.second_step import SecondStep
from sessions_app.gateway.ssh_channel import MOST_PACKET, ClientChannel

MOST_CHANNELS = 64  # of one client connection
MOST_FORWARDED = 32  # TCP connections of one client
MOST_PASSWORDS = 3  # tries, and of codes too
MOST_KEYS = 20  # checks: each key that a client offers, and the one it signs with

P = ParamSpec("P")

logger = logging.getLogger(__name__)


class GatewayServer(asyncssh.SSHServer):
    """Serves one client connection: asyncssh makes one of these for each."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.registry = limits.registry
        self.identity: Identity | None = None
        self.wanted = ""  # the part of the user name that names the session
        self.address = ""
        self.client = ""
        self.is_blocked = False  # whether its socket is full
        self.channels: set[ClientChannel] = set()
        self._limits = limits
        self._user_name = ""
        self._token = secrets.token_urlsafe()  # the same for all connections of this client
        self._offered: Identity | None = None  # by the key that was checked last
        self._offered_key = ""
        self._second_step: SecondStep | None = None  # what it is asked for since its key was accepted
        self._keys = self._passwords = 0
        self._failure = ""
        self._banner_lines: set[str] = set()  # what the client was told before it had proved who it is
        self._takes_no_more_sessions = False  # OpenSSH says so when it will open no other channel
        self._port_forwarding: PortForwarding | None = None
        self._forwarding = 0  # connections that are being made
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """Begin with a client that is not authenticated."""
        self.connection = conn
        self.address = plain(conn.get_extra_info("peername", ("",))[0], 60)
        Pressure(conn, self._blocked)
        leave_out_empty_packets(conn)
        ask_for_second_step(conn, self._is_asked_more, second_step.SECONDS)
        algorithms.prefer_own_order(conn)
        openssh.on_no_more_sessions(conn, self._note_no_more_sessions)
        if self.registry.is_draining:
            conn.abort()
        else:
            self._limits.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Record a refused authentication, once and not for each key that the client had."""
        self._limits.remove(self)
        if self._port_forwarding is not None:
            self._port_forwarding.gone()
        if self.identity is None and self._failure:
            client = self.connection.get_extra_info("client_version", "")
            self.spawn(store.call(identity.refused, self._user_name, self.address, client, self._failure))

    # Who it is.

    def begin_auth(self, username: str) -> bool:
        """Require authentication. asyncssh calls this again when the client takes another name."""
        self._user_name, self.wanted = user_names.split(username)
        self._offered, self._offered_key = None, ""
        self._second_step = None
        return True

    async def _is_asked_more(self) -> bool:
        """Return whether the client has to give a second factor after the step that succeeded, and tell it so."""
        self._second_step = await second_step.after(self._offered, self.wanted)
        if self._second_step is None:
            return False
        self._failure = second_step.NOT_GIVEN
        self._tell(self._second_step.notice)
        return True

    def auth_completed(self) -> None:
        """Note who the client is. From here on it is told what is wrong."""
        self.client = plain(self.connection.get_extra_info("client_version", ""), 120)
        self.identity = self._offered
        self.connection._update_recv_pktlen(MOST_PACKET)  # clients that are not authenticated may send less
        if self.identity is not None and self.identity.key_id is not None and not self.identity.is_noted:
            self.spawn(store.call(identity.key_used, self.identity.key_id))
        if self.identity is not None and not self._limits.authenticated(self, self.identity.user_id):
            reason = f"You have {settings.GATEWAY_CONNECTIONS_PER_USER} connections already, as many as one may have."
            self.connection.disconnect(constants.DISC_TOO_MANY_CONNECTIONS, reason)

    def public_key_auth_supported(self) -> bool:
        return self._second_step is None

    async def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Return whether the key is registered.

        asyncssh calls this for the offer, and again with the signature. The second answer repeats the first. A key that
        is removed in between opens no session, because that is checked later.
        """
        self._keys += 1
        if self._keys > MOST_KEYS:
            self.connection.abort()
            return False
        algorithms.take_no_weak_signature(key)
        fingerprint = key.get_fingerprint("sha256")
        if self._offered is not None and self._offered_key == fingerprint:
            return True
        found = await self._answer("Key", identity.by_key, self._user_name, fingerprint)
        if found is None:
            self._failure = "no key that the client has is registered"
            return False
        self._offered, self._offered_key = found, fingerprint
        return True

    def password_auth_supported(self) -> bool:
        return self._second_step is None

    async def validate_password(self, username: str, password: str) -> bool:
        """Use up a one-time password. Return whether it was valid."""
        given = (self._user_name, self.wanted, password, self.address)
        found = await self._answer("One-time password", identity.by_password, *given) if self._may_try() else None
        self._offered, self._offered_key = found, ""
        return found is not None

    def kbdint_auth_supported(self) -> bool:
        """Accept codes and one-time passwords by the method with which most clients ask people (RFC 4256)."""
        return True

    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> Any:
        """Return the one question: for a one-time password, or for the second factor after a key."""
        instruction, prompt = second_step.question(self._second_step)
        return "", instruction, "", [(prompt, False)]

    async def validate_kbdint_response(self, username: str, responses: Sequence[str]) -> bool:
        """Return whether the one answer is a valid one-time password, or the second factor after a key."""
        if len(responses) != 1:
            return False
        first = self._offered
        if self._second_step is None or first is None:
            return await self.validate_password(username, responses[0])
        given = (first, self._user_name, self.wanted, responses[0], self.address)
        found = await self._answer("Second factor", second_step.given, *given) if self._may_try() else None
        if found is not None:
            self._offered, self._second_step = found, None
        return found is not None

    def _may_try(self) -> bool:
        """Count what the client typed. Drop the connection, and return False, after too many tries."""
        self._passwords += 1
        if self._passwords > MOST_PASSWORDS:
            self.connection.abort()
        return self._passwords <= MOST_PASSWORDS

    # What they may ask for.

    def _note_no_more_sessions(self) -> None:
        self._takes_no_more_sessions = True

    def session_requested(self) -> ClientChannel:
        """Open a channel for a shell, a command or sftp. Raises ChannelOpenError."""
        if self._takes_no_more_sessions:
            text = "The client said before that it would open no other session."
            raise asyncssh.ChannelOpenError(constants.OPEN_ADMINISTRATIVELY_PROHIBITED, text)
        self._count_channel()
        channel = ClientChannel(self)
        self.channels.add(channel)
        return channel

    async def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> asyncssh.SSHTCPSession[bytes]:
        """Forward TCP through the host, to a target that the profile allows. Raises ChannelOpenError."""
        if self._port_forwarding is None:
            self._port_forwarding = PortForwarding(self, self._port_forwarding_closed)
        if len(self._port_forwarding.ends) + 2 * self._forwarding >= 2 * MOST_FORWARDED:
            raise asyncssh.ChannelOpenError(constants.OPEN_RESOURCE_SHORTAGE, f"At most {MOST_FORWARDED} connections")
        self._forwarding += 1
        try:
            return await self._port_forwarding.open(dest_host, dest_port)
        finally:
            self._forwarding -= 1

    def _port_forwarding_closed(self, tunnel: PortForwarding) -> None:
        if self._port_forwarding is tunnel:
            self._port_forwarding = None

    def channel_closed(self, channel: ClientChannel) -> None:
        """Make room for another channel."""
        self.channels.discard(channel)

    def _count_channel(self) -> None:
        if len(self.channels) >= MOST_CHANNELS:
            raise asyncssh.ChannelOpenError(constants.OPEN_RESOURCE_SHORTAGE, f"At most {MOST_CHANNELS} channels")

    # For its channels.

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` in the background. Its errors are in the log of the process.

        If a client waits for the work, the work itself must end that wait.
        """
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def login(self) -> AuthenticatedClient:
        """Return who the client is, and for which session. Raises Refused, which is recorded."""
        if self.identity is None:
            raise Refused("The client has not logged in.")
        session_id = self.identity.session_id
        if session_id is None:
            try:
                session_id = await store.call(identity.session_of, self.identity.user_id, self.wanted)
            except Refused as refused:
                await store.call(identity.unsettled, self.identity.user_id, self.address, refused.message)
                raise
        return AuthenticatedClient(
            user_id=self.identity.user_id,
            session_id=session_id,
            entry_point=EntryPoint.SSH,
            address=self.address,
            client=self.client,
            key_id=self.identity.key_id,
            login_session_id=self.identity.login_session_id,
            is_confirmed=self.identity.is_confirmed,
            factor=self.identity.factor or "",
            client_token=self._token,
        )

    def _blocked(self, is_blocked: bool) -> None:
        self.is_blocked = is_blocked
        if not is_blocked:
            for channel in list(self.channels):
                channel.drained()
            if self._port_forwarding is not None:
                self._port_forwarding.drained()

    async def _answer(
        self, what: str, ask: Callable[P, Identity | None], *args: P.args, **kwargs: P.kwargs
    ) -> Identity | None:
        """Return who the client is by `what` it showed. If that is refused or fails, tell the client."""
        try:
            return await store.call(ask, *args, **kwargs)
        except Refused as refused:
            self._failure = f"{what.lower()} refused. {refused.message}"
            self._tell(f"{what} refused. {refused.message}")
            return None
        except Exception as error:
            logger.exception("The database does not say who a client from %s is", self.address)
            self._tell(message_for_person(error))
            return None

    def _tell(self, text: str) -> None:
        """Send a text, once, to a client that is not authenticated."""
        if text not in self._banner_lines:
            self._banner_lines.add(text)
            self.connection.send_auth_banner(f"{text}\r\n")

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("A client from %s", self.address, exc_info=error)
