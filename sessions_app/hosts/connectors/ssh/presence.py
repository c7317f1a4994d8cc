"""Finds who is logged on to which host. One look at a host serves all its sessions and all workers.

The row in the database (hosts/host_watch.py) says when the last look began. The worker that moves this time looks, and
the others use what it found. So a host is looked at once in the shortest interval of its sessions' profiles, by however
many workers.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.db.models import Min
from django.utils import timezone

from activity import log
from activity.models import Level
from activity.verbs import Verb
from sessions_app.catalogue.connectors import ConnectorError, Presence, TemporaryError
from sessions_app.catalogue.models import Resource
from sessions_app.hosts.connectors.ssh import key_usage, live_account, sshd_log
from sessions_app.hosts.connectors.ssh.results import failure
from sessions_app.hosts.connectors.ssh.transport import Credentials, Host, Remote, connected
from sessions_app.hosts.host_watch import clock_words
from sessions_app.hosts.models import HostWatch
from sessions_app.privileged.models import HOLDS_GRANT, PrivilegedSession

SOON = dt.timedelta(seconds=1)  # until the look of another worker has ended

Found = dict[str, dict[str, Any]]


def presence(resource: Resource, host: Host, credentials: Callable[[], Credentials], session_id: int) -> Presence:
    """Return whether the session's account is logged on, and when the next look is due.

    Raise TemporaryError or PermanentError if the look failed, in this or in another worker.
    """
    watch, _ = HostWatch.objects.get_or_create(resource=resource)
    interval = _interval(resource)
    now = timezone.now()
    if HostWatch.objects.to_be_looked_at(now, interval).filter(pk=watch.pk).update(began_at=now):
        _look(watch, now, host, credentials)
    watch.refresh_from_db()
    if watch.is_under_way:
        return Presence(None, timezone.now() + SOON)
    if watch.problem:
        raise TemporaryError(watch.problem)
    return _answer(watch, session_id, interval)


def note_disconnect(resource_id: int, session_id: int) -> None:
    """Store that every login of the session was ended, so that nobody counts as logged on until the next look."""
    with transaction.atomic():
        watch = HostWatch.objects.select_for_update().filter(resource=resource_id).first()
        if watch is not None and str(session_id) in watch.found:
            watch.found[str(session_id)]["is_logged_on"] = False
            watch.save(update_fields=["found"])


def _interval(resource: Resource) -> dt.timedelta:
    """Return the shortest interval of the sessions that hold rights on the resource."""
    held = PrivilegedSession.objects.filter(resource=resource, status__in=sorted(HOLDS_GRANT))
    seconds = held.aggregate(least=Min("profile__logon_monitor_interval"))["least"]
    return dt.timedelta(seconds=seconds or 0)


def _answer(watch: HostWatch, session_id: int, interval: dt.timedelta) -> Presence:
    one = watch.found.get(str(session_id), {})  # empty for a session that began after the last look
    again = (watch.began_at or timezone.now()) + interval
    return Presence(
        bool(one.get("is_logged_on")),
        again,
        one.get("through", ""),
        one.get("address", ""),
        has_ended=bool(one.get("has_ended")),
    )


def _look(watch: HostWatch, began_at: dt.datetime, host: Host, credentials: Callable[[], Credentials]) -> None:
    """Ask the host, and store the answer or the problem, unless another look has replaced this one."""
    mine = HostWatch.objects.filter(pk=watch.pk, began_at=began_at)
    sessions = {
        session.pk: session
        for session in PrivilegedSession.objects.filter(
            resource=watch.resource_id, status__in=sorted(HOLDS_GRANT)
        ).select_related("user")
    }
    accounts = {pk: session.login_account for pk, session in sessions.items()}
    try:
        with connected(host, credentials()) as remote:
            answers, clock_off = _read_presence(remote)
            traces = _traces(remote, accounts, watch.found)
    except ConnectorError as error:
        mine.update(ended_at=timezone.now(), problem=str(error)[:300])
        raise
    with transaction.atomic():
        row = mine.select_for_update(of=("self",)).select_related("resource").first()
        if row is None:
            return
        found: Found = {
            str(pk): {"is_logged_on": answers.get(pk) == "yes", "has_ended": answers.get(pk) == "ended"}
            for pk in sessions
        }
        for pk, session in sessions.items():
            found[str(pk)] |= key_usage.note(session, row.found.get(str(pk), {}), traces)
        _note_clock(row, clock_off)
        row.found, row.ended_at, row.problem = found, timezone.now(), ""
        row.save(update_fields=["found", "ended_at", "problem", "clock_off"])


def _note_clock(watch: HostWatch, off: float | None) -> None:
    """Store how far the host's clock differs from ours, and log it when it becomes a minute or is right again."""
    if off is None:
        return
    was_wrong, watch.clock_off = watch.has_wrong_clock, off
    if watch.has_wrong_clock == was_wrong:
        return
    name = watch.resource.name
    log.record(
        Verb.HOST_CLOCK,
        f"The clock of {name} is {clock_words(off)}. Certificates are signed by its clock; set one of the two right."
        if watch.has_wrong_clock
        else f"The clocks of {name} and the console agree again",
        target=watch.resource,
        level=Level.WARNING if watch.has_wrong_clock else Level.INFO,
        details={"seconds": round(off)},
    )


def _read_presence(remote: Remote) -> tuple[dict[int, str], float | None]:
    """Return what the host says about each session, and by how many seconds its clock is ahead of ours."""
    before = time.time()
    result = remote.script(live_account.WHO, "none")
    between = (before + time.time()) / 2
    if result.exit_code != 0:
        raise failure(result, remote.host.name, "")
    pairs = [line.split() for line in result.output.splitlines()]
    clocks = [int(pair[1]) for pair in pairs if len(pair) == 2 and pair[0] == "clock" and pair[1].isdecimal()]
    answers = {int(pair[0]): pair[1] for pair in pairs if len(pair) == 2 and pair[0].isdecimal()}
    # The host reports whole seconds, which are half a second old on average.
    return answers, clocks[-1] + 0.5 - between if clocks else None


def _traces(remote: Remote, accounts: dict[int, str], found: Found) -> dict[int, sshd_log.LoginTrace] | None:
    """Return what the host's log says about these sessions since the last look; None if it has no such log."""
    places = {pk: found.get(str(pk), {}).get("read", "-") for pk in accounts}
    lines = [f"{pk} {account} {places[pk]}\n" for pk, account in accounts.items()]
    result = remote.script(sshd_log.READ, "none", given="".join(lines))
    if result.exit_code != 0:
        raise failure(result, remote.host.name, "")
    return sshd_log.parse(result.output, accounts)
