"""load_sample fills an empty database with something to look at, and nothing that could not have happened."""

from __future__ import annotations

import json
import stat
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.core import mail
from django.core.management import CommandError, call_command
from django.db.models import F, Q
from django.test import Client

from activity.models import LogEntry
from sessions_app.catalogue.lock_models import ResourceLock
from sessions_app.catalogue.models import Activity, Resource
from sessions_app.devices.models import Device, RecognisedBy
from sessions_app.gateway.recordings.models import Recording
from sessions_app.gateway.recordings.storage import digest_of, storage
from sessions_app.hosts.connectors import practice
from sessions_app.logins.device import describe
from sessions_app.logins.models import LoginSession
from sessions_app.not_me.mail import send_waiting
from sessions_app.people.models import AccountLock
from sessions_app.privileged.flows.request import request_sessions
from sessions_app.privileged.lifecycle import TRANSITIONS
from sessions_app.privileged.models import PrivilegedSession, Status
from sessions_app.privileged.rights import ending_for_their_right, without_right
from sessions_app.roles import is_administrator, sees_everything
from sessions_app.sample.people import new_password
from sessions_app.vault.models import Secret
from sessions_app.worker.passes import reconcile
from tests.support import pages

AsUser = Callable[[User], Client]


@pytest.fixture
def var(settings: Any, tmp_path: Path) -> Path:
    settings.VAR_DIR = tmp_path
    return tmp_path


