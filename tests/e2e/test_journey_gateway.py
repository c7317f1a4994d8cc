"""What people do through the gateway, against a real `make run`: in a browser while an administrator watches from a
second one, and with OpenSSH's clients. The issue's own words.

Every process is real: the console, the worker, the gateway, and the practice host with accounts on this machine.
"""

from __future__ import annotations

import csv
import io
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from scripts import vendor
from tests.support import programs, sshd
from tests.support.browser_steps import approve, confirm, enter, status
from tests.support.console_shell import shell
from tests.support.waiting import BROWSER_PATIENCE, seconds, wait_until

pytestmark = [
    pytest.mark.browser,
    pytest.mark.sshd,
    pytest.mark.skipif(not vendor.is_current(), reason="needs the terminal and the player: python -m scripts.vendor"),
]
# Policy that asks for an approval, and an account with the prefix of the tests that the practice host lets in.
PREPARE = """
from django.contrib.auth.models import User
from sessions_app.models import AccessPolicy, Activity, ApprovalTier
Activity.objects.filter(name="Practise sudo").update(login_account_template="satest-{session}-practice")
tier = ApprovalTier.objects.create(profile=AccessPolicy.objects.get(name="Practice host").profile, order=1)
tier.users.add(User.objects.get(username="approver"))
"""
HOST_KEY = "from sessions_app.models import GatewayHostKey; print(GatewayHostKey.objects.get().public_key)"


@dataclass
class Trial:
    """A running `make run`."""

    address: str
    ssh_port: int
    passwords: dict[str, str]
    environment: dict[str, str]
    running: programs.Running


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    directory = tmp_path_factory.mktemp("trial")
    var, (port, ssh_port, terminal_port) = directory / "var", (programs.free_port() for _ in range(3))
    environment = programs.clean_environment(
        VAR_DIR=str(var),
        PORT=str(port),
        GATEWAY_PORT=str(ssh_port),
        GATEWAY_TERMINAL_PORT=str(terminal_port),
        DJANGO_SETTINGS_MODULE="sessionadmin.settings.development",
    )
    command = [sys.executable, "-m", "scripts.run"]
    with sshd.alone(), programs.serving(command, environment, port, directory / "printed") as running:
        wait_until(lambda: "Practice host practice-host" in running.printed(), "the practice host is told")
        wait_until(lambda: f"Gateway on port {ssh_port}" in running.printed(), "the gateway listens")
        shell(PREPARE, environment)
        lines = (var / "sample_accounts.txt").read_text().splitlines()
        accounts = {words[1]: words[2] for words in map(str.split, lines) if len(words) == 3}
        yield Trial(f"http://127.0.0.1:{port}", ssh_port, accounts, environment, running)


def ask(page: Page) -> int:
    """Request a session on the practice host; its number."""
    page.goto("/sessions/request/")
    page.get_by_label("Practise sudo").check()
    page.get_by_role("button", name="Next").click()
    page.get_by_label("practice-host").check()
    page.get_by_role("button", name="Next").click()
    page.get_by_role("button", name="Review").click()
    page.get_by_role("button", name=re.compile("Request")).click()
    expect(page.locator("#messages")).to_contain_text("Practise sudo on practice-host")
    return int(page.url.rstrip("/").rpartition("/")[2])


def screen(page: Page) -> Locator:
    return page.locator(".xterm-rows")


def type_line(page: Page, line: str) -> None:
    page.keyboard.type(line)
    page.keyboard.press("Enter")


def log_of(page: Page, number: int) -> str:
    """Return the messages of the session's log from its download."""
    response = page.request.get(f"/sessions/{number}/log/?csv=1")
    return "\n".join(row["Message"] for row in csv.DictReader(io.StringIO(response.text())))


