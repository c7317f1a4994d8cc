"""Each format escapes what people typed, so that a receiver reads the same columns from every message."""

from __future__ import annotations

import datetime as dt
import json
import re
from typing import Any

import pytest

from activity.models import Level
from activity.verbs import Verb
from sessions_app.siem import message as messages
from sessions_app.siem.formats import ocsf, syslog_line, webhook_body
from sessions_app.siem.message import Kind, Message
from sessions_app.siem.models import Format

AT = dt.datetime(2026, 11, 29, 22, 33, 44, 123456, dt.UTC)
HOSTILE = 'a|b=c\\d"e]f\ng\r\th\x00i\u2028j\u202ek\x85l \\n \\] [x y="z"] CEF:0| ünï 漢'
VISIBLE = 'a|b=c\\d"e]f\\u000ag\\u000d\\u0009h\\u0000i\\u2028j\\u202ek\\u0085l \\n \\] [x y="z"] CEF:0| ünï 漢'
HEADER = re.compile(r"<(\d+)>1 (\S+) (\S+) sessionadmin (\d+) (\S+) (.*)", re.DOTALL)
UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def make(**values: Any) -> Message:
    given = {
        "kind": Kind.ENTRY,
        "key": "entry-42",
        "at": AT,
        "verb": "session.locked",
        "title": "Session locked",
        "text": "text",
        "entry_id": 42,
        "ip": "192.0.2.7",
    }
    return Message(**{**given, **values})


def structured(line: bytes) -> tuple[dict[str, str], str]:
    """Read structured data as RFC 5424, 6.3 says, character by character. Return the parameters and the rest."""
    found = HEADER.fullmatch(line.decode())
    assert found is not None
    rest = found[6]
    assert rest.startswith("[sessionadmin@32473 ")
    values, place = {}, len("[sessionadmin@32473")
    while rest[place] == " ":
        name, _, _ = rest[place + 1 :].partition('="')
        place += len(name) + 3
        value = ""
        while rest[place] != '"':
            assert rest[place] != "]", "an unescaped bracket in a value"
            if rest[place] == "\\" and rest[place + 1] in '\\"]':
                place += 1
            value += rest[place]
            place += 1
        values[name] = value
        place += 1
    assert rest[place : place + 2] == "] "
    return values, rest[place + 2 :]


def test_structured_data_gives_back_what_was_written() -> None:
    line = syslog_line(make(text=HOSTILE, actor=HOSTILE, details={"x": HOSTILE}), Format.RFC5424, 8192)
    values, text = structured(line)
    assert values["actor"] == VISIBLE
    assert values["id"] == "42"
    assert json.loads(values["details"]) == {"x": HOSTILE}
    assert text == "\ufeff" + VISIBLE
    assert not UNSAFE.search(line.decode())


def test_the_header_says_level_time_and_verb() -> None:
    found = HEADER.fullmatch(syslog_line(make(level=Level.ERROR), Format.RFC5424, 8192).decode())
    assert found is not None
    assert (found[1], found[2], found[5]) == ("107", "2026-11-29T22:33:44.123456Z", "session.locked")
    assert int(found[1]) == 13 * 8 + 3


def body_of(line: bytes) -> str:
    found = HEADER.fullmatch(line.decode())
    assert found is not None
    assert found[6].startswith("- ")
    return found[6][2:]


def unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def test_cef_keeps_its_fields_apart() -> None:
    body = body_of(syslog_line(make(text=HOSTILE, target=HOSTILE, title="a|b\\c"), Format.CEF, 8192))
    parts = re.split(r"(?<!\\)\|", body, maxsplit=7)
    assert parts[0] == "CEF:0"
    assert parts[4] == "session.locked"
    assert unescaped(parts[5]) == "a|b\\c"
    assert parts[6] == "3"
    values = dict(re.findall(r"(?:^| )(\w+)=((?:[^=\\]|\\.)*)(?= \w+=|$)", parts[7]))
    assert unescaped(values["msg"]) == VISIBLE
    assert unescaped(values["cs1"]) == VISIBLE
    assert (values["externalId"], values["cn3"], values["src"]) == ("entry-42", "42", "192.0.2.7")
    assert not UNSAFE.search(body)


def test_cef_has_a_field_of_its_own_for_ipv6() -> None:
    body = body_of(syslog_line(make(ip="2001:db8::1"), Format.CEF, 8192))
    assert " c6a2=2001:db8::1 " in body
    assert " src=" not in body


def test_leef_keeps_its_attributes_apart() -> None:
    body = body_of(syslog_line(make(text=HOSTILE, actor=HOSTILE), Format.LEEF, 8192))
    parts = body.split("|", 6)
    assert parts[0] == "LEEF:2.0"
    assert parts[4:6] == ["session.locked", "x09"]
    values = dict(each.split("=", 1) for each in parts[6].split("\t"))
    assert values["msg"] == values["usrName"] == VISIBLE
    assert values["externalId"] == "entry-42"
    assert not UNSAFE.search(body.replace("\t", ""))