@pytest.fixture
def loaded(db: None, var: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Load the sample data, and return what the command printed."""
    call_command("load_sample")
    return capsys.readouterr().out


def passwords(var: Path) -> dict[str, tuple[str, str]]:
    """Return role and password by user name, from the file."""
    lines = (var / "sample_accounts.txt").read_text().splitlines()
    return {name: (role, password) for role, name, password in (line.split() for line in lines)}


def test_the_four_roles_can_log_in_with_what_was_printed_and_kept(loaded: str, var: Path) -> None:
    stored = passwords(var)
    assert set(stored) == {"admin", "auditor", "approver", "alice"}
    assert len({password for _, password in stored.values()}) == 4
    for name, (_, password) in stored.items():
        assert password in loaded
        assert len(password) >= 16
        assert authenticate(username=name, password=password) is not None
    assert is_administrator(User.objects.get(username="admin"))
    auditor = User.objects.get(username="auditor")
    assert sees_everything(auditor)
    assert not is_administrator(auditor)
    assert not sees_everything(User.objects.get(username="alice"))


def test_sample_browsers_are_called_what_real_ones_are_called(loaded: str) -> None:
    logins = list(LoginSession.objects.all())
    for login in logins:
        without_hints = describe(login.user_agent, {})
        assert (login.device, login.os, login.browser) == (
            without_hints.device,
            without_hints.os,
            without_hints.browser,
        )
    assert {(login.os, login.os_version) for login in logins} >= {("Windows", "11"), ("Android", "15"), ("macOS", "")}


def test_only_the_owner_reads_the_accounts_file(loaded: str, var: Path) -> None:
    path = var / "sample_accounts.txt"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_passwords_are_made_anew_each_time() -> None:
    assert len({new_password() for _ in range(50)}) == 50


def test_every_status_is_there_and_every_log_tells_a_possible_way_to_it(loaded: str) -> None:
    counts = Counter(PrivilegedSession.objects.values_list("status", flat=True))
    assert set(counts) == set(Status) - {Status.PROVISIONING}
    assert sum(counts.values()) >= 40
    for session in PrivilegedSession.objects.all():
        entries = LogEntry.objects.of_target(session).order_by("pk")
        times = list(entries.values_list("at", flat=True))
        assert times
        assert times == sorted(times)
        assert times[0] == session.requested_at
        if session.ended_at is not None:
            until_its_end = entries.exclude(verb="recording.closed")  # whose file is made afterwards
            assert until_its_end.latest("pk").at == session.ended_at
            assert not TRANSITIONS[Status(session.status)]
        assert entries.earliest("pk").verb == "session.requested"
        assert not entries.filter(message__contains="{").exists()


def test_every_open_session_stands_on_a_right(loaded: str) -> None:
    assert PrivilegedSession.objects.live().exists()
    assert not ending_for_their_right().exists()
    assert not PrivilegedSession.objects.filter(without_right(), status__in=[Status.PENDING, Status.WAITING]).exists()


def test_approvals_are_by_approvers_of_the_tier_and_never_by_the_requester(loaded: str) -> None:
    sessions = PrivilegedSession.objects.exclude(approvals=None).prefetch_related("approvals")
    assert sessions.count() >= 6
    for session in sessions:
        for approval in session.approvals.all():
            tier = session.profile.tiers.get(order=approval.tier)
            named = User.objects.filter(Q(pk__in=tier.users.values("pk")) | Q(groups__in=tier.groups.all()))
            assert named.filter(pk=approval.approver_id).exists(), session
            assert approval.approver_id not in (session.user_id, session.requested_by_id)


def test_the_approver_has_something_to_decide(loaded: str) -> None:
    approver = User.objects.get(username="approver")
    assert PrivilegedSession.objects.awaiting(approver).count() >= 3


def test_the_tutorial_of_the_first_approval_can_be_followed(loaded: str, as_user: AsUser) -> None:
    people = {name: User.objects.get(username=name) for name in ("alice", "approver", "auditor", "admin")}
    [session] = request_sessions(
        people["alice"],
        user=people["alice"],
        activity=Activity.objects.get(name="Root shell"),
        resources=[Resource.objects.get(name="web-2")],
        notes="To see how it works",
    )
    assert session.policy is not None
    assert (session.policy.name, session.profile.name) == ("Root needs approval", "One approval")
    assert session.get_status_display() == "Waiting for Approval"
    for name in ("alice", "auditor", "admin"):
        as_user(people[name]).post("/sessions/do/approve/", {"ids": session.pk})
        assert session.approvals.count() == 0, name
    as_user(people["approver"]).post("/sessions/do/approve/", {"ids": session.pk})
    reconcile()
    session.refresh_from_db()
    assert session.get_status_display() == "Available"
    written = (Path(settings.BASE_DIR) / "docs/tutorials/first-approval.md").read_text()
    for name in (*people, "Root shell", "*web-2*", "Root needs approval", "One approval", "Waiting for Approval"):
        assert name in written, name


def test_live_sessions_hold_real_grants_and_nothing_else_does(loaded: str) -> None:
    holding = set(
        PrivilegedSession.objects.filter(
            status__in=[Status.AVAILABLE, Status.LOGGED_IN, Status.LOCKED, Status.CANCELING]
        ).values_list("pk", flat=True)
    )
    states = {state["session"]: state for _, state in practice.grants()}
    assert set(states) == holding
    for session in PrivilegedSession.objects.filter(pk__in=holding):
        assert states[session.pk]["logged_on"] == session.is_logged_on
        assert bool(states[session.pk]["locked"]) == (session.status == Status.LOCKED)
        assert states[session.pk]["account"] == session.login_account


def test_the_vault_keeps_two_secrets_that_its_users_can_see(loaded: str, as_user: AsUser) -> None:
    alice, vault = User.objects.get(username="alice"), Resource.objects.get(name="team-vault")
    activity = Activity.objects.get(name="Read shared secrets")
    [session] = request_sessions(alice, user=alice, activity=activity, resources=[vault])
    reconcile()
    names = set()
    for secret in Secret.objects.all():
        shown = as_user(alice).post(f"/sessions/{session.pk}/secrets/{secret.pk}/show/")
        assert shown.status_code == 200
        assert len(pages.elements(shown).findtext(".//textarea", "").strip()) >= 20
        names.add(secret.name)
    assert names == {"backup passphrase", "reporting password"}


def test_without_a_key_to_seal_secrets_nothing_is_loaded(db: None, var: Path, settings: Any) -> None:
    settings.ENCRYPTION_KEYS = []
    with pytest.raises(CommandError, match=r"ENCRYPTION_KEYS is not set.*Nothing was loaded"):
        call_command("load_sample")
    assert not User.objects.exists()


def test_the_worker_takes_everything_over_without_a_surprise(loaded: str) -> None:
    before = dict(PrivilegedSession.objects.values_list("pk", "status"))
    reconcile()
    assert dict(PrivilegedSession.objects.values_list("pk", "status")) == before
    stuck = PrivilegedSession.objects.get(status=Status.CANCELING)
    practice.set_state(stuck.resource_name, "")
    PrivilegedSession.objects.filter(pk=stuck.pk).update(next_attempt_at=None)
    reconcile()
    stuck.refresh_from_db()
    assert stuck.status == Status.COMPLETE
    assert practice.find_grant(stuck.pk) is None


def test_logins_come_from_many_places_live_and_ended(loaded: str) -> None:
    live = LoginSession.objects.live()
    assert live.count() >= 15
    assert LoginSession.objects.count() >= 55
    assert live.values("city").distinct().count() >= 8
    assert LoginSession.objects.filter(city="Unknown", ip__isnull=False).exists()
    assert not LoginSession.objects.filter(ended_at__lt=F("created_at")).exists()
    assert LoginSession.objects.values("end_reason").distinct().count() >= 5


def test_one_login_is_from_a_new_device_and_nobody_is_mailed(loaded: str) -> None:
    new = LoginSession.objects.get(recognised_by=RecognisedBy.NEW)
    assert new.is_live
    assert new.travel_kmh is not None
    assert sorted(Device.objects.exclude(name="").values_list("name", flat=True)) == ["phone", "work laptop"]
    assert send_waiting() == 0
    assert mail.outbox == []


def test_recordings_show_what_two_people_did_within_their_connections(loaded: str, as_user: AsUser) -> None:
    recordings = {row.session.user_name: row for row in Recording.objects.select_related("session", "connection")}
    assert set(recordings) == {"alice", "bob"}
    for row in recordings.values():
        assert row.is_complete
        assert row.sha256 == digest_of(row.path)
        assert row.connection.started_at == row.started_at
        assert row.ended_at is not None
        assert row.connection.ended_at is not None
        assert row.session.ended_at is not None
        assert row.started_at < row.ended_at <= row.connection.ended_at <= row.session.ended_at
        with storage().open(row.path) as file:
            codes = Counter(event[1] for event in map(json.loads, list(file)[1:]))
        assert codes["o"] > 100
        assert codes["r"] == 1
        assert codes["m"] == (2 if row.session.user_name == "bob" else 0)  # he was locked and unlocked


def test_recordings_are_linked_from_their_sessions_and_found_by_their_words(loaded: str, as_user: AsUser) -> None:
    alice, auditor = (as_user(User.objects.get(username=name)) for name in ("alice", "auditor"))
    for row in Recording.objects.select_related("session"):
        assert f"#{row.pk}" in said(auditor.get(f"{row.session.get_absolute_url()}recordings/"))
    own, others = Recording.objects.order_by("pk")
    assert "sort -h" in said(alice.get(f"/recordings/{own.pk}/"))
    assert alice.get(f"/recordings/{others.pk}/").status_code == 404
    replay = said(auditor.get(f"/recordings/{others.pk}/"))
    assert "sudo systemctl reload postgresql" in replay
    assert "admin locked the session: Please stop" in replay
    assert "install -o postgres -m 600 certificates/web-1.crt" in said(auditor.get("/recordings/?q=web-1.crt"))


def said(response: Any) -> str:
    assert response.status_code == 200
    return pages.text(pages.elements(response))


def test_locks_stand_on_an_account_and_on_a_resource(loaded: str) -> None:
    assert AccountLock.objects.in_force().get().user.username == "frank"
    assert ResourceLock.objects.in_force().get().resource.name == "dc-1"


@pytest.mark.parametrize("name", ["admin", "auditor", "approver", "alice"])
def test_every_page_of_the_navigation_shows_it(loaded: str, as_user: AsUser, name: str) -> None:
    client = as_user(User.objects.get(username=name))
    pages = ["/sessions/?tab=active", "/approvals/", "/sessions/?tab=historical", "/recordings/"]
    pages += ["/logins/", "/activity/"]
    if name in ("admin", "auditor"):
        pages += ["/users/", "/groups/", "/applications/", "/resources/", "/policies/", "/profiles/", "/activities/"]
    for page in pages:
        response = client.get(page)
        assert response.status_code == 200, page
        assert 'class="empty"' not in response.content.decode() or name in ("approver", "alice"), page


def test_a_database_with_users_is_refused_and_left_alone(alice: User, var: Path) -> None:
    with pytest.raises(CommandError, match="has users already"):
        call_command("load_sample")
    assert User.objects.count() == 1
    assert not (var / "sample_accounts.txt").exists()


def test_what_another_database_left_on_the_practice_hosts_is_removed(
    db: None, var: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    practice.set_state("backup-1", practice.UNREACHABLE)
    (practice.directory("web-1")).mkdir(parents=True)
    (practice.directory("web-1") / "old-adm--9999.json").write_text("{}")
    call_command("load_sample")
    assert "old-adm--9999.json" in capsys.readouterr().err
    assert practice.find_grant(9999) is None


def test_large_adds_that_many_of_each(db: None, var: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("load_sample", large=150)
    assert PrivilegedSession.objects.filter(user_name__startswith="user-").count() == 150
    assert LoginSession.objects.filter(user_name__startswith="user-").count() == 150
    assert LogEntry.objects.filter(user_name__startswith="user-").count() == 300
    assert User.objects.filter(username__startswith="user-").count() == 20


def test_a_negative_number_is_refused(db: None, var: Path) -> None:
    with pytest.raises(CommandError, match="above zero"):
        call_command("load_sample", large=-1)
    assert not User.objects.exists()
