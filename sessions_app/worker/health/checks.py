"""Checks that ask only the console's own database and files, quick enough for every view of a page.

They change nothing but one row that exists for this purpose.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Collection

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from activity import integrity
from activity.integrity_problems import protected, reason
from sessions_app.catalogue.connectors import names_where
from sessions_app.catalogue.models import Resource, ServiceAuth
from sessions_app.gateway import heartbeats
from sessions_app.gateway.models import GatewayConnection, GatewayHeartbeat
from sessions_app.heartbeat_of_process import FORGOTTEN_AFTER
from sessions_app.hosts.ssh import ca
from sessions_app.logins import geolocation
from sessions_app.sealing import SealingError, problem_of_keys, sealed_fields, unseal
from sessions_app.worker.health import files
from sessions_app.worker.health.clocks import clocks
from sessions_app.worker.health.findings import Finding, error, ok, warning
from sessions_app.worker.health.heartbeat import is_work_waiting, running
from sessions_app.worker.health.retention import retention
from sessions_app.worker.health.reviews import reviews
from sessions_app.worker.health.schedules import schedules
from sessions_app.worker.health.sealing import sealing
from sessions_app.worker.health.search import search
from sessions_app.worker.health.siem import siem
from sessions_app.worker.health.stuck import stuck_sessions
from sessions_app.worker.health.writing import writing
from sessions_app.worker.models import WorkerHeartbeat

logger = logging.getLogger(__name__)

OLD_GEOIP = dt.timedelta(days=60)
DATABASE = "Database"
LOG_INTEGRITY = "Activity log"
VENDORS = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


def run_quick_checks(leave_out: Collection[Callable[[], Finding]] = ()) -> list[Finding]:
    """Run every quick check but those to leave out. When the database does not work, return that finding alone."""
    first = database()
    wanted = [check for check in CHECKS if check not in leave_out]
    return [first] if first.is_error else [first, *(run_check(check) for check in wanted)]


def run_thorough_checks() -> list[Finding]:
    """Run the same checks, but verify more entries of the log, for callers that no page waits for."""
    return [
        run_check(lambda: log_integrity(integrity.THOROUGHLY), LOG_INTEGRITY) if one.name == LOG_INTEGRITY else one
        for one in run_quick_checks()
    ]


def run_check(check: Callable[[], Finding], name: str = "") -> Finding:
    """Return what `check` finds, or an error when it fails, so that the other checks still run."""
    try:
        with protected(connection):
            return check()
    except Exception as problem:
        name = name or check.__name__.replace("_", " ").capitalize()
        logger.exception("The check %s failed", name)
        text = f"It could not be checked: {reason(problem)}"
        return error(name, text, "Its whole error is in the log of the process. Run: sessionadmin migrate")


def database() -> Finding:
    """Check that the database answers and has the tables of this version."""
    name = VENDORS.get(connection.vendor, connection.vendor)
    try:
        executor = MigrationExecutor(connection)
        missing = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
        newer = unknown_migrations(executor)
    except (DatabaseError, InterfaceError) as problem:
        return error(
            DATABASE,
            f"{name} does not answer: {' '.join(str(problem).split())[:200]}",
            "Start it, or correct DATABASE_URL.",
        )
    if missing:
        text = f"{name} answers, but {_count(missing, 'migration')} of this version {_is(missing)} not applied."
        return error(DATABASE, text, "Run: sessionadmin migrate")
    if newer:
        text = f"{name} answers, but a newer version changed it: this version does not know {', '.join(newer)}."
        return error(
            DATABASE, text, "Install that version, or roll back by its backup: docs/how-to/upgrade.md#roll-back"
        )
    return ok(DATABASE, f"{name} answers and is up to date.")


def unknown_migrations(executor: MigrationExecutor) -> list[str]:
    """Return the migrations of our apps that were applied to the database and that this version does not have."""
    loader = executor.loader
    unknown = set(loader.applied_migrations or {}) - set(loader.disk_migrations or {})
    return sorted(f"{app}.{name}" for app, name in unknown if app in loader.migrated_apps)


def worker() -> Finding:
    """Check that a worker is running to move sessions, and that none died."""
    there = running()
    remedy = "Start one: sessionadmin run_worker (docs/health.md#workers)."
    if not there:
        if is_work_waiting():
            text = "None is running, and sessions wait for one."
            return error("Worker", text, remedy)
        return warning("Worker", "None is running. No session needs one now.", remedy)
    hosts = ", ".join(sorted({one.host for one in there}))
    if connection.vendor == "sqlite" and len(there) > 1:
        text = f"{len(there)} are running on {hosts}, but SQLite is for one."
        return warning(
            "Worker", text, "Stop all but one, or move to PostgreSQL (docs/deploy.md#from-sqlite-to-postgresql)."
        )
    silent = WorkerHeartbeat.objects.exclude(pk__in=[one.pk for one in there])
    dead = silent.filter(seen_at__gte=timezone.now() - FORGOTTEN_AFTER).order_by("-seen_at").first()
    if dead is not None:
        text = (
            f"{_count(len(there), 'worker')} running on {hosts}; one on {dead.host} went silent without a clean stop."
        )
        return warning("Worker", text, "See its own log. If it was ended on purpose, this goes away within an hour.")
    return ok("Worker", f"{_count(len(there), 'worker')} running on {hosts}.")


def gateway() -> Finding:
    """Check that a gateway is running through which people reach hosts, and that none died."""
    there = heartbeats.running()
    if not there:
        names = names_where(lambda one: one.can_certify)
        if not Resource.objects.filter(is_active=True, connector__in=names).exists():
            return ok("Gateway", "None is running; no resource is reached by SSH.")
        text = "None is running. People can log in to hosts directly only, and nothing is recorded."
        return warning("Gateway", text, "Start one: sessionadmin run_gateway (docs/gateway.md#run-it).")
    hosts = ", ".join(sorted({one.host for one in there}))
    draining = sum(one.is_draining for one in there)
    connections = _count(GatewayConnection.objects.open().count(), "open connection")
    text = f"{_count(len(there), 'gateway')} running on {hosts}, {connections}."
    if draining:
        text += f" {draining} of them {_is(draining)} being stopped."
    silent = GatewayHeartbeat.objects.exclude(pk__in=[one.pk for one in there])
    dead = silent.filter(seen_at__gte=timezone.now() - FORGOTTEN_AFTER).order_by("-seen_at").first()
    if dead is not None:
        text += f" One on {dead.host} went silent without a clean stop; its connections are lost."
        return warning("Gateway", text, "See its own log. If it was ended on purpose, this goes away within an hour.")
    return ok("Gateway", text)


def geoip() -> Finding:
    """Check that logins get their locations."""
    status = geolocation.status()
    update = "Run: sessionadmin geoip_update (docs/geoip.md#getting-a-database)."
    if not status.configured:
        return warning("GeoIP", "There is no database; the locations of logins say Unknown.", update)
    if status.refused_reason:
        return warning("GeoIP", f"{status.path} is refused: {status.refused_reason}.", update)
    built = status.built_at
    if built is not None and timezone.now() - built > OLD_GEOIP:
        return warning("GeoIP", f"{status.database_type} was built on {built:%Y-%m-%d}; it is old.", update)
    return ok("GeoIP", f"{status.database_type}, built on {built:%Y-%m-%d}." if built else "In use.")


def encryption() -> Finding:
    """Check that the oldest and the newest secret of each kind can be decrypted."""
    kinds, locked, reason = 0, [], ""
    for model, field in sealed_fields():
        rows = model._default_manager.exclude(**{field: ""}).order_by("pk").values_list(field, flat=True)
        samples = [one for one in (rows.first(), rows.last()) if one]
        kinds += bool(samples)
        problem = next(filter(None, map(_why_closed, samples)), "")
        if problem:
            locked.append(str(model._meta.verbose_name_plural))
            reason = problem
    if locked:
        text = f"Secrets of {', '.join(locked)} cannot be opened: {reason}"
        return error(
            "Encryption",
            text,
            "Put the key that sealed them back into ENCRYPTION_KEYS (docs/ssh-ca.md#change-the-encryption-key).",
        )
    if problem_of_keys(settings.ENCRYPTION_KEYS):
        text = f"{problem_of_keys(settings.ENCRYPTION_KEYS)} Nothing is sealed yet."
        return warning("Encryption", text, "Hosts and vaults need it: see docs/deploy.md#settings.")
    return ok("Encryption", "Secrets can be opened." if kinds else "Keys are set; nothing is sealed yet.")


@sensitive_variables()
def _why_closed(sealed: str) -> str:
    try:
        unseal(sealed)
    except SealingError as problem:
        return str(problem)
    return ""


def authority() -> Finding:
    """Check that there is a certificate authority when a host needs one."""
    names = names_where(lambda one: one.is_host)
    hosts = Resource.objects.filter(is_active=True, connector__in=names, service_auth=ServiceAuth.CERTIFICATE).count()
    try:
        active = ca.active()
    except ca.NoAuthority:
        if hosts:
            text = f"There is none, and {_count(hosts, 'host')} should let SessionAdmin in by its certificate."
            return error("Certificate authority", text, "Run: sessionadmin ca init (docs/ssh-ca.md#set-it-up).")
        return ok("Certificate authority", "There is none; no host asks for its certificates.")
    return ok("Certificate authority", f"{active.fingerprint} signs, for {_count(hosts, 'host')}.")


def sessions() -> Finding:
    """Check that no session is stuck."""
    found = stuck_sessions()
    if not found:
        return ok("Sessions", "None is stuck.")
    shown = " ".join(found[:5])
    more = f" And {len(found) - 5} more." if len(found) > 5 else ""
    return error(
        "Sessions",
        f"{_count(len(found), 'session')} {_is(len(found))} stuck. {shown}{more}",
        "Open the session's page: its log says what fails. It is tried again by itself as soon as that is mended.",
    )


def log_integrity(entries: int = integrity.QUICKLY) -> Finding:
    """Check that the database lets nobody change the log. `entries` is how many of them are verified."""
    found = integrity.find_problems(entries=entries)
    if not found:
        return ok(LOG_INTEGRITY, "The database refuses to change it.")
    text = "It is not append-only. " + " ".join(one.text for one in found)
    return error(LOG_INTEGRITY, text, " ".join(dict.fromkeys(one.remedy for one in found)))


CHECKS: tuple[Callable[[], Finding], ...] = (
    writing,
    files.room,
    log_integrity,
    worker,
    gateway,
    geoip,
    encryption,
    authority,
    sessions,
    clocks,
    reviews,
    search,
    sealing,
    retention,
    siem,
    schedules,
    files.in_the_browser,
)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _is(number: int) -> str:
    return "is" if number == 1 else "are"
