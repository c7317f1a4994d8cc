"""The filters of the log: groups of verbs, host, people of a group, target, network, minutes, recordings, details."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from activity import log as activity_log
from activity.filter_choices import verbs_by_group, verbs_of
from activity.models import LOG_WORDS, LogEntry
from activity.networks import read_network, term_of
from activity.period import PeriodProblem, read_span
from activity.text_index import Search
from activity.verbs import Verb
from sessions_app.privileged.models import Status
from tests.support import builders, pages
from tests.support.entries import messages, problem
from tests.support.query_plans import explained
from tests.support.recordings import make_recording

AsUser = Callable[[User], Client]
UTC = dt.UTC


@pytest.fixture
def log(as_user: AsUser, auditor: User) -> Callable[..., Any]:
    """Return a function that requests the log of a year."""
    client = as_user(auditor)
    return lambda query: client.get(f"/activity/?period=1y&{query}")


def said(response: Any) -> list[str]:
    """Return the messages on the page, without those about the set-up: groups, hosts and accounts that were made."""
    return [
        one
        for one in messages(response)
        if not one.startswith(("Added", "Changed", "auditor logged in", "Recording", "Read the activity log"))
    ]


def record(message: str, **more: Any) -> LogEntry:
    ip = more.pop("ip", "")
    with activity_log.coming_from(ip):
        return activity_log.record(more.pop("verb", Verb.LOGIN), message, **more)


def test_several_verbs_and_whole_groups_are_one_filter_with_a_chip(log: Callable[..., Any], alice: User) -> None:
    record("in", verb=Verb.LOGIN)
    record("wrong", verb=Verb.LOGIN_FAILED)
    record("out", verb=Verb.LOGOUT)
    record("locked", verb=Verb.ACCOUNT_LOCKED)
    assert said(log("verb=login.succeeded")) == ["in"]
    assert said(log("verb=login.succeeded&verb=login.failed")) == ["wrong", "in"]
    assert said(log("verb=login.succeeded,login.failed")) == ["wrong", "in"]
    assert said(log("verb=login.*")) == ["out", "wrong", "in"]
    assert said(log("verb=login.*,account.locked&verb_is=not")) == []
    assert "out" not in said(log("verb=login.ended&verb_is=not"))
    page = pages.elements(log("verb=login.failed&verb=account.*"))
    chip = page.find(".//li[@class='chip']")
    assert pages.text(chip) == "What was done is Login failed or Accounts: all ×"
    # Links keep all of them, and the button of a chip, whose empty value comes last, takes the filter away.
    assert "verb=login.failed%2Caccount.%2A" in page.find(".//a[@id='download']").get("href", "")  # type: ignore[union-attr]
    assert len(said(log("verb=login.failed&verb="))) == 4
    assert log("verb=nothing.*").status_code == 400


def test_every_verb_is_in_one_group_of_the_menu() -> None:
    offered = [key for _, members in verbs_by_group() for key, _ in members if not key.endswith(".*")]
    assert sorted(offered) == sorted(Verb.values)
    assert set(verbs_of(["session.*"])) == {verb for verb in Verb.values if verb.startswith("session.")}


def test_outcome_and_verbs_and_level_go_together(log: Callable[..., Any]) -> None:
    record("in", verb=Verb.LOGIN)
    record("wrong", verb=Verb.LOGIN_FAILED)
    assert said(log("verb=login.*&outcome=success")) == ["in"]
    assert said(log("verb=login.*&outcome=success&outcome_is=not")) == ["wrong"]


def test_a_host_finds_its_own_entries_and_those_of_its_sessions(log: Callable[..., Any], alice: User) -> None:
    web, other = builders.make_resource("web-1"), builders.make_resource("web-10")
    record("of the host", target=web)
    record("of a session", target=builders.make_session(alice, resource=web))
    record("of the other", target=other)
    record("of nothing")
    assert said(log("host=web-1&host_is=exactly")) == ["of a session", "of the host"]
    assert said(log("host=web")) == ["of the other", "of a session", "of the host"]
    assert "of nothing" in said(log("host=web&host_is=not"))
    assert "of the host" not in said(log("host=WEB-1&host_is=not-exactly"))
    assert said(log("host=nowhere")) == []


def test_the_people_of_a_group_are_those_who_are_in_it_now(
    log: Callable[..., Any], alice: User, outsider: User
) -> None:
    group = Group.objects.create(name="Night shift")
    group.user_set.add(alice)
    record("by alice", actor=alice)
    record("about alice", actor=outsider, user=alice)
    record("by outsider", actor=outsider)
    assert said(log(f"group={group.pk}")) == ["about alice", "by alice"]
    left_out = said(log(f"group={group.pk}&group_is=not"))
    assert "by outsider" in left_out
    assert not {"about alice", "by alice"} & set(left_out)
    group.user_set.remove(alice)
    assert said(log(f"group={group.pk}")) == []


def test_a_target_is_found_by_its_kind_its_number_and_words_of_its_name(log: Callable[..., Any], alice: User) -> None:
    web = builders.make_resource("Web server one")
    record("host", target=web)
    record("person", target=alice)
    assert said(log("target_type=sessions_app.resource")) == ["host"]
    assert "host" not in said(log("target_type=sessions_app.resource&target_type_is=not"))
    assert said(log(f"target_type=sessions_app.resource&target=%23{web.pk}")) == ["host"]
    assert "host" in said(log(f"target={web.pk}"))
    assert said(log("target=server+one")) == ["host"]
    assert "host" not in said(log("target=server&target_is=not"))
    assert said(log("target=nothing")) == []
    assert log("target_type=x.y").status_code == 400


@pytest.mark.parametrize(
    ("network", "inside", "outside"),
    [
        ("10.0.0.0/8", ["10.0.0.0", "10.255.255.255"], ["11.0.0.0", "110.0.0.1", "2001:db8::10"]),
        ("172.16.0.0/12", ["172.16.0.1", "172.31.255.255"], ["172.15.0.1", "172.32.0.1"]),
        ("192.0.2.7", ["192.0.2.7"], ["192.0.2.70", "192.0.2.6"]),
        ("192.0.2.0/28", ["192.0.2.0", "192.0.2.15"], ["192.0.2.16", "192.0.2.150"]),
        ("192.0.2.128/25", ["192.0.2.128", "192.0.2.255"], ["192.0.2.127"]),
        ("2001:db8::/32", ["2001:db8::1", "2001:db8:ffff::"], ["2001:db9::1", "10.0.0.1"]),
        ("2001:db8::5", ["2001:db8::5"], ["2001:db8::50"]),
        ("2001:db8:0:8000::/49", ["2001:db8:0:8000::1"], ["2001:db8:0:7fff::1"]),
        ("fe80::/16", ["fe80::1"], ["fe81::1"]),
    ],
)
def test_a_network_finds_its_addresses_and_no_other(
    log: Callable[..., Any], network: str, inside: list[str], outside: list[str]
) -> None:
    for ip in [*inside, *outside]:
        record(f"from {ip}", ip=ip)
    record("from nowhere")
    assert set(said(log(f"address={network}"))) == {f"from {ip}" for ip in inside}
    rest = said(log(f"address={network}&address_is=not"))
    assert {f"from {ip}" for ip in outside} | {"from nowhere"} <= set(rest)
    assert not {f"from {ip}" for ip in inside} & set(rest)
    # What the index of words gives, holds all of them.
    term = term_of(read_network(network))
    found = Search((term,), LOG_WORDS).narrowed(LogEntry.objects.all()).values_list("message", flat=True)
    assert {f"from {ip}" for ip in inside} <= set(found)


@pytest.mark.parametrize("wrong", ["web-1", "10.0.0.0/40", "0.0.0.0/0", "::/0", "10.0.0", "10.0.0.0/7"])
def test_what_is_no_network_is_said_to_be_none(log: Callable[..., Any], wrong: str) -> None:
    answer = log(f"address={wrong}")
    assert answer.status_code == 400
    assert "192.0.2.7" in problem(answer) or "at least /" in problem(answer)


def test_sessions_with_a_recording_are_told_from_those_without(log: Callable[..., Any], alice: User) -> None:
    recorded, other = builders.make_session(alice, Status.COMPLETE), builders.make_session(alice, Status.COMPLETE)
    make_recording(recorded)
    record("recorded", target=recorded)
    record("other", target=other)
    assert said(log("recording=yes&activity=record")) == ["recorded"]
    assert "recorded" not in said(log("recording=yes&recording_is=not"))
    assert "other" in said(log("recording=yes&recording_is=not"))


@pytest.mark.parametrize("word", ["GATEWAY-7", "größe", "grösse", "“quoted”", "new"])
def test_details_are_searched_where_one_asks_for_it(log: Callable[..., Any], word: str) -> None:
    record("plain", details={"gateway": "gateway-7", "changes": {"Größe": {"old": 1, "new": "“Quoted”"}}})
    assert said(log(f"activity={word}")) == []
    assert said(log(f"activity={word}&where=details")) == ["plain"]
    assert said(log(f"activity={word}+plain&where=details")) == ["plain"]
    assert said(log(f"activity={word}+other&where=details")) == []


def test_details_are_read_only_where_few_entries_are_left(
    log: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        record(f"entry {number}", verb=Verb.SECRET_VIEWED, details={"what": "needle"})
    record("another", verb=Verb.LOGIN)
    monkeypatch.setattr("activity.log_filter.MOST_READ", 4)
    assert len(said(log("activity=needle&where=details&verb=secret.viewed"))) == 4
    answer = log("activity=needle&where=details")
    assert answer.status_code == 400
    assert "at most 4, and there are more entries" in problem(answer)


def test_a_download_has_what_the_filters_leave_and_its_name_says_so(log: Callable[..., Any], alice: User) -> None:
    record("in the network", ip="10.9.8.7", verb=Verb.LOGIN, details={"x": "needle"})
    record("elsewhere", ip="192.0.2.1", verb=Verb.LOGIN)
    answer = log("address=10.0.0.0/8&verb=login.*&activity=needle&where=details&csv=1")
    rows = pages.streamed(answer).decode().splitlines()
    assert len(rows) == 2
    assert "in the network" in rows[1]
    assert "keyword-needle-verb-login-address-10-0-0-0-8-" in answer["Content-Disposition"]


def test_the_summary_and_the_chart_follow_the_filters(as_user: AsUser, auditor: User) -> None:
    record("in", verb=Verb.LOGIN, ip="10.0.0.1")
    record("failed", verb=Verb.LOGIN_FAILED, ip="10.0.0.1")
    record("other", verb=Verb.SECRET_VIEWED, ip="10.0.0.1")
    client = as_user(auditor)
    chart = client.get("/activity/chart/?verb=login.succeeded&verb=login.failed&address=10.0.0.0/8")
    assert "Entries in the last 7 days: 2" in pages.text(pages.elements(chart))


def test_who_sees_only_their_own_entries_has_no_filters_of_people(as_user: AsUser, alice: User, outsider: User) -> None:
    group = Group.objects.create(name="Night shift")
    record("mine", actor=alice, ip="10.0.0.1")
    record("theirs", actor=outsider, ip="10.0.0.1")
    client = as_user(alice)
    assert client.get(f"/activity/?group={group.pk}").status_code == 400
    assert "Night shift" not in client.get("/activity/").content.decode()
    assert said(client.get("/activity/?address=10.0.0.0/8")) == ["mine"]
    assert said(client.get("/activity/?verb=login.*&activity=mine")) == ["mine"]


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("group={group}", "log_actor_at"),
        ("group={group}", "log_user_at"),
        ("host=web", "log_target"),
        ("recording=yes", "log_target"),
        ("verb=login.succeeded,secret.viewed", "log_verb"),
        ("verb=session.*", "log_verb"),
        ("target_type=auth.user&target=7", "log_target"),
        ("target=%237", "log_target"),
        ("verb=session.*&group={group}&outcome=denied", "log_"),
    ],
)
def test_each_filter_is_counted_by_an_index(log: Callable[..., Any], alice: User, query: str, index: str) -> None:
    builders.make_session(alice, resource=builders.make_resource("web-1"))
    query = query.format(group=Group.objects.create(name="Night shift").pk)
    with CaptureQueriesContext(connection) as asked:
        assert log(query).status_code == 200
    (sql,) = [one["sql"] for one in asked if "COUNT(*) FROM (SELECT" in one["sql"]]
    plan = explained(sql)
    assert "SCAN activity_logentry" not in plan
    assert "Seq Scan on activity_logentry" not in plan
    assert index in plan or connection.vendor == "postgresql"  # it may prefer another one for an empty table


# --- minutes


def span(zone: str, **parameters: str) -> tuple[dt.datetime | None, dt.datetime | None]:
    with timezone.override(ZoneInfo(zone)):
        found = read_span(parameters, timezone.now())
    return found.start, found.end


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_minutes_are_of_the_viewers_zone_and_the_last_one_is_included() -> None:
    found = span("Europe/Zurich", since="2026-07-01T14:30", until="2026-07-01T14:30")
    assert found == (at("2026-07-01T12:30"), at("2026-07-01T12:31"))
    assert span("Asia/Kolkata", since="2026-07-01T14:30")[0] == at("2026-07-01T09:00")


def test_dates_alone_are_whole_days_as_ever_and_so_are_their_first_and_last_minutes() -> None:
    days = span("Europe/Zurich", since="2026-07-01", until="2026-07-02")
    assert days == (at("2026-06-30T22:00"), at("2026-07-02T22:00"))
    assert span("Europe/Zurich", since="2026-07-01T00:00", until="2026-07-02T23:59") == days
    with timezone.override(ZoneInfo("Europe/Zurich")):
        shown = read_span({"since": "2026-07-01T00:00", "until": "2026-07-02T14:05"}, timezone.now())
    assert (shown.words, shown.slug) == ("from 2026-07-01 to 2026-07-02 14:05", "2026-07-01-to-2026-07-02T1405")


def test_an_hour_that_comes_twice_is_in_the_period_with_both() -> None:
    found = span("Europe/Zurich", since="2026-10-25T02:30", until="2026-10-25T02:30")
    assert found == (at("2026-10-25T00:30"), at("2026-10-25T01:31"))


def test_a_time_that_never_was_is_refused_but_a_day_that_begins_later_is_none() -> None:
    with pytest.raises(PeriodProblem, match=r"2026-03-29 02:30 does not exist in Europe/Zurich"):
        span("Europe/Zurich", since="2026-03-29T02:30")
    # In Cairo the clocks go forward at midnight.
    assert span("Africa/Cairo", since="2026-04-24") == (at("2026-04-23T22:00"), None)
    assert span("Africa/Cairo", since="2026-04-24T00:00") == (at("2026-04-23T22:00"), None)


@pytest.mark.parametrize(
    "wrong", ["2026-07-01T25:00", "2026-07-01T14", "2026-13-01T10:00", "14:30", "2026-07-01T14:30Z"]
)
def test_what_is_no_time_is_refused(log: Callable[..., Any], wrong: str) -> None:
    answer = log(f"period=custom&since={wrong}".replace("period=1y&", ""))
    assert answer.status_code == 400


def test_the_page_shows_the_minutes_that_its_address_has(as_user: AsUser, auditor: User) -> None:
    page = as_user(auditor).get("/activity/?period=custom&since=2026-07-01&until=2026-07-02T14:30")
    values = {one.get("name"): one.get("value") for one in pages.elements(page).iter("input")}
    assert values["since"] == "2026-07-01T00:00"
    assert values["until"] == "2026-07-02T14:30"
