"""Records when a process of the console starts and stops (PCI DSS 10.2.1.6).

A start without a stop means that the process was killed, or that the database was away when it stopped.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from collections.abc import Iterator
from importlib import metadata

from django.db import DatabaseError, InterfaceError, connections

from activity import log
from activity.models import Level
from activity.outage import Outage
from activity.patience import waiting_at_most
from activity.verbs import Verb

WAIT_SECONDS = 5.0  # for a busy SQLite database

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def lifetime(what: str) -> Iterator[None]:
    """Record that `what` ("Console", "Worker", "Gateway") runs from the beginning of the block to its end.

    An outage of the database keeps nothing from starting or stopping; the process says then what the log has not.
    """
    _note(Verb.PROCESS_STARTED, what, "started")
    try:
        yield
    finally:
        _note(Verb.PROCESS_STOPPED, what, "stopped")


def _note(verb: Verb, what: str, did: str) -> None:
    version = _version()
    machine, number = socket.gethostname()[:100], os.getpid()
    message = f"{what} {did} on {machine}, version {version}"
    try:
        with waiting_at_most(WAIT_SECONDS):
            log.record(
                verb,
                message,
                level=Level.INFO,
                details={"what": what.lower(), "version": version, "machine": machine, "process": number},
            )
    except (DatabaseError, InterfaceError) as error:
        outage = Outage.of(error)
        # Before `sessionadmin migrate` there is no log yet; the system check says that.
        logger.error("Not in the activity log: %s. %s", message, outage.heading if outage else str(error).strip())
    finally:
        connections.close_all()


def _version() -> str:
    try:
        return metadata.version("sessionadmin")
    except metadata.PackageNotFoundError:
        return "of the source"
