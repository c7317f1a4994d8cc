"""Send the log to the SIEM: a thread for each destination, so that one that does not answer delays no other.

Any number of workers may do this at once: each destination is sent to by the worker that holds its lease. Nothing here
is ever waited for by a request, because the log is read after it was written.
"""

from __future__ import annotations

import logging
import threading
import time

from django.db import DatabaseError, InterfaceError, close_old_connections, connection

from activity.settled import SettledEntries
from sessions_app.repeating import RegularTask, RepeatingThread
from sessions_app.siem.backlog import report_silence
from sessions_app.siem.delivery import Delivery
from sessions_app.siem.models import Destination
from sessions_app.worker import retry

logger = logging.getLogger(__name__)

SILENCE_EVERY = 30.0  # seconds between looks for destinations that get nothing
STOP_WAIT_SECONDS = 3.0  # seconds that a stopping worker waits for deliveries; what is not noted is sent again


class Forwarder(RepeatingThread):
    """The thread of a worker that hands each destination what there is to send."""

    name = "siem"
    every = 1.0
    problem = "The destinations of the log could not be read"

    def __init__(self, stop: threading.Event, owner: str) -> None:
        super().__init__(stop)
        self._owner = owner
        self._settled = SettledEntries()
        self._silence = RegularTask(SILENCE_EVERY, report_silence)
        self._senders: dict[int, Sender] = {}

    def look(self) -> None:
        """Start a thread for each active destination, end those of others, and say how far the log can be sent."""
        destinations = {one.pk: one for one in Destination.objects.filter(is_active=True)}
        for pk in self._senders.keys() - destinations.keys():
            self._senders.pop(pk).retire()
        if not destinations:
            return
        newest = self._settled.newest()
        for pk, destination in destinations.items():
            sender = self._senders.get(pk)
            if sender is None or not sender.is_alive():
                sender = self._senders[pk] = Sender(destination, self._owner)
                sender.start()
            sender.offer(destination, newest)
        self._silence.look()

    def finish(self) -> None:
        """Wait a moment for what is being sent. A receiver that takes nothing does not keep the worker."""
        super().finish()
        until = time.monotonic() + STOP_WAIT_SECONDS
        for sender in self._senders.values():
            sender.retire()
        for sender in self._senders.values():
            sender.join(max(until - time.monotonic(), 0.0))


class Sender(threading.Thread):
    """The thread of one destination. It ends with the worker, or when the destination is no longer active."""

    def __init__(self, destination: Destination, owner: str) -> None:
        # A daemon thread, so that the process does not wait for a receiver at its end.
        super().__init__(name=f"siem-{destination.pk}", daemon=True)
        self._destination, self._newest = destination, 0
        self._changed, self._retired = threading.Event(), threading.Event()
        self._delivery = Delivery(owner, self._retired, retry.pause)

    def offer(self, destination: Destination, newest: int) -> None:
        """Say which entries can be sent: up to the number `newest`."""
        self._destination, self._newest = destination, newest
        self._changed.set()

    def retire(self) -> None:
        """End after what is being sent."""
        self._retired.set()
        self._changed.set()

    def run(self) -> None:
        while not self._retired.is_set():
            self._changed.wait()
            self._changed.clear()
            if not self._retired.is_set():
                self._look()
        try:
            self._delivery.give_back(self._destination)
        except (DatabaseError, InterfaceError):
            logger.exception("The lease of %s was not given back; it runs out within a minute", self._destination)
        finally:
            connection.close()  # each thread has its own connection

    def _look(self) -> None:
        close_old_connections()
        try:
            self._delivery.look(self._destination, self._newest)
        except (DatabaseError, InterfaceError):
            self._delivery.close()
            logger.exception("What %s has could not be noted; trying again", self._destination)
        except Exception:
            # One destination must not end the others, and its thread must not end for ever: what is wrong is in the log
            # of the process, and the next look tries again.
            self._delivery.close()
            logger.exception("Sending to %s failed unexpectedly; trying again", self._destination)
