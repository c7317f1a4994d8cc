"""The reports as pages, on paper and as files: who may read them, what each says, and what is wrong with an address."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from openpyxl import load_workbook

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.privileged.models import Approval, Status
from sessions_app.reports import last_uses, rights_reports
from sessions_app.reports.every_report import REPORTS
from tests.support import builders
from tests.support.pages import ClientResponse, elements, facts, streamed, text, texts
from tests.support.reports import fill_reports, make_past

AsUser = Callable[[User], Client]


@pytest.fixture
def reader(auditor: User, as_user: AsUser) -> Client:
    return as_user(auditor)


def day(days_ago: float) -> str:
    return (timezone.now() - dt.timedelta(days=days_ago)).date().isoformat()


def asked(slug: str, **more: object) -> str:
    """Return the address of a report about the last week."""
    period = f"period=custom&since={day(7)}&until={day(-1)}&" if REPORTS[slug].has_period else ""
    return f"/reports/{slug}/?{period}" + "&".join(f"{name}={value}" for name, value in more.items())


def rows(client: Client, slug: str, **more: object) -> list[dict[str, str]]:
    page = elements(client.get(asked(slug, **more)))
    found = page.find(".//table[@class='report-table']")
    return [] if found is None else table_rows(found)


def table_rows(found: Any) -> list[dict[str, str]]:
    heads = [text(head) for head in found.findall("thead//th")]
    cells = [[text(cell) for cell in row.findall("td")] for row in found.findall("tbody/tr")]
    return [dict(zip(heads, row, strict=True)) for row in cells if row]


def totals(client: Client, slug: str, **more: object) -> dict[str, str]:
    page = elements(client.get(asked(slug, **more)))
    return dict(
        zip(
            texts(page, ".//dl[@class='report-totals']//dt"),
            texts(page, ".//dl[@class='report-totals']//dd"),
            strict=True,
        )
    )


def downloaded(client: Client, slug: str, **more: object) -> list[dict[str, str]]:
    response = client.get(asked(slug, csv=1, **more))
    return list(csv.DictReader(io.StringIO(streamed(response).decode())))


def test_the_page_of_all_reports_has_a_line_for_each(reader: Client) -> None:
    page = elements(reader.get("/reports/"))
    assert texts(page, ".//ul[@class='report-list']/li/a") == [report.title for report in REPORTS.values()]


@pytest.mark.parametrize("slug", REPORTS)
def test_only_who_sees_everything_reads_a_report(reader: Client, alice: User, as_user: AsUser, slug: str) -> None:
    for way in ("", "csv=1", "paper=1"):
        assert as_user(alice).get(f"/reports/{slug}/?{way}").status_code == 403
        assert reader.get(f"/reports/{slug}/?{way}").status_code == 200
    assert not LogEntry.objects.filter(actor=alice, verb__in=[Verb.EXPORT_BEGAN, Verb.EXPORTED]).exists()


@pytest.mark.parametrize("slug", REPORTS)
def test_an_empty_report_says_why(reader: Client, slug: str) -> None:
    period = "?period=custom&since=1990-01-01&until=1990-01-02" if REPORTS[slug].has_period else "?user=nobody-at-all"
    page = elements(reader.get(f"/reports/{slug}/{period}"))
    assert REPORTS[slug].empty in text(page.find(".//div[@class='empty']"))
    assert facts(page)["Rows"] == f"0 {REPORTS[slug].nouns}"


def test_the_heading_says_what_it_is_of_and_who_made_it(reader: Client, alice: User) -> None:
    make_past(alice)
    found = facts(elements(reader.get(asked("sessions", user="alice"))))
    assert found["Period"] == f"{day(7)} to {day(-1)}, both days included"
    assert found["Filter"] == "User: alice"
    assert found["Rows"] == "1 session"
    assert found["Made by"] == "auditor"
    assert found["Made at"].endswith("UTC")
    assert found["Time zone"].startswith("UTC;")
    assert found["Sealed log"] == "No checkpoint yet"


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("period=yesterday", "Select a valid choice"),
        ("period=custom", "Enter a date such as 2026-01-31."),
        ("period=custom&since=2026-02-01&until=2026-01-01", "is before the beginning"),
        ("period=custom&since=0001-01-01&until=2026-01-01", "Enter a day between 1970 and 9999."),
        ("nothing=1", "no field called “nothing”"),
        ("after=x", "This page of the list does not exist."),
    ],
)
def test_an_address_that_is_wrong_is_a_400_that_says_so(reader: Client, alice: User, query: str, says: str) -> None:
    make_past(alice)
    response = reader.get(f"/reports/sessions/?{query}")
    assert response.status_code == 400
    assert says in response.content.decode()


def test_what_was_entered_is_still_there_when_a_field_is_wrong(reader: Client) -> None:
    page = elements(reader.get("/reports/sessions/?period=custom&since=2026-02-01&until=2026-01-01&user=alice"))
    assert [field.get("value") for field in page.findall(".//form[@id='filters']//input")][:3] == [
        "2026-02-01",
        "2026-01-01",
        "alice",
    ]


def test_there_is_no_report_of_another_name(reader: Client) -> None:
    assert reader.get("/reports/nothing/").status_code == 404


def test_sessions_of_a_period_are_those_that_had_rights_in_it(reader: Client, alice: User) -> None:
    inside = make_past(alice, 2, ticket_number="CHG-1", end_reason="Its end was reached")
    across = make_past(alice, 7.6, ended_at=timezone.now() - dt.timedelta(days=6), duration=dt.timedelta(days=1.6))
    still_open = builders.make_session(alice, start_at=timezone.now() - dt.timedelta(days=30))
    make_past(alice, 20)
    builders.make_session(alice, Status.DENIED)
    found = rows(reader, "sessions")
    assert [row["Session"] for row in found] == [f"#{one.pk}" for one in (inside, across, still_open)]
    assert found[0]["Status"] == "Complete: Its end was reached"
    assert found[0]["Approved by"] == "No approval asked for"
    assert found[2]["To"] == "Open"
    assert totals(reader, "sessions")["Still open"] == "1"


def test_a_session_says_who_approved_it(reader: Client, alice: User, approver: User) -> None:
    session = make_past(alice)
    Approval.objects.create(session=session, tier=1, approver=approver, is_approved=True, reason="Fine")
    assert rows(reader, "sessions")[0]["Approved by"] == "approver (tier 1)"
    [line] = downloaded(reader, "sessions")
    assert (line["User"], line["Approved by"], line["Lasted"]) == ("alice", "approver (tier 1)", "3600")


def test_decisions_have_their_times_and_how_long_they_waited(reader: Client, alice: User, approver: User) -> None:
    session = make_past(alice)
    decided = session.requested_at + dt.timedelta(minutes=12)
    Approval.objects.create(
        session=session, tier=2, approver=approver, is_approved=True, reason="Fine", decided_at=decided
    )
    denied = builders.make_session(alice, Status.DENIED)
    Approval.objects.create(session=denied, tier=1, approver=approver, is_approved=False, reason="Not on a Friday")
    builders.make_session(alice, Status.APPROVAL_FAILED)
    first, second = rows(reader, "approvals")
    assert (first["Decision"], first["Note"]) == ("Denied", "Not on a Friday")
    assert (second["By"], second["Tier"], second["Waited"], second["For"]) == ("approver", "2", "12 min 00 s", "alice")
    found = totals(reader, "approvals")
    assert (found["Approved"], found["Denied"], found["Not decided in time"]) == ("1", "1", "1")
    assert found["Waited longest"] == "12 min 00 s"
    assert [row["Decision"] for row in rows(reader, "approvals", decision="denied")] == ["Denied"]


def test_a_report_that_is_opened_for_the_first_time_has_what_was_just_decided(
    reader: Client, alice: User, approver: User
) -> None:
    Approval.objects.create(session=make_past(alice), tier=1, approver=approver, is_approved=True, reason="Fine")
    page = elements(reader.get("/reports/approvals/"))
    assert text(page.find(".//h1")) == f"Who approved what: {day(29)} to {day(0)} (last 30 days)"
    assert len(table_rows(page.find(".//table[@class='report-table']"))) == 1


def test_the_dates_of_others_stay_theirs_when_somebody_is_disabled_meanwhile(
    reader: Client, alice: User, outsider: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    builders.make_policy(users=[alice, outsider])
    used = make_past(outsider)
    read = last_uses.last_uses

    def after_one_left(ids: Sequence[int]) -> Any:
        User.objects.filter(pk=alice.pk).update(is_active=False)
        return read(ids)

    monkeypatch.setattr(rights_reports, "last_uses", after_one_left)
    monkeypatch.setattr(rights_reports, "PAGE", 0)  # as if there were many people
    [found] = downloaded(reader, "rights")
    assert (found["User"], found["Last used"][:10]) == ("outsider", f"{used.start_at:%Y-%m-%d}")


def test_sessions_without_a_ticket_and_what_share_they_are(reader: Client, alice: User) -> None:
    profile = builders.make_profile("With a ticket", ticket_required=True)
    make_past(alice, ticket_number="CHG-1")
    without = make_past(alice, profile=profile)
    [found] = rows(reader, "without-ticket")
    assert (found["Session"], found["Ticket by the profile now"]) == (f"#{without.pk}", "required")
    assert totals(reader, "without-ticket")["Share without"] == "50.0 %"


def test_rights_say_by_which_policy_and_when_they_were_used(reader: Client, alice: User, approver: User) -> None:
    group = Group.objects.create(name="Linux team")
    alice.groups.add(group)
    profile = builders.make_profile("Strict", [[approver]], ticket_required=True)
    policy = builders.make_policy("Linux work", groups=[group], profile=profile)
    session = make_past(alice)
    [found] = rows(reader, "rights")
    assert (found["User"], found["By the policy"], found["Which names"]) == ("alice", "Linux work", "Linux team")
    assert found["Asks for"] == "approval by 1 of approver, a ticket"
    assert found["Last used"].startswith(f"{session.start_at:%Y-%m-%d}")
    assert found["In the way now"] == "–"
    approver.is_active = False
    approver.save()
    [found] = rows(reader, "rights", user="alice", policy="linux", activity="patch", resource="web")
    assert found["In the way now"].startswith("The access policy Linux work cannot be followed")
    assert rows(reader, "rights", policy="windows") == []
    assert policy.is_active


def test_unused_rights_are_those_that_nobody_used_for_so_many_days(reader: Client, alice: User, outsider: User) -> None:
    hosts = [builders.make_resource(f"web-{number}") for number in (1, 2, 3)]
    builders.make_policy(users=[alice, outsider], resources=hosts)
    make_past(alice, 100, resource=hosts[0])
    make_past(alice, 20, resource=hosts[1])
    found = rows(reader, "unused-rights")
    assert [(row["User"], row["Host"]) for row in found] == [
        ("alice", "web-1"), ("alice", "web-3"), ("outsider", "web-1"), ("outsider", "web-2"), ("outsider", "web-3"),
    ]  # fmt: skip
    assert [row["Host"] for row in rows(reader, "unused-rights", days=10, user="alice")] == ["web-1", "web-2", "web-3"]
    assert [row["Host"] for row in rows(reader, "unused-rights", days=200, user="alice")] == ["web-3"]
    assert len(downloaded(reader, "unused-rights")) == 5


def test_leavers_have_what_is_left_and_who_disabled_them(
    boss: Client, admin: User, alice: User, outsider: User
) -> None:
    group = Group.objects.create(name="Linux team")
    alice.groups.add(group)
    builders.make_policy(groups=[group])
    builders.make_key(alice)
    builders.make_session(alice, Status.PENDING)
    alice.is_active = False
    alice.save()
    [found] = rows(boss, "leavers", period="")
    assert (found["User"], found["State"], found["By"], found["Groups"]) == (
        "alice",
        "Disabled",
        "System",
        "Linux team",
    )
    assert (found["Rights"], found["SSH keys"], found["Scheduled or waiting"], found["Left over"]) == (
        "1",
        "1",
        "1",
        "Yes",
    )
    assert found["SCIM"] == "Not managed"
    assert [row["User"] for row in rows(boss, "leavers")] == ["alice"]
    page = elements(boss.get("/reports/leavers/?period=custom&since=2020-01-01&until=2020-01-31"))
    assert page.find(".//div[@class='empty']") is not None


def test_accounts_have_their_role_and_what_they_sign_in_with(reader: Client, admin: User, alice: User) -> None:
    builders.make_application()
    builders.make_key(alice)
    found = {row["User"]: row for row in rows(reader, "accounts")}
    assert {name: row["Role"] for name, row in found.items()} == {
        "admin": "Administrator", "alice": "User", "auditor": "Auditor", "backup-job": "User",
    }  # fmt: skip
    assert (found["alice"]["SSH keys"], found["alice"]["Kind"], found["backup-job"]["Kind"]) == (
        "1",
        "Person",
        "Application",
    )
    assert [row["User"] for row in rows(reader, "accounts", role="administrator")] == ["admin"]


def test_changes_have_values_before_and_after(boss: Client, alice: User) -> None:
    policy = builders.make_policy("Linux work")
    policy.priority = 7
    policy.save()
    group = Group.objects.create(name="Linux team")
    alice.groups.add(group)
    policy.delete()
    found = rows(boss, "changes", kind="policies", object="linux")
    assert (found[0]["Change"], found[0]["Kind"]) == ("Configuration deleted", "access policy")
    assert "priority: 7" in found[0]["Before"]
    changed = next(row for row in found if row["Before"] == "priority: 100")
    assert changed["After"] == "priority: 7"
    [role] = [
        row
        for row in rows(boss, "changes", kind="roles")
        if row["Object"] == "alice" and row["Change"] == "Role changed"
    ]
    assert (role["Object"], role["After"]) == ("alice", "added groups: Linux team")


def test_failed_logins_are_counted_by_person_address_and_reason(reader: Client, alice: User, client: Client) -> None:
    for name in ("alice", "alice", "nobody-of-that-name"):
        client.post("/accounts/login/", {"username": name, "password": "wrong"}, REMOTE_ADDR="192.0.2.7")
    found = rows(reader, "failed-logins")
    assert sorted(row["User"] for row in found) == ["No account of that name", "alice", "alice"]
    assert {row["Address"] for row in found} == {"192.0.2.7"}
    page = elements(reader.get(asked("failed-logins")))
    counted = {
        text(each.find("caption")): table_rows(each) for each in page.findall(".//div[@class='report-counts']/table")
    }
    assert counted["By person"] == [{"User": "alice", "Refusals": "2"}]
    assert counted["By address"] == [{"Address": "192.0.2.7", "Refusals": "3"}]
    assert counted["By reason"] == [{"Reason": "Login failed", "Refusals": "3"}]
    assert totals(reader, "failed-logins")["With no account"] == "1"


def test_pages_of_rows_follow_each_other_and_end(reader: Client, alice: User) -> None:
    for number in range(120):
        make_past(alice, 1 + number / 100)
    first = elements(reader.get(asked("sessions")))
    following = first.find(".//a[@id='page-next']")
    assert following is not None
    second = elements(reader.get(following.attrib["href"]))
    numbers = [
        [row["Session"] for row in table_rows(page.find(".//table[@class='report-table']"))] for page in (first, second)
    ]
    assert [len(each) for each in numbers] == [100, 20]
    assert len({*numbers[0], *numbers[1]}) == 120
    last = elements(reader.get(first.find(".//a[@id='page-last']").attrib["href"]))  # type: ignore[union-attr]
    assert len(table_rows(last.find(".//table[@class='report-table']"))) == 100
    assert streamed(reader.get(asked("sessions", paper=1))).decode().count("<tr>") == 121


def test_pages_of_rights_follow_each_other(reader: Client, alice: User, outsider: User) -> None:
    hosts = [builders.make_resource(f"host-{number:03}") for number in range(80)]
    builders.make_policy(users=[alice, outsider], resources=hosts)
    assert len(rows(reader, "rights")) == 100
    second = rows(reader, "rights", after=100)
    assert [row["User"] for row in second] == ["outsider"] * 60
    assert second[0]["Host"] == "host-020"
    assert [row["Host"] for row in rows(reader, "rights", last=1)] == [row["Host"] for row in second]
    assert [row["Host"] for row in rows(reader, "rights", before=100)][:1] == ["host-000"]
    assert len(downloaded(reader, "rights")) == 160


def test_the_paper_has_every_right_with_a_part_for_each_person(reader: Client, alice: User, outsider: User) -> None:
    builders.make_policy(users=[alice, outsider])
    html = streamed(reader.get(asked("rights", paper=1))).decode()
    assert html.count('<tr class="part">') == 2
    assert html.count("<tbody>") == html.count("</tbody>") == 2
    assert "<!-- rows -->" not in html


def test_a_file_is_logged_with_its_filter_and_number_of_rows(reader: Client, auditor: User, alice: User) -> None:
    make_past(alice, notes="=1+1")
    response = reader.get(asked("sessions", csv=1, user="alice"))
    assert "report-sessions-" in response["Content-Disposition"]
    assert "-alice-" in response["Content-Disposition"]
    assert b"'=1+1" in streamed(response)
    began, ended = LogEntry.objects.filter(actor=auditor, verb__in=[Verb.EXPORT_BEGAN, Verb.EXPORTED]).order_by("pk")
    assert began.details["list"].startswith("report-sessions-")
    assert began.details["filters"]["user"] == "alice"
    assert (ended.details["rows"], ended.details["complete"]) == (1, True)


def test_who_views_a_report_is_logged_once_with_the_filter(reader: Client, auditor: User, alice: User) -> None:
    for _ in range(2):
        reader.get("/reports/rights/?user=alice")
        streamed(reader.get("/reports/rights/?paper=1"))
    reader.get("/reports/rights/?user=alice&after=100")
    assert reader.get("/reports/rights/?nothing=1").status_code == 400
    entries = LogEntry.objects.filter(verb=Verb.REPORT_VIEWED).order_by("pk")
    assert [(entry.actor, entry.message, entry.details["filters"]) for entry in entries] == [
        (auditor, "Viewed the report “Who may do what”", {"user": "alice"}),
        (auditor, "Viewed the report “Who may do what” for the printer", {}),
    ]


@pytest.mark.parametrize("slug", REPORTS)
def test_a_workbook_has_the_rows_of_the_csv_file(reader: Client, alice: User, approver: User, slug: str) -> None:
    fill_reports(alice, approver)
    sheet = load_workbook(io.BytesIO(streamed(reader.get(asked(slug, format="xlsx"))))).active
    heads, *lines = sheet.values
    expected = downloaded(reader, slug)
    assert list(heads) == list(expected[0])
    assert len(lines) == len(expected)
    first = dict(zip(heads, lines[0], strict=True))
    texts_of = {name: value for name, value in first.items() if isinstance(value, str)}
    assert {name: expected[0][name].replace("\n", " ") for name in texts_of} == texts_of


def test_an_archive_has_the_file_and_a_manifest_with_period_and_filter(reader: Client, alice: User) -> None:
    make_past(alice)
    archive = zipfile.ZipFile(io.BytesIO(streamed(reader.get(asked("sessions", csv=1, zip=1, user="alice")))))
    file, manifest = archive.namelist()
    assert manifest == f"{file}.manifest"
    said = json.loads(archive.read(manifest).decode().splitlines()[1])
    assert (said["rows"], said["complete"], said["applied"]["words"]) == (1, True, ["User: alice"])
    assert said["sha256"] == hashlib.sha256(archive.read(file)).hexdigest()


@pytest.mark.parametrize("slug", REPORTS)
def test_more_rows_cost_no_more_queries(reader: Client, approver: User, slug: str) -> None:
    def queries(way: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            response: ClientResponse = reader.get(asked(slug, **({way: 1} if way else {})))
            assert response.status_code == 200
            if way:
                streamed(response)
        return len(captured)

    def more(first: int) -> None:
        for number in range(first, first + 5):
            fill_reports(builders.make_user(f"more-{number}"), approver, f"more-{number}")

    more(0)
    for way in ("", "csv", "paper"):  # fills what a process keeps, and notes the reading
        queries(way)
    before = [queries(way) for way in ("", "csv", "paper")]
    more(5)
    assert [queries(way) for way in ("", "csv", "paper")] == before
