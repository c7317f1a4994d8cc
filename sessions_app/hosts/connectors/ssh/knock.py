"""Finds which hosts that did not answer answer again. It waits for a greeting, sends nothing, and does not log in.

Only hosts that were silent at the last try of this process are asked, and a host counts as back only if it was silent
here too. A host that greets and then breaks off is tried again after the usual pauses.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from sessions_app.hosts.connectors.ssh.transport import TURNS

SECONDS = 2.0  # to connect, and again for the greeting
AT_A_TIME = 16
GREETING = b"SSH-"

Address = tuple[str, int]


class SilentHosts:
    """What one process has found at hosts that did not answer."""

    def __init__(self) -> None:
        self._silent: set[Address] = set()

    def came_back(self, hosts: Iterable[Address]) -> list[Address]:
        """Return those of `hosts` that did not answer before and do now. It takes a few seconds for every 16 hosts."""
        asked = [one for one in set(hosts) if TURNS.is_silent(one)]
        with ThreadPoolExecutor(AT_A_TIME, thread_name_prefix="knock") as pool:
            answers = dict(zip(asked, pool.map(_greets, asked), strict=True))
        back = [one for one, is_there in answers.items() if is_there and one in self._silent]
        self._silent = {one for one, is_there in answers.items() if not is_there}
        for one in back:
            TURNS.heard(one)
        return back


def _greets(where: Address) -> bool:
    try:
        with socket.create_connection(where, timeout=SECONDS) as connection:
            connection.settimeout(SECONDS)
            return connection.recv(255).startswith(GREETING)
    except OSError:
        return False
