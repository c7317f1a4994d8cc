"""The reference is complete: limits, exit codes and columns are those of the code; the index leads to all subjects."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import global_settings
from django.contrib.auth.models import User

from activity import downloads, text_index
from activity.listing import listing
from sessionadmin.settings import base
from sessions_app.catalogue import account_names
from sessions_app.catalogue.admin import MOST_TIERS
from sessions_app.configuration import durations
from sessions_app.gateway import listening, second_step, server, ssh_channel
from sessions_app.hosts.flows.ssh_keys import MOST_KEYS
from sessions_app.login_rules import hours, networks
from sessions_app.logins import farewell
from sessions_app.logins.geoip.download import CredentialsError, DownloadError, FileRefusedError, UpdateError
from sessions_app.logins.views import MOST_AT_ONCE
from sessions_app.privileged import request_memory
from sessions_app.privileged.action_views import MOST_SESSIONS
from sessions_app.privileged.flows.request import MOST_RESOURCES
from sessions_app.privileged.session_log import LOG_TABLE
from sessions_app.privileged.tables import sessions_table
from sessions_app.scim import authentication, schemas
from sessions_app.siem import webhook
from sessions_app.siem.models import Destination

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = (ROOT / "docs" / "reference.md").read_text()
INDEX = (ROOT / "docs" / "index.md").read_text()
# The beginning of a row, and what the code has in its place.
WITHOUT_SETTING = {
    "resources in one request": MOST_RESOURCES,
    "sessions that one click": MOST_SESSIONS,
    "logins that one click": MOST_AT_ONCE,
    "networks of one login rule": networks.MOST_NETWORKS,
    "spans of hours of one login rule": hours.MOST_SPANS,
    "replays that one person loads": downloads.REPLAYS,
    "words of one search": text_index.MOST_WORDS,
    "rows that a list counts": listing.COUNT_CAP,
    "bytes of one form": global_settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
    "fields of one form": global_settings.DATA_UPLOAD_MAX_NUMBER_FIELDS,
    "SSH keys of one account": MOST_KEYS,
    "wrong SCIM tokens of one address": authentication.MOST_WRONG,
    "resources in one answer of SCIM": schemas.MOST_RESULTS,
    "tiers of approval": MOST_TIERS,
    "days of a duration": durations.LONGEST.days,
    "requests that one browser keeps": request_memory.MOST_DRAFTS,
    "hours in which a browser reads why": int(farewell.TOLD_FOR.total_seconds() // 3600),
    "characters of a login account": account_names.LONGEST_ACCOUNT_NAME,
    "seconds in which an SSH client": int(listening.LOGIN_SECONDS),
    "seconds to give the second factor": int(second_step.SECONDS),
    "tries of a one-time password": server.MOST_PASSWORDS,
    "shells, commands and transfers": server.MOST_CHANNELS,
    "forwarded TCP connections": server.MOST_FORWARDED,
    "bytes of one command": ssh_channel.MOST_COMMAND,
    "bytes of one message to a SIEM": Destination._meta.get_field("largest").get_default(),
    "seconds that the answer to a webhook": int(webhook.SECONDS),
    "bytes of an answer to a webhook": webhook.MOST_BYTES,
}
# What somebody comes for, as the words of a link in the index, by its part.
SUBJECTS = {
    "Start": ["README", "Roles", "Words"],
    "Tutorials": ["first host to the first recording", "first approval"],
    "How-to": [
        *("with containers", "with systemd", "from a wheel", "checklist for production"),
        *("Add a host", "add a vault", "add a person"),
        *("reset a password", "no administrator can log in", "a person leaves", "Rotate each key"),
        *("Back up and restore", "try a backup", "Upgrade and roll back", "why something does not work"),
        *("Reach a session", "See a secret", "Decide on a request", "Read the activity log", "Replay"),
    ],
    "Reference": [
        *("Settings", "Commands and their exit codes", "system checks", "ports", "limits"),
        *("Statuses of a session", "verb of the activity log", "columns of the activity log", "of the sessions"),
    ],
    "Explanation": [
        "Architecture",
        "life of a session",
        "threat model of the gateway",
        "Security",
        "Speed",
        "Decisions",
    ],
}


def section(text: str, heading: str) -> str:
    return text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def rows(text: str) -> list[list[str]]:
    """Return the cells of the rows of the first table in `text`, without its head."""
    lines = re.search(r"^\|[-|: ]+\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    assert lines is not None
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[1].splitlines()]


def test_the_limits_are_those_of_the_code() -> None:
    message = {what: (int(most), name) for what, most, name in rows(section(REFERENCE, "Limits"))}
    without = {what: most for what, (most, name) in message.items() if not name}
    expected = {what: most for start, most in WITHOUT_SETTING.items() for what in without if what.startswith(start)}
    assert without == expected
    assert len(expected) == len(WITHOUT_SETTING)
    for most, name in message.values():
        assert not name or getattr(base, name.strip("`")) == most, name


def test_the_exit_codes_are_those_of_the_commands() -> None:
    message = {command.strip("`"): codes for command, _, codes in rows(section(REFERENCE, "Commands"))}
    others = {"geoip_update": {UpdateError, DownloadError, CredentialsError, FileRefusedError}}
    for path in ROOT.glob("*/management/commands/[a-z]*.py"):
        code = path.read_text()
        interrupted = {int(number) for number in re.findall(r"returncode=(\d+)", code)}
        expected = interrupted | {error.exit_code for error in others.get(path.stem, ())}
        assert "sys.exit" not in code, path.stem
        assert "returncode=error" not in code or path.stem in others
        if "CommandError" in code:
            expected |= {1}
        assert {int(number) for number in re.findall(r"(\d+):", message[path.stem])} | {1} == expected | {1}, path.stem


@pytest.mark.django_db
def test_the_columns_of_the_downloads_of_sessions_are_those_of_the_tables(admin: User) -> None:
    document = (ROOT / "docs" / "sessions.md").read_text()
    for heading, table in (
        ("CSV of the list", sessions_table(admin, with_history=True)),
        ("CSV of a session's log", LOG_TABLE),
    ):
        message = [name for name, _ in rows(section(document, heading))]
        assert message == [column.label for column in table.columns], heading


@pytest.mark.parametrize("part", SUBJECTS)
def test_the_index_leads_to_what_somebody_comes_for(part: str) -> None:
    links = re.findall(r"\[([^\]]+)\]\([^)]+\)", section(INDEX, part))
    assert [subject for subject in SUBJECTS[part] if not any(subject in link for link in links)] == []