def test_a_terminal_is_watched_locked_ended_and_replayed(chromium_browser: Browser, trial: Trial) -> None:
    alice = enter(chromium_browser, trial.address, "alice", trial.passwords["alice"])
    admin = enter(chromium_browser, trial.address, "admin", trial.passwords["admin"])
    number = ask(alice)
    approve(enter(chromium_browser, trial.address, "approver", trial.passwords["approver"]), number)
    admin.goto("/sessions/")
    status(admin, number, "Available")

    # Connects in the browser and runs a command on the real host.
    alice.goto(f"/sessions/{number}/")
    alice.get_by_role("link", name="Connect", exact=True).click()
    notice = alice.locator("#terminal-status")
    expect(notice).to_have_text("Connected")
    type_line(alice, "clear; sudo -n whoami; echo needle-$((6*7)) of $(whoami)")
    expect(screen(alice)).to_contain_text(f"needle-42 of satest-{number}-practice")
    expect(screen(alice)).to_contain_text("root")

    # An administrator watches, and locks: typing shows nothing, not there either.
    admin.goto(f"/sessions/{number}/")
    admin.get_by_role("link", name="Watch", exact=True).click()
    seen = admin.locator("#player .ap-term-text")
    expect(seen).to_contain_text("needle-42", timeout=BROWSER_PATIENCE)
    admin.get_by_role("link", name="Lock", exact=True).click()
    admin.locator("#dialog").get_by_label("Title").fill("Hands off")
    admin.locator("#dialog").get_by_label("Message").fill("What is this?")
    confirm(admin)
    expect(notice).to_have_text("Locked by admin: Hands off. What is this?")
    expect(screen(alice)).to_contain_text("Hands off")
    type_line(alice, "echo typed-$((1+1))-while-locked")
    expect(seen).to_contain_text("Hands off")

    # Unlocks, from where it was locked: what was there is there again, what was typed was thrown away.
    admin.get_by_role("link", name="Unlock", exact=True).click()
    confirm(admin)
    expect(notice).to_have_text("Unlocked. Connected")
    type_line(alice, "echo typed-$((1+2))-afterwards")
    expect(screen(alice)).to_contain_text("typed-3-afterwards")
    expect(screen(alice)).to_contain_text("needle-42")
    expect(screen(alice)).not_to_contain_text("while-locked")
    expect(seen).to_contain_text("typed-3-afterwards", timeout=BROWSER_PATIENCE)
    expect(seen).not_to_contain_text("while-locked")

    # Terminates: the terminal is cut, and the live view leads to the replay.
    admin.get_by_role("link", name="Terminate", exact=True).click()
    confirm(admin)
    expect(notice).to_have_attribute("data-kind", "over")
    admin.get_by_role("link", name="Open the replay").click(timeout=2 * BROWSER_PATIENCE)

    # The replay plays, its search finds the command, and so does the search across recordings.
    admin.get_by_role("button", name="16 ×", exact=True).click()
    admin.evaluate("document.getElementById('player').player.play()")
    expect(seen).to_contain_text("needle-42", timeout=BROWSER_PATIENCE)
    admin.get_by_label("Words on the screen").fill("sudo -n whoami")
    admin.get_by_role("button", name="Search", exact=True).click()
    expect(admin.locator(".marks a").filter(has_text="sudo -n whoami").first).to_be_visible()
    admin.goto("/recordings/?q=typed-3-afterwards")
    admin.locator("tbody a").filter(has_text="typed-3-afterwards").first.click()
    admin.wait_for_url(re.compile(r"/recordings/\d+/\?t="))

    admin.goto("/sessions/?tab=historical")
    status(admin, number, "Canceled")
    said = log_of(admin, number)
    for words in ("through the gateway (Browser)", "admin locked the session: Hands off", "All rights are taken away"):
        assert words in said
    assert not [one for one in sshd.leftovers() if f"satest-{number}-" in one]


def test_ssh_scp_and_sftp_reach_the_host_and_leave_entries(
    chromium_browser: Browser, trial: Trial, tmp_path: Path
) -> None:
    alice = enter(chromium_browser, trial.address, "alice", trial.passwords["alice"])
    key, known = tmp_path / "id_alice", tmp_path / "known_hosts"
    alice.goto("/accounts/keys/add/")
    alice.get_by_label("Public key").fill(sshd.make_key(key))
    alice.get_by_role("button", name="Register key").click()
    number = ask(alice)
    approve(enter(chromium_browser, trial.address, "approver", trial.passwords["approver"]), number)
    admin = enter(chromium_browser, trial.address, "admin", trial.passwords["admin"])
    admin.goto("/sessions/")
    status(admin, number, "Available")

    known.write_text(f"[127.0.0.1]:{trial.ssh_port} {' '.join(shell(HOST_KEY, trial.environment))}\n")
    words = [f"Port={trial.ssh_port}", f"IdentityFile={key}", f"UserKnownHostsFile={known}", "BatchMode=yes"]
    options = ["-F", "none", *[f"-o{one}" for one in [*words, "IdentitiesOnly=yes", "StrictHostKeyChecking=yes"]]]
    there = "alice=practice-host@127.0.0.1"

    def run(program: str, *arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        line = [program, *options, *arguments]
        return subprocess.run(line, input=given, capture_output=True, timeout=seconds(60), check=False)

    done = run("ssh", there, "cat; sudo -n id -u; whoami >&2; exit 7", given=b"piped ")
    account = f"satest-{number}-practice"
    assert (done.stdout, done.stderr.split()[-1:], done.returncode) == (b"piped 0\n", [account.encode()], 7), done

    sent, fetched = tmp_path / "report.txt", tmp_path / "fetched.txt"
    sent.write_bytes(b"0123456789" * 30_000)
    for protocol in ("-s", "-O"):  # SFTP, and scp's own of old
        assert run("scp", protocol, str(sent), f"{there}:report.txt").returncode == 0
        assert run("scp", protocol, f"{there}:report.txt", str(fetched)).returncode == 0
        assert fetched.read_bytes() == sent.read_bytes()
        fetched.unlink()
    batch = f"put {sent} second.txt\nrename second.txt third.txt\nget third.txt {fetched}\nrm third.txt\n"
    assert run("sftp", "-b", "-", there, given=batch.encode()).returncode == 0
    assert fetched.read_bytes() == sent.read_bytes()

    # Each file has its entry, a moment after its connection ended. sftp names the whole path.
    home = f"/home/{account}"
    expected = (
        "sent report.txt (300000 bytes)",
        "fetched report.txt (300000 bytes)",
        "sent report.txt as report.txt (300000 bytes)",
        "fetched report.txt from report.txt (300000 bytes)",
        f"sent {home}/second.txt (300000 bytes)",
        f"renamed {home}/second.txt to {home}/third.txt",
        f"fetched {home}/third.txt (300000 bytes)",
        f"removed {home}/third.txt",
    )
    wait_until(lambda: f"alice {expected[-1]}" in log_of(admin, number), "the files are in the log")
    said = log_of(admin, number)
    assert [words for words in expected if f"alice {words}" not in said] == [], said
