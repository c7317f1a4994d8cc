"""/logins/: who is logged in from where, for administrators and auditors everybody, for others themselves."""

from __future__ import annotations

import csv
import datetime as dt
import html
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.devices.models import Device
from sessions_app.logins import service
from sessions_app.logins.models import EndReason, LoginSession, hash_session_key
from sessions_app.logins.tables import logins_table
from tests.support import pages
from tests.support.builders import make_login, make_user

AsUser = Callable[[User], Client]
URL = "/logins/"
HTMX = {"HX-Request": "true"}


def page(client: Client, query: str = "", **headers: str) -> str:
    response = client.get(f"{URL}?{query}", headers=headers)
    assert response.status_code == 200, response.content
    return html.unescape(response.content.decode())


def rows(text: str) -> dict[int, str]:
    """Return the text of each row by its number."""
    found = re.findall(r'<tr id="row-(\d+)"(.*?)\n', text)
    return {int(pk): re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "|", row)) for pk, row in found}


def raw_rows(text: str) -> list[str]:
    return re.findall(r'<tr id="row-\d+.*', text)


def download(client: Client, query: str = "") -> list[list[str]]:
    response = client.get(f"{URL}?csv=1&{query}")
    text = pages.streamed(response).decode()
    return list(csv.reader(text.splitlines()))


# --- who sees what


def test_everybody_sees_their_own_and_only_that(alice: User, outsider: User, as_user: AsUser) -> None:
    theirs, mine = make_login(outsider), make_login(alice)
    text = page(as_user(alice), "state=all")
    assert mine.pk in rows(text)
    assert theirs.pk not in rows(text)
    assert "outsider" not in text
    assert 'name="user"' not in text


@pytest.mark.parametrize("role", ["admin", "auditor"])
def test_administrators_and_auditors_see_everybody(
    alice: User, outsider: User, as_user: AsUser, request: pytest.FixtureRequest, role: str
) -> None:
    logins = {make_login(alice).pk, make_login(outsider).pk}
    assert logins < set(rows(page(as_user(request.getfixturevalue(role)))))


def test_the_own_browser_is_marked(alice: User, as_user: AsUser) -> None:
    client = as_user(alice)
    other = make_login(alice)
    text = page(client)
    own = LoginSession.objects.get(key_hash=hash_session_key(client.session.session_key or ""))
    assert "This browser" in rows(text)[own.pk]
    assert "this browser" not in rows(text)[other.pk]
    row = pages.elements(client.get(URL)).find(f".//tr[@id='row-{own.pk}']")
    assert row is not None
    assert "current" in row.get("class", "").split()


def test_a_row_says_where_from_and_with_what(alice: User, as_user: AsUser) -> None:
    login = make_login(alice)
    row = rows(page(as_user(alice)))[login.pk]
    for words in (
        "198.51.100.7",
        "Bern",
        "Bern, Switzerland (46.95, 7.45 ± 20 km)",
        "Desktop",
        "Windows 11",
        "Firefox 140",
        "Live",
    ):
        assert words in row


def test_places_that_are_not_known_are_said_not_left_blank(alice: User, as_user: AsUser) -> None:
    nowhere = {"region": "", "country": "", "country_code": "", "latitude": None, "longitude": None}
    unknown = make_login(alice, city="Unknown", **nowhere)
    private = make_login(alice, city="Private network", ip="10.0.0.1", **nowhere)
    shown = rows(page(as_user(alice)))
    assert shown[unknown.pk].count("Unknown") == 2
    assert shown[private.pk].count("Private network") == 2


def test_an_ended_session_stays_with_who_ended_it_and_why(alice: User, admin: User, as_user: AsUser) -> None:
    login = make_login(alice)
    service.end(login, EndReason.FORCED, actor=admin)
    assert login.pk not in rows(page(as_user(admin)))
    row = rows(page(as_user(admin), "state=ended"))[login.pk]
    assert "Ended" in row
    assert "Logged out by an administrator (admin)" in row
    login.refresh_from_db()
    assert login.ended_at is not None
    assert f"{login.ended_at:%H:%M:%S}" in row


# --- sort, search, filters


@pytest.mark.parametrize("direction", ["", "-"])
def test_every_column_sorts_both_ways(alice: User, admin: User, as_user: AsUser, direction: str) -> None:
    first = make_login(alice, ip="192.0.2.1", city="Aarau", country="Andorra", device="Bot", os="Android", browser="A")
    LoginSession.objects.filter(pk=first.pk).update(
        created_at=timezone.now() - dt.timedelta(hours=1), last_access_at=timezone.now() - dt.timedelta(minutes=59)
    )
    other = make_login(
        make_user("zoe"), ip="203.0.113.9", city="Zug", country="Zambia", device="TV", os="iOS", browser="Z"
    )
    client = as_user(admin)
    columns = [column for column in logins_table(admin).columns if column.order]
    assert {column.key for column in logins_table(admin).columns} - {column.key for column in columns} == {
        "country_code",
        "abroad",
        "user_agent",
        "device_name",
        "recognised",
        "travel",
        "ended_by",
        "user_now",
    }
    for column in columns:
        order = [pk for pk in rows(page(client, f"sort={direction}{column.key}")) if pk in (first.pk, other.pk)]
        if column.key in (
            "user",
            "ip",
            "country",
            "city",
            "location",
            "device",
            "os",
            "browser",
            "logged_in",
            "last_access",
        ):
            assert order == ([first.pk, other.pk] if not direction else [other.pk, first.pk]), column.key
        assert len(order) == 2


