"""What a newcomer does on the first day, in a real Chromium against a real `make run`.

Every process is real: the server, the worker beside it, the practice connector's files, four browsers.
"""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.support import programs
from tests.support.browser_steps import approve, choose, confirm, enter, status
from tests.support.waiting import BROWSER_PATIENCE, milliseconds

pytestmark = [pytest.mark.browser]


@pytest.fixture
def console(tmp_path: Path) -> Iterator[tuple[str, dict[str, str], Path]]:
    """Run `make run` with sample data. Yield its address, the passwords of the sample accounts, and its var/."""
    var, port = tmp_path / "var", programs.free_port()
    environment = programs.clean_environment(VAR_DIR=str(var), PORT=str(port))
    with programs.serving([sys.executable, "-m", "scripts.run"], environment, port, tmp_path / "printed"):
        lines = (var / "sample_accounts.txt").read_text().splitlines()
        accounts = {words[1]: words[2] for words in map(str.split, lines) if len(words) == 3}
        yield f"http://127.0.0.1:{port}", accounts, var


def test_the_first_day(chromium_browser: Browser, console: tuple[str, dict[str, str], Path]) -> None:
    address, passwords, var = console

    # Logs in, sees their own browser with the right system and browser, logs another browser out.
    alice = enter(chromium_browser, address, "alice", passwords["alice"])
    other = enter(chromium_browser, address, "alice", passwords["alice"])
    alice.goto("/logins/")
    own = alice.locator("tbody tr").filter(has_text="this browser")
    expect(own).to_have_count(1)
    expect(own).to_contain_text("Linux")
    expect(own).to_contain_text(re.compile(r"Chrom(e|ium) \d+"))
    expect(own).to_contain_text("Private network")
    alice.locator("tbody tr").filter(has_not_text="this browser").filter(has_text="Private network").get_by_role(
        "checkbox"
    ).check()
    alice.locator("#selection").get_by_role("button", name="Logout", exact=True).click()
    confirm(alice)
    expect(other).to_have_url(
        re.compile("/accounts/login/"), timeout=milliseconds(10_000)
    )  # on its open page, untouched

    # Requests a session as a user.
    alice.goto("/sessions/request/")
    alice.get_by_label("Root shell").check()
    alice.get_by_role("button", name="Next").click()
    alice.get_by_label("web-2").check()
    alice.get_by_role("button", name="Next").click()
    alice.get_by_label("Notes").fill("The first day")
    alice.get_by_role("button", name="Review").click()
    alice.get_by_role("button", name=re.compile("Request")).click()
    expect(alice.locator("#messages")).to_contain_text("Root shell on web-2")
    number = int(alice.url.rstrip("/").rpartition("/")[2])

    # Approves it as an approver, who sees the count in the navigation.
    approver = enter(chromium_browser, address, "approver", passwords["approver"])
    expect(approver.locator("#approvals-count")).to_have_text(re.compile(r"\d+"))
    approver.goto("/approvals/")
    approve(approver, number)

    # The worker gives the rights; they are really there.
    admin = enter(chromium_browser, address, "admin", passwords["admin"])
    admin.goto("/sessions/")
    status(admin, number, "Available")
    grants = [path for path in (var / "practice").rglob("*.json") if path.stem.endswith(f"--{number}")]
    assert len(grants) == 1

    # Locks, unlocks and ends it as an administrator.
    choose(admin, number, "Lock")
    admin.locator("#dialog").get_by_label("Title").fill("Stop for a moment")
    admin.locator("#dialog").get_by_label("Message").fill("I have a question")
    confirm(admin)
    status(admin, number, "Locked")
    expect(admin.locator(f"#row-{number}")).to_contain_text("enforced", timeout=BROWSER_PATIENCE)
    choose(admin, number, "Unlock")
    confirm(admin)
    status(admin, number, "Available")
    choose(admin, number, "End Session")
    confirm(admin)
    expect(admin.locator(f"#row-{number}")).to_have_count(0, timeout=BROWSER_PATIENCE)
    admin.goto("/sessions/?tab=historical")
    status(admin, number, "Canceled")
    assert not grants[0].exists()

    # Reads its log in the new window.
    admin.locator(f"#row-{number} [name=ids]").check()
    with admin.context.expect_page() as opened:
        admin.locator("#selection").get_by_role("button", name="View log", exact=True).click()
    log = opened.value
    for words in ("Stop for a moment", "The lock is in force", "Took from", "All rights are taken away"):
        expect(log.locator("body")).to_contain_text(words)

    # Filters the activity log and opens the CSV.
    admin.goto("/activity/")
    admin.get_by_label("Time period").select_option("24h")
    admin.get_by_role("combobox", name="User", exact=True).fill("alice")
    admin.get_by_label("Activity keyword").fill("Stop for a moment")
    admin.get_by_role("button", name="Get details").click()
    entries = admin.locator("#results tbody tr")
    expect(entries.first).to_contain_text("Stop for a moment")
    expect(admin.locator("#count")).to_contain_text(f"{entries.count()} entr")
    shown = entries.count()
    with admin.expect_download() as download:
        admin.get_by_role("link", name="Download").click()
    with Path(download.value.path()).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == shown
    assert all("Stop for a moment" in row["Message"] for row in rows)
    assert {row["User"] for row in rows} == {"alice"}
