"""Processes that `serve` starts and keeps alive: the web processes, the worker, the gateway.

This module knows how to start, watch, restart and stop them, and not what they do. None of them ends with another one:
each is started again by itself, however often it dies. Each gets the pid of the server as its first argument and ends
by itself when the server is gone, so that a server that was killed leaves nothing behind. A management command runs as
`python -m sessions_app.management.companions <pid of the server> <command> [arguments]`.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence

from django.core.management import execute_from_command_line

FIRST_PAUSE = 1.0  # seconds before the first restart; doubles with every failure in a row
LONGEST_PAUSE = 60.0  # seconds
STEADY_AFTER = 30.0  # seconds of life after which the next death counts as a first one again
KILL_AFTER_SECONDS = 10.0  # seconds between SIGTERM and SIGKILL
MODULE = "sessions_app.management.companions"
LOOK_FOR_PARENT_EVERY = 0.5  # seconds


class Companion:
    """A process that is started again when it dies."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        say: Callable[[str], None],
        *,
        module: str = MODULE,
        descriptors: Sequence[int] = (),
        longest_pause: float = LONGEST_PAUSE,
    ) -> None:
        """Prepare the process; start() starts it.

        `name` is for people. `arguments` are what `module` gets after our pid. `say` is called with a line when
        something went wrong. `descriptors` are open files that the process inherits. `longest_pause` is the limit in
        seconds of the pause between two starts.
        """
        self.name = name
        self._command = [sys.executable, "-m", module, str(os.getpid()), *arguments]
        self._say = say
        self._descriptors = tuple(descriptors)
        self._longest_pause = longest_pause
        self._is_renewed = False
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._keep_alive, name=f"companion-{self.name}", daemon=True)

    def start(self) -> None:
        """Start the process, and a thread that watches it."""
        self._thread.start()

    def renew(self) -> None:
        """End the process in order; another one takes its place at once."""
        with self._lock:
            if self._process is not None and self._process.poll() is None:
                self._is_renewed = True
                self._process.terminate()

    def begin_to_stop(self) -> None:
        """Tell the process to end, and do not wait."""
        with self._lock:
            self._stopping.set()
            if self._process is not None and self._process.poll() is None:
                self._process.terminate()

    def stop(self) -> None:
        """End the process and wait for it. A second call, or one before start(), does nothing."""
        self.begin_to_stop()
        with self._lock:
            process = self._process
        if process is not None:
            try:
                process.wait(KILL_AFTER_SECONDS)
            except subprocess.TimeoutExpired:
                self._say(f"{self.name} did not stop within {KILL_AFTER_SECONDS:.0f} seconds and was killed.")
                process.kill()
                process.wait()
        if self._thread.is_alive():
            self._thread.join()

    def _keep_alive(self) -> None:
        pause = FIRST_PAUSE
        while True:
            with self._lock:
                if self._stopping.is_set():
                    return
                # Its own session: Ctrl+C in the terminal reaches the server alone, which then stops us in order.
                self._process = process = subprocess.Popen(  # noqa: S603 - our own command
                    self._command, start_new_session=True, pass_fds=self._descriptors
                )
            started = time.monotonic()
            code = process.wait()
            if self._stopping.is_set():
                return
            if self._is_renewed:
                self._is_renewed = False
                pause = FIRST_PAUSE
                continue
            if time.monotonic() - started >= STEADY_AFTER:
                pause = FIRST_PAUSE
            self._say(f"{self.name} ended unexpectedly ({reason(code)}). It is started again in {pause:.0f} seconds.")
            if self._stopping.wait(pause):
                return
            pause = min(pause * 2, self._longest_pause)


def stop_all(companions: Sequence[Companion]) -> None:
    """End all of them at the same time, and wait until each is gone."""
    for companion in companions:
        companion.begin_to_stop()
    for companion in companions:
        companion.stop()


def reason(code: int) -> str:
    """Return an exit code in words."""
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def end_with_parent(parent: int) -> None:
    """Send this process SIGTERM soon after its parent is no longer process `parent`."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK_FOR_PARENT_EVERY)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="watch-parent", daemon=True).start()


if __name__ == "__main__":
    end_with_parent(int(sys.argv[1]))
    execute_from_command_line(["sessionadmin", *sys.argv[2:]])
