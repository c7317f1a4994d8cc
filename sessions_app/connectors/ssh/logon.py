"""Who is logged on to which host: one look at a host serves all sessions on it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from sessions_app.connectors.ssh import live
from sessions_app.connectors.ssh.results import failure
from sessions_app.connectors.ssh.transport import TURNS, Credentials, Host, connected


@dataclass
class _Look:
    """What a host said at its last look. The lock lets one caller look, and the others wait for its answer."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    at: float = 0.0
    logged_on: dict[int, bool] = field(default_factory=dict)


_looks: dict[tuple[str, int], _Look] = {}
_guard = threading.Lock()


def is_logged_on(host: Host, credentials: Callable[[], Credentials], session_id: int, interval: int) -> bool:
    """Whether the session's account is logged on; not older than half of `interval` (seconds).

    Raises ForNow, ForGood.
    """
    look = _look_of(host)
    TURNS.refuse_silent(host)  # else every caller would wait here for the one that tries
    with look.lock:
        age = time.monotonic() - look.at
        if not look.at or age > interval / 2 or session_id not in look.logged_on:
            look.logged_on = _ask(host, credentials())
            look.at = time.monotonic()
        return look.logged_on.get(session_id, False)


def forget(host: Host) -> None:
    """Something was changed there: the next question goes to the host."""
    _look_of(host).at = 0.0


def _look_of(host: Host) -> _Look:
    with _guard:
        return _looks.setdefault((host.address, host.port), _Look())


def _ask(host: Host, credentials: Credentials) -> dict[int, bool]:
    with connected(host, credentials) as remote:
        result = remote.script(live.WHO, "none")
    if result.exit_code != 0:
        raise failure(result, host.name, "")
    pairs = [line.split() for line in result.output.splitlines()]
    return {int(number): answer == "yes" for number, answer in pairs if number.isdecimal()}
