"""Measures one connection: the echo of keys, transfers in both directions, and logins.

The ways to the host take turns, so that a busy moment of the machine affects all of them.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import asyncssh
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.gateway_scene import WAYS, Scene, used
from sessions_app.gateway.flows.ticket import issue
from sessions_app.gateway.models import TicketKind

ECHO = "stty raw -echo; echo ready; exec cat"
PART = 64 * 1024  # bytes


@contextmanager
def started(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Return the client when the command on the host has printed that it is ready."""
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
    )
    try:
        said = b""
        while not said.endswith((b"ready\n", b"ready\r\n")):  # a terminal may return the carriage
            part = os.read(_out(process), 1 if said else 4096)
            if not part:
                raise SystemExit(f"No answer from: {' '.join(command)}")
            said += part
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()


def _out(process: subprocess.Popen[bytes]) -> int:
    assert process.stdout is not None
    return process.stdout.fileno()


def _in(process: subprocess.Popen[bytes]) -> int:
    assert process.stdin is not None
    return process.stdin.fileno()


# Echo


def echo(scene: Scene, rounds: int) -> dict[str, list[float]]:
    """Return the milliseconds from each key to its echo, for each way to the host and for the browser's terminal."""
    commands = {way: scene.command(way, ECHO, tty=True) for way in WAYS}  # asks the database
    return asyncio.run(_echo(scene, rounds, commands, _ticket(scene)))


def _ticket(scene: Scene) -> str:
    return issue(scene.session.user, scene.session, TicketKind.TERMINAL, login=None, address="127.0.0.1").secret


async def _echo(scene: Scene, rounds: int, commands: dict[str, list[str]], ticket: str) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {way: [] for way in (*WAYS, "browser")}
    address = f"127.0.0.1:{scene.gateway.terminal_port}"
    with (
        started(commands["direct"]) as direct,
        started(commands["jump"]) as jump,
        started(commands["gateway"]) as gateway,
    ):
        async with connect(f"ws://{address}/terminal/", origin=f"http://{address}", proxy=None) as socket:  # type: ignore[arg-type]
            position = await _begin(socket, ticket)
            for number in range(rounds):
                for way, process in zip(WAYS, (direct, jump, gateway), strict=True):
                    found[way] += [_key(process) for _ in range(20)]
                position += 20
                found["browser"] += [await _key_in_browser(socket) for _ in range(20)]
                await socket.send(json.dumps({"type": "confirm", "position": position}))
                if number == 0:
                    for values in found.values():
                        values.clear()  # the first are slower for everybody
    return found


def _key(process: subprocess.Popen[bytes]) -> float:
    key = random.randbytes(1)
    begin = time.perf_counter()
    os.write(_in(process), key)
    echoed = os.read(_out(process), 16)
    took = time.perf_counter() - begin
    if echoed != key:
        raise SystemExit(f"{key!r} came back as {echoed!r}.")
    return took * 1000


async def _begin(socket: ClientConnection, ticket: str) -> int:
    """Return how many bytes arrived before the host was ready."""
    await socket.send(json.dumps({"ticket": ticket, "cols": 80, "rows": 24}))
    await socket.send(f"{ECHO}\n".encode())
    shown = b""
    while not shown.endswith(b"ready\n"):
        message = await asyncio.wait_for(socket.recv(), 20)
        shown += message if isinstance(message, bytes) else b""
    return len(shown)


async def _key_in_browser(socket: ClientConnection) -> float:
    begin = time.perf_counter()
    await socket.send(b"x")
    while not isinstance(await socket.recv(), bytes):
        pass
    return (time.perf_counter() - begin) * 1000


# Bulk


@dataclass(frozen=True, slots=True)
class Bulk:
    """The speed and the cost of one transfer."""

    rate: float  # MB a second
    cpu: float  # seconds of the gateway for it


