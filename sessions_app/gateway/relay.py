"""One connection between a person and the host of their session: bytes both ways, and the control over them.

Knows nothing of how the person came in (Near: server.py, the browser's door) nor of why it is frozen or cut: that is
said to it. It bounds what waits for either side by reading no more from the other.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import Coroutine, Mapping
from typing import Any

import asyncssh
from django.utils import timezone

from activity.text import plain
from sessions_app.gateway import store
from sessions_app.gateway.file_notes import FileNotes
from sessions_app.gateway.files import Watch
from sessions_app.gateway.near import UNTIL_UNLOCKED, Near, ShowsState, Terminal
from sessions_app.gateway.registry import Recorder, Registry
from sessions_app.gateway.screen import Screen
from sessions_app.gateway.upstream import HostRefused, Upstream, open_channel, open_upstream
from sessions_app.models import HOLDS_GRANT, ConnectionEnd, Status

HIGH = 512 * 1024  # bytes that may wait for the person before the host is read no more
LOW = 128 * 1024
LOOK_AGAIN = 0.05  # seconds; for a near side that does not call drained()
REPAINT_AFTER = 0.15  # seconds between the two changes of size that make a full-screen program paint again
CTRL_X = b"\x18"

logger = logging.getLogger(__name__)


class Relay:
    """One connection; made by open_relay(). All methods are called on the event loop."""

    def __init__(
        self,
        registry: Registry,
        admitted: store.Admitted,
        near: Near,
        terminal: Terminal,
        files: Watch | None = None,
    ) -> None:
        self.admitted = admitted
        self.connection_id = admitted.connection_id
        self.session_id = admitted.session_id
        self.recorder: Recorder | None = None
        self.files = FileNotes(admitted, files) if files is not None else None
        self.is_frozen = False
        self.bytes_in = self.bytes_out = 0
        self.closed = asyncio.Event()  # nothing is left of it, the database knows
        self.end_at = admitted.end_at
        self.can_extend = admitted.can_extend
        self._registry = registry
        self._near = near
        self._has_terminal = bool(terminal.kind)
        self._size = (terminal.cols, terminal.rows)
        self._screen = Screen()
        self._upstream: Upstream | None = None
        self._host: asyncssh.SSHClientChannel[bytes] | None = None
        self._is_reading_host = True
        self._is_host_full = False
        self._is_eof_held = False
        self._exit = 0
        self._is_over = False
        self._is_notice_up = False
        self._timers: list[asyncio.TimerHandle] = []
        self._tasks: set[asyncio.Task[None]] = set()

    # The person's side calls these.

    def client_data(self, data: bytes) -> None:
        """Bytes from the person. Typed while frozen they are dropped; a program's input waits instead."""
        if self._is_over or self._host is None or (self.is_frozen and self._has_terminal):
            return
        if self._is_notice_up and self.can_extend and data == CTRL_X and self._has_terminal:
            self._spawn(self._extend())
            return
        self.bytes_in += len(data)
        if self.files is not None:
            self.files.client(data)
        if self.recorder is not None:
            self.recorder.typed(data)
        if not self._host.is_closing():
            self._host.write(data)

    def ready(self) -> None:
        """The person's side knows the relay now and may go on reading, unless the host or a lock forbids it."""
        self._balance_input()

    def client_eof(self) -> None:
        """The person sends no more."""
        if self.is_frozen:
            self._is_eof_held = True
        elif self._host is not None and not self._host.is_closing():
            self._host.write_eof()

    def client_gone(self) -> None:
        """The person's side is closed or lost."""
        self._finish(ConnectionEnd.CLOSED)

    def resize(self, cols: int, rows: int) -> None:
        """The person's terminal has another size; while frozen the host is told later."""
        self._size = (max(1, min(cols, 1000)), max(1, min(rows, 1000)))
        if not self.is_frozen:
            self._tell_size(*self._size)
            if self.recorder is not None:
                self.recorder.resize(*self._size)

    def signal(self, name: str) -> None:
        """A signal by its SSH name (INT, TERM) for the program on the host."""
        if not self.is_frozen and self._host is not None and not self._host.is_closing():
            self._host.send_signal(name)

    def drained(self) -> None:
        """What was written is gone: a near side calls this when buffered() has become small."""
        self._balance()

    # Control calls these.

    def freeze(self, title: str, message: str, until: str = UNTIL_UNLOCKED) -> None:
        """From now on the person can do nothing and sees the text. A second one replaces the text."""
        if self._is_over:
            return
        title, message = plain(title, 120), plain(message, 500)
        if self._has_terminal:
            if self.is_frozen:
                self._show(self._screen.thaw())
            self._show(self._screen.freeze(_lock_screen(title, message, until)))
        elif not self.is_frozen:
            self._near.pause_reading()
        if not self.is_frozen:
            self._mark(f"Locked: {title}")
        self.is_frozen = True
        self._say_state(title, message)
        self._balance()

    def thaw(self) -> None:
        """Go on where it was: what the host said meanwhile comes now, full-screen programs paint again."""
        if self._is_over or not self.is_frozen:
            return
        self.is_frozen = False
        self._mark("Unlocked")
        self._say_state()
        if self._has_terminal:
            self._show(self._screen.thaw())
            self._repaint()
            if self.recorder is not None:
                self.recorder.resize(*self._size)
        else:
            self._balance_input()
        if self._is_eof_held:
            self._is_eof_held = False
            self.client_eof()
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

    def notice(self, text: str) -> None:
        """One line for the person, where there is a terminal."""
        if self._has_terminal and not self._is_over:
            self._show(self._screen.line(plain(text, 200).encode()))

    def retime(self, end_at: dt.datetime | None) -> None:
        """The session ends then: the notice and the cut come by a timer of our own."""
        for timer in self._timers:
            timer.cancel()
        self._timers = []
        self._is_notice_up = False
        if end_at is None or self._is_over:
            return
        self.end_at = end_at
        left = (end_at - timezone.now()).total_seconds()
        loop, notice = asyncio.get_running_loop(), self.admitted.end_notice.total_seconds()
        self._timers.append(loop.call_later(max(left, 0), self.cut, ConnectionEnd.ENDED, "Your session has ended."))
        if notice > 0:
            self._timers.append(loop.call_later(max(left - notice, 0), self._announce))

    # The host's side calls these.

    def host_opened(self, channel: asyncssh.SSHClientChannel[bytes]) -> None:
        """The channel to the host is there."""
        self._host = channel

    def host_data(self, data: bytes, is_error: bool) -> None:
        """Bytes from the host."""
        if self._is_over:
            return
        self.bytes_out += len(data)
        if self._has_terminal:
            self._screen.feed(data)
        is_content = self.files is not None and not is_error and self.files.host(data)
        if self.recorder is not None and not is_content:
            self.recorder.output(data)
        if is_error:
            self._near.write_error(data)
        else:
            self._near.write(data)
        if self._near.buffered() > HIGH:
            self._balance()

    def host_exit(self, code: int) -> None:
        """The program on the host is over; -n: signal n killed it."""
        self._exit = code

    def host_gone(self, error: Exception | None) -> None:
        """The channel to the host is closed, all its data was delivered."""
        if error is not None and not self._is_over:
            text = f"The connection to {self.admitted.resource_name} is lost: {plain(error, 120)}"
            self._near.write_error(text.encode() + (b"\r\n" if self._has_terminal else b"\n"))
            self._exit = 255
        self._finish(ConnectionEnd.HOST)

    def host_full(self, is_full: bool) -> None:
        """The host takes no more for now, or takes more again."""
        self._is_host_full = is_full
        self._balance_input()

    @property
    def is_over(self) -> bool:
        """Whether it is closed or being closed."""
        return self._is_over

    async def connect(
        self, command: str, subsystem: str, env: Mapping[str | bytes, str | bytes], terminal: Terminal
    ) -> None:
        """Reach the host and begin; used by open_relay() once. Raises HostRefused, ConnectorError, asyncssh.Error."""
        self._upstream = await open_upstream(self.admitted)
        self._upstream.on_blocked = lambda is_blocked: self._balance_input()
        if self._is_over:
            self._upstream.close()
            raise HostRefused("The connection was closed meanwhile.")
        standing, _ = await asyncio.gather(
            store.call(store.connected, self.connection_id),
            open_channel(
                self._upstream,
                self,
                command=command or None,
                subsystem=subsystem or None,
                env=env,
                term_type=terminal.kind or None,
                term_size=self._size,
                term_modes=terminal.modes or {},
            ),
        )
        self.retime(standing.end_at)
        if standing.status not in HOLDS_GRANT:
            self.cut(ConnectionEnd.ENDED, "Your session has ended.")
        elif standing.status == Status.LOCKED:
            self.freeze(standing.title, standing.message)

    async def fail(self, text: str) -> None:
        """It did not come to be: note why and let go of the host; the person's side is the caller's."""
        self._registry.relays.pop(self.connection_id, None)
        if self._upstream is not None:
            self._upstream.close()
        if self._is_over:
            return
        self._is_over = True
        self.retime(None)
        if self.recorder is not None:
            await self.recorder.finish()
        await store.call(store.ended, self.connection_id, ConnectionEnd.FAILED, reason=plain(text, 200), sent=(0, 0))
        self.closed.set()

    # The rest is ours.

    def _balance(self) -> None:
        """Read the host only while the person takes what it says and is not frozen."""
        if self._host is None or self._is_over:
            return
        waiting = self._near.buffered()
        may_read = not self.is_frozen and waiting <= (HIGH if self._is_reading_host else LOW)
        if may_read != self._is_reading_host:
            self._is_reading_host = may_read
            if may_read:
                self._host.resume_reading()
            else:
                self._host.pause_reading()
        if not may_read and not self.is_frozen:
            asyncio.get_running_loop().call_later(LOOK_AGAIN, self._balance)

    def _balance_input(self) -> None:
        is_blocked = self._is_host_full or (self._upstream is not None and self._upstream.is_blocked)
        if is_blocked or (self.is_frozen and not self._has_terminal):
            self._near.pause_reading()
        elif not self._is_over:
            self._near.resume_reading()

    def _show(self, data: bytes) -> None:
        """Something of ours on the person's terminal."""
        self._near.write(data)
        if self.recorder is not None:
            self.recorder.output(data)

    def _say_state(self, title: str = "", message: str = "") -> None:
        if isinstance(self._near, ShowsState):
            self._near.show_state(self.is_frozen, title, message)

    def _mark(self, label: str) -> None:
        if self.recorder is not None:
            self.recorder.mark(label)

    def _tell_size(self, cols: int, rows: int) -> None:
        if self._has_terminal and self._host is not None and not self._host.is_closing():
            self._host.change_terminal_size(cols, rows)

    def _repaint(self) -> None:
        """Another size and back: a program that paints the whole screen does it twice."""
        cols, rows = self._size
        self._tell_size(cols, rows + 1 if rows < 3 else rows - 1)
        asyncio.get_running_loop().call_later(REPAINT_AFTER, lambda: self._tell_size(*self._size))

    def _announce(self) -> None:
        self._is_notice_up = True
        how = " Ctrl+X extends it." if self.can_extend else ""
        self.notice(f"This session ends at {self.end_at:%H:%M} UTC. Save your work.{how}")

    async def _extend(self) -> None:
        """Control sees the new end on the session, here and in other gateways, and tells the person."""
        self._is_notice_up = False  # pressed twice, it extends once
        end_at, refusal = await store.call(store.extend_session, self.session_id)
        if end_at is None:
            self.notice(f"Not extended: {refusal}")

    def _finish(self, end: ConnectionEnd, reason: str = "") -> None:
        """Once: let go of both sides, and note it."""
        if not self._is_over:
            self._is_over = True
            self.retime(None)
            self._spawn(self._close(end, reason))

    async def _close(self, end: ConnectionEnd, reason: str) -> None:
        if self._host is not None:
            self._host.abort()
        if self._upstream is not None:
            self._upstream.close()
        code = self._exit
        try:
            await self._near.close(1 if reason else code, reason)
        except (OSError, asyncssh.Error):
            logger.debug("The person's side of connection %s was gone", self.connection_id, exc_info=True)
        try:
            if self.files is not None:
                await self.files.finish()
            if self.recorder is not None:
                await self.recorder.finish()
        finally:
            sent = (self.bytes_in, self.bytes_out)
            try:
                await store.call(store.ended, self.connection_id, end, reason=plain(reason, 200), sent=sent)
            finally:
                self._registry.relays.pop(self.connection_id, None)
                self.closed.set()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("Connection %s of session %s", self.connection_id, self.session_id, exc_info=error)


def _lock_screen(title: str, message: str, until: str) -> bytes:
    lines = [
        "",
        f"  {title}",
        "",
        *([f"  {message}", ""] if message else []),
        f"  {until}",
    ]
    return "\r\n".join(lines).encode()