@pytest.mark.parametrize("words", ["alice", "198.51.100.4", "bern", "switz", "chrome", "mac", "mobile", "bern chrome"])
def test_the_search_looks_in_what_a_row_shows(alice: User, admin: User, as_user: AsUser, words: str) -> None:
    found = make_login(alice, ip="198.51.100.44", os="macOS", browser="Chrome", device="Mobile")
    make_login(make_user("zoe"), city="Oslo", region="Oslo", country="Norway", country_code="NO", ip="192.0.2.9")
    assert list(rows(page(as_user(admin), f"q={words}"))) == [found.pk]


@pytest.mark.parametrize(
    "query", ["user=ALICE", "country=switzerland", "country=ch", "device=Mobile", "user=alice&country=CH&state=live"]
)
def test_filters_narrow_the_list(alice: User, admin: User, as_user: AsUser, query: str) -> None:
    found = make_login(alice, device="Mobile")
    make_login(make_user("zoe"), country="Norway", country_code="NO")
    assert list(rows(page(as_user(admin), query))) == [found.pk]


def test_the_state_is_live_unless_asked_otherwise(alice: User, as_user: AsUser) -> None:
    client = as_user(alice)
    live, over = make_login(alice), make_login(alice)
    service.end(over, EndReason.LOGOUT, actor=alice)
    for query, is_live_shown, is_over_shown in (
        ("", True, False),
        ("state=live", True, False),
        ("state=ended", False, True),
        ("state=all", True, True),
    ):
        shown = rows(page(client, query))
        assert (live.pk in shown, over.pk in shown) == (is_live_shown, is_over_shown), query


def test_users_and_countries_are_suggested_from_what_is_live(alice: User, admin: User, as_user: AsUser) -> None:
    make_login(alice)
    over = make_login(make_user("zoe"), country="Norway")
    service.end(over, EndReason.LOGOUT, actor=None)
    text = page(as_user(admin))
    [users] = re.findall(r'<datalist id="user-list">(.*?)</datalist>', text)
    assert re.findall(r'value="(\w+)"', users) == ["admin", "alice"]
    assert "Switzerland" in text
    assert "Norway" not in text


@pytest.mark.parametrize(
    "query",
    ["sort=password", "sort=key_hash", "state=dead", "device=Toaster", "after=x", "nonsense=1", "user=" + "x" * 171],
)
def test_what_the_list_does_not_know_is_a_400(admin: User, as_user: AsUser, query: str) -> None:
    assert as_user(admin).get(f"{URL}?{query}").status_code == 400


def test_who_sees_only_their_own_has_no_filter_by_user(alice: User, as_user: AsUser) -> None:
    assert as_user(alice).get(f"{URL}?user=outsider").status_code == 400


# --- the toolbar


def test_rows_say_what_cannot_be_done_with_them(alice: User, auditor: User, admin: User, as_user: AsUser) -> None:
    live, over = make_login(alice), make_login(alice)
    service.end(over, EndReason.LOGOUT, actor=alice)

    def refused(client: Client, pk: int) -> Any:
        return pages.refusals(pages.elements(client.get(f"{URL}?state=all")), pk)

    boss, reader = as_user(admin), as_user(auditor)
    assert refused(boss, live.pk) == {}
    assert refused(boss, over.pk) == {"logout": "This login session is over already."}
    assert refused(reader, live.pk) == {"logout": "Only administrators log other people out."}
    own = LoginSession.objects.get(user=auditor)
    assert refused(reader, own.pk) == {}


def test_the_toolbar_works_without_javascript(alice: User, as_user: AsUser) -> None:
    form = pages.elements(as_user(alice).get(f"{URL}?state=all")).find(".//form[@id='selection']")
    assert form is not None
    assert form.get("method") == "get"
    button = form.find("button[@data-verb='logout']")
    assert button is not None
    assert button.get("formaction") == "/logins/logout/"
    assert pages.fields(form, ".")["next"] == "/logins/?state=all"


# --- fragments, downloads, costs


def test_htmx_gets_the_results_alone_and_a_304_when_nothing_changed(alice: User, as_user: AsUser) -> None:
    client = as_user(alice)
    first = client.get(URL, headers=HTMX)
    assert "<html" not in first.content.decode()
    again = client.get(URL, headers={**HTMX, "If-None-Match": first["ETag"]})
    assert again.status_code == 304
    make_login(alice)
    assert client.get(URL, headers={**HTMX, "If-None-Match": first["ETag"]}).status_code == 200