def bulk(scene: Scene, size: int, rounds: int) -> dict[tuple[str, str], list[Bulk]]:
    """Transfer `size` bytes in both directions on each way to the host. Return the transfers by direction and way."""
    found: dict[tuple[str, str], list[Bulk]] = {(to, way): [] for to in ("down", "up") for way in WAYS}
    for _ in range(rounds):
        for (to, way), bulks in found.items():
            before = used(scene.gateway.process.pid).cpu
            seconds = _down(scene, way, size) if to == "down" else _up(scene, way, size)
            bulks.append(Bulk(size / 1e6 / seconds, used(scene.gateway.process.pid).cpu - before))
    return found


def _down(scene: Scene, way: str, size: int) -> float:
    with started(scene.command(way, f"echo ready; read go; exec head -c {size} /dev/zero")) as process:
        begin, left = time.perf_counter(), size
        os.write(_in(process), b"go\n")
        while left:
            left -= len(os.read(_out(process), PART)) or _broken()
        return time.perf_counter() - begin


def _up(scene: Scene, way: str, size: int) -> float:
    with started(scene.command(way, f"echo ready; head -c {size} >/dev/null; echo done")) as process:
        begin, left, part = time.perf_counter(), size, bytes(PART)
        while left:
            left -= os.write(_in(process), part[: min(left, PART)])
        if not os.read(_out(process), 16):
            _broken()
        return time.perf_counter() - begin


def _broken() -> int:
    raise SystemExit("A transfer was broken off.")


# Logins


def logins(scene: Scene, rounds: int) -> dict[str, list[float]]:
    """Return how many milliseconds `ssh ... true` takes from its start to its end, for each way to the host."""
    found: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way, values in found.items():
            begin = time.perf_counter()
            subprocess.run(scene.command(way, "true"), check=True, capture_output=True, stdin=subprocess.DEVNULL)
            values.append((time.perf_counter() - begin) * 1000)
    return found


def login_rate(scene: Scene, count: int, together: int = 8, way: str = "gateway") -> tuple[float, float]:
    """Return how many logins in a second are possible, and the CPU seconds of the gateway for one.

    `together` clients log in at the same time, and each runs a command.
    """
    command = scene.command(way, "true")
    before, begin = used(scene.gateway.process.pid).cpu, time.perf_counter()
    running: list[subprocess.Popen[bytes]] = []
    for _ in range(count):
        if len(running) >= together:
            _well(running.pop(0))
        running.append(subprocess.Popen(command, stdin=subprocess.DEVNULL))
    for one in running:
        _well(one)
    seconds = time.perf_counter() - begin
    return count / seconds, (used(scene.gateway.process.pid).cpu - before) / count


def _well(client: subprocess.Popen[bytes]) -> None:
    if client.wait(60) != 0:
        _broken()


# Readers that stop


def stopped_reader(scene: Scene, *, window: int) -> float:
    """Return by how many MB the gateway grows for a client with this window that reads nothing for four seconds."""
    before = used(scene.gateway.process.pid).kib
    highest = asyncio.run(_stop_reading(scene, window))
    return (highest - before) * 1024 / 1e6


async def _stop_reading(scene: Scene, window: int) -> int:
    client = await asyncssh.connect(
        "127.0.0.1",
        scene.gateway.port,
        username=f"bench={scene.session.pk}",
        client_keys=[str(scene.key)],
        known_hosts=None,
        config=None,
        agent_path=None,
    )
    highest = 0
    try:
        process = await client.create_process("exec cat /dev/zero", encoding=None, window=window)
        await process.stdout.read(PART)
        client._transport.pause_reading()  # type: ignore[union-attr]
        for _ in range(20):
            await asyncio.sleep(0.2)
            highest = max(highest, used(scene.gateway.process.pid).kib)
    finally:
        client.abort()
    return highest


def percentile(values: list[float], share: float) -> float:
    """Return the value below which this share of the values lies; 0.5 gives the median."""
    return statistics.median(values) if share == 0.5 else sorted(values)[int(len(values) * share)]
