"""The bytes of one connection, both ways, and what waits of them: never more than a bound, for either side.

Neither side is read while the other takes nothing. What may be done with a connection beyond that is the relay's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import asyncssh

from sessions_app.gateway import openssh, store
from sessions_app.gateway.downstream import Near, Size, Terminal
from sessions_app.gateway.file_notes import FileNotes
from sessions_app.gateway.files import Watch
from sessions_app.gateway.registry import Recorder
from sessions_app.gateway.screen import Screen
from sessions_app.gateway.upstream import HostRefused, Upstream

HIGH = 512 * 1024  # bytes that may wait for the person before the host is read no more
LOW = 128 * 1024
LOOK_AGAIN = 0.05  # seconds; for a near side that does not call drained()
LARGEST = 1000  # columns or rows of a replay
REPAINT_AFTER = 0.15  # seconds between the two changes of size that make a full-screen program paint again


class Line:
    """What relay.Relay stands on. All methods are called on the event loop."""

    def __init__(self, admitted: store.Admitted, near: Near, terminal: Terminal, files: Watch | None) -> None:
        self.admitted = admitted
        self.recorder: Recorder | None = None
        self.files = FileNotes(admitted, files) if files is not None else None
        self.is_frozen = False
        self.bytes_in = self.bytes_out = 0
        self._near = near
        self._has_terminal = bool(terminal.kind)
        self._size = terminal.size
        self._screen = Screen()
        self._upstream: Upstream | None = None
        self._host: asyncssh.SSHClientChannel[bytes] | None = None
        self._is_reading_host = True
        self._look: asyncio.TimerHandle | None = None
        self._is_host_full = False
        self._is_output_over = False  # the person's program takes no more of it
        self._held: list[Callable[[], None]] = []  # what was said while frozen, without the bytes
        self._untaken = 0  # bytes that were typed while frozen
        self._exit = 0
        self._is_over = False

    # The person's side calls these.

    def client_data(self, data: bytes) -> None:
        """Bytes from the person. Typed while frozen they are dropped; a program's input waits instead."""
        if self._is_over or self._host is None:
            return
        if self.is_frozen and self._has_terminal:
            self._untaken += len(data)
            return
        if self._takes(data):
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
            self._held.append(self.client_eof)
        elif self._host is not None and not self._host.is_closing():
            self._host.write_eof()

    def client_end_of_write(self) -> None:
        """The person's program takes no more output, as `head` when it has its lines: the host's program learns of it
        as from a pipe without a reader, and what it wrote before goes nowhere."""
        self._is_output_over = True
        if self.is_frozen:
            self._held.append(self.client_end_of_write)
        elif self._host is not None:
            openssh.send_end_of_write(self._host)

    def resize(self, size: Size) -> None:
        """The person's terminal has another size; while frozen the host is told later."""
        self._size = size
        if not self.is_frozen:
            self._tell_size(*self._size)
            if self.recorder is not None:
                self.recorder.resize(*recorded_size(self._size))

    def signal(self, name: str) -> None:
        """A signal by its SSH name (INT, TERM) for the program on the host."""
        if not self.is_frozen and self._host is not None and openssh.can_send(self._host):
            self._host.send_signal(name)

    def drained(self) -> None:
        """What was written is gone: a near side calls this when buffered() has become small."""
        self._balance()

    # The host's side calls these.

    def host_opened(self, channel: asyncssh.SSHClientChannel[bytes]) -> None:
        """The channel to the host is there, and nothing runs on it yet. Raises HostRefused when a lock came first."""
        if self.is_frozen:
            raise HostRefused(f"Your session on {self.admitted.resource_name} was locked meanwhile.")
        self._host = channel

    def host_data(self, data: bytes, is_error: bool) -> None:
        """Bytes from the host."""
        if self._is_over:
            return
        if self._is_output_over and not is_error:
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

    def host_eof(self) -> None:
        """The program on the host has closed its output, and may go on without."""
        if self.is_frozen:
            self._held.append(self.host_eof)
        elif not self._is_over:
            self._near.write_eof()

    def host_end_of_write(self) -> None:
        """The program on the host has closed its input."""
        if not self._is_over:
            self._near.end_of_write()

    def host_exit(self, code: int) -> None:
        """The program on the host is over; -n: signal n killed it."""
        self._exit = code

    def host_full(self, is_full: bool) -> None:
        """The host takes no more for now, or takes more again."""
        self._is_host_full = is_full
        self._balance_input()

    # The rest is ours.

    def _takes(self, data: bytes) -> bool:
        """Whether these bytes of the person are for us, and not for the host."""
        return False

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
        if not may_read and not self.is_frozen and self._look is None:
            self._look = asyncio.get_running_loop().call_later(LOOK_AGAIN, self._look_again)

    def _look_again(self) -> None:
        self._look = None
        self._balance()

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

    def _mark(self, label: str) -> None:
        if self.recorder is not None:
            self.recorder.mark(label)

    def _tell_size(self, cols: int, rows: int, width: int, height: int) -> None:
        if self._has_terminal and self._host is not None and openssh.can_send(self._host):
            self._host.change_terminal_size(cols, rows, width, height)

    def _repaint(self) -> None:
        """Another size and back: a program that paints the whole screen does it twice."""
        cols, rows, width, height = self._size
        self._tell_size(cols, rows + 1 if rows < 3 else rows - 1, width, height)
        asyncio.get_running_loop().call_later(REPAINT_AFTER, lambda: self._tell_size(*self._size))


def recorded_size(size: Size) -> tuple[int, int]:
    """Return the columns and rows for a recording, whose replay needs a screen: 80 x 24 for what is not known."""
    cols, rows = size[:2]
    return min(cols, LARGEST) or 80, min(rows, LARGEST) or 24
