"""Measures how many entries a second one worker sends to a SIEM, by transport and format, in a database of its own.

Run it with `python -m benchmarks.siem`. The receiver runs beside it: one that only reads, and rsyslog with TLS where it
is installed (`make test` as root on Debian installs it).
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

ENTRIES = 20_000


def main() -> None:
    """Print the figures as JSON."""
    with tempfile.TemporaryDirectory(prefix="sessionadmin-siem-") as folder:
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "sessionadmin.settings.test",
            "TEST_VAR_DIR": folder,
            "TEST_DATABASE_URL": os.environ.get("TEST_DATABASE_URL", f"sqlite:///{folder}/siem.sqlite3"),
        }
        import django  # noqa: PLC0415 - the settings come first

        django.setup()
        json.dump(figures(Path(folder)), sys.stdout, indent=2)


def figures(folder: Path) -> dict[str, int]:
    """Return entries per second, by transport and format."""
    from django.core.management import call_command  # noqa: PLC0415 - needs the settings

    from activity.models import LogEntry  # noqa: PLC0415 - once Django is set up
    from scripts.system_packages import find  # noqa: PLC0415 - once Django is set up
    from tests.support.siem import make_destination, over_tls  # noqa: PLC0415 - once Django is set up
    from tests.support.syslog_receivers import receiver  # noqa: PLC0415 - once Django is set up

    call_command("migrate", verbosity=0)
    details = {"changes": {"name": {"old": "web-1", "new": "web-2"}}}
    LogEntry.objects.bulk_create(
        [
            LogEntry(verb="record.changed", message=f"Changed host {n}", actor_name="alice", details=details)
            for n in range(ENTRIES)
        ],
        batch_size=2000,
    )
    found = {}
    with reading() as port:
        for kind in ("rfc5424", "cef", "leef", "ocsf"):
            found[f"tcp {kind}"] = _rate(make_destination(name=kind, port=port, format=kind))
    if find("rsyslog"):
        with receiver("rsyslog", folder) as server:
            found["rsyslog tls rfc5424"] = _rate(over_tls(server.port, name="rsyslog"))
    return found


def _rate(destination: object) -> int:
    from sessions_app.siem.models import Destination  # noqa: PLC0415 - needs the settings
    from tests.support.siem import deliver  # noqa: PLC0415 - once Django is set up

    assert isinstance(destination, Destination)
    began = time.perf_counter()
    state = deliver(destination)
    seconds = time.perf_counter() - began
    if state.last_error:
        raise RuntimeError(state.last_error)
    return round(state.delivered / seconds)


@contextlib.contextmanager
def reading() -> Iterator[int]:
    """Read and forget what comes on a port of this machine, in a thread. Yield the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_read_all, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1]


def _read_all(listener: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with connection:
                while connection.recv(1 << 20):
                    pass


if __name__ == "__main__":
    main()
