"""Checks what is left when there is no trouble any more. The only good answer is an empty list."""

from __future__ import annotations

import io
import time
from collections import Counter
from functools import partial

from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db.models import Count

from benchmarks.hosts import Machine
from benchmarks.soak.people import persistently
from sessions_app.catalogue.models import Resource
from sessions_app.errors import Refused
from sessions_app.gateway.models import GatewayConnection
from sessions_app.gateway.recordings.models import Recording
from sessions_app.hosts.flows.leftovers import find_leftovers
from sessions_app.privileged.flows.end import end
from sessions_app.privileged.lifecycle import LifecycleError
from sessions_app.privileged.models import ENDED, HOLDS_GRANT, ControlRequest, PrivilegedSession

CALM_WITHIN = 420.0  # seconds; a take-away that failed for long is tried again after a minute or more
FIRST_ACCOUNT = 1000  # user ids from here on belong to people and sessions
PLACES = "/home /var /tmp /run /dev/shm /etc"


def untrue_statuses(machines: list[Machine]) -> list[str]:
    """Compare each open session with its host, which must hold the rights if and only if the status says so."""
    wrong = []
    for number, machine in enumerate(machines):
        accounts = {line.split(":")[0] for line in machine.path("/etc/passwd").read_text().splitlines()}
        for session in PrivilegedSession.objects.filter(resource__name=f"host-{number}", status__in=HOLDS_GRANT):
            if session.login_account not in accounts:
                wrong.append(f"Session {session.pk} is {session.status}, and host-{number} has no such account.")
        for session in PrivilegedSession.objects.filter(resource__name=f"host-{number}", status__in=ENDED):
            if session.login_account in accounts:
                wrong.append(f"Session {session.pk} is {session.status}, and its account is on host-{number}.")
    return wrong


def end_all(admin: User) -> None:
    """End every session that has not ended."""
    for session in persistently(lambda: list(PrivilegedSession.objects.exclude(status__in=ENDED))):
        try:
            persistently(partial(end, admin, session))
        except (Refused, LifecycleError):
            continue  # it is being taken away already


def unfinished() -> list[str]:
    """Name what still waits for a worker or a gateway."""
    found = [
        f"Session {one.pk} on {one.resource_name} is {one.status}: {one.last_error}"
        for one in PrivilegedSession.objects.exclude(status__in=ENDED)
    ]
    found += [f"Connection {one.pk} of session {one.session_id} is open" for one in GatewayConnection.objects.open()]
    found += [f"Recording {one.pk} is open" for one in Recording.objects.filter(ended_at=None)]
    asked = ControlRequest.objects.filter(enforced_at=None, dropped_at=None)
    return found + [f"{one.get_kind_display()} of session {one.session_id} is not decided" for one in asked]


def wait_for_calm() -> list[str]:
    """Return what is still unfinished after CALM_WITHIN seconds."""
    deadline = time.monotonic() + CALM_WITHIN
    while (left := persistently(unfinished)) and time.monotonic() < deadline:
        print(f"{time.strftime('%H:%M:%S')} waiting for {len(left)}, first: {left[0]}", flush=True)
        time.sleep(5)
    return left


def left_on_hosts(machines: list[Machine]) -> list[str]:
    """Look for accounts, processes and files of sessions, on the hosts themselves and as `audit_grants` does."""
    found = []
    for number, machine in enumerate(machines):
        lines = machine.run(
            f"find {PLACES} -xdev -uid +{FIRST_ACCOUNT - 1} ! -uid 65534 2>/dev/null | head -20; "
            "ls /etc/sudoers.d | grep sessionadmin- || :; ls -d /var/lib/sessionadmin/session-* 2>/dev/null || :; "
            "grep ^satest- /etc/passwd || :; "
            f"ps -eo uid=,args= | awk '$1 >= {FIRST_ACCOUNT} && $1 != 65534' || :"
        )
        found += [f"host-{number}: {line}" for line in lines.splitlines()]
        resource = Resource.objects.get(name=f"host-{number}")
        found += [f"host-{number}, audit_grants: {one.what}" for one in find_leftovers(resource)]
    return found


def missing_rows(connected: Counter[int]) -> list[str]:
    """Compare the clients that got an answer with the connections in the database."""
    rows = dict(GatewayConnection.objects.values_list("session_id").annotate(Count("pk")))
    return [
        f"Session {pk}: {count} clients were let in, {rows.get(pk, 0)} connections are noted"
        for pk, count in connected.items()
        if rows.get(pk, 0) < count
    ]


def bad_recordings() -> list[str]:
    """Return what `verify_recordings` complains about."""
    printed = io.StringIO()
    try:
        call_command("verify_recordings", stdout=printed)
    except CommandError as error:
        return [*printed.getvalue().splitlines(), str(error)]
    return []
