"""Controls one connection between a person and the host of their session.

How the person is connected (Downstream), and whether the connection must be frozen or closed, is decided elsewhere. Its
bridge carries the bytes (byte_bridge.py). It does not know other relays.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

import asyncssh

from activity.text import plain
from sessions_app.gateway import openssh, store
from sessions_app.gateway.byte_bridge import ByteBridge
from sessions_app.gateway.deadline import Deadline
from sessions_app.gateway.downstream import (
    UNTIL_UNLOCKED,
    CommandTooLong,
    Downstream,
    ShowsState,
    Terminal,
    message_for_person,
)
from sessions_app.gateway.files import FileWatcher
from sessions_app.gateway.flows.disconnect import Ending
from sessions_app.gateway.models import ConnectionEnd
from sessions_app.gateway.upstream import HostRefused, Upstream, open_channel, open_upstream
from sessions_app.privileged.models import HOLDS_GRANT, Status

CTRL_X = b"\x18"
FINAL = (ConnectionEnd.TERMINATED, ConnectionEnd.ENDED, ConnectionEnd.REVOKED)  # nothing is there to connect to again
NOTED_WITHIN = 2.0  # seconds that a person waits until a failed connection is stored; then it goes on in the background

logger = logging.getLogger(__name__)


class Relay:
    """Controls one connection. Registry.add() creates it. All methods must be called on the event loop.

    `save_end` stores the end of the connection in the database, and `forget` removes the relay from the live ones.
    """

    def __init__(
        self,
        admitted: store.Admitted,
        downstream: Downstream,
        terminal: Terminal,
        files: FileWatcher | None = None,
        *,
        is_port_forwarding: bool = False,
        save_end: Callable[[Ending], Awaitable[None]],
        forget: Callable[[], object],
    ) -> None:
        self.admitted = admitted
        self.bridge = ByteBridge(
            admitted, downstream, terminal, files, keeps=self._takes_key, on_host_gone=self._host_gone
        )
        self.connection_id = admitted.connection_id
        self.session_id = admitted.session_id
        self.closed = asyncio.Event()  # set when everything is closed and the end is stored in the database
        self.end_at = admitted.end_at
        self.can_extend = admitted.can_extend
        self._downstream = downstream
        self._upstream: Upstream | None = None
        self._save_end = save_end
        self._forget = forget
        self._is_port_forwarding = is_port_forwarding  # the relay has no channel: `downstream` holds the forwarded ones
        self._is_notice_up = False
        self._is_locked = False  # the last time it was frozen
        self._deadline = Deadline(
            self._announce, lambda: self.disconnect(ConnectionEnd.ENDED, "Your session has ended.")
        )
        self._tasks: set[asyncio.Task[None]] = set()

    # The person's side calls this method. For everything else it calls the bridge.

    def client_gone(self) -> None:
        """Close the connection: the person's side is closed or lost."""
        self._finish(ConnectionEnd.CLOSED)

    # The control loop calls these.

    @property
    def is_over(self) -> bool:
        """Return whether the connection is closed or being closed."""
        return self.bridge.is_closed

    @property
    def is_frozen(self) -> bool:
        """Return whether no data passes at the moment."""
        return self.bridge.is_frozen

    def freeze(
        self, title: str, message: str, until: str = UNTIL_UNLOCKED, *, is_lock: bool = True, by: str = ""
    ) -> None:
        """Let no data pass, and show the text to the person.

        `is_lock` means that an administrator locked the session, `by` is who; otherwise the gateway itself pauses it.
        """
        if self.is_over:
            return
        title, message = plain(title, 120), plain(message, 500)
        is_new = not self.is_frozen or is_lock != self._is_locked
        self.bridge.freeze(title, message, until)
        if is_new:
            self.bridge.mark(f"Locked: {title}" if is_lock else f"Paused: {message}")
        self._is_locked = is_lock
        self._say_state(is_frozen=True, title=title, message=message, by=plain(by))

    def unfreeze(self) -> None:
        """Let data pass again. Do nothing if the connection is not frozen."""
        if self.is_over or not self.is_frozen:
            return
        self.bridge.mark("Unlocked" if self._is_locked else "Goes on")
        self._say_state(is_frozen=False)
        self.bridge.unfreeze(says_untaken=not self._is_locked)

    def disconnect(self, end: ConnectionEnd, text: str) -> None:
        """Drop the connection at once and say why."""
        if self.is_over:
            return
        self.bridge.mark(text)
        self.bridge.say_last(plain(text).encode())
        self._finish(end, text)

    def drop(self) -> None:
        """Drop the connection without a message, if sending one does not work."""
        self._finish(ConnectionEnd.FAILED, "The gateway failed")

    def notice(self, text: str) -> None:
        """Show one line to the person, where there is a terminal."""
        self.bridge.say_line(plain(text, 200).encode())

    def retime(self, end_at: dt.datetime | None) -> None:
        """Set the timers for the notice and for the end of the session at `end_at`; None stops them."""
        self._deadline.clear()
        self._is_notice_up = False
        if end_at is not None and not self.is_over:
            self.end_at = end_at
            self._deadline.set(end_at, self.admitted.end_notice)

    # open_relay() calls these, each once and in this order.

    async def reach_host(self) -> None:
        """Log in to the host, where nothing runs yet. Raises HostRefused, ConnectorError."""
        self._upstream = await open_upstream(self.admitted)
        self._upstream.on_lost = self._upstream_lost
        self.bridge.reached(self._upstream)

    def check_command(self, command: str) -> None:
        """Raise CommandTooLong for a command that would make the host drop the connection."""
        length = len(openssh.command_bytes(command))
        if length > openssh.LONGEST_COMMAND and self.upstream is not None and openssh.is_openssh(self.upstream):
            taker = f"OpenSSH on {self.admitted.resource_name}"
            raise CommandTooLong(openssh.too_long(length, taker, openssh.LONGEST_COMMAND))

    async def connect(
        self, command: str, subsystem: str, env: Mapping[str | bytes, str | bytes], terminal: Terminal
    ) -> None:
        """Begin on the host. Raises HostRefused, asyncssh.Error."""
        if self.is_over or self._upstream is None:
            raise HostRefused("The connection was closed meanwhile.")
        state, _ = await asyncio.gather(
            store.call(store.connected, self.connection_id, self._upstream.port if self.bridge.has_terminal else None),
            self._begin(self._upstream, command, subsystem, env, terminal),
        )
        self.retime(state.end_at)
        if state.status not in HOLDS_GRANT:
            self.disconnect(ConnectionEnd.ENDED, "Your session has ended.")
        elif state.status == Status.LOCKED:
            self.freeze(state.title, state.message)
        if self.bridge.recorder is not None and self.admitted.is_input_recorded:
            self.notice("What you type here is recorded, passwords too.")

    async def _begin(
        self,
        upstream: Upstream,
        command: str,
        subsystem: str,
        env: Mapping[str | bytes, str | bytes],
        terminal: Terminal,
    ) -> None:
        if not self._is_port_forwarding:
            try:
                await open_channel(
                    upstream,
                    self.bridge,
                    command=command or None,
                    subsystem=subsystem or None,
                    env=env,
                    terminal=Terminal(terminal.kind, self.bridge.size, terminal.modes),
                )
            except OSError as error:
                name = self.admitted.resource_name
                raise HostRefused(f"{name} closed the connection: {plain(error, 120)}.") from error

    @property
    def upstream(self) -> asyncssh.SSHClientConnection | None:
        """Return the connection to the host, for forwarding TCP connections over it; None if there is none."""
        return None if self.is_over or self._upstream is None else self._upstream.connection

    async def fail(self, text: str) -> None:
        """Store why the connection could not be opened, and close it to the host. The caller closes the person's side.

        Do not raise, and do not wait for a database that does not answer: the control loop ends a row that stays open.
        """
        self._forget()
        if self._upstream is not None:
            self._upstream.close()
        if self.is_over:
            return
        self.bridge.is_closed = True
        self.retime(None)
        self.bridge.uncover()
        await asyncio.wait({self._spawn(self._note_failure(text))}, timeout=NOTED_WITHIN)

    async def _note_failure(self, text: str) -> None:
        try:
            if self.bridge.recorder is not None:
                await self.bridge.recorder.finish()
            await self._save_end(Ending(self.connection_id, ConnectionEnd.FAILED, plain(text, 200)))
        finally:
            self.closed.set()

    # The bridge calls these.

    def _takes_key(self, data: bytes) -> bool:
        """Extend the session for a single Ctrl+X while the notice is shown. Return whether that was done."""
        if not (self._is_notice_up and self.can_extend and data == CTRL_X and self.bridge.has_terminal):
            return False
        self._spawn(self._extend())
        return True

    def _host_gone(self, error: Exception | None) -> None:
        if error is not None and not self.is_over:
            text = f"The connection to {self.admitted.resource_name} is lost: {plain(error, 120)}"
            self.bridge.say_error(text.encode())
            self.bridge.exit_code = 255
        self._finish(ConnectionEnd.HOST)

    def _upstream_lost(self, error: Exception | None) -> None:
        """Close a relay for port forwarding; others learn from their channel that the host is gone."""
        if self._is_port_forwarding:
            self._host_gone(error)

    def _say_state(self, *, is_frozen: bool, title: str = "", message: str = "", by: str = "") -> None:
        if isinstance(self._downstream, ShowsState):
            self._downstream.show_state(is_frozen, title, message, is_lock=self._is_locked, by=by)

    def _announce(self) -> None:
        self._is_notice_up = True
        how = " Ctrl+X extends it." if self.can_extend else ""
        self.notice(f"This session ends at {self.end_at:%H:%M} UTC. Save your work.{how}")

    async def _extend(self) -> None:
        """Extend the session. The control loop sees the new end, here and in other gateways, and tells the person."""
        self._is_notice_up = False  # so that pressing the key twice extends the session once
        try:
            end_at, refusal = await store.call(store.extend_session, self.session_id)
        except Exception as error:
            logger.exception("Session %s could not be extended", self.session_id)
            end_at, refusal = None, message_for_person(error)
            self._is_notice_up = True
        if end_at is None:
            self.notice(f"Not extended: {refusal}")

    def _finish(self, end: ConnectionEnd, reason: str = "") -> None:
        """Close both sides and store the end, unless that has already begun."""
        if not self.is_over:
            self.bridge.is_closed = True
            self.retime(None)
            self._spawn(self._close(end, reason))

    async def _close(self, end: ConnectionEnd, reason: str) -> None:
        code = self.bridge.exit_code
        try:
            self.bridge.abort_host()
            if self._upstream is not None:
                self._upstream.close()
        finally:
            if end in FINAL and isinstance(self._downstream, ShowsState):
                self._downstream.is_final = True
            try:
                await self._downstream.close(1 if reason else code, reason)
            except (OSError, asyncssh.Error):
                logger.debug("The person's side of connection %s was gone", self.connection_id, exc_info=True)
            finally:
                await self._note_end(end, reason)

    async def _note_end(self, end: ConnectionEnd, reason: str) -> None:
        try:
            await self.bridge.finish_notes()
        finally:
            bridge = self.bridge
            ending = Ending(self.connection_id, end, plain(reason, 200), bridge.bytes_in, bridge.bytes_out)
            try:
                await self._save_end(ending)
            finally:
                self._forget()
                self.closed.set()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a background task. If somebody waits for its result, it must end that wait even after an error."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("Connection %s of session %s", self.connection_id, self.session_id, exc_info=error)
