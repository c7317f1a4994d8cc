"""Processes that `serve` starts beside the web server and keeps alive: the worker, later the gateway.

Knows how to start, watch, restart and stop them; does not know what they do. Each runs as

    python -m sessions_app.management.companions <pid of the server> <command> [arguments]

and ends by itself when that server is gone, so that one that was killed outright leaves nothing behind.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

from django.core.management import execute_from_command_line

FIRST_PAUSE = 1.0  # seconds before the first restart; doubles with every failure in a row
LONGEST_PAUSE = 60.0  # seconds
STEADY_AFTER = 30.0  # seconds of life after which the next death counts as a first one again
GRACE = 10.0  # seconds between SIGTERM and SIGKILL
MODULE = "sessions_app.management.companions"
LOOK_FOR_PARENT_EVERY = 0.5  # seconds


class Companion:
    """One management command as a process of its own, started again when it dies."""

    def __init__(self, arguments: list[str], say: Callable[[str], None]) -> None:
        """`arguments`: the command and what follows it. `say` gets a line when something went wrong."""
        self.name = arguments[0]
        self._command = [sys.executable, "-m", MODULE, str(os.getpid()), *arguments]
        self._say = say
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._keep_alive, name=f"companion-{self.name}", daemon=True)

    def start(self) -> None:
        """Start the process, and a thread that watches it."""
        self._thread.start()

    def stop(self) -> None:
        """End the process and wait for it. Harmless when it is called twice or was never started."""
        with self._lock:
            self._stopping.set()
            process = self._process
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(GRACE)
            except subprocess.TimeoutExpired:
                self._say(f"{self.name} did not stop within {GRACE:.0f} seconds and was killed.")
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
                self._process = process = subprocess.Popen(self._command, start_new_session=True)  # noqa: S603 - ours
            started = time.monotonic()
            code = process.wait()
            if self._stopping.is_set():
                return
            if time.monotonic() - started >= STEADY_AFTER:
                pause = FIRST_PAUSE
            self._say(f"{self.name} ended unexpectedly ({reason(code)}). It is started again in {pause:.0f} seconds.")
            if self._stopping.wait(pause):
                return
            pause = min(pause * 2, LONGEST_PAUSE)


def reason(code: int) -> str:
    """An exit code as a person says it."""
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def end_with_parent(parent: int) -> None:
    """From now on, send this process SIGTERM soon after its parent is no longer process `parent`."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK_FOR_PARENT_EVERY)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="watch-parent", daemon=True).start()


if __name__ == "__main__":
    end_with_parent(int(sys.argv[1]))
    execute_from_command_line(["sessionadmin", *sys.argv[2:]])
