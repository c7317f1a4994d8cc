"""Let a worker's process die at a step on a host, as a power cut would: before the step, or after the host did it.

For processes that a test starts: they call `die_at()` before they begin to work.
"""

from __future__ import annotations

import functools
import itertools
import os
import signal
from typing import Any

from sessions_app.hosts.connectors.ssh.transport import Remote


def die_at(fault: int) -> None:
    """Kill this process with SIGKILL at the `fault`-th point; there is one before and one after each step on a host."""
    run_program = Remote.program
    points = itertools.count(1)

    def point() -> None:
        if next(points) == fault:
            os.kill(os.getpid(), signal.SIGKILL)

    @functools.wraps(run_program)
    def program(*args: Any, **options: Any) -> Any:
        point()
        result = run_program(*args, **options)
        point()
        return result

    Remote.program = program  # type: ignore[method-assign] # in a process that is about to die
