"""Runs many idle SSH clients in one process, and reports when each saw that it was locked and that it was closed.

    python -m benchmarks.gateway_clients PORT KEY USER FIRST LAST

There is one client for each session from FIRST to LAST. The process prints `ready`, and for each line `report` on its
standard input a line of JSON: times of this machine's monotonic clock, by session. It ends when its input ends.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import asyncssh

LOCKED = b"Benchmark lock"
TOGETHER = 6


class Watched(asyncssh.SSHClientSession[bytes]):
    """One terminal, which stores when it saw that it was locked, and when it was closed."""

    def __init__(self, session: int, seen: dict[str, dict[int, float]], begun: asyncio.Event) -> None:
        self._session, self._seen, self._begun = session, seen, begun
        self._tail = b""

    def data_received(self, data: bytes, datatype: Any) -> None:
        """Note what is shown on the terminal."""
        self._begun.set()
        self._tail = (self._tail + data)[-500:]
        if LOCKED in self._tail:
            self._seen["locked"].setdefault(self._session, time.monotonic())

    def eof_received(self) -> bool:
        """Wait for connection_lost(), which follows."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the channel is closed."""
        self._begun.set()
        self._seen["gone"].setdefault(self._session, time.monotonic())


async def attend(port: int, key: str, user: str, sessions: range) -> None:
    """Connect all clients, then report each time that standard input asks for it."""
    seen: dict[str, dict[int, float]] = {"locked": {}, "gone": {}}
    turn = asyncio.Semaphore(TOGETHER)
    open_clients: list[Any] = []
    private = asyncssh.read_private_key(key)

    async def begin(session: int) -> None:
        async with turn:
            client = await asyncssh.connect(
                "127.0.0.1",
                port,
                username=f"{user}={session}",
                client_keys=[private],
                known_hosts=None,
                config=None,
                agent_path=None,
                login_timeout=60,
                encryption_algs=["aes128-gcm@openssh.com"],
            )
            begun = asyncio.Event()
            channel, _ = await client.create_session(
                lambda: Watched(session, seen, begun),
                "stty -echo; echo ready; exec cat",
                term_type="xterm",
                term_size=(80, 24),
                encoding=None,
            )
            open_clients.append((client, channel))
            await begun.wait()

    await asyncio.gather(*(begin(session) for session in sessions))
    print("ready" if not seen["gone"] else f"{len(seen['gone'])} clients did not get in", flush=True)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.readline():
        print(json.dumps(seen), flush=True)
    for client, _ in open_clients:
        client.abort()


if __name__ == "__main__":
    asyncssh.set_log_level("CRITICAL")
    asyncio.run(attend(int(sys.argv[1]), sys.argv[2], sys.argv[3], range(int(sys.argv[4]), int(sys.argv[5]) + 1)))
