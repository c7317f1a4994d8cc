"""Check every host: access, needed programs, and rights that ended sessions left there.

This is slow, so it is done on request only. Several hosts are checked at a time, so that a silent one does not delay
the others; a host that has not answered by the deadline is reported as such. Nothing is changed on a host, except that
the console's directory for its notes is created.
"""

from __future__ import annotations

import concurrent.futures
import logging
import shlex
import time
from collections.abc import Iterable
from pathlib import Path

from django.contrib.auth.models import AbstractUser
from django.db import DatabaseError, connection, transaction

from activity import log
from activity.models import Level, Outcome
from activity.verbs import Verb
from sessions_app.catalogue.connectors import ConnectorError, names_where
from sessions_app.catalogue.models import Resource
from sessions_app.hosts.connectors import practice
from sessions_app.hosts.connectors.ssh.check import check_host
from sessions_app.hosts.flows.leftovers import find_leftovers
from sessions_app.permission import require_administrator
from sessions_app.privileged.models import LIVE, PrivilegedSession
from sessions_app.worker.health.findings import Finding, error, ok, warning

logger = logging.getLogger(__name__)

HOSTS_AT_A_TIME = 8
ALL_HOSTS_SECONDS = 60.0  # for all hosts together


def check_hosts(actor: AbstractUser | None, seconds: float = ALL_HOSTS_SECONDS) -> list[Finding]:
    """Check every host with SSH, and all practice hosts together. Return one finding for each.

    The whole check is one entry of the log. `actor` is None when the command line asks. `seconds` is the deadline for
    all hosts together. Raises Refused when the actor is no administrator.
    """
    if actor is not None:
        require_administrator(actor)
    practised = practice_leftovers()
    hosts = Resource.objects.filter(connector__in=names_where(lambda one: one.is_host))
    resources = list(hosts.select_related("service_key").order_by("name"))
    if not resources:
        return [ok("Hosts", "No resource is reached by SSH."), practised]
    found = _all_of_them(resources, seconds)
    wrong = [one for one in found if one.is_error]
    result = f"errors on {', '.join(one.name.removeprefix('Host ') for one in wrong)}" if wrong else "nothing is wrong"
    try:
        with transaction.atomic():
            log.record(
                Verb.HOST_CHECKED,
                f"Looked at all hosts ({len(resources)}): {result}",
                actor=actor,
                level=Level.WARNING if wrong else Level.INFO,
                outcome=Outcome.FAILURE if wrong else None,
                details={"errors": [f"{one.name}: {one.text}"[:300] for one in wrong[:20]]},
            )
    except DatabaseError as problem:  # the findings are shown even without an entry in the log
        text = f"It took no entry about this look at all hosts: {' '.join(str(problem).split())[:200]}"
        found.append(error("Activity log", text, "Run: sessionadmin migrate"))
    return [*found, practised]


def practice_leftovers() -> Finding:
    """Check that practice hosts hold no grant of a session that is over or unknown."""
    name = "Practice hosts"
    remedy = "Take it away with: sessionadmin audit_grants NAME --remove (sessionadmin practice_host list: all grants)."
    try:
        grants = practice.grants()
    except ConnectorError as problem:
        return error(name, str(problem), remedy)
    numbers = {path: path.stem.rpartition("--")[2] for path, _ in grants}
    living = _living(int(number) for number in numbers.values() if number.isdecimal())
    # What was revoked since the list was read is no leftover.
    left = [path for path, number in numbers.items() if number not in living and path.exists()]
    if left:
        return error(name, f"Left of sessions that are over: {_shown(left)}", remedy)
    return ok(name, "They hold nothing of sessions that are over.")


def _shown(paths: list[Path]) -> str:
    return ", ".join(f"{path.parent.name}/{path.name}" for path in paths[:10])


def _living(numbers: Iterable[int]) -> set[str]:
    sessions = PrivilegedSession.objects.filter(pk__in=set(numbers), status__in=LIVE)
    return {str(pk) for pk in sessions.values_list("pk", flat=True)}


def _all_of_them(resources: list[Resource], seconds: float) -> list[Finding]:
    """Check the hosts at the same time. Return the findings in the order of `resources`."""
    pool = concurrent.futures.ThreadPoolExecutor(HOSTS_AT_A_TIME, thread_name_prefix="health")
    try:
        asked = [(resource, pool.submit(_in_thread, resource)) for resource in resources]
        concurrent.futures.wait([future for _, future in asked], timeout=seconds)
        return [future.result() if future.done() else _too_late(resource, seconds) for resource, future in asked]
    finally:
        # Checks that still run end by their own timeouts; nobody waits for them.
        pool.shutdown(wait=False, cancel_futures=True)


def _too_late(resource: Resource, seconds: float) -> Finding:
    return warning(
        f"Host {resource.name}",
        f"It was not checked within {seconds:.0f} s.",
        f"Look at it alone: sessionadmin host_check {shlex.quote(resource.name)}",
    )


def _in_thread(resource: Resource) -> Finding:
    """Check one host in a thread. An unexpected error becomes a finding, so that the others are still shown."""
    try:
        return _look_at(resource)
    except Exception as problem:
        logger.exception("Looking at %s failed unexpectedly", resource.name)
        text = f"Looking at it failed unexpectedly ({type(problem).__name__})."
        return error(f"Host {resource.name}", text, "The log of this process says more.")
    finally:
        connection.close()


def _look_at(resource: Resource) -> Finding:
    name = f"Host {resource.name}"
    report = check_host(resource, time.time())
    wrong = [f"{line.what}: {line.text}" for line in report.lines if not line.is_good]
    if wrong:
        # An inactive host may not exist any more; what it holds cannot be known.
        grade, state = (error, "") if resource.is_active else (warning, "It is inactive. ")
        remedy = "Press “Test connection” on the resource's page (docs/hosts.md#prepare-a-host-in-five-minutes)."
        return grade(name, f"{state}{' '.join(wrong)}", remedy)
    try:
        left = find_leftovers(resource)
        # A session that ended between the two answers is no leftover, so only what both contain counts.
        left = [one for one in find_leftovers(resource) if one in left] if left else []
    except ConnectorError as problem:
        return error(name, str(problem), "See docs/hosts.md#prepare-a-host-in-five-minutes.")
    if left:
        shown = ", ".join(f"{one.what} of session {one.session_id}" for one in left[:10])
        return error(name, f"It holds what is left of sessions that are over: {shown}", _remove(resource))
    return ok(name, "It lets SessionAdmin in, has what is needed, and holds nothing of sessions that are over.")


def _remove(resource: Resource) -> str:
    return f"Take it away: sessionadmin audit_grants {shlex.quote(resource.name)} --remove"
