"""Recordings in the console: the list, the search across them, the replay's page, the files, the live view; and who
looked at what is logged."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from activity import log
from activity.models import Level, LogEntry
from activity.verbs import Verb
from sessions_app.gateway.recordings import assemble
from sessions_app.gateway.recordings.replay_marks import command_of, replay_marks
from sessions_app.gateway.recordings.storage import storage
from sessions_app.privileged.flows.lock import lock
from sessions_app.privileged.models import Status
from tests.support import builders
from tests.support.pages import attribute, elements, streamed, table, text, texts
from tests.support.recordings import add, end, make_cast, make_recording, make_running, pieces_address

pytestmark = pytest.mark.django_db
AsUser = Callable[[User], Client]


def marks_of(response: object) -> list[str]:
    return texts(elements(response), ".//section[h2='Commands and events']//li")


def looked(verb: Verb) -> list[LogEntry]:
    return list(LogEntry.objects.filter(verb=verb).order_by("pk"))


# the list, and the search


def test_people_see_the_recordings_of_their_own_sessions(
    alice: User, outsider: User, auditor: User, as_user: AsUser
) -> None:
    hers = make_recording(builders.make_session(alice))
    for user, expected in ((alice, [f"row-{hers.pk}"]), (outsider, []), (auditor, [f"row-{hers.pk}"])):
        rows = table(elements(as_user(user).get("/recordings/")))
        assert [row["id"] for row in rows] == expected


def test_the_list_says_what_there_is_of_each(admin: User, as_user: AsUser) -> None:
    complete, running = make_recording(title="top"), make_running()
    rows = {row["id"]: row for row in table(elements(as_user(admin).get("/recordings/")))}
    assert rows[f"row-{complete.pk}"]["State"] == "Complete"
    assert rows[f"row-{complete.pk}"]["Command"] == "top"
    assert rows[f"row-{complete.pk}"]["Recording"] == "Replay"
    assert rows[f"row-{running.pk}"]["Recording"] == "Watch live"


@pytest.mark.parametrize(
    "words", ["whoami", "WHOAMI", "hoam", "who", "al", "$ whoami", "100%", 'say "hi"', "a_b", "grüß"]
)
def test_the_search_finds_any_part_of_what_was_on_the_screen(admin: User, as_user: AsUser, words: str) -> None:
    shown = '$ whoami\r\nalice 100%\r\nsay "hi" a_b\r\ngrüße\r\n'
    recording = make_recording(None, (1.0, shown))
    make_recording(None, (1.0, "something else\r\n"))
    page = elements(as_user(admin).get("/recordings/", {"q": words}))
    rows = table(page)
    assert rows
    assert {row["Session"] for row in rows} == {recording.session.activity_name}
    links = page.findall(".//tbody//td/a")
    assert f"/sessions/{recording.session_id}/" in {link.get("href") for link in links}


@pytest.mark.parametrize("words", ['"', "'", "NEAR(", "a OR b", "who*", "-x", "%", "_", "\\", "x" * 300, "ab cd " * 50])
def test_no_search_breaks_the_page(admin: User, as_user: AsUser, words: str) -> None:
    make_recording()
    assert as_user(admin).get("/recordings/", {"q": words}).status_code == 200


def test_a_hit_leads_to_its_moment_in_the_replay(admin: User, as_user: AsUser) -> None:
    recording = make_recording(None, (1.0, "first\r\n"), (75.0, "needle in a stack\r\n"))
    page = elements(as_user(admin).get("/recordings/", {"q": "needle"}))
    (row,) = table(page)
    assert row["At"] == "1:15"
    address = next(a.get("href", "") for a in page.findall(".//tbody//a") if text(a) == "needle in a stack")
    assert urlsplit(address).path == f"/recordings/{recording.pk}/"
    assert parse_qs(urlsplit(address).query) == {"t": ["74.0"], "find": ["needle"]}
    player = elements(as_user(admin).get(address)).find(".//div[@id='player']")
    if player is not None:  # npm brought it
        assert player.get("data-start") == "74.0"


def test_nobody_finds_lines_of_others(alice: User, outsider: User, as_user: AsUser) -> None:
    make_recording(builders.make_session(alice))
    assert table(elements(as_user(outsider).get("/recordings/", {"q": "whoami"}))) == []
    assert len(table(elements(as_user(alice).get("/recordings/", {"q": "whoami"})))) == 1


def test_what_was_typed_is_never_found(admin: User, as_user: AsUser) -> None:
    make_recording(None, (1.0, "Password:\r\n"), typed="hunter2")
    assert table(elements(as_user(admin).get("/recordings/", {"q": "hunter2"}))) == []


def test_lists_cost_the_same_with_two_rows_and_with_twenty(admin: User, as_user: AsUser) -> None:
    client = as_user(admin)
    counts = []
    for number in (2, 18):
        for _ in range(number):
            make_recording(builders.make_session(builders.make_user(f"user-{number}-{_}")))
        for address in ("/recordings/", "/recordings/?q=whoami"):
            client.get(address)
            with CaptureQueriesContext(connection) as captured:
                client.get(address)
            counts.append(len(captured))
    assert counts[:2] == counts[2:]


# the replay


def test_the_page_has_commands_and_events_each_at_its_second(alice: User, as_user: AsUser) -> None:
    session = builders.make_session(alice)
    recording = make_recording(
        session, (1.0, "alice@web-1:~$ "), (3.0, "sudo id\r\nuid=0(root)\r\n"), (65.0, "root@web-1:/# reboot\r\n")
    )
    found = marks_of(as_user(alice).get(f"/recordings/{recording.pk}/"))
    assert found == ["0:03 sudo id", "1:05 reboot"]


def test_the_details_of_each_step_are_no_events(alice: User) -> None:
    recording = make_recording(builders.make_session(alice), (1.0, "$ whoami\r\n"))
    common: dict[str, Any] = {"target": recording.session, "at": recording.started_at}
    entries = [
        log.draft(Verb.SESSION_LOCKED, "Locked", level=Level.WARNING, **common),
        log.draft(Verb.CONNECTOR_STEP, "exit code 0", level=Level.DEBUG, **common),
    ]
    found = [(one.kind, one.text) for one in replay_marks(recording, entries)]
    assert found == [("warning", "Locked"), ("command", "whoami")]


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("alice@web-1:~$ ls -l", "ls -l"),
        ("[root@db-2 /etc]# cat shadow", "cat shadow"),
        ("(venv) bob@x:~/a$ make", "make"),
        ("$ whoami", "whoami"),
        ("# reboot", "reboot"),
        ("alice@web-1 ~ % ls", "ls"),
        ("total 0", ""),
        ("alice@web-1:~$", ""),
        ("mail from alice@example.com", ""),
    ],
)
def test_commands_are_told_by_the_prompt_before_them(line: str, command: str) -> None:
    assert command_of(line) == command


def test_the_search_within_lists_each_hit_with_its_time(alice: User, as_user: AsUser) -> None:
    recording = make_recording(builders.make_session(alice), (1.0, "one\r\n"), (9.0, "two needle\r\n"))
    page = elements(as_user(alice).get(f"/recordings/{recording.pk}/?find=needle"))
    hits = page.findall(".//section[h2='Search in this recording']//li/a")
    assert [text(hit) for hit in hits] == ["0:09 two needle"]
    assert hits[0].get("data-seek") == "9.000"


def test_the_page_says_what_is_missing(admin: User, as_user: AsUser) -> None:
    recording = make_running()
    cast = make_cast(limit=100)
    cast.output(b"x" * 500)
    add(recording, cast)
    end(recording)
    recording.written_at = None
    recording.save(update_fields=["written_at"])
    assemble.close(recording.pk)
    said = " ".join(texts(elements(as_user(admin).get(f"/recordings/{recording.pk}/")), ".//p"))
    assert "last moments may be missing" in said
    assert "largest size" in said


def test_hostile_text_is_text_on_the_page(admin: User, as_user: AsUser) -> None:
    hostile = '</div><script>alert(1)</script>" onload=alert(1) x='
    recording = make_recording(None, (1.0, f"a@b:~$ {hostile}\r\n"), title=hostile)
    page = elements(as_user(admin).get(f"/recordings/{recording.pk}/", {"find": "script"}))
    assert [one for one in page.findall(".//script") if "src" not in one.attrib] == []
    assert hostile in text(page)


@pytest.mark.parametrize("start", ["nan", "inf", "-1", "1e300", "x", "1;2"])
def test_a_start_that_is_none_is_the_beginning(admin: User, as_user: AsUser, start: str) -> None:
    recording = make_recording()
    response = as_user(admin).get(f"/recordings/{recording.pk}/", {"t": start})
    player = elements(response).find(".//div[@id='player']")
    assert response.status_code == 200
    if player is not None:
        assert player.get("data-start") == "0.0"


def test_only_the_pages_with_the_player_allow_webassembly_and_nothing_else(admin: User, as_user: AsUser) -> None:
    client, recording, running = as_user(admin), make_recording(), make_running()
    for address in (f"/recordings/{recording.pk}/", f"/recordings/{running.pk}/live/"):
        policy = client.get(address)["Content-Security-Policy"]
        assert "'wasm-unsafe-eval'" in policy
        assert "'unsafe-inline'" not in policy
        assert "'unsafe-eval'" not in policy.replace("'wasm-unsafe-eval'", "")
    assert "wasm" not in client.get("/recordings/")["Content-Security-Policy"]


def test_without_the_player_the_page_says_so_and_the_download_stays(
    admin: User, as_user: AsUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sessions_app.gateway.recordings.views._has_player", lambda: False)
    recording = make_recording()
    page = elements(as_user(admin).get(f"/recordings/{recording.pk}/"))
    assert page.find(".//div[@id='player']") is None
    assert "scripts.vendor" in text(page)
    assert "Download" in texts(page, ".//a")


# files


def test_opening_and_downloading_are_logged_and_the_players_own_request_is_not(alice: User, as_user: AsUser) -> None:
    recording = make_recording(builders.make_session(alice))
    client = as_user(alice)
    page = elements(client.get(f"/recordings/{recording.pk}/"))
    (viewed,) = looked(Verb.RECORDING_VIEWED)
    assert viewed.target_id == recording.session_id
    assert viewed.actor_name == "alice"
    player = page.find(".//div[@id='player']")
    if player is not None:
        whole = streamed(client.get(attribute(player, "data-cast")))
        assert json.loads(whole.splitlines()[0])["version"] == 2
        assert looked(Verb.RECORDING_DOWNLOADED) == []
    response = client.get(f"/recordings/{recording.pk}/cast/")
    assert response["Content-Disposition"] == f'attachment; filename="recording-{recording.pk}.cast"'
    assert len(looked(Verb.RECORDING_DOWNLOADED)) == 1


def test_the_token_of_one_recording_or_person_is_no_token_for_another(
    alice: User, admin: User, as_user: AsUser
) -> None:
    first, second = make_recording(builders.make_session(alice)), make_recording(builders.make_session(alice))
    from sessions_app.gateway.recordings.views import _token  # noqa: PLC0415

    token = _token(alice, first)
    for user, recording in ((alice, second), (admin, first)):
        as_user(user).get(f"/recordings/{recording.pk}/cast/", {"view": token})
    as_user(alice).get(f"/recordings/{first.pk}/cast/", {"view": token + "x"})
    assert len(looked(Verb.RECORDING_DOWNLOADED)) == 3


def test_what_was_typed_is_for_administrators_and_logged_as_a_warning(
    alice: User, admin: User, as_user: AsUser
) -> None:
    recording = make_recording(builders.make_session(alice), typed="hunter2\r")
    assert as_user(alice).get(f"/recordings/{recording.pk}/typed/").status_code == 403
    response = as_user(admin).get(f"/recordings/{recording.pk}/typed/")
    lines = streamed(response).splitlines()
    assert json.loads(lines[0])[1:] == ["i", "hunter2\r"]
    (entry,) = looked(Verb.RECORDING_DOWNLOADED)
    assert entry.level == Level.WARNING
    assert "hunter2" not in entry.message


def test_a_file_that_is_gone_is_not_found(admin: User, as_user: AsUser) -> None:
    recording = make_recording(typed="x")
    for name, path in ((recording.path, "cast"), (recording.input_path, "typed")):
        storage().delete(name)
        assert as_user(admin).get(f"/recordings/{recording.pk}/{path}/").status_code == 404


def test_a_storage_that_is_away_is_said_and_no_download_is_logged(
    admin: User, as_user: AsUser, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    recording = make_recording(typed="x")

    def away(self: object, name: str, mode: str = "rb") -> None:
        raise LookupError("could not connect to the endpoint")  # storages of others raise what they like

    monkeypatch.setattr(type(storage()), "open", away)
    for path in ("cast", "typed"):
        response = as_user(admin).get(f"/recordings/{recording.pk}/{path}/")
        assert response.status_code == 503
        assert "cannot be read at the moment" in text(elements(response))
    assert looked(Verb.RECORDING_DOWNLOADED) == []
    assert caplog.text.count("could not connect to the endpoint") >= 2
    with pytest.raises(CommandError, match="2 of 2 files"):
        call_command("verify_recordings")


def test_the_log_of_the_session_does_not_tell_who_watched(admin: User, as_user: AsUser) -> None:
    recording = make_recording()
    as_user(admin).get(f"/recordings/{recording.pk}/")
    assert "replay" not in text(elements(as_user(admin).get(f"/sessions/{recording.session_id}/log/")))


# live


def test_the_live_view_gives_each_piece_once_and_says_when_it_is_over(admin: User, as_user: AsUser) -> None:
    recording, cast, client = make_running(), make_cast(), as_user(admin)
    address = pieces_address(client, recording.pk)
    assert len(looked(Verb.RECORDING_WATCHED)) == 1
    cast.output(b"one")
    add(recording, cast)
    first = client.get(f"{address}&after=-1").json()
    assert "one" in first["lines"]
    assert not first["is_over"]
    cast.output(b"two")
    add(recording, cast)
    second = client.get(f"{address}&after={first['after']}").json()
    assert "two" in second["lines"]
    assert "one" not in second["lines"]
    end(recording)
    last = client.get(f"{address}&after={second['after']}").json()
    assert last == {"lines": "", "after": second["after"], "has_more": False, "is_over": True}
    assert len(looked(Verb.RECORDING_WATCHED)) == 1


def test_a_long_terminal_comes_in_parts_at_the_same_cost(
    admin: User, as_user: AsUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sessions_app.gateway.recordings.views.LIVE_PIECES", 5)
    recording, cast, client = make_running(), make_cast(), as_user(admin)
    address = pieces_address(client, recording.pk)
    for number in range(12):
        cast.output(f"<{number}>".encode())
        add(recording, cast)
    seen, after, costs = "", -1, set()
    for expected in (True, True, False):
        with CaptureQueriesContext(connection) as captured:
            answer = client.get(f"{address}&after={after}").json()
        costs.add(len(captured))
        assert answer["has_more"] is expected
        seen, after = seen + answer["lines"], answer["after"]
    assert [number for number in range(12) if f"<{number}>" in seen] == list(range(12))
    assert len(costs) == 1


def test_the_live_view_without_its_page_is_refused(admin: User, as_user: AsUser) -> None:
    recording = make_running()
    assert as_user(admin).get(f"/recordings/{recording.pk}/pieces/?after=-1").status_code == 403


@pytest.mark.parametrize("after", ["", "x", "-5", "9" * 30, "1.5"])
def test_a_place_that_is_none_is_the_beginning(admin: User, as_user: AsUser, after: str) -> None:
    recording, cast, client = make_running(), make_cast(), as_user(admin)
    cast.output(b"one")
    add(recording, cast)
    answer = client.get(f"{pieces_address(client, recording.pk)}&after={after}")
    assert "one" in answer.json()["lines"]


def test_administrators_have_lock_and_terminate_beside_it_and_auditors_do_not(
    admin: User, auditor: User, as_user: AsUser
) -> None:
    recording = make_running(builders.make_session(status=Status.LOGGED_IN))
    for user, expected in ((admin, ["Lock", "Terminate"]), (auditor, [])):
        page = elements(as_user(user).get(f"/recordings/{recording.pk}/live/"))
        assert texts(page, ".//div[@aria-label='Actions']/a") == expected


def test_the_buttons_beside_it_follow_the_session_and_lead_to_the_replay(admin: User, as_user: AsUser) -> None:
    session = builders.make_session(status=Status.LOGGED_IN)
    recording, client = make_running(session), as_user(admin)
    address, headers = f"/recordings/{recording.pk}/live/", {"HX-Request": "true"}
    client.get(address)
    etag = client.get(address, headers=headers)["ETag"]
    assert client.get(address, headers=headers | {"If-None-Match": etag}).status_code == 304
    lock(admin, session, title="Stop", message="")
    changed = elements(client.get(address, headers=headers | {"If-None-Match": etag}))
    assert texts(changed, ".//div[@aria-label='Actions']/a") == ["Unlock", "Terminate"]
    assert changed.find(".//div[@id='player']") is None  # the token of the pieces comes with the page, which is logged
    assert len(looked(Verb.RECORDING_WATCHED)) == 1
    end(recording)
    assert assemble.close(recording.pk)
    over = elements(client.get(address, headers=headers))
    assert [link.get("href") for link in over.findall(".//p[@class='message info']/a")] == [
        f"/recordings/{recording.pk}/"
    ]


def test_running_and_ended_recordings_lead_to_one_another(admin: User, as_user: AsUser) -> None:
    running, ended = make_running(), make_recording()
    client = as_user(admin)
    assert client.get(f"/recordings/{running.pk}/")["Location"] == f"/recordings/{running.pk}/live/"
    assert client.get(f"/recordings/{ended.pk}/live/")["Location"] == f"/recordings/{ended.pk}/"


# the session's page


def test_a_session_lists_its_recordings_for_those_who_may_see_them(
    alice: User, approver: User, as_user: AsUser
) -> None:
    profile = builders.make_profile("Asked", tiers=[[approver]])
    session = builders.make_session(alice, Status.WAITING, profile=profile)
    first, second = make_recording(session), make_recording(session, title="top")
    page = elements(as_user(alice).get(f"/sessions/{session.pk}/recordings/"))
    section = page.find(".//section[h2='Recordings']")
    assert section is not None
    assert [text(link).split(" of ")[0] for link in section.iter("a")] == ["Recording", "Recording"]
    assert [link.get("href") for link in section.iter("a")] == [f"/recordings/{row.pk}/" for row in (second, first)]
    assert [text(number) for number in section.iter("small")] == [f"#{second.pk}", f"#{first.pk}"]
    assert as_user(approver).get(f"/sessions/{session.pk}/recordings/").status_code == 403
