"""Scheduled exports: made once, at the right time, with the rights of now, and fetched by their owner alone."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
import os
import re
import stat
import threading
import time
import zipfile
import zoneinfo
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core import mail
from django.db import connection
from django.test import Client
from django.utils import timezone

from activity.models import LogEntry, SavedView
from activity.verbs import Verb
from sessions_app.people.models import AccountLock
from sessions_app.reports.every_report import REPORTS
from sessions_app.roles import ADMINISTRATORS, AUDITORS
from sessions_app.schedules import files
from sessions_app.schedules.flows.clean import clean
from sessions_app.schedules.flows.mail import send_waiting
from sessions_app.schedules.flows.make import MOST_ATTEMPTS, make_due
from sessions_app.schedules.models import Schedule, ScheduledExport
from sessions_app.schedules.times import next_time
from sessions_app.worker.health.schedules import schedules as health
from tests.support import builders, pages
from tests.support.entries import make_entry
from tests.support.schedules import make_report_schedule, make_schedule, make_scheduled_export, make_view

AsUser = Callable[[User], Client]


@pytest.fixture(autouse=True)
def directory(settings: Any, tmp_path: Path) -> Path:
    settings.VAR_DIR = tmp_path
    settings.EXPORTS_DIR = tmp_path / "exports"
    return tmp_path / "exports"


def utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(f"{text}+00:00")


@pytest.mark.parametrize(
    ("every", "values", "after", "expected"),
    [
        ("day", {}, "2026-01-31T06:29:59", "2026-01-31T06:30:00"),
        ("day", {}, "2026-01-31T06:30:00", "2026-02-01T06:30:00"),
        ("day", {}, "2026-03-28T12:00:00", "2026-03-29T05:30:00"),  # the clock was put forward: the same on the wall
        ("day", {"at": dt.time(2, 30)}, "2026-03-28T12:00:00", "2026-03-29T01:30:00"),  # skipped: 03:30 on the wall
        ("day", {"at": dt.time(2, 30)}, "2026-10-24T12:00:00", "2026-10-25T00:30:00"),  # comes twice: the first
        ("day", {"at": dt.time(2, 30)}, "2026-10-25T00:30:00", "2026-10-26T01:30:00"),  # and once only
        ("week", {"weekday": 0}, "2026-01-31T12:00:00", "2026-02-02T06:30:00"),
        ("week", {"weekday": 0}, "2026-02-02T06:30:00", "2026-02-09T06:30:00"),
        ("month", {"month_day": 31}, "2026-01-31T06:30:00", "2026-02-28T06:30:00"),
        ("month", {"month_day": 31}, "2026-12-31T06:30:00", "2027-01-31T06:30:00"),
        ("month", {"month_day": 1}, "2026-01-31T23:30:00", "2026-02-01T06:30:00"),
    ],
)
def test_the_next_time_is_by_the_clock_on_the_wall(every: str, values: Any, after: str, expected: str) -> None:
    schedule = Schedule(**{"every": every, "zone": "Europe/Zurich", "at": dt.time(7, 30), **values})
    assert next_time(schedule, utc(after)) == utc(expected)


@pytest.mark.parametrize("zone", ["Europe/Zurich", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia"])
@pytest.mark.parametrize("at", [dt.time(0, 0), dt.time(2, 30), dt.time(23, 59)])
def test_a_year_of_days_has_each_day_once(zone: str, at: dt.time) -> None:
    schedule, now = Schedule(every="day", zone=zone, at=at), utc("2026-01-01T12:00:00")
    days = []
    for _ in range(365):
        now = next_time(schedule, now)
        days.append(now.astimezone(zoneinfo.ZoneInfo(zone)).date())
    assert len(set(days)) == 365
    assert days == sorted(days)


def test_a_worker_makes_the_file_and_mails_a_link_but_never_the_data(
    as_user: AsUser, auditor: User, directory: Path, settings: Any
) -> None:
    make_entry("secret of alice")
    make_entry("something else")
    schedule = make_schedule(auditor, make_view(auditor, query="activity=secret"), is_archive=False)
    assert make_due() == 1
    assert make_due() == 0
    send_waiting()
    send_waiting()
    export = ScheduledExport.objects.get()
    (path,) = directory.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    (letter,) = mail.outbox
    link = f"/schedules/files/{export.token}/"
    assert letter.to == [auditor.email]
    assert link in letter.body
    assert not letter.attachments
    assert "alice" not in letter.body
    schedule.refresh_from_db()
    assert schedule.next_at == next_time(schedule, export.made_at)
    answer = as_user(auditor).get(link)
    data = pages.streamed(answer)
    assert [row["Message"] for row in csv.DictReader(io.StringIO(data.decode()))] == ["secret of alice"]
    assert hashlib.sha256(data).hexdigest() == export.sha256
    verbs = [Verb.EXPORT_BEGAN, Verb.EXPORTED, Verb.SCHEDULE_MADE, Verb.SCHEDULE_FETCHED]
    assert list(LogEntry.objects.filter(verb__in=verbs).order_by("pk").values_list("verb", flat=True)) == verbs
    assert LogEntry.objects.get(verb=Verb.EXPORTED).actor == auditor


def test_an_archive_has_the_manifest_with_the_zone_of_the_owner(as_user: AsUser, auditor: User) -> None:
    make_schedule(auditor, format="jsonl")
    make_due()
    export = ScheduledExport.objects.get()
    answer = as_user(auditor).get(export.get_absolute_url())
    with zipfile.ZipFile(io.BytesIO(pages.streamed(answer))) as archive:
        names = archive.namelist()
        assert [name.partition(".")[2] for name in names] == ["jsonl", "jsonl.proofs.jsonl", "jsonl.manifest"]
        assert b'"zone":"Europe/Zurich"' in archive.read(names[-1])


def leave(auditor: User) -> None:
    User.objects.filter(pk=auditor.pk).update(is_active=False)


def lock(auditor: User) -> None:
    AccountLock.objects.create(user=auditor, locked_by=auditor)


def lose_the_role(auditor: User) -> None:
    auditor.groups.remove(Group.objects.get(name=AUDITORS))


def lose_the_view(auditor: User) -> None:
    SavedView.objects.all().delete()


LOSSES = pytest.mark.parametrize("lose", [leave, lock, lose_the_role, lose_the_view])


@LOSSES
def test_who_lost_the_right_gets_nothing_and_the_schedule_stops(
    auditor: User, admin: User, directory: Path, lose: Callable[[User], None]
) -> None:
    schedule = make_schedule(auditor)
    lose(auditor)
    assert make_due() == 0
    send_waiting()
    schedule.refresh_from_db()
    assert schedule.stopped_because
    assert not mail.outbox
    assert not ScheduledExport.objects.exists()
    assert not directory.exists()
    entry = LogEntry.objects.get(verb=Verb.SCHEDULE_STOPPED)
    assert schedule.stopped_because in entry.message
    assert not LogEntry.objects.filter(verb=Verb.EXPORT_BEGAN).exists()
    finding = health()
    assert not finding.is_error
    assert schedule.stopped_because.rstrip(".") in finding.text
    assert make_due() == 0  # and stays stopped
    assert LogEntry.objects.filter(verb=Verb.SCHEDULE_STOPPED).count() == 1


@pytest.mark.parametrize("lose", [lose_the_role, lose_the_view])
def test_rights_are_asked_anew_when_the_file_is_fetched(
    as_user: AsUser, auditor: User, directory: Path, lose: Callable[[User], None]
) -> None:
    export = make_scheduled_export(auditor)
    browser = as_user(auditor)
    lose(auditor)
    assert browser.get(export.get_absolute_url()).status_code == 403
    assert LogEntry.objects.filter(verb=Verb.SCHEDULE_STOPPED).count() == 1
    clean()
    assert not list(directory.iterdir())


def test_a_mail_is_not_sent_to_who_lost_the_right_meanwhile(auditor: User) -> None:
    make_scheduled_export(auditor, mail_next_at=timezone.now())
    lose_the_role(auditor)
    send_waiting()
    assert not mail.outbox
    assert LogEntry.objects.filter(verb=Verb.SCHEDULE_STOPPED).count() == 1


def test_the_link_works_for_its_owner_alone(as_user: AsUser, auditor: User, admin: User, alice: User) -> None:
    export = make_scheduled_export(auditor)
    for person in (admin, alice):
        assert as_user(person).get(export.get_absolute_url()).status_code == 404
    assert Client().get(export.get_absolute_url()).status_code == 302
    browser = as_user(auditor)
    for guess in (
        "x",
        export.token[:-1],
        export.token + "x",
        export.stored_as,
        "..%2f..%2fetc%2fpasswd",
        "%00",
        "a%00",
    ):
        assert browser.get(f"/schedules/files/{guess}/").status_code == 404
    assert not LogEntry.objects.filter(verb=Verb.SCHEDULE_FETCHED).exists()


def test_nothing_outside_of_the_directory_is_ever_read(as_user: AsUser, auditor: User, directory: Path) -> None:
    export = make_scheduled_export(auditor)
    (directory.parent / "outside").write_text("secret")
    ScheduledExport.objects.filter(pk=export.pk).update(stored_as="../outside")
    with pytest.raises(ValueError, match="names no file"):
        as_user(auditor).get(export.get_absolute_url())


def test_an_expired_link_gives_nothing_and_its_file_is_removed(as_user: AsUser, auditor: User, directory: Path) -> None:
    export = make_scheduled_export(auditor, expires_at=timezone.now() - dt.timedelta(seconds=1))
    kept = make_scheduled_export(auditor)
    browser = as_user(auditor)
    assert browser.get(export.get_absolute_url()).status_code == 404
    clean()
    assert [path.name for path in directory.iterdir()] == [kept.stored_as]
    (left := directory / ("a" * 32)).write_bytes(b"of a worker that was killed")
    clean()
    assert left.exists()  # it may be one that is being written
    os.utime(left, times=(time.time() - 25 * 3600,) * 2)
    clean()
    assert not left.exists()
    export.refresh_from_db()
    assert export.removed_at is not None


def test_a_mail_server_that_does_not_answer_is_shown_and_tried_again(
    as_user: AsUser, auditor: User, settings: Any
) -> None:
    export = make_scheduled_export(auditor, mail_next_at=timezone.now())
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    send_waiting()
    export.refresh_from_db()
    assert "could not be sent" in export.mail_problem
    assert LogEntry.objects.filter(verb=Verb.MAIL_FAILED).count() == 1
    assert "could not be sent" in health().text
    page = as_user(auditor).get(export.schedule.get_absolute_url())
    assert "could not be sent" in page.content.decode()
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    ScheduledExport.objects.update(mail_next_at=timezone.now())
    send_waiting()
    export.refresh_from_db()
    assert len(mail.outbox) == 1
    assert (export.mail_problem, export.mail_next_at) == ("", None)


def test_what_cannot_be_made_is_said_and_tried_again(auditor: User, directory: Path) -> None:
    schedule = make_schedule(auditor, make_view(auditor, query="level=nonsense"))
    assert make_due() == 0
    schedule.refresh_from_db()
    assert "did not accept the saved view" in schedule.problem
    assert schedule.next_attempt_at > timezone.now()
    assert LogEntry.objects.get(verb=Verb.SCHEDULE_FAILED).outcome == "failure"
    SavedView.objects.update(query="")
    assert make_due() == 0
    Schedule.objects.update(held_until=timezone.now())
    assert make_due() == 1
    schedule.refresh_from_db()
    assert (schedule.problem, schedule.attempts) == ("", 0)


def test_what_fails_unexpectedly_keeps_no_other_export_from_being_made(
    auditor: User, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = make_schedule(auditor, make_view(auditor, path="/recordings/"))
    make_schedule(auditor)

    def fail(*args: object, **options: object) -> None:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr("sessions_app.gateway.recordings.views.list_response", fail)
    assert make_due() == 1
    broken.refresh_from_db()
    assert broken.attempts == 1
    assert "failed unexpectedly" in broken.problem
    assert "a mistake of ours" not in broken.problem


def test_a_worker_that_was_too_slow_keeps_no_second_file(
    auditor: User, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = make_schedule(auditor)
    write = files.write

    def slowly(*args: Any) -> Any:
        Schedule.objects.update(held_until=timezone.now() + dt.timedelta(hours=1))  # another worker took it meanwhile
        return write(*args)

    monkeypatch.setattr(files, "write", slowly)
    assert make_due() == 0
    assert not ScheduledExport.objects.exists()
    assert not list(directory.iterdir())
    schedule.refresh_from_db()
    assert (schedule.held_until is not None, schedule.problem) == (True, "")  # the other one has it still


def test_what_is_changed_while_a_worker_makes_the_export_counts_from_the_next_one_on(
    as_user: AsUser, auditor: User, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = make_schedule(auditor, make_view(auditor, name="Refused logins"))
    browser, write = as_user(auditor), files.write

    changes = {"every": "month", "what": "report-approvals"}

    def changed_meanwhile(*args: Any) -> Any:
        form = pages.elements(browser.get(f"{schedule.get_absolute_url()}change/"))
        answer = browser.post(f"{schedule.get_absolute_url()}change/", pages.fields(form) | changes)
        assert answer.status_code == 302
        return write(*args)

    monkeypatch.setattr(files, "write", changed_meanwhile)
    assert make_due() == 1
    schedule.refresh_from_db()
    assert (schedule.every, schedule.held_until) == ("month", None)
    assert schedule.next_at == next_time(schedule, ScheduledExport.objects.get().made_at)
    assert "“Refused logins”" in LogEntry.objects.get(verb=Verb.SCHEDULE_MADE).message


def fail_to_write(*args: object) -> None:
    raise OSError(28, "No space left on device")


def test_a_report_that_is_made_at_a_later_attempt_is_still_of_the_days_before_it_was_due(
    as_user: AsUser, auditor: User, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    due = utc("2026-03-10T22:55:00")  # five minutes before midnight on the wall
    schedule = make_report_schedule(auditor, "approvals", next_at=due, is_archive=False)
    with monkeypatch.context() as patched:
        patched.setattr(files, "write", fail_to_write)
        assert make_due() == 0
        schedule.refresh_from_db()
        assert (schedule.next_at, schedule.attempts) == (due, 1)
        assert schedule.next_attempt_at > timezone.now()
        assert "was not made: Its file could not be written" in health().text
    assert make_due() == 0  # it waits
    Schedule.objects.update(held_until=timezone.now())
    assert make_due() == 1
    assert "2026-03-09-to-2026-03-09" in ScheduledExport.objects.get().file_name
    schedule.refresh_from_db()
    assert schedule.next_at > timezone.now()
    assert health().text == "1 are running."


def test_after_the_last_attempt_it_is_made_at_its_next_time(
    auditor: User, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = make_schedule(auditor)
    monkeypatch.setattr(files, "write", fail_to_write)
    for _ in range(MOST_ATTEMPTS):
        assert make_due() == 0
        Schedule.objects.filter(attempts__gt=0).update(held_until=timezone.now())
    schedule.refresh_from_db()
    assert (schedule.attempts, schedule.held_until) == (0, None)
    assert schedule.next_at > timezone.now()


def test_run_now_does_not_wait_for_the_next_attempt(
    as_user: AsUser, auditor: User, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = make_schedule(auditor)
    with monkeypatch.context() as patched:
        patched.setattr(files, "write", fail_to_write)
        assert make_due() == 0
    as_user(auditor).post(f"{schedule.get_absolute_url()}run/")
    assert make_due() == 1


def test_a_file_of_an_earlier_version_is_refused_with_the_true_reason(as_user: AsUser, auditor: User) -> None:
    export = make_scheduled_export(auditor, made_as="")
    answer = as_user(auditor).get(export.get_absolute_url())
    assert answer.status_code == 403
    assert "made by an earlier version of the console. Choose Run now" in answer.content.decode()


def test_a_file_that_cannot_be_removed_keeps_no_other_from_being_removed(auditor: User, directory: Path) -> None:
    over = timezone.now() - dt.timedelta(seconds=1)
    stuck, other = (make_scheduled_export(auditor, expires_at=over) for _ in range(2))
    (directory / stuck.stored_as).unlink()
    (directory / stuck.stored_as).mkdir()
    clean()
    stuck.refresh_from_db()
    other.refresh_from_db()
    assert (stuck.removed_at, other.removed_at is not None) == (None, True)


@pytest.mark.parametrize(("before", "after"), [("administrator", "auditor"), ("auditor", "administrator")])
def test_a_file_that_was_made_for_another_role_is_not_handed_out(
    as_user: AsUser, auditor: User, directory: Path, before: str, after: str
) -> None:
    person = builders.make_user("changing")
    groups = {"administrator": Group.objects.get(name=ADMINISTRATORS), "auditor": Group.objects.get(name=AUDITORS)}
    person.groups.set([groups[before]])
    schedule = make_schedule(person)
    assert make_due() == 1
    first = ScheduledExport.objects.get()
    person.groups.set([groups[after]])
    send_waiting()
    assert not mail.outbox
    browser = as_user(User.objects.get(pk=person.pk))
    assert browser.get(first.get_absolute_url()).status_code == 403
    assert not LogEntry.objects.filter(verb=Verb.SCHEDULE_FETCHED).exists()
    browser.post(f"{schedule.get_absolute_url()}run/")
    assert make_due() == 1
    assert browser.get(ScheduledExport.objects.latest("pk").get_absolute_url()).status_code == 200


@pytest.mark.parametrize(
    ("every", "due", "days"),
    [
        ("day", "2026-03-10T23:30:00", ("2026-03-10", "2026-03-10")),  # 00:30 of the 11th on the wall in Zurich
        ("week", "2026-03-11T06:30:00", ("2026-03-02", "2026-03-08")),
        ("month", "2026-03-11T06:30:00", ("2026-02-01", "2026-02-28")),
    ],
)
def test_a_report_is_made_of_the_days_before_it_was_due(
    as_user: AsUser, auditor: User, every: str, due: str, days: tuple[str, str]
) -> None:
    make_report_schedule(auditor, "approvals", every=every, next_at=utc(due), is_archive=False)
    assert make_due() == 1
    export = ScheduledExport.objects.get()
    assert f"report-approvals-{days[0]}-to-{days[1]}" in export.file_name
    assert b"Decided" in pages.streamed(as_user(auditor).get(export.get_absolute_url()))


@pytest.mark.parametrize("slug", REPORTS)
def test_every_report_can_be_scheduled(as_user: AsUser, auditor: User, slug: str) -> None:
    browser = as_user(auditor)
    page = pages.elements(browser.get(f"/reports/{slug}/"))
    link = page.find(".//a[@id='schedule']")
    assert link is not None
    form = pages.elements(browser.get(link.attrib["href"]))
    answer = browser.post("/schedules/add/", pages.fields(form) | {"every": "week", "format": "xlsx"})
    schedule = Schedule.objects.get()
    assert answer["Location"] == schedule.get_absolute_url()
    assert (schedule.report, schedule.view_name, schedule.view) == (slug, REPORTS[slug].title, None)
    Schedule.objects.update(next_at=timezone.now())
    assert make_due() == 1
    assert ("of the week before" in browser.get(schedule.get_absolute_url()).content.decode()) == REPORTS[
        slug
    ].has_period
    form = pages.elements(browser.get(f"{schedule.get_absolute_url()}change/"))
    assert pages.fields(form)["what"] == f"report-{slug}"


def test_a_report_that_the_console_no_longer_has_stops_its_schedule(auditor: User) -> None:
    schedule = make_report_schedule(auditor, "approvals")
    Schedule.objects.update(report="gone")
    assert make_due() == 0
    schedule.refresh_from_db()
    assert schedule.stopped_because == "There is no such report any more."


def test_a_full_disk_leaves_no_file(auditor: User, directory: Path, settings: Any) -> None:
    schedule = make_schedule(auditor)
    directory.write_text("no directory")
    assert make_due() == 0
    schedule.refresh_from_db()
    assert schedule.problem


@pytest.mark.django_db(transaction=True)
def test_two_workers_make_an_export_once(auditor: User) -> None:
    make_schedule(auditor)
    barrier, made = threading.Barrier(2), []

    def work() -> None:
        barrier.wait(20)
        try:
            made.append(make_due())
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert sorted(made) == [0, 1]
    assert ScheduledExport.objects.count() == 1


def test_a_schedule_is_added_changed_paused_run_and_deleted(as_user: AsUser, auditor: User, directory: Path) -> None:
    browser, view = as_user(auditor), make_view(auditor, name="Refused logins")
    browser.cookies["timezone"] = "Asia/Tokyo"
    asked = {
        "what": f"view-{view.pk}",
        "format": "xlsx",
        "every": "week",
        "weekday": "4",
        "month_day": "1",
        "at": "07:30",
    }
    answer = browser.post("/schedules/add/", asked | {"at": "25:99"})
    assert answer.status_code == 422
    assert "Refused logins" in answer.content.decode()
    answer = browser.post("/schedules/add/", asked)
    schedule = Schedule.objects.get()
    assert answer["Location"] == schedule.get_absolute_url()
    assert (schedule.owner, schedule.zone, schedule.is_archive) == (auditor, "Asia/Tokyo", False)
    assert schedule.next_at.astimezone(zoneinfo.ZoneInfo("Asia/Tokyo")).time() == dt.time(7, 30)
    page = browser.get(schedule.get_absolute_url()).content.decode()
    assert "Every week on Friday at 07:30 (Asia/Tokyo)" in page
    assert re.search(r"The export is made next at \d{4}-\d\d-\d\d 07:30 \(Asia/Tokyo\)", page)
    browser.post(f"{schedule.get_absolute_url()}change/", asked | {"every": "day"})
    browser.post(f"{schedule.get_absolute_url()}pause/", {"paused": "1"})
    browser.post(f"{schedule.get_absolute_url()}run/")
    assert make_due() == 0
    browser.post(f"{schedule.get_absolute_url()}pause/", {"paused": "0"})
    browser.post(f"{schedule.get_absolute_url()}run/")
    assert make_due() == 1
    assert "Refused logins" in browser.get("/schedules/").content.decode()
    browser.post(f"{schedule.get_absolute_url()}delete/")
    assert not Schedule.objects.exists()
    assert not list(directory.iterdir())
    about = LogEntry.objects.filter(target_type="sessions_app.schedule", actor=auditor)
    verbs = [Verb.RECORD_ADDED, *[Verb.RECORD_CHANGED] * 4, Verb.RECORD_DELETED]
    assert list(about.order_by("pk").values_list("verb", flat=True)) == verbs


def test_only_views_that_the_person_sees_can_be_scheduled(as_user: AsUser, auditor: User, admin: User) -> None:
    view = make_view(admin)
    asked = {
        "what": f"view-{view.pk}",
        "format": "csv",
        "every": "day",
        "weekday": "0",
        "month_day": "1",
        "at": "07:30",
    }
    assert as_user(auditor).post("/schedules/add/", asked).status_code == 422
    assert not Schedule.objects.exists()


def test_a_saved_view_leads_to_a_schedule_of_it_for_readers_only(as_user: AsUser, auditor: User, alice: User) -> None:
    view = make_view(auditor)
    link = f".//a[@href='/schedules/add/?view={view.pk}']"
    assert pages.elements(as_user(auditor).get("/views/")).find(link) is not None
    form = pages.elements(as_user(auditor).get(f"/schedules/add/?view={view.pk}"))
    chosen = form.find(".//select[@name='what']//option[@selected]")
    assert chosen is not None
    assert chosen.get("value") == f"view-{view.pk}"
    SavedView.objects.update(is_shared=True)
    page = pages.elements(as_user(alice).get("/views/"))
    assert page.find(f".//a[@href='/views/{view.pk}/']") is not None
    assert page.find(link) is None
    assert as_user(alice).get(f"/schedules/add/?view={view.pk}").status_code == 403


def test_administrators_see_all_schedules_and_others_their_own(as_user: AsUser, auditor: User, admin: User) -> None:
    mine, theirs = make_schedule(auditor), make_schedule(admin)
    assert as_user(auditor).get(theirs.get_absolute_url()).status_code == 404
    seen = as_user(admin).get("/schedules/").content.decode()
    assert mine.view_name in seen
    assert theirs.view_name in seen
    assert theirs.view_name not in as_user(auditor).get("/schedules/").content.decode()
