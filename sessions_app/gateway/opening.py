"""Open a relay for somebody who is authenticated, in the browser or with an SSH client."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import asyncssh

from activity.text import plain
from sessions_app.catalogue.connectors import ConnectorError
from sessions_app.errors import Refused
from sessions_app.gateway import openssh, store
from sessions_app.gateway.byte_bridge import recorded_size
from sessions_app.gateway.downstream import AccessRefused, Downstream, Terminal, message_for_person
from sessions_app.gateway.file_log import watcher_for
from sessions_app.gateway.flows.connect import AuthenticatedClient
from sessions_app.gateway.models import EntryPoint
from sessions_app.gateway.recorder import Recorded
from sessions_app.gateway.registry import Registry
from sessions_app.gateway.relay import Relay
from sessions_app.gateway.upstream import HostRefused
from sessions_app.hosts.ssh.ca import AuthorityError
from sessions_app.sealing import SealingError

logger = logging.getLogger(__name__)


async def open_relay(
    registry: Registry,
    login: AuthenticatedClient,
    downstream: Downstream,
    terminal: Terminal,
    command: str = "",
    *,
    subsystem: str = "",
    is_port_forwarding: bool = False,
    env: Mapping[str | bytes, str | bytes] | None = None,
) -> Relay:
    """Store the connection, connect to the host, and begin the recording and the transfer in both directions.

    Without command and subsystem a shell is opened; with `is_port_forwarding` the relay only forwards ports. Raise
    AccessRefused; then everything is closed again, and `downstream` is unchanged.
    """
    if registry.is_draining:
        raise AccessRefused("This gateway is being stopped. Try again in a moment.")
    admitted = await _admit(registry, login)
    text = openssh.command_text(command)
    files = watcher_for(text, subsystem, has_terminal=bool(terminal.kind))
    relay = registry.add(admitted, downstream, terminal, files, is_port_forwarding=is_port_forwarding)
    try:
        await relay.reach_host()  # before the recording begins: if the host refuses, there is nothing to record
        relay.check_command(command)
        if admitted.is_recorded and registry.make_recorder and subsystem != "sftp" and not is_port_forwarding:
            wanted = Recorded(admitted, text, bool(terminal.kind), *recorded_size(terminal.size))
            relay.bridge.recorder = await registry.make_recorder(wanted)
        if login.entry_point == EntryPoint.BROWSER and admitted.language:
            env = {"LANG": admitted.language}
        await relay.connect(command, subsystem, env or {}, terminal)
    except AccessRefused as refused:
        await relay.fail(str(refused))
        raise
    except (Refused, HostRefused, ConnectorError, asyncssh.Error) as error:
        await relay.fail(str(error))
        raise AccessRefused(plain(error, 300)) from error
    except Exception as error:
        logger.exception("Connection %s of session %s", relay.connection_id, relay.session_id)
        await relay.fail("The gateway failed")
        raise AccessRefused(message_for_person(error)) from error
    return relay


async def _admit(registry: Registry, login: AuthenticatedClient) -> store.Admitted:
    """Ask the database whether the person may connect, and note the connection. Raises AccessRefused."""
    try:
        return await store.call(store.admit, login, registry.owner)
    except Refused as refused:
        raise AccessRefused(refused.message) from refused
    except ConnectorError as error:
        raise AccessRefused(str(error)) from error
    except (AuthorityError, SealingError) as error:
        logger.exception("No certificate for session %s", login.session_id)
        raise AccessRefused(
            "Certificates cannot be signed at the moment. An administrator has to set this up."
        ) from error
    except Exception as error:
        logger.exception("No connection to session %s can be opened", login.session_id)
        raise AccessRefused(message_for_person(error)) from error
