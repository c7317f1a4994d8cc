"""One connection between a person and the host of their session: bytes both ways, and the control over them.

How the person came in (Near) and why the connection is frozen or cut is told to it; line.py carries the bytes.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import Coroutine, Mapping
from typing import Any

import asyncssh

from activity.text import plain
from sessions_app.gateway import openssh, store
from sessions_app.gateway.byte_bridge import Line, recorded_size
from sessions_app.gateway.deadline import Deadline
from sessions_app.gateway.downstream import UNTIL_UNLOCKED, CommandTooLong, Near, ShowsState, Terminal, excuse
from sessions_app.gateway.files import Watch
from sessions_app.gateway.flows.disconnect import Ending
from sessions_app.gateway.models import ConnectionEnd
from sessions_app.gateway.registry import Registry
from sessions_app.gateway.upstream import HostRefused, Upstream, open_channel, open_upstream
from sessions_app.privileged.models import HOLDS_GRANT, Status

CTRL_X = b"\x18"
NOTED_WITHIN = 2.0  # seconds that somebody who is refused waits until that is noted; then it is noted behind them

logger = logging.getLogger(__name__)


class Relay(Line):
    """One connection; made by open_relay(). All methods are called on the event loop."""

    def __init__(
        self,
        registry: Registry,
        admitted: store.Admitted,
        near: Near,
        terminal: Terminal,
        files: Watch | None = None,
        *,
        is_tunnel: bool = False,
    ) -> None:
        super().__init__(admitted, near, terminal, files)
        self.connection_id = admitted.connection_id
        self.session_id = admitted.session_id
        self.closed = asyncio.Event()  # nothing is left of it, the database knows
        self.end_at = admitted.end_at
        self.can_extend = admitted.can_extend
        self._registry = registry
        self._is_tunnel = is_tunnel  # no channel of its own: forwarded ones, which the person's side holds
        self._is_notice_up = False
        self._is_locked = False  # the last time it was frozen
        self._deadline = Deadline(self._announce, lambda: self.cut(ConnectionEnd.ENDED, "Your session has ended."))
        self._tasks: set[asyncio.Task[None]] = set()

    # The person's side calls these.

    def client_gone(self) -> None:
        """The person's side is closed or lost."""
        self._finish(ConnectionEnd.CLOSED)

    # Control calls these.

    def freeze(self, title: str, message: str, until: str = UNTIL_UNLOCKED, *, is_lock: bool = True) -> None:
        """Let the person do nothing, and show the text. `is_lock`: by an administrator; else the gateway waits."""
        if self._is_over:
            return
        title, message = plain(title, 120), plain(message, 500)
        if self._has_terminal:
            if self.is_frozen:
                self._show(self._screen.thaw())
            self._show(self._screen.freeze(title, message, until))
        elif not self.is_frozen:
            self._near.pause_reading()
        if not self.is_frozen or is_lock != self._is_locked:
            self._mark(f"Locked: {title}" if is_lock else f"Paused: {message}")
        self.is_frozen, self._is_locked = True, is_lock
        self._say_state(title, message)
        self._balance()

    def thaw(self) -> None:
        """Go on where it was: what the host said meanwhile comes now, full-screen programs paint again."""
        if self._is_over or not self.is_frozen:
            return
        self.is_frozen = False
        self._mark("Unlocked" if self._is_locked else "Goes on")
        self._say_state()
        if self._has_terminal:
            self._show(self._screen.thaw())
            self._repaint()
            if self.recorder is not None:
                self.recorder.resize(*recorded_size(self._size))
        else:
            self._balance_input()
        held, self._held = self._held, []
        for say in held:
            say()
        if self._untaken and not self._is_locked:
            self.notice(f"{self._untaken} bytes that you typed meanwhile did not reach the host.")
        self._untaken = 0
        self._balance()

    def cut(self, end: ConnectionEnd, text: str) -> None:
        """Drop the connection at once and say why."""
        if self._is_over:
            return
        self._mark(text)
        words = plain(text).encode()
        if self._has_terminal:
            self._show(self._screen.end(words))
        else:
            self._near.write_error(words + b"\n")
        self._finish(end, text)

    def drop(self) -> None:
        """The same without a word, when saying one does not work."""
        self._finish(ConnectionEnd.FAILED, "The gateway failed")

    def notice(self, text: str) -> None:
        """One line for the person, where there is a terminal."""
        if self._has_terminal and not self._is_over:
            self._show(self._screen.line(plain(text, 200).encode()))

    def retime(self, end_at: dt.datetime | None) -> None:
        """The session ends then: the notice and the cut come by a timer of our own."""
        self._deadline.clear()
        self._is_notice_up = False
        if end_at is not None and not self._is_over:
            self.end_at = end_at
            self._deadline.set(end_at, self.admitted.end_notice)

    # The host's side calls these.

    def host_gone(self, error: Exception | None) -> None:
        """The channel to the host is closed, all its data was delivered."""
        if error is not None and not self._is_over:
            text = f"The connection to {self.admitted.resource_name} is lost: {plain(error, 120)}"
            self._near.write_error(text.encode() + (b"\r\n" if self._has_terminal else b"\n"))
            self._exit = 255
        self._finish(ConnectionEnd.HOST)

    @property
    def is_over(self) -> bool:
        """Whether it is closed or being closed."""
        return self._is_over

    async def reach_host(self) -> None:
        """Log in to the host, where nothing runs yet; used by open_relay() once. Raises HostRefused, ConnectorError."""
        self._upstream = await open_upstream(self.admitted)
        self._upstream.on_blocked = lambda is_blocked: self._balance_input()
        self._upstream.on_lost = self._upstream_lost

    def check_command(self, command: str) -> None:
        """Raise CommandTooLong for a command that makes the host drop the connection; used after reach_host()."""
        length = len(openssh.command_bytes(command))
        if length > openssh.LONGEST_COMMAND and self.upstream is not None and openssh.is_openssh(self.upstream):
            taker = f"OpenSSH on {self.admitted.resource_name}"
            raise CommandTooLong(openssh.too_long(length, taker, openssh.LONGEST_COMMAND))

    async def connect(
        self, command: str, subsystem: str, env: Mapping[str | bytes, str | bytes], terminal: Terminal
    ) -> None:
        """Begin on the host; used by open_relay() once, after reach_host(). Raises HostRefused, asyncssh.Error."""
        if self._is_over or self._upstream is None:
            raise HostRefused("The connection was closed meanwhile.")
        standing, _ = await asyncio.gather(
            store.call(store.connected, self.connection_id, self._upstream.port if self._has_terminal else None),
            self._begin(self._upstream, command, subsystem, env, terminal),
        )
        self.retime(standing.end_at)
        if standing.status not in HOLDS_GRANT:
            self.cut(ConnectionEnd.ENDED, "Your session has ended.")
        elif standing.status == Status.LOCKED:
            self.freeze(standing.title, standing.message)
        if self.recorder is not None and self.admitted.is_input_recorded:
            self.notice("What you type here is recorded, passwords too.")

    async def _begin(
        self,
        upstream: Upstream,
        command: str,
        subsystem: str,
        env: Mapping[str | bytes, str | bytes],
        terminal: Terminal,
    ) -> None:
        if not self._is_tunnel:
            try:
                await open_channel(
                    upstream,
                    self,
                    command=command or None,
                    subsystem=subsystem or None,
                    env=env,
                    terminal=Terminal(terminal.kind, self._size, terminal.modes),
                )
            except OSError as error:
                name = self.admitted.resource_name
                raise HostRefused(f"{name} closed the connection: {plain(error, 120)}.") from error

    @property
    def upstream(self) -> asyncssh.SSHClientConnection | None:
        """The connection to the host, for what is forwarded over it; None when there is none or no more."""
        return None if self._is_over or self._upstream is None else self._upstream.connection

    async def fail(self, text: str) -> None:
        """It did not come to be: note why and let go of the host; the person's side is the caller's.

        Does not raise, and does not wait for a database that is away: a row that stays open is ended by control.
        """
        self._registry.relays.pop(self.connection_id, None)
        if self._upstream is not None:
            self._upstream.close()
        if self._is_over:
            return
        self._is_over = True
        self.retime(None)
        if self.is_frozen and self._has_terminal:
            self._show(self._screen.thaw())
        await asyncio.wait({self._spawn(self._note_failure(text))}, timeout=NOTED_WITHIN)

    async def _note_failure(self, text: str) -> None:
        try:
            if self.recorder is not None:
                await self.recorder.finish()
            await self._registry.endings.note(Ending(self.connection_id, ConnectionEnd.FAILED, plain(text, 200)))
        finally:
            self.closed.set()

    # The rest is ours.

    def _takes(self, data: bytes) -> bool:
        """Ctrl+X by itself, while the notice is up."""
        if not (self._is_notice_up and self.can_extend and data == CTRL_X and self._has_terminal):
            return False
        self._spawn(self._extend())
        return True

    def _upstream_lost(self, error: Exception | None) -> None:
        """A channel tells by itself; a tunnel has none."""
        if self._is_tunnel:
            self.host_gone(error)

    def _say_state(self, title: str = "", message: str = "") -> None:
        if isinstance(self._near, ShowsState):
            self._near.show_state(self.is_frozen, title, message, is_lock=self._is_locked)

    def _announce(self) -> None:
        self._is_notice_up = True
        how = " Ctrl+X extends it." if self.can_extend else ""
        self.notice(f"This session ends at {self.end_at:%H:%M} UTC. Save your work.{how}")

    async def _extend(self) -> None:
        """Control sees the new end on the session, here and in other gateways, and tells the person."""
        self._is_notice_up = False  # pressed twice, it extends once
        try:
            end_at, refusal = await store.call(store.extend_session, self.session_id)
        except Exception as error:
            logger.exception("Session %s could not be extended", self.session_id)
            end_at, refusal = None, excuse(error)
            self._is_notice_up = True
        if end_at is None:
            self.notice(f"Not extended: {refusal}")

    def _finish(self, end: ConnectionEnd, reason: str = "") -> None:
        """Once: let go of both sides, and note it."""
        if not self._is_over:
            self._is_over = True
            self.retime(None)
            self._spawn(self._close(end, reason))

    async def _close(self, end: ConnectionEnd, reason: str) -> None:
        code = self._exit
        try:
            if self._host is not None:
                self._host.abort()
            if self._upstream is not None:
                self._upstream.close()
        finally:
            try:
                await self._near.close(1 if reason else code, reason)
            except (OSError, asyncssh.Error):
                logger.debug("The person's side of connection %s was gone", self.connection_id, exc_info=True)
            finally:
                await self._note_end(end, reason)

    async def _note_end(self, end: ConnectionEnd, reason: str) -> None:
        try:
            await self._finish_notes()
        finally:
            ending = Ending(self.connection_id, end, plain(reason, 200), self.bytes_in, self.bytes_out)
            try:
                await self._registry.endings.note(ending)
            finally:
                self._registry.relays.pop(self.connection_id, None)
                self.closed.set()

    async def _finish_notes(self) -> None:
        """The recording is closed whatever became of the files."""
        try:
            if self.files is not None:
                await self.files.finish()
        finally:
            if self.recorder is not None:
                await self.recorder.finish()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do it beside everything else. What somebody waits for must end that wait itself, whatever goes wrong."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("Connection %s of session %s", self.connection_id, self.session_id, exc_info=error)
