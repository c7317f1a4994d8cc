"""`sessionadmin doctor` finds what is wrong, says what to do, and tells a script by its exit code."""

from __future__ import annotations

import datetime as dt
import threading
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone
from pytest_django import Settings

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.heartbeat_of_process import FORGOTTEN_AFTER
from sessions_app.hosts.connectors import practice
from sessions_app.hosts.ssh import ca
from sessions_app.privileged.models import PrivilegedSession, Status
from sessions_app.sso import metadata
from sessions_app.worker.health import checks, hosts
from sessions_app.worker.health.findings import Finding, Grade
from sessions_app.worker.health.heartbeat import SILENT_AFTER, beat
from sessions_app.worker.health.stuck import MANY_ATTEMPTS, OVERDUE
from sessions_app.worker.models import WorkerHeartbeat
from tests.sso.test_tokens import ISSUER
from tests.support import builders
from tests.support.programs import free_port
from tests.support.scene import granted

pytestmark = pytest.mark.django_db
MINUTE = dt.timedelta(minutes=1)


def doctor(**options: Any) -> tuple[str, str]:
    """Run `doctor`. Return what it prints, and why it fails; empty if it does not."""
    out = StringIO()
    try:
        call_command("doctor", stdout=out, **options)
    except CommandError as error:
        return out.getvalue(), str(error)
    return out.getvalue(), ""


def grade(found: Finding) -> str:
    return found.grade.value


def test_a_new_installation_with_a_worker_has_nothing_wrong() -> None:
    beat("worker")
    printed, failure = doctor()
    assert failure == ""
    assert "ok      Database:" in printed
    assert "ok      Worker: 1 worker running on" in printed
    assert "warning GeoIP: There is no database" in printed
    assert "        Run: sessionadmin geoip_update" in printed
    assert "No resource is reached by SSH" in printed
    assert printed.endswith("Nothing is wrong.\n")


def test_work_without_a_worker_is_an_error_and_the_exit_code_says_so(alice: User) -> None:
    assert grade(checks.worker()) == "warning"
    builders.make_session(alice, Status.AVAILABLE)
    printed, failure = doctor(skip_hosts=True)
    assert "error   Worker: None is running, and sessions wait for one." in printed
    assert "sessionadmin run_worker" in printed
    assert failure.endswith("checks failed.")


def test_a_worker_that_died_is_told_beside_one_that_lives() -> None:
    beat("dead")
    WorkerHeartbeat.objects.update(seen_at=timezone.now() - SILENT_AFTER - MINUTE)
    beat("alive")
    found = checks.worker()
    assert grade(found) == "warning"
    assert "went silent" in found.text
    WorkerHeartbeat.objects.filter(owner="dead").update(seen_at=timezone.now() - FORGOTTEN_AFTER - MINUTE)
    assert grade(checks.worker()) == "ok"


def test_two_workers_are_for_postgresql() -> None:
    beat("one")
    beat("two")
    assert grade(checks.worker()) == ("warning" if connection.vendor == "sqlite" else "ok")


def test_a_migration_that_is_missing_is_an_error() -> None:
    ((app, newest),) = MigrationLoader(connection).graph.leaf_nodes("sessions_app")
    MigrationRecorder(connection).record_unapplied(app, newest)
    found = checks.database()
    assert grade(found) == "error"
    assert "not applied" in found.text
    assert "migrate" in found.remedy


def test_a_database_of_a_newer_version_is_an_error() -> None:
    MigrationRecorder(connection).record_applied("sessions_app", "9999_of_a_newer_version")
    MigrationRecorder(connection).record_applied("an_app_that_is_gone", "0001_initial")
    found = checks.database()
    assert grade(found) == "error"
    assert found.text.endswith("this version does not know sessions_app.9999_of_a_newer_version.")
    assert "docs/how-to/upgrade.md" in found.remedy


def test_a_database_that_does_not_answer_is_the_only_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("connection\nrefused")

    monkeypatch.setattr(connection, "cursor", refuse)
    printed, failure = doctor()
    assert "does not answer: connection refused" in printed
    assert failure == "1 of 1 checks failed."


def test_a_damaged_geoip_file_is_told(settings: Any, tmp_path: Any) -> None:
    settings.GEOIP_DATABASE = str(tmp_path / "city.mmdb")
    (tmp_path / "city.mmdb").write_bytes(b"nothing of use")
    found = checks.geoip()
    assert grade(found) == "warning"
    assert "is refused" in found.text


def test_secrets_whose_key_is_lost_are_an_error_and_no_secret_is_shown(settings: Any) -> None:
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    ca.create()
    assert grade(checks.encryption()) == "ok"
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    found = checks.encryption()
    assert grade(found) == "error"
    assert "certificate authorities" in found.text
    assert "sealed1" not in found.text
    settings.ENCRYPTION_KEYS = []
    assert grade(checks.encryption()) == "error"


def test_a_host_that_wants_certificates_needs_an_authority() -> None:
    assert grade(checks.authority()) == "ok"
    builders.make_resource("db-1", connector="ssh", service_auth="key")
    assert grade(checks.authority()) == "ok"
    builders.make_resource("web-1", connector="ssh")
    assert grade(checks.authority()) == "error"
    ca.create()
    assert checks.authority().text.endswith("signs, for 1 host.")


LATE = OVERDUE + MINUTE


