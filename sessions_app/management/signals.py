"""Let signals set an event, so that a command ends in order."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType


@contextlib.contextmanager
def set_by_signals(event: threading.Event, *numbers: signal.Signals) -> Iterator[None]:
    """Set `event` whenever one of these signals comes, until the block ends. Works in the main thread only.

    A handler runs in the main thread, between any two steps of it. If it called event.set() while the main thread is
    inside event.wait(), it would wait for a lock that the main thread itself holds, and the process would never end.
    So the handler only writes a byte into a pipe, and a thread sets the event.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)

    def forward() -> None:
        while os.read(reader, 1):
            event.set()
        os.close(reader)

    def on_signal(number: int, frame: FrameType | None) -> None:
        with contextlib.suppress(BlockingIOError):  # the pipe is full of signals that nobody has read yet
            os.write(writer, b".")

    threading.Thread(target=forward, name="signals", daemon=True).start()
    previous = {number: signal.signal(number, on_signal) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        os.close(writer)