def test_the_page_and_its_columns_are_called_what_administrators_were_promised(alice: User, as_user: AsUser) -> None:
    make_login(alice)
    text = page(as_user(alice))
    assert "<h1>Session Information</h1>" in text
    promised = ["Public IP", "User", "Country", "City", "Location", "Device details", "OS details", "Browser details"]
    for label in (*promised, "Last access time"):
        assert re.search(rf"<th[^>]*>(?:<[^>]*>|\s)*{label}\b", text), label
    assert re.search(r">\s*Logout\s*</button>", text)
    assert re.search(r">\s*Activity log\s*</a>", text)


def test_the_download_has_every_column_and_is_logged(alice: User, admin: User, as_user: AsUser) -> None:
    make_login(alice)
    header, *lines = download(as_user(admin), "user=alice")
    assert header == [
        "User",
        "Public IP",
        "Country",
        "City",
        "Location",
        "Country code",
        "From abroad",
        "Travel (km/h)",
        "Network",
        "Device details",
        "OS details",
        "Browser details",
        "User agent",
        "Device number",
        "Device name (now)",
        "Device recognised",
        "Signed in with",
        "Second factor",
        "Logged in",
        "Last access time",
        "Expires",
        "State",
        "Ended",
        "Ended by (now)",
        "Why it ended",
        "User now",
    ]
    assert [[*line[:7], *line[9:12], line[21]] for line in lines] == [
        [
            "alice",
            "198.51.100.7",
            "Switzerland",
            "Bern",
            "Bern, Switzerland (46.95, 7.45 ± 20 km)",
            "CH",
            "no",
            "Desktop",
            "Windows 11",
            "Firefox 140",
            "live",
        ]
    ]
    entry = LogEntry.objects.get(verb=Verb.EXPORTED)
    assert (entry.actor, entry.details["rows"]) == (admin, 1)


def test_a_download_holds_only_what_the_person_may_see(alice: User, outsider: User, as_user: AsUser) -> None:
    make_login(outsider)
    assert {line[0] for line in download(as_user(alice), "state=all")[1:]} == {"alice"}


def test_a_browser_that_calls_itself_a_formula_is_neutral_in_the_download(alice: User, as_user: AsUser) -> None:
    make_login(alice, user_agent='=HYPERLINK("http://evil.example")')
    cells = [line[12] for line in download(as_user(alice))[1:]]
    assert """'=HYPERLINK("http://evil.example")""" in cells


def test_hostile_text_is_shown_as_text(alice: User, as_user: AsUser) -> None:
    make_login(alice, browser="<script>alert(1)</script>", city="<b>Bern</b>")
    raw = as_user(alice).get(URL).content.decode()
    assert "<script>alert" not in raw
    assert "<b>Bern" not in raw


def test_two_rows_and_two_hundred_cost_the_same_queries(alice: User, admin: User, as_user: AsUser) -> None:
    client = as_user(admin)

    def cost() -> int:
        with CaptureQueriesContext(connection) as captured:
            page(client, "state=all")
        return len(captured)

    make_login(alice)
    few = cost()
    for number in range(200):
        login = make_login(make_user(f"user-{number}"), city=f"City {number}", country=f"Country {number}")
        service.end(login, EndReason.FORCED, actor=alice)
    assert cost() == few


# --- the GeoIP file


def test_a_missing_geoip_file_is_said_once_with_what_to_do(admin: User, alice: User, as_user: AsUser) -> None:
    text = page(as_user(admin))
    assert text.count("no GeoIP database is configured") == 1
    assert "sessionadmin geoip_update" in text
    text = page(as_user(alice))
    assert "An administrator can set one up." in text


def test_a_refused_geoip_file_is_said_with_the_reason(
    admin: User, alice: User, as_user: AsUser, settings: Any, tmp_path: Path
) -> None:
    broken = tmp_path / "city.mmdb"
    broken.write_bytes(b"not a database")
    settings.GEOIP_DATABASE = str(broken)
    text = page(as_user(admin))
    assert "The GeoIP database is refused" in text
    assert str(broken) in text
    assert str(broken) not in page(as_user(alice))


def test_logins_stand_under_a_heading_for_each_device(alice: User, admin: User, as_user: AsUser) -> None:
    named = Device.objects.create(user=alice, secret_hash="1" * 64, name="work <laptop>")
    other = Device.objects.create(user=alice, secret_hash="2" * 64)
    for device in (named, other, named, None):
        make_login(alice, known_device=device)
    client = as_user(admin)
    table = pages.elements(client.get(f"{URL}?user=alice&sort=-device_number")).find(".//table[@data-table='logins']")
    assert table is not None
    found = [(row.get("id", "") and "row") or "".join(row.itertext()).strip() for row in table.findall("tbody/tr")]
    assert found == [
        "alice: Firefox on Windows",
        "row",
        "alice: work <laptop>",
        "row",
        "row",
        "No known device",
        "row",
    ]
    grouped, plain = (client.get(f"{URL}?user=alice{sort}").content.decode() for sort in ("&sort=-device_number", ""))
    assert 'href="/logins/?user=alice" id="ungroup"' in grouped
    assert "rowgroup" not in plain
    assert "ungroup" not in plain
