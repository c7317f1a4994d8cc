"""A day of an auditor: a saved view, a scheduled export and its proof, a week signed off, a report on paper.

The browser is a real Chromium; the file is verified by the single-file verifier in a process of its own, which knows
only the file and the public key. What rsyslog receives while the worker dies: tests/siem/test_receivers.py.
"""

from __future__ import annotations

import datetime as dt
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django import Settings

from activity import log, verify_sessionadmin
from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.reviews.models import LogReview
from sessions_app.schedules.flows.mail import send_waiting
from sessions_app.schedules.flows.make import make_due
from sessions_app.schedules.models import Schedule
from tests.support.entries import make_entry
from tests.support.reports import fill_reports
from tests.support.sealing import execute, findings, kept, key_file, seal

pytestmark = [pytest.mark.browser, pytest.mark.browser_smoke, pytest.mark.django_db(transaction=True)]
OpenAs = Callable[..., Page]


@pytest.fixture(autouse=True)
def addresses(live_server: Any, settings: Settings, tmp_path: Path) -> None:
    settings.SITE_URL = live_server.url
    settings.VAR_DIR = tmp_path
    settings.EXPORTS_DIR = tmp_path / "exports"


@pytest.fixture
def week(auditor: User, alice: User) -> list[LogEntry]:
    """Return the entries of the last days, and give the auditor a mail address."""
    auditor.email = "auditor@example.com"
    auditor.save()
    fill_reports(alice, auditor)
    long_ago = timezone.now() - dt.timedelta(days=3)
    with log.importing("the entries of a test"):  # else verify_log would say that they are dated back
        return [make_entry(f"failed login {n}", verb=Verb.LOGIN_FAILED, user=alice, at=long_ago) for n in range(5)]


def verified_offline(file: Path, keys: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Verify a file as a stranger does: by a copy of the one file, elsewhere, without the console."""
    verifier = Path(shutil.copy(verify_sessionadmin.__file__, folder))
    command = [sys.executable, "-I", str(verifier), str(file), "--key", str(keys)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def save_and_schedule(page: Page) -> None:
    """Keep the failed logins as a view of one's own, and have it exported each Monday."""
    page.locator("#views-menu summary").click()
    page.get_by_label("Save what is shown as").fill("Failed logins")
    page.get_by_role("button", name="Save view").click()
    expect(page.get_by_text("Saved the view “Failed logins”")).to_be_visible()
    page.goto("/schedules/add/")
    page.get_by_label("View").select_option("Failed logins")
    page.get_by_label("Format").select_option("jsonl")
    page.get_by_label(re.compile("ZIP|archive", re.IGNORECASE)).check()
    page.get_by_label("How often").select_option("week")
    page.locator("#id_at").fill("06:30")
    page.get_by_role("button", name="Add").click()
    page.get_by_role("button", name="Run now").click()
    expect(page.get_by_text("within a minute")).to_be_visible()


def fetched(page: Page, folder: Path) -> Path:
    """Fetch the file by the link in the mail."""
    [letter] = mail.outbox
    assert "failed login" not in letter.body  # the link alone, never the data
    found = re.search(r"https?://\S+/schedules/files/\S+", str(letter.body))
    assert found is not None, letter.body
    with page.expect_download() as download:
        page.evaluate("address => { window.location.href = address }", found.group())
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def with_a_changed_byte(archive: Path) -> Path:
    """Return a copy of the archive in whose exported file one byte is another one."""
    changed = archive.with_name("changed.zip")
    with zipfile.ZipFile(archive) as before, zipfile.ZipFile(changed, "w") as after:
        for name in before.namelist():
            data = before.read(name)
            after.writestr(
                name, data.replace(b"failed login 3", b"failed login 4") if name.endswith(".jsonl") else data
            )
    return changed


def sign_off_the_week(page: Page) -> None:
    page.goto("/reviews/add/")
    since, until = (f"{timezone.now() - dt.timedelta(days=days):%Y-%m-%dT00:00}" for days in (7, 0))
    page.get_by_label("From").fill(since)
    page.get_by_label("To", exact=True).fill(until)
    page.locator("form button[type=submit].primary").click()
    page.get_by_role("link", name="Sign off").click()
    page.get_by_role("button", name="Sign off").click()
    expect(page.locator("#facts")).to_contain_text("by auditor")


def print_the_approvals(page: Page, folder: Path) -> bytes:
    page.goto("/reports/approvals/")
    page.goto(str(page.locator("#paper").get_attribute("href")))
    expect(page.get_by_role("heading", level=1)).to_contain_text("pproved")
    return page.pdf(path=folder / "approvals.pdf", format="A4")


def test_an_auditors_day(open_as: OpenAs, auditor: User, week: list[LogEntry], tmp_path: Path) -> None:
    outside = kept(seal(), tmp_path)  # a checkpoint that left the machine
    keys = key_file(tmp_path)
    page = open_as(auditor, "/activity/?verb=login.failed&period=7d")
    save_and_schedule(page)
    seal()
    assert make_due() == 1, Schedule.objects.values()
    send_waiting()

    file = fetched(page, tmp_path)
    proof = verified_offline(file, keys, tmp_path)
    assert proof.returncode == 0, proof.stdout + proof.stderr
    broken = verified_offline(with_a_changed_byte(file), keys, tmp_path)
    assert broken.returncode == 1
    assert "Traceback" not in broken.stderr

    sign_off_the_week(page)
    review = LogReview.objects.get()
    assert review.signed_by == auditor
    assert (review.entries or 0) >= 5

    assert print_the_approvals(page, tmp_path).startswith(b"%PDF-")
    assert LogEntry.objects.filter(verb="report.viewed", actor=auditor).exists()

    seal()
    assert findings("--checkpoint", outside) == []
    execute("UPDATE activity_logentry SET message = 'failed login X' WHERE id = %s", [week[3].pk])
    [named] = findings("--checkpoint", outside)
    assert str(week[3].pk) in named
