"""Who is logged on to which host: one look at a host serves all its sessions, and all workers.

The row in the database (models/watch.py) says when the last look began; who moves that moment looks, and the others
take what was found. So a host is looked at once in the shortest interval of its sessions' profiles, however many ask.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.db.models import Min
from django.utils import timezone

from sessions_app.connectors.base import ConnectorError, ForNow, Presence
from sessions_app.connectors.ssh import live, trace, uses
from sessions_app.connectors.ssh.results import failure
from sessions_app.connectors.ssh.transport import Credentials, Host, Remote, connected
from sessions_app.models import HOLDS_GRANT, HostWatch, PrivilegedSession, Resource

SOON = dt.timedelta(seconds=1)  # until somebody else's look has ended

Found = dict[str, dict[str, Any]]


def presence(resource: Resource, host: Host, credentials: Callable[[], Credentials], session_id: int) -> Presence:
    """Whether the session's account is logged on, and when the next look is due. Raises ForNow, ForGood: the look
    failed, now or when somebody else did it."""
    watch, _ = HostWatch.objects.get_or_create(resource=resource)
    interval = _interval(resource)
    now = timezone.now()
    if HostWatch.objects.to_be_looked_at(now, interval).filter(pk=watch.pk).update(began_at=now):
        _look(watch, now, host, credentials)
    watch.refresh_from_db()
    if watch.is_under_way:
        return Presence(None, timezone.now() + SOON)
    if watch.problem:
        raise ForNow(watch.problem)
    return _answer(watch, session_id, interval)


def note_cut(resource_id: int, session_id: int) -> None:
    """Every login of the session was ended, so nobody is on until the next look says so."""
    with transaction.atomic():
        watch = HostWatch.objects.select_for_update().filter(resource=resource_id).first()
        if watch is not None and str(session_id) in watch.found:
            watch.found[str(session_id)]["is_logged_on"] = False
            watch.save(update_fields=["found"])


def _interval(resource: Resource) -> dt.timedelta:
    """The shortest of the sessions that hold rights there."""
    held = PrivilegedSession.objects.filter(resource=resource, status__in=sorted(HOLDS_GRANT))
    seconds = held.aggregate(least=Min("profile__logon_monitor_interval"))["least"]
    return dt.timedelta(seconds=seconds or 0)


def _answer(watch: HostWatch, session_id: int, interval: dt.timedelta) -> Presence:
    one = watch.found.get(str(session_id), {})  # one that was given since the last look: nobody is on yet
    again = (watch.began_at or timezone.now()) + interval
    return Presence(
        bool(one.get("is_logged_on")),
        again,
        one.get("through", ""),
        one.get("address", ""),
        has_ended=bool(one.get("has_ended")),
    )


def _look(watch: HostWatch, began_at: dt.datetime, host: Host, credentials: Callable[[], Credentials]) -> None:
    """Ask the host, and note the answer or the problem, unless the look was given up meanwhile."""
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
            said = _who(remote)
            traces = _traces(remote, accounts, watch.found)
    except ConnectorError as error:
        mine.update(ended_at=timezone.now(), problem=str(error)[:300])
        raise
    with transaction.atomic():
        row = mine.select_for_update().first()
        if row is None:
            return
        found: Found = {
            str(pk): {"is_logged_on": said.get(pk) == "yes", "has_ended": said.get(pk) == "ended"} for pk in sessions
        }
        for pk, session in sessions.items():
            found[str(pk)] |= uses.note(session, row.found.get(str(pk), {}), traces)
        row.found, row.ended_at, row.problem = found, timezone.now(), ""
        row.save(update_fields=["found", "ended_at", "problem"])


def _who(remote: Remote) -> dict[int, str]:
    result = remote.script(live.WHO, "none")
    if result.exit_code != 0:
        raise failure(result, remote.host.name, "")
    pairs = [line.split() for line in result.output.splitlines()]
    return {int(pair[0]): pair[1] for pair in pairs if len(pair) == 2 and pair[0].isdecimal()}


def _traces(remote: Remote, accounts: dict[int, str], found: Found) -> dict[int, trace.Trace] | None:
    """What the host's log says of these sessions since the last look; None when it keeps none."""
    places = {pk: found.get(str(pk), {}).get("read", "-") for pk in accounts}
    lines = [f"{pk} {account} {places[pk]}\n" for pk, account in accounts.items()]
    result = remote.script(trace.READ, "none", given="".join(lines))
    if result.exit_code != 0:
        raise failure(result, remote.host.name, "")
    return trace.parse(result.output, accounts)