@pytest.mark.parametrize(
    ("status", "values", "shown_text"),
    [
        (Status.CANCELING, {"attempts": MANY_ATTEMPTS, "last_error": "web-1 is down."}, "are not taken away, tried 4"),
        (Status.PROVISIONING, {"attempts": MANY_ATTEMPTS}, "it is not given its rights, tried 4 times: no reason"),
        (Status.LOCKED, {"end_at": timezone.now() - LATE, "start_at": timezone.now() - 2 * LATE}, "End has passed"),
        (Status.PENDING, {"scheduled_for": timezone.now() - LATE}, "it is still scheduled"),
        (Status.WAITING, {"approval_deadline": timezone.now() - LATE}, "it is still waiting for approval"),
    ],
)
def test_a_session_that_does_not_move_on_is_told(
    alice: User, status: Status, values: dict[str, Any], shown_text: str
) -> None:
    builders.make_session(alice, Status.COMPLETE)
    builders.make_session(alice, status)
    assert grade(checks.sessions()) == "ok"
    session = builders.make_session(alice, status, resource=builders.make_resource("web-2"), **values)
    found = checks.sessions()
    assert grade(found) == "error"
    assert f"1 session is stuck. Session {session.pk} on web-2: " in found.text
    assert shown_text in found.text


def test_a_lock_that_is_not_in_force_is_told(alice: User, admin: User) -> None:
    session = builders.make_session(alice, Status.LOCKED)
    request = session.controls.create(kind="lock", requested_by=admin, attempts=1, last_error="web-1 is down.")
    assert grade(checks.sessions()) == "ok"
    request.attempts = MANY_ATTEMPTS
    request.save(update_fields=["attempts"])
    assert "Lock is not in force, tried 4 times: web-1 is down." in checks.sessions().text


def test_many_stuck_sessions_are_counted_and_a_few_shown(alice: User) -> None:
    for _ in range(7):
        builders.make_session(alice, Status.CANCELING, attempts=MANY_ATTEMPTS)
    text = checks.sessions().text
    assert text.startswith("7 sessions are stuck.")
    assert text.endswith("And 2 more.")
    assert text.count("Session ") == 5


def test_a_practice_grant_of_a_session_that_is_over_is_told(alice: User) -> None:
    session = granted(alice)
    assert grade(hosts.practice_leftovers()) == "ok"
    PrivilegedSession.objects.filter(pk=session.pk).delete()
    found = hosts.practice_leftovers()
    assert grade(found) == "error"
    assert f"--{session.pk}.json" in found.text


def test_a_practice_grant_that_nobody_can_read_is_told(alice: User) -> None:
    path = practice.find_grant(granted(alice).pk)
    assert path is not None
    path.write_text("{")
    assert grade(hosts.practice_leftovers()) == "error"


@pytest.mark.django_db(transaction=True)
def test_a_host_that_is_down_is_an_error_and_an_inactive_one_a_warning() -> None:
    address = {"address": "127.0.0.1", "port": free_port(), "connector": "ssh"}
    builders.make_resource("old-1", is_active=False, **address)
    builders.make_resource("web-1", **address)
    found = {one.name: one for one in hosts.check_hosts(None)}
    assert found["Host web-1"].grade is Grade.ERROR
    assert "No SSH server answers at 127.0.0.1" in found["Host web-1"].text
    assert found["Host old-1"].grade is Grade.WARNING
    entry = LogEntry.objects.get(verb=Verb.HOST_CHECKED)
    assert entry.message == "Looked at all hosts (2): errors on web-1"


@pytest.mark.django_db(transaction=True)
def test_a_host_that_keeps_silent_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    hold = threading.Event()

    def look(resource: Any, now: float) -> Any:
        if resource.name == "silent-1":
            hold.wait(30)
        raise ValueError("broken")

    monkeypatch.setattr(hosts, "check_host", look)
    for name in ("silent-1", "web-1"):
        builders.make_resource(name, connector="ssh")
    try:
        found = {one.name: one for one in hosts.check_hosts(None, 1.0)}
    finally:
        hold.set()
    assert found["Host silent-1"].text == "It was not checked within 1 s."
    assert "failed unexpectedly (ValueError)" in found["Host web-1"].text


def test_a_provider_that_does_not_answer_is_found(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hidden")
    silent = f"http://127.0.0.1:{free_port()}"
    entry = {"client_id": "console", "client_secret_file": str(secret)}
    settings.SSO_PROVIDERS = {
        "here": {"name": "Here", "issuer": ISSUER, **entry},
        "gone": {"name": "Gone", "issuer": silent, **entry},
        "closed": {"name": "Closed", "issuer": ISSUER, **entry, "client_secret_file": "/nowhere"},
        "paper": {"name": "Paper", "issuer": "urn:idp", "kind": "saml", "metadata_file": "/nowhere"},
    }
    ask = metadata.get
    document = {"issuer": ISSUER, **dict.fromkeys(metadata.ENDPOINTS, f"{ISSUER}/x")}
    monkeypatch.setattr(metadata, "get", lambda one, url: document if one.issuer == ISSUER else ask(one, url))
    beat("worker")
    printed, failure = doctor()
    assert failure.startswith("3 of ")
    assert f"ok      Provider Here: {ISSUER} answers." in printed
    address = f"{silent}/.well-known/openid-configuration"
    assert f"error   Provider Gone: Nobody can log in by it: {address} does not answer: ConnectionError." in printed
    assert "Provider Closed: Nobody can log in by it: the file /nowhere cannot be read" in printed
    assert "Provider Paper: Nobody can log in by it: the file /nowhere cannot be read" in printed
    assert "correct 'gone' in SSO_PROVIDERS" in printed
    assert "hidden" not in printed
    assert "Provider" not in doctor(skip_hosts=True)[0]
