"""The practice connector keeps its grants in files that can be seen, and follows the rules of every connector."""

from __future__ import annotations

import datetime as dt
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from activity.models import Level
from sessions_app.catalogue.connectors import (
    ConnectorError,
    Grant,
    PermanentError,
    TemporaryError,
    UnknownConnector,
    connector_for,
)
from sessions_app.hosts.checks import check_connectors
from sessions_app.hosts.connectors import practice
from tests.support import builders

CONNECTOR = practice.PracticeConnector()


def grant_of(session_id: int = 7, **values: Any) -> Grant:
    defaults: dict[str, Any] = {
        "session_id": session_id,
        "resource_name": "web-1",
        "address": "web-1.example.com",
        "port": 22,
        "login_account": "alice-adm",
        "user_name": "alice",
        "grant_actions": ("sudo rule ALL", "group wheel"),
        "remove_actions": ("group wheel", "sudo rule ALL"),
        "ends_at": dt.datetime(2030, 1, 1, tzinfo=dt.UTC),
    }
    return Grant(**(defaults | values))


class Said(list[str]):
    def __call__(self, text: str, level: Level) -> None:
        self.append(text)


def command(*arguments: str) -> str:
    out = io.StringIO()
    call_command("practice_host", *arguments, stdout=out)
    return out.getvalue()


def test_a_grant_is_a_file_with_every_right(settings: Any) -> None:
    said = Said()
    CONNECTOR.grant(grant_of(), said)
    path = Path(settings.PRACTICE_DIR) / "web-1" / "alice-adm--7.json"
    state = json.loads(path.read_text())
    assert state["rights"] == ["sudo rule ALL", "group wheel"]
    assert (state["session"], state["user"], state["logged_on"], state["locked"]) == (7, "alice", False, None)
    assert said[0] == "Gave alice-adm: sudo rule ALL"


def test_granting_twice_gives_once_and_keeps_who_is_logged_on() -> None:
    CONNECTOR.grant(grant_of(), Said())
    practice.log_on(7)
    CONNECTOR.grant(grant_of(), Said())
    [(_, state)] = practice.grants()
    assert state["rights"] == ["sudo rule ALL", "group wheel"]
    assert state["logged_on"]


def test_a_grant_that_broke_off_in_the_middle_is_completed_or_taken_away() -> None:
    class Break(Exception):
        pass

    def breaking(text: str, level: Level) -> None:
        raise Break

    with pytest.raises(Break):
        CONNECTOR.grant(grant_of(), breaking)
    [(_, state)] = practice.grants()
    assert state["rights"] == ["sudo rule ALL"]
    CONNECTOR.grant(grant_of(), Said())
    [(_, state)] = practice.grants()
    assert state["rights"] == ["sudo rule ALL", "group wheel"]
    CONNECTOR.revoke(grant_of(), Said())
    assert practice.grants() == []


def test_revoke_takes_everything_in_order_and_nothing_there_is_success(settings: Any) -> None:
    CONNECTOR.grant(grant_of(), Said())
    CONNECTOR.grant(grant_of(8), Said())
    practice.log_on(7)
    said = Said()
    CONNECTOR.revoke(grant_of(), said)
    assert said == [
        "Cut the connections of alice-adm",
        "Took from alice-adm: group wheel",
        "Took from alice-adm: sudo rule ALL",
        "alice-adm can no longer log in to web-1",
    ]
    assert [state["session"] for _, state in practice.grants()] == [8]
    CONNECTOR.revoke(grant_of(), said)
    CONNECTOR.revoke(grant_of(), said)
    assert [state["session"] for _, state in practice.grants()] == [8]


def test_revoke_removes_a_file_that_nobody_can_read() -> None:
    CONNECTOR.grant(grant_of(), Said())
    path = practice.find_grant(7)
    assert path is not None
    path.write_text("{broken")
    with pytest.raises(PermanentError):
        CONNECTOR.presence(grant_of())
    CONNECTOR.revoke(grant_of(), Said())
    assert practice.find_grant(7) is None


def test_lock_keeps_people_out_and_shows_title_and_message() -> None:
    CONNECTOR.grant(grant_of(), Said())
    for _ in range(2):
        CONNECTOR.lock(grant_of(), "Wait", "Call us", Said())
    with pytest.raises(PermanentError, match="Locked: Wait Call us"):
        practice.log_on(7)
    for _ in range(2):
        CONNECTOR.unlock(grant_of(), Said())
    practice.log_on(7)
    assert CONNECTOR.presence(grant_of()).is_logged_on


