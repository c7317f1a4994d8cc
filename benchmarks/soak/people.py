"""Lets people work: each requests a session, logs in with OpenSSH, types, and reads the answers.

They go on whatever breaks. If a connection is closed, they connect again while the session is open.
"""

from __future__ import annotations

import random
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from django.contrib.auth.models import User
from django.db import DatabaseError, InterfaceError, connection

from sessions_app.catalogue.models import Activity, Resource
from sessions_app.errors import Refused
from sessions_app.privileged.flows.end import end
from sessions_app.privileged.flows.request import request_sessions
from sessions_app.privileged.lifecycle import LifecycleError
from sessions_app.privileged.models import ENDED, HOLDS_GRANT, PrivilegedSession
from tests.support.ssh_scene import Terminal

Answer = TypeVar("Answer")

AVAILABLE_WITHIN = 60.0  # seconds a person waits for a session
ANSWER_WITHIN = 5.0  # seconds a person waits for a line to come back
AT_WORK = (5.0, 40.0)  # seconds of one connection


def persistently(ask: Callable[[], Answer], *, seconds: float = 300.0) -> Answer:
    """Return what `ask` returns, asked again while the database is disturbed. Raises its error after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return ask()
        except (DatabaseError, InterfaceError):
            connection.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


@dataclass
class Tally:
    """Counts what all people saw together. A lock protects the counters."""

    counts: Counter[str] = field(default_factory=Counter)
    connected: Counter[int] = field(default_factory=Counter)  # session number -> connections through the gateway
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, what: str, number: int = 1) -> None:
        """Count `number` more of `what`."""
        with self._lock:
            self.counts[what] += number

    def came_in(self, session_id: int) -> None:
        """Count a client of this session that got an answer from the host."""
        with self._lock:
            self.connected[session_id] += 1


class Person(threading.Thread):
    """One user of the console, until `stop` is set."""

    def __init__(
        self,
        user: User,
        key: Path,
        work: tuple[Activity, Sequence[Resource]],
        gateway_port: int,
        tally: Tally,
        stop: threading.Event,
        seed: int,
    ) -> None:
        super().__init__(name=f"person-{user.username}")
        self._user, self._key, self._tally, self._stop_asked = user, key, tally, stop
        self._activity, self._hosts = work
        self._port = gateway_port
        self._random = random.Random(seed)
        self.problem: BaseException | None = None

    def run(self) -> None:
        """Work. Keep an error for the report if no disturbance explains it."""
        try:
            while not self._stop_asked.is_set():
                self._one_session()
        except BaseException as error:
            self.problem = error
            raise
        finally:
            connection.close()

    def _one_session(self) -> None:
        host = self._random.choice(self._hosts)
        try:
            [session] = persistently(
                lambda: request_sessions(self._user, user=self._user, activity=self._activity, resources=[host])
            )
        except Refused:
            self._stop_asked.wait(1)  # the same is going on there, or is being taken away
            return
        self._tally.add("sessions requested")
        if self._wait_until_open(session):
            until = time.monotonic() + self._random.uniform(10, 80)
            while time.monotonic() < until and not self._stop_asked.is_set() and self._is_open(session):
                self._connect(session)
        if self._random.random() < 0.8:  # the others run to their End
            try:
                persistently(lambda: end(self._user, session))
            except (Refused, LifecycleError):
                self._tally.add("sessions that had ended already")

    def _wait_until_open(self, session: PrivilegedSession) -> bool:
        deadline = time.monotonic() + AVAILABLE_WITHIN
        while time.monotonic() < deadline and not self._stop_asked.is_set():
            persistently(session.refresh_from_db)
            if session.status in HOLDS_GRANT:
                return True
            if session.status in ENDED:
                return False
            time.sleep(0.5)
        return False

    def _is_open(self, session: PrivilegedSession) -> bool:
        persistently(session.refresh_from_db)
        return session.status in HOLDS_GRANT

    def _connect(self, session: PrivilegedSession) -> None:
        """Log in once, type three lines a second, and log out, unless something closes the connection earlier."""
        words = ["ssh", "-F", "none", "-tt", "-p", str(self._port), "-i", str(self._key)]
        for option in (
            "BatchMode=yes",
            "IdentitiesOnly=yes",
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
        ):
            words += ["-o", option]
        client = subprocess.Popen(
            [*words, f"{self._user.username}={session.pk}@127.0.0.1"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            self._type(Terminal(client), session.pk)
        finally:
            client.kill()
            client.wait(10)
        self._stop_asked.wait(self._random.uniform(0.2, 2))

    def _type(self, terminal: Terminal, session_id: int) -> None:
        leave = time.monotonic() + self._random.uniform(*AT_WORK)
        number, is_in = self._random.randrange(1000, 9000), False
        while time.monotonic() < leave and not self._stop_asked.is_set() and terminal.client.poll() is None:
            number += 1
            try:
                terminal.type(f"echo answer-$(({number} * 2))\n".encode())
            except OSError:
                break  # cut off
            self._tally.add("lines typed")
            if self._comes(terminal, f"answer-{number * 2}".encode()):
                self._tally.add("lines answered")
                if not is_in:
                    self._tally.came_in(session_id)
                    is_in = True
            time.sleep(0.3)
        if not is_in:
            self._tally.add("connections without an answer")
        elif terminal.client.poll() is not None:
            self._tally.add("connections cut")

    def _comes(self, terminal: Terminal, expected: bytes) -> bool:
        deadline = time.monotonic() + ANSWER_WITHIN
        while expected not in terminal.text:
            if terminal.client.poll() is not None or time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True
