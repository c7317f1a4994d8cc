"""The bytes of one connection, both ways. What waits for either side stays below a bound.

Neither side is read while the other takes nothing. A bridge can be frozen and closed; why and when is for the relay,
which holds it (relay.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import asyncssh

from sessions_app.gateway import openssh, store
from sessions_app.gateway.downstream import Downstream, Size, Terminal
from sessions_app.gateway.file_log import FileLog
from sessions_app.gateway.files import FileWatcher
from sessions_app.gateway.recorder import Recorder
from sessions_app.gateway.screen import Screen
from sessions_app.gateway.upstream import HostRefused, Upstream

HIGH = 512 * 1024  # bytes that may wait for the person; with more, the host is not read for a while
LOW = 128 * 1024
LOOK_AGAIN = 0.05  # seconds; for a person's side that does not call drained()
LARGEST = 1000  # columns or rows of a replay
REPAINT_AFTER = 0.15  # seconds between the two changes of size that make a full-screen program paint again


class ByteBridge:
    """Carries bytes between a person (`downstream`) and a channel to the host.

    All methods are called on the event loop. `keeps` is asked about what the person types, and returns True for bytes
    that must not reach the host. `on_host_gone` is called when the channel to the host is closed and all its data was
    delivered.
    """

    def __init__(
        self,
        admitted: store.Admitted,
        downstream: Downstream,
        terminal: Terminal,
        files: FileWatcher | None,
        *,
        keeps: Callable[[bytes], bool],
        on_host_gone: Callable[[Exception | None], None],
    ) -> None:
        self.recorder: Recorder | None = None
        self.files = FileLog(admitted, files) if files is not None else None
        self.has_terminal = bool(terminal.kind)
        self.size = terminal.size
        self.is_frozen = False
        self.is_closed = False
        self.bytes_in = self.bytes_out = 0
        self.exit_code = 0
        self._admitted = admitted
        self._downstream = downstream
        self._keeps = keeps
        self._on_host_gone = on_host_gone
        self._screen = Screen()
        self._upstream: Upstream | None = None
        self._host: asyncssh.SSHClientChannel[bytes] | None = None
        self._is_reading_host = True
        self._look: asyncio.TimerHandle | None = None
        self._is_host_full = False
        self._is_output_over = False  # the person's program does not read the output any more
        self._held: list[Callable[[], None]] = []  # calls that were postponed while frozen, apart from bytes
        self._untaken = 0  # bytes that were typed while frozen

    # The person's side calls these.

    def client_data(self, data: bytes) -> None:
        """Pass on bytes of the person. While frozen, typed keys are dropped, but the input of a program waits."""
        if self.is_closed or self._host is None:
            return
        if self.is_frozen and self.has_terminal:
            self._untaken += len(data)
            return
        if self._keeps(data):
            return
        self.bytes_in += len(data)
        if self.files is not None:
            self.files.client(data)
        if self.recorder is not None:
            self.recorder.typed(data)
        if not self._host.is_closing():
            self._host.write(data)

    def ready(self) -> None:
        """Let the person's side read, now that it knows the relay, unless the host or a lock forbids it."""
        self._balance_input()

    def client_eof(self) -> None:
        """Tell the host that the person sends no more."""
        if self.is_frozen:
            self._held.append(self.client_eof)
        elif self._host is not None and not self._host.is_closing():
            self._host.write_eof()

    def client_end_of_write(self) -> None:
        """Tell the host that the person's program takes no more output, like `head` when it has its lines.

        The host's program learns of it as from a pipe without a reader, and what it wrote before is dropped.
        """
        self._is_output_over = True
        if self.is_frozen:
            self._held.append(self.client_end_of_write)
        elif self._host is not None:
            openssh.send_end_of_write(self._host)

    def resize(self, size: Size) -> None:
        """Give the person's terminal another size; while frozen the host is told later."""
        self.size = size
        if not self.is_frozen:
            self._tell_size(*self.size)
            self._record_size()

    def signal(self, name: str) -> None:
        """Send a signal by its SSH name (INT, TERM) to the program on the host."""
        if not self.is_frozen and self._host is not None and openssh.can_send(self._host):
            self._host.send_signal(name)

    def drained(self) -> None:
        """Read the host again if it may be read: the person's side calls this when buffered() has become small."""
        self._balance()

    # The host's side calls these.

    def host_opened(self, channel: asyncssh.SSHClientChannel[bytes]) -> None:
        """Use the channel to the host, on which nothing runs yet. Raise HostRefused if a lock was enforced before."""
        if self.is_frozen:
            raise HostRefused(f"Your session on {self._admitted.resource_name} was locked meanwhile.")
        self._host = channel

    def host_data(self, data: bytes, is_error: bool) -> None:
        """Pass bytes of the host on."""
        if self.is_closed:
            return
        if self._is_output_over and not is_error:
            return
        self.bytes_out += len(data)
        if self.has_terminal:
            self._screen.feed(data)
        is_content = self.files is not None and not is_error and self.files.host(data)
        if self.recorder is not None and not is_content:
            self.recorder.output(data)
        if is_error:
            self._downstream.write_error(data)
        else:
            self._downstream.write(data)
        if self._downstream.buffered() > HIGH:
            self._balance()

    def host_eof(self) -> None:
        """Tell the person that the program on the host has closed its output; it may go on without."""
        if self.is_frozen:
            self._held.append(self.host_eof)
        elif not self.is_closed:
            self._downstream.write_eof()

    def host_end_of_write(self) -> None:
        """Tell the person that the program on the host has closed its input."""
        if not self.is_closed:
            self._downstream.end_of_write()

    def host_exit(self, code: int) -> None:
        """Note how the program on the host ended; -n: signal n killed it."""
        self.exit_code = code

    def host_full(self, is_full: bool) -> None:
        """Note whether the host takes more, and read the person only then."""
        self._is_host_full = is_full
        self._balance_input()

    def host_gone(self, error: Exception | None) -> None:
        """Say that the channel to the host is closed."""
        self._on_host_gone(error)

    # The relay calls these.

    def reached(self, upstream: Upstream) -> None:
        """Read the person only while this connection to the host takes more."""
        self._upstream = upstream
        upstream.on_blocked = lambda is_blocked: self._balance_input()

    def freeze(self, title: str, message: str, until: str) -> None:
        """Let nothing pass, and show the text where there is a terminal; called again it shows another text."""
        if self.has_terminal:
            if self.is_frozen:
                self._show(self._screen.unfreeze())
            self._show(self._screen.freeze(title, message, until))
        elif not self.is_frozen:
            self._downstream.pause_reading()
        self.is_frozen = True
        self._balance()

    def unfreeze(self, *, says_untaken: bool) -> None:
        """Go on after a lock: send what the host sent meanwhile, and let full-screen programs paint again.

        With `says_untaken` the person is told how many typed bytes were dropped.
        """
        self.is_frozen = False
        if self.has_terminal:
            self._show(self._screen.unfreeze())
            self._repaint()
            self._record_size()
        else:
            self._balance_input()
        held, self._held = self._held, []
        for say in held:
            say()
        if self._untaken and says_untaken:
            self.say_line(f"{self._untaken} bytes that you typed meanwhile did not reach the host.".encode())
        self._untaken = 0
        self._balance()

    def uncover(self) -> None:
        """Bring the screen back that freeze() covered; the bridge stays frozen."""
        if self.is_frozen and self.has_terminal:
            self._show(self._screen.unfreeze())

    def say_line(self, text: bytes) -> None:
        """Show a line of the gateway if there is a terminal."""
        if self.has_terminal and not self.is_closed:
            self._show(self._screen.line(text))

    def say_last(self, text: bytes) -> None:
        """Show the last words on the terminal, or write them to standard error."""
        if self.has_terminal:
            self._show(self._screen.end(text))
        else:
            self._downstream.write_error(text + b"\n")

    def say_error(self, text: bytes) -> None:
        """Write a line of the gateway to standard error; on a terminal it is not recorded."""
        self._downstream.write_error(text + (b"\r\n" if self.has_terminal else b"\n"))

    def mark(self, label: str) -> None:
        """Note in the recording that something happened."""
        if self.recorder is not None:
            self.recorder.mark(label)

    def abort_host(self) -> None:
        """Drop the channel to the host."""
        if self._host is not None:
            self._host.abort()

    async def finish_notes(self) -> None:
        """Write what happened to files into the log, and close the recording even if that fails."""
        try:
            if self.files is not None:
                await self.files.finish()
        finally:
            if self.recorder is not None:
                await self.recorder.finish()

    def _balance(self) -> None:
        """Read the host only while the person takes what it says and is not frozen."""
        if self._host is None or self.is_closed:
            return
        waiting = self._downstream.buffered()
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
        if is_blocked or (self.is_frozen and not self.has_terminal):
            self._downstream.pause_reading()
        elif not self.is_closed:
            self._downstream.resume_reading()

    def _show(self, data: bytes) -> None:
        """Write output of the gateway to the person's terminal, and record it."""
        self._downstream.write(data)
        if self.recorder is not None:
            self.recorder.output(data)

    def _record_size(self) -> None:
        if self.recorder is not None:
            self.recorder.resize(*recorded_size(self.size))

    def _tell_size(self, cols: int, rows: int, width: int, height: int) -> None:
        if self.has_terminal and self._host is not None and openssh.can_send(self._host):
            self._host.change_terminal_size(cols, rows, width, height)

    def _repaint(self) -> None:
        """Send another size and then the true one, so that a full-screen program paints its screen again."""
        cols, rows, width, height = self.size
        self._tell_size(cols, rows + 1 if rows < 3 else rows - 1, width, height)
        asyncio.get_running_loop().call_later(REPAINT_AFTER, lambda: self._tell_size(*self.size))


def recorded_size(size: Size) -> tuple[int, int]:
    """Return columns and rows for a recording. A replay needs a size, so unknown ones become 80 and 24."""
    cols, rows = size[:2]
    return min(cols, LARGEST) or 80, min(rows, LARGEST) or 24