@pytest.mark.parametrize("kind", [Format.OCSF, Format.JSON])
def test_json_loses_nothing(kind: str) -> None:
    body = webhook_body(make(text=HOSTILE, details={"x": HOSTILE}), kind, 8192)
    assert body.isascii()
    assert not UNSAFE.search(body.decode())
    value = json.loads(body)
    text, details = (
        (value["message"], value["unmapped"]["details"])
        if kind == Format.OCSF
        else (value["data"]["text"], value["data"]["details"])
    )
    assert (text, details) == (HOSTILE, {"x": HOSTILE})


@pytest.mark.parametrize("kind", [Format.RFC5424, Format.CEF, Format.LEEF, Format.OCSF])
@pytest.mark.parametrize("largest", [2048, 8192])
def test_64_kilobytes_are_shortened_and_the_message_says_so(kind: str, largest: int) -> None:
    huge = make(text="漢" * 1000, actor="]" * 150, user="\\" * 150, target='"' * 200, details={"x": "=|" * 32_768})
    line = syslog_line(huge, kind, largest)
    assert len(line) <= largest
    assert b"shortened_from_bytes" in line
    assert b"entry-42" in line
    line.decode()


def test_a_message_that_fits_is_whole() -> None:
    assert b"shortened" not in syslog_line(make(details={"x": "y" * 1000}), Format.RFC5424, 8192)


# What OCSF 1.5.0 requires of the three classes, beside what every event has, and the activities that they know.
# Source: github.com/ocsf/ocsf-schema, tag 1.5.0: events/iam, events/application, base_event.json and objects.
REQUIRED = {
    "activity_id",
    "category_uid",
    "class_uid",
    "metadata",
    "severity_id",
    "time",
    "type_uid",
}
REQUIRED_OF = {3002: {"user"}, 3001: {"user"}, 6003: {"actor", "api", "src_endpoint"}}
ACTIVITIES = {3002: range(1, 8), 3001: range(1, 13), 6003: range(1, 5)}
CATEGORIES = {3002: 3, 3001: 3, 6003: 6}


@pytest.mark.parametrize("verb", [*Verb.values, "siem.test", "siem.heartbeat", "siem.checkpoint"])
@pytest.mark.parametrize("is_known", [True, False])
def test_every_verb_is_an_event_with_all_that_ocsf_requires(verb: str, is_known: bool) -> None:
    people = {"actor": "alice", "actor_id": 3, "user": "bob", "user_id": 4} if is_known else {"ip": ""}
    event = ocsf.event(make(verb=verb, **people))
    kind = event["class_uid"]
    assert event.keys() >= REQUIRED | REQUIRED_OF[kind]
    assert event["category_uid"] == CATEGORIES[kind]
    assert event["activity_id"] in (*ACTIVITIES[kind], 99)
    assert event["type_uid"] == kind * 100 + event["activity_id"]
    assert event["severity_id"] in range(7)
    assert event["status_id"] in (1, 2)
    assert isinstance(event["time"], int)
    assert event["metadata"]["version"] == "1.5.0"
    assert event["metadata"]["product"]["name"]
    if kind == 3002:
        assert event["service"]["name"]  # at least one of service and dst_endpoint
    if kind == 6003:
        assert event["api"]["operation"] == verb
        assert event["src_endpoint"].get("ip") or event["src_endpoint"]["hostname"]
    users = [event["actor"]["user"], *([event["user"]] if "user" in event else [])]
    assert all(user.get("name") or user.get("uid") for user in users)


def test_logins_accounts_and_all_else_are_classes_of_their_own() -> None:
    kinds = {verb: ocsf.event(make(verb=verb))["type_uid"] for verb in Verb}
    assert kinds[Verb.LOGIN] == kinds[Verb.LOGIN_FAILED] == 300201
    assert kinds[Verb.LOGOUT] == 300202
    assert kinds[Verb.ACCOUNT_LOCKED] == 300109
    assert kinds[Verb.FACTOR_ADDED] == 300110
    assert kinds[Verb.SESSION_REQUESTED] == 600301
    assert kinds[Verb.SECRET_VIEWED] == 600302
    assert kinds[Verb.RECORD_DELETED] == 600304


def test_a_refusal_is_a_failure_with_its_reason() -> None:
    event = ocsf.event(make(outcome="denied"))
    assert (event["status_id"], event["status_detail"]) == (2, "denied")


def test_visible_text_has_no_unsafe_character() -> None:
    every = "".join(map(chr, range(0x3000)))
    assert not UNSAFE.search(messages.visible(every))
    assert messages.visible("plain ünï 漢 👍🏽") == "plain ünï 漢 👍🏽"
