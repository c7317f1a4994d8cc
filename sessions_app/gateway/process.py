"""A gateway as a process: its SSH server, its websocket server and its background tasks, until it is stopped."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import signal
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import asyncssh
from django.db import DatabaseError, InterfaceError

from sessions_app.gateway import heartbeats, identity, listening, store, upkeep, web
from sessions_app.gateway.change_listener import ChangeListener
from sessions_app.gateway.connection_limits import ConnectionLimits
from sessions_app.gateway.control_loop import ControlLoop
from sessions_app.gateway.drain import drain
from sessions_app.gateway.recording_writer import RecordingWriter
from sessions_app.gateway.registry import Registry

RETRY_SECONDS = 2.0  # seconds until a database that cannot be used at the start is tried again

logger = logging.getLogger(__name__)


class Failed(Exception):
    """Says that the gateway could not go on and stopped. The text is for an administrator."""


@dataclass(frozen=True, slots=True)
class Options:
    """Where the gateway listens, and how it stops."""

    owner: str  # a name that no other gateway has
    host: str
    port: int
    terminal_port: int
    drain_seconds: float


async def run(options: Options, ready: Callable[[int, int], None]) -> None:
    """Serve until SIGTERM or SIGINT. A second signal ends the waiting for people to finish.

    1. Read the key of the installation's gateways and send the first heartbeat. A database that cannot be used yet is
    waited for, as web and worker do.

    2. Start control and heartbeat before anybody is let in.

    3. Start both servers; `ready` gets their ports.

    4. To stop: close both listeners, give people some time, write what they recorded, and delete the heartbeat.

    Raises OSError when it cannot listen, SealingError when the key cannot be read, Failed when it stopped by itself.
    """
    stop, hurry = asyncio.Event(), asyncio.Event()
    _on_signals(stop, hurry)
    writer = RecordingWriter(store.call)
    registry = Registry(options.owner, make_recorder=writer.record)
    key = await _once_the_database_is_there(registry, stop)
    if key is None:
        return
    ssh, terminals = await _listen(options, registry, key)
    changes = ChangeListener()
    changes.start()
    beside = [
        _keep(upkeep.run(registry), "heartbeat"),
        _keep(ControlLoop(registry, changes.event).run(), "control"),
        _keep(writer.run(), "recording writer"),
    ]
    ready(ssh.get_port(), terminals.port)
    try:
        failed = await _until(stop, beside)
        if failed:
            hurry.set()
        logger.info("Gateway %s stops", options.owner)
        ssh.close()
        await drain(registry, options.drain_seconds, hurry)
        await writer.flush()
    finally:
        ssh.close()
        terminals.close()
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        await changes.stop()
    logger.info("Gateway %s stopped", options.owner)
    if failed:
        raise Failed(f"The gateway has stopped, because its {' and '.join(failed)} ended.")


async def _once_the_database_is_there(registry: Registry, stop: asyncio.Event) -> asyncssh.SSHKey | None:
    """Read the key and send the first heartbeat. Return None when stopped before that was possible."""
    while not stop.is_set():
        try:
            key = await store.call(identity.host_key)
            await upkeep.first(registry)
        except (DatabaseError, InterfaceError) as error:
            logger.error("The gateway waits for its database, and tries again every %.0f s: %s", RETRY_SECONDS, error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), RETRY_SECONDS)
        else:
            return key
    return None


async def _listen(
    options: Options, registry: Registry, key: asyncssh.SSHKey
) -> tuple[asyncssh.SSHAcceptor, web.Terminals]:
    """Start both servers. Raises OSError if one cannot listen; then none does, and the heartbeat is deleted."""
    try:
        ssh = await listening.listen(ConnectionLimits(registry), key, options.host, options.port)
        try:
            return ssh, await web.serve(registry, options.host, options.terminal_port, reuse_port=True)
        except OSError:
            ssh.close()
            raise
    except OSError:
        await store.call(heartbeats.stopped, registry.owner)
        raise


def _keep(work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
    return asyncio.get_running_loop().create_task(work, name=name)


async def _until(stop: asyncio.Event, background: list[asyncio.Task[None]]) -> list[str]:
    """Wait for `stop`, or for the end of any background task. Return the names of tasks that ended.

    None of them may end before: without control nobody must go on.
    """
    stopping = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait({stopping, *background}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    for task in background:
        if task in done:
            logger.critical("%s of the gateway ended; it stops", task.get_name(), exc_info=task.exception())
    return [task.get_name() for task in background if task in done]


def _on_signals(stop: asyncio.Event, hurry: asyncio.Event) -> None:
    def on_signal() -> None:
        if stop.is_set():
            hurry.set()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, on_signal)


def many_files() -> None:
    """Raise the limit of open files as far as the system allows.

    Each connection has two sockets, and the usual soft limit is 1,024.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def quiet() -> None:
    """Log no packets of asyncssh. What happened is in the activity log."""
    asyncssh.set_log_level(logging.WARNING)