def test_disconnect_cuts_and_leaves_the_rights() -> None:
    CONNECTOR.grant(grant_of(), Said())
    practice.log_on(7)
    CONNECTOR.disconnect(grant_of(), Said())
    assert not CONNECTOR.presence(grant_of()).is_logged_on
    assert practice.find_grant(7) is not None
    CONNECTOR.disconnect(grant_of(99), Said())


def test_a_notice_reaches_who_is_there() -> None:
    CONNECTOR.grant(grant_of(), Said())
    CONNECTOR.notify(grant_of(), "nobody hears this", Said())
    practice.log_on(7)
    CONNECTOR.notify(grant_of(), "Ends soon", Said())
    [(_, state)] = practice.grants()
    assert state["notices"] == ["Ends soon"]


@pytest.mark.parametrize(
    ("state", "error"), [(practice.UNREACHABLE, TemporaryError), (practice.BROKEN, PermanentError)]
)
def test_every_call_fails_as_the_host_says(state: str, error: type[ConnectorError]) -> None:
    CONNECTOR.grant(grant_of(), Said())
    practice.set_state("web-1", state)
    grant, said = grant_of(), Said()
    calls: list[Callable[[], object]] = [
        lambda: CONNECTOR.grant(grant, said),
        lambda: CONNECTOR.revoke(grant, said),
        lambda: CONNECTOR.lock(grant, "", "", said),
        lambda: CONNECTOR.unlock(grant, said),
        lambda: CONNECTOR.disconnect(grant, said),
        lambda: CONNECTOR.presence(grant).is_logged_on,
        lambda: CONNECTOR.notify(grant, "", said),
    ]
    for call in calls:
        with pytest.raises(error):
            call()
    assert said == []
    practice.set_state("web-1", "")
    CONNECTOR.revoke(grant, said)


def test_a_disk_that_takes_nothing_is_a_failure_for_now(settings: Any, tmp_path: Path) -> None:
    in_the_way = tmp_path / "a-file"
    in_the_way.touch()
    settings.PRACTICE_DIR = in_the_way
    with pytest.raises(TemporaryError):
        CONNECTOR.grant(grant_of(), Said())


HOSTILE = [
    "..",
    ".",
    "../../etc",
    "/etc/passwd",
    "a/b",
    "a\\b",
    ".hidden",
    "x" * 120,
    "ü" * 120,
    "a\x00b",
    " a ",
    "%2E",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_resource_name_leads_out_of_the_directory(settings: Any, name: str) -> None:
    CONNECTOR.grant(grant_of(resource_name=name, login_account="../../x"), Said())
    [(path, _)] = practice.grants()
    assert path.resolve().parent.parent == Path(settings.PRACTICE_DIR).resolve()
    CONNECTOR.revoke(grant_of(resource_name=name, login_account="../../x"), Said())
    assert practice.grants() == []


def test_different_names_have_different_directories() -> None:
    names = [*HOSTILE, "x" * 119 + "y", "%2E%2E", "a%2Fb", "a"]
    assert len({practice.directory(name) for name in names}) == len(names)


def test_the_command_plays_user_and_host() -> None:
    CONNECTOR.grant(grant_of(), Said())
    assert command("login", "7") == "alice-adm is logged in to web-1.\n"
    listed = command("list")
    assert "session 7: alice-adm on web-1" in listed
    assert "logged_on" in listed
    assert listed.endswith("1 grant.\n")
    command("logoff", "7")
    assert not CONNECTOR.presence(grant_of()).is_logged_on
    command("down", "web-1")
    with pytest.raises(TemporaryError):
        CONNECTOR.presence(grant_of())
    command("down", "web-1", "--broken")
    with pytest.raises(PermanentError):
        CONNECTOR.presence(grant_of())
    command("up", "web-1")
    assert not CONNECTOR.presence(grant_of()).is_logged_on
    with pytest.raises(CommandError, match="session 99 has no rights"):
        command("login", "99")


def test_an_unknown_connector_is_refused_and_found_by_a_check(db: None) -> None:
    with pytest.raises(UnknownConnector, match="telepathy"):
        connector_for("telepathy")
    builders.make_resource("good")
    assert check_connectors(databases=["default"]) == []
    builders.make_resource("odd", connector="telepathy")
    [problem] = check_connectors(databases=["default"])
    assert problem.id == "sessions_app.W010"
    assert "odd" in problem.msg
    assert check_connectors(databases=None) == []
