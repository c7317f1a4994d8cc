"""The table machinery through HTTP: pages, fragments, 304s, preferences, and what a bad address is told.

The list is tests/support/listing_urls.py: login sessions with a nullable number, a nullable time and ties.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from activity.models import ListPreference, LogEntry
from activity.verbs import Verb
from sessions_app.logins.models import EndReason, LoginSession
from tests.support.builders import make_login, make_user
from tests.support.pages import streamed

pytestmark = pytest.mark.django_db
LIST = "/test/logins/"
HTMX = {"HX-Request": "true"}
AsUser = Callable[[User], Client]


@pytest.fixture(autouse=True)
def list_under_test(settings: Any) -> None:
    """Add one more page to the console: tests/support/listing_urls.py."""
    settings.ROOT_URLCONF = "tests.support.listing_urls"
    templates = str(Path(__file__).parents[2] / "support" / "templates")
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [*settings.TEMPLATES[0]["DIRS"], templates]}]


@pytest.fixture
def client(as_user: AsUser, admin: User) -> Client:
    return as_user(admin)


class _Elements(HTMLParser):
    """Every start tag with its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))


def elements(response: Any) -> list[tuple[str, dict[str, str]]]:
    return _Elements(response.content.decode()).found


def by_id(response: Any, name: str) -> dict[str, str] | None:
    return next((attributes for _, attributes in elements(response) if attributes.get("id") == name), None)


def row_ids(response: Any) -> list[int]:
    ids = [attributes.get("id", "") for tag, attributes in elements(response) if tag == "tr"]
    return [int(name.removeprefix("row-")) for name in ids if name.startswith("row-")]


def make_logins(count: int) -> list[LoginSession]:
    """Create logins with equal values and NULLs: every third has no radius, every second has ended."""
    user = make_user("zoe")
    now = timezone.now()
    made = []
    for number in range(count):
        ended = {"ended_at": now - dt.timedelta(minutes=number // 4), "end_reason": EndReason.LOGOUT}
        made.append(
            make_login(
                user,
                user_name=f"user{number // 5:03}",
                accuracy_km=None if number % 3 == 0 else number % 4,
                created_at=now - dt.timedelta(microseconds=number),
                **(ended if number % 2 else {}),
            )
        )
    return made


def test_a_list_of_two_and_of_two_hundred_rows_costs_the_same_queries(client: Client) -> None:
    make_logins(2)
    client.get(LIST)
    with CaptureQueriesContext(
        connection,
    ) as few:
        assert len(row_ids(client.get(LIST))) == 2
    make_logins(198)
    with CaptureQueriesContext(connection) as many:
        assert len(row_ids(client.get(LIST))) == 100
    assert len(many) == len(few)
    assert not [query["sql"] for query in many if "OFFSET" in query["sql"]]


@pytest.mark.parametrize(
    "sort", [f"{sign}{key}" for key in ("user", "radius", "ended", "created") for sign in ("", "-")]
)
@pytest.mark.parametrize("count", [23, 21])
def test_pages_lead_through_every_row_once_and_back_again(client: Client, sort: str, count: int) -> None:
    made = make_logins(count)
    whole = row_ids(client.get(LIST, {"sort": sort}))
    assert sorted(whole) == sorted(row.pk for row in made)
    response = client.get(LIST, {"sort": sort, "size": "7"})
    pages = [row_ids(response)]
    while link := by_id(response, "page-next"):
        response = client.get(link["href"])
        pages.append(row_ids(response))
    assert [pk for page in pages for pk in page] == whole
    assert [len(page) for page in pages[:-1]] == [7] * (len(pages) - 1)
    back = [pages[-1]]
    while link := by_id(response, "page-previous"):
        response = client.get(link["href"])
        back.insert(0, row_ids(response))
    assert back == pages
    last = row_ids(client.get(LIST, {"sort": sort, "size": "7", "last": "1"}))
    assert last == whole[-7:]


@pytest.mark.parametrize("key", ["radius", "ended"])
def test_what_has_no_value_stands_last_in_both_directions(client: Client, key: str) -> None:
    made = {row.pk: row for row in make_logins(20)}
    field = {"radius": "accuracy_km", "ended": "ended_at"}[key]
    for sort in (key, f"-{key}"):
        values = [getattr(made[pk], field) for pk in row_ids(client.get(LIST, {"sort": sort}))]
        known = [value for value in values if value is not None]
        assert values == known + [None] * (len(values) - len(known))
        assert known == sorted(known, reverse=sort.startswith("-"))


def test_the_first_and_the_last_page_have_no_way_on(client: Client) -> None:
    make_logins(14)
    first = client.get(LIST, {"size": "7"})
    assert by_id(first, "page-previous") is None
    last = client.get((by_id(first, "page-next") or {})["href"])
    assert len(row_ids(last)) == 7
    assert by_id(last, "page-next") is None
    assert by_id(client.get((by_id(first, "page-last") or {})["href"]), "page-next") is None


def cursor(*values: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


BAD_CURSORS = [
    "x",
    "%",
    "AAAA",
    cursor(),
    cursor(1),
    cursor("user000", "1"),
    cursor("user000", 2**63),
    cursor("user000", -(2**70)),
    cursor([], 1),
    cursor({}, 1),
    cursor("a\x00b", 1),
    cursor("user000", 1.5),
    cursor("user000", None),
    "é",
    "A" * 5000,
]


@pytest.mark.parametrize(
    "parameters",
    [
        *({name: bad} for name in ("after", "before") for bad in BAD_CURSORS),
        *({"sort": "created", "after": cursor(bad, 1)} for bad in ("not a time", 5, "2026-13-45", True, "9" * 400)),
        *({"sort": "radius", "after": cursor(bad, 1)} for bad in ("many", "1e999", "NaN")),
        *(
            {"sort": bad}
            for bad in ("password", "user__password", "-", "--user", "agent", "pk", "key_hash", "é", "a" * 3000)
        ),
        {"device": "Toaster"},
        {"unknown": "1"},
        {"user__password__startswith": "a"},
        {"q": "a\x00b"},
        {"sort": "user\x00"},
    ],
    ids=lambda parameters: urlencode(parameters)[:60],
)
def test_an_address_that_no_list_made_is_a_clear_400(client: Client, parameters: dict[str, str]) -> None:
    make_logins(3)
    response = client.get(LIST, parameters)
    assert response.status_code == 400
    assert "This list cannot be shown" in response.content.decode()
    fragment = client.get(LIST, parameters, headers=HTMX)
    assert fragment.status_code == 400
    assert by_id(fragment, "results") is not None
    assert "<html" not in fragment.content.decode()


def test_htmx_gets_the_fragment_and_everybody_else_the_page(client: Client) -> None:
    make_logins(3)
    page, fragment = client.get(LIST), client.get(LIST, headers=HTMX)
    assert "<html" in page.content.decode()
    assert "<html" not in fragment.content.decode()
    assert row_ids(page) == row_ids(fragment) != []
    for response in (page, fragment):
        assert "HX-Request" in response["Vary"]
        assert "Cookie" in response["Vary"]
    boosted = client.get(LIST, headers=HTMX | {"HX-Boosted": "true"})
    restored = client.get(LIST, headers=HTMX | {"HX-History-Restore-Request": "true"})
    assert "<html" in boosted.content.decode()
    assert "<html" in restored.content.decode()


def test_a_refresh_is_answered_with_304_until_something_changes(client: Client) -> None:
    row = make_logins(3)[0]
    etag = (by_id(client.get(LIST), "results") or {})["data-etag"]
    unchanged = client.get(LIST, headers=HTMX | {"If-None-Match": f'"{etag}"'})
    assert unchanged.status_code == 304
    assert unchanged.content == b""
    assert "HX-Request" in unchanged["Vary"]
    LoginSession.objects.filter(pk=row.pk).update(city="Elsewhere")
    changed = client.get(LIST, headers=HTMX | {"If-None-Match": f'"{etag}"'})
    assert changed.status_code == 200
    assert (by_id(changed, "results") or {})["data-etag"] != etag
    assert client.get(LIST, HTTP_IF_NONE_MATCH=f'"{etag}"').status_code == 200  # a whole page is never a 304


def test_search_and_filter_narrow_and_say_so(client: Client) -> None:
    make_logins(10)
    make_login(make_user("yan"), user_name="yan", city="Basel", device="Mobile")
    response = client.get(LIST, {"q": "yan BASEL"})
    assert len(row_ids(response)) == 1
    assert "1 login<" in response.content.decode()
    assert (by_id(response, "show-all") or {})["href"] == f"{LIST}?"
    assert len(row_ids(client.get(LIST, {"device": "Mobile"}))) == 1
    nothing = client.get(LIST, {"q": "50%_"})
    assert row_ids(nothing) == []
    assert "Nothing matches" in nothing.content.decode()


def test_an_empty_list_says_what_to_expect(client: Client) -> None:
    text = client.get(LIST).content.decode()
    assert "No logins yet" in text
    assert "Nobody has logged in." in text


def test_everything_is_a_link_or_a_form_that_needs_no_script(client: Client) -> None:
    make_logins(30)
    response = client.get(LIST, {"size": "7", "q": "user", "sort": "-user"})
    found = elements(response)
    links = [a for tag, a in found if tag == "a" and a.get("hx-get", "").startswith((LIST, "?"))]
    assert {link["id"] for link in links} >= {"sort-user", "sort-radius", "page-next", "page-last"}
    assert all(link["href"] == link["hx-get"] for link in links)
    for link in links:
        assert "q=user" in link["href"]
        assert "size=7" in link["href"]
    sorted_by = {a["data-column"]: a.get("aria-sort") for tag, a in found if tag == "th" and "data-column" in a}
    assert sorted_by["user"] == "descending"
    assert sorted_by["city"] is None
    form = by_id(response, "filters") or {}
    assert form["method"] == "get"
    stored = {a["name"]: a["value"] for tag, a in found if tag == "input" and a.get("form") == "filters"}
    assert stored == {"sort": "-user", "size": "7"}


def test_no_page_holds_inline_style_or_script(client: Client) -> None:
    make_logins(3)
    for tag, attributes in elements(client.get(LIST)):
        assert tag != "style"
        assert not [name for name in attributes if name == "style" or name.startswith("on")]
        assert tag != "script" or attributes.get("src")
        assert "javascript:" not in attributes.get("href", "")


def test_hostile_text_in_a_row_stays_text(client: Client) -> None:
    make_login(city='"><script>alert(1)</script>', user_name="<img src=x>")
    found = elements(client.get(LIST))
    assert not [a for tag, a in found if tag == "img"]
    assert all(a.get("src") for tag, a in found if tag == "script")


def test_column_widths_are_remembered_per_person_and_kept_in_bounds(
    client: Client, as_user: AsUser, alice: User
) -> None:
    make_logins(1)
    save = "/activity/columns/test-logins/"
    assert client.post(save, {"widths": '{"user": 333}'}).status_code == 204
    assert client.post(save, {"widths": '{"city": 77}'}).status_code == 204

    def widths(of: Client) -> list[str]:
        return [a.get("width", "") for tag, a in elements(of.get(LIST)) if tag == "col"]

    assert widths(client)[:3] == ["38", "333", "77"]
    assert widths(as_user(alice))[:3] == ["38", "220", ""]
    for bad in (
        "",
        "x",
        "[]",
        "3",
        '{"user": 59}',
        '{"user": 1601}',
        '{"user": "200"}',
        '{"user": 1e999}',
        "[" * 10000,
        '{"user": null}',
        '{"user": true}',
        json.dumps({f"c{n}": 100 for n in range(100)}),
    ):
        assert client.post(save, {"widths": bad}).status_code == 400, bad
    assert widths(client)[:3] == ["38", "333", "77"]


def test_one_column_takes_the_room_that_is_left_until_the_person_gives_it_a_width(client: Client) -> None:
    make_logins(1)
    save = "/activity/columns/test-logins/"

    def table() -> tuple[str, list[dict[str, str]]]:
        found = elements(client.get(LIST))
        width = next(a["width"] for tag, a in found if tag == "table" and a.get("data-table") == "test-logins")
        return width, [a for tag, a in found if tag == "col"]

    width, columns = table()
    assert [a for a in columns if "width" not in a] == [{"data-least": "150"}]
    assert int(width) == sum(int(a.get("data-least") or a["width"]) for a in columns)
    radius = columns[4]  # it grows with the table
    assert float(radius["width"].removesuffix("%")) == round(100 * int(radius["data-least"]) / int(width), 2)
    client.post(save, {"widths": '{"city": 300}'})
    wider, columns = table()
    assert int(wider) == int(width) + 150
    assert [a for a in columns if "width" not in a] == [{}]  # one without a heading
    keys = ["user", "city", "device"]
    client.post(save, {"reset": "1"})
    client.post(save, {"all": keys, "shown": ["user", "device"]})
    assert [a.get("data-least") for a in table()[1] if "width" not in a] == ["150"]  # the next one that may


def test_columns_are_moved_and_remembered_with_and_without_a_script(
    client: Client, as_user: AsUser, alice: User
) -> None:
    make_logins(1)
    save = "/activity/columns/test-logins/"
    keys = ["user", "city", "device", "radius", "ended", "created", "agent"]

    def shown(of: Client) -> list[str]:
        return [a["data-column"] for tag, a in elements(of.get(LIST)) if tag == "th" and "data-column" in a]

    def listed() -> list[str]:
        return [a["value"] for tag, a in elements(client.get(LIST)) if a.get("name") == "shown"]

    form = {"all": " ".join(keys), "shown": keys[:-1], "next": LIST}
    assert client.post(save, form | {"move": "left device"}).status_code == 302
    assert shown(client) == ["user", "device", "city", "radius", "ended", "created"]
    assert listed() == ["user", "device", "city", "radius", "ended", "created", "agent"]
    assert client.post(save, form | {"move": "left user"}).status_code == 302  # the first stays the first
    assert shown(client) == keys[:-1]
    assert client.post(save, {"order": "created nonsense user created <b>"}).status_code == 204
    assert shown(client) == ["created", "user", "city", "device", "radius", "ended"]
    assert listed()[-1] == "ended"
    assert ListPreference.objects.get().order == ["created", "nonsense", "user", "created"]
    assert shown(as_user(alice)) == keys[:-1]
    header = streamed(client.get(LIST + "?csv=1")).split(b"\r\n")[0]
    assert header == b"User,City,Device,Radius,Ended,Logged in,User agent"  # the file of everybody is the same
    client.post(save, {"reset": "1"})
    assert shown(client) == keys[:-1]


def test_cells_say_where_they_stand_on_a_card_unless_its_lead_is_hidden(client: Client) -> None:
    make_logins(1)

    def classes() -> tuple[str, list[str]]:
        found = elements(client.get(LIST))
        table = next(a["class"] for tag, a in found if tag == "table" and "data-table" in a)
        return table, [a["class"] for tag, a in found if tag == "td" and "class" in a]

    assert classes() == ("grid row-cards", ["lead", "text opens", "side", "number", "note"])
    client.post("/activity/columns/test-logins/", {"all": "user city", "shown": ["city"]})
    assert classes()[0] == "grid"  # cards without a name would be puzzling


def test_rows_are_comfortable_or_compact(client: Client) -> None:
    def density() -> str | None:
        return next(a for tag, a in elements(client.get(LIST)) if tag == "html").get("data-density")

    assert density() is None
    answer = client.post("/activity/density/", {"density": "compact", "next": f"{LIST}?sort=user"})
    assert (answer.status_code, answer["Location"]) == (302, f"{LIST}?sort=user")
    assert density() == "compact"
    pressed = {a["value"]: a["aria-pressed"] for _, a in elements(client.get(LIST)) if a.get("name") == "density"}
    assert pressed == {"comfortable": "false", "compact": "true"}
    assert client.post("/activity/density/", {"density": "<b>"}).status_code == 400
    assert density() == "compact"
    client.post("/activity/density/", {"density": "comfortable"})
    assert density() is None


def test_hidden_columns_are_remembered_and_can_be_reset(client: Client) -> None:
    make_logins(1)
    save = "/activity/columns/test-logins/"
    keys = ["user", "city", "device", "radius", "ended", "created", "agent"]

    def shown() -> list[str]:
        return [a["data-column"] for tag, a in elements(client.get(LIST)) if tag == "th" and "data-column" in a]

    assert shown() == keys[:-1]
    answer = client.post(save, {"all": keys, "shown": ["user", "agent"], "next": f"{LIST}?sort=user"})
    assert (answer.status_code, answer["Location"]) == (302, f"{LIST}?sort=user")
    assert shown() == ["user", "agent"]
    assert client.post(save, {"reset": "1", "next": "https://evil.example.com/"})["Location"] == "/"
    assert shown() == keys[:-1]


def test_one_person_cannot_fill_the_database_with_preferences(client: Client, admin: User) -> None:
    for number in range(50):
        assert client.post(f"/activity/columns/list-{number}/", {"widths": '{"a": 100}'}).status_code == 204
    assert client.post("/activity/columns/one-too-many/", {"widths": '{"a": 100}'}).status_code == 400
    for start in range(0, 120, 40):
        client.post("/activity/columns/list-1/", {"widths": json.dumps({f"c{start + n}": 100 for n in range(40)})})
    assert ListPreference.objects.filter(user=admin).count() == 50
    assert len(ListPreference.objects.get(user=admin, table="list-1").widths) <= 60
    assert client.get("/activity/columns/list-1/").status_code == 405


def test_the_download_holds_every_filtered_row_in_order_and_is_logged(client: Client) -> None:
    make_logins(30)
    response = client.get(LIST, {"sort": "-user", "q": "user00", "size": "7", "csv": "1"})
    lines = b"".join(response).decode().splitlines()
    assert lines[0] == "User,City,Device,Radius,Ended,Logged in,User agent"
    assert len(lines) == 31
    names = [line.split(",")[0] for line in lines[1:]]
    assert names == sorted(names, reverse=True)
    assert lines[1].startswith("user005,Bern,Desktop,")
    entry = LogEntry.objects.filter(verb=Verb.EXPORTED).get()
    assert entry.details["rows"] == 30
    assert entry.details["filters"] == {"sort": "-user", "q": "user00", "size": "7"}
    assert re.search(r'filename="test-logins-\d{8}T\d{6}Z\.csv"', response["Content-Disposition"])


def test_counts_stop_at_ten_thousand(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("activity.listing.listing.COUNT_CAP", 5)
    make_logins(6)
    assert "5+ logins" in client.get(LIST).content.decode()
    make_logins(0)
    LoginSession.objects.filter(pk=LoginSession.objects.latest("pk").pk).update(ip="198.51.100.8")
    assert "5 logins" in client.get(LIST, {"size": 2}).content.decode()


def test_an_error_inside_a_page_is_a_fragment_for_htmx(client: Client) -> None:
    whole, part = client.get("/sessions/999999/"), client.get("/sessions/999999/", headers=HTMX)
    assert whole.status_code == part.status_code == 404
    assert "<html" in whole.content.decode()
    assert "<html" not in part.content.decode()
    assert 'class="problem"' in part.content.decode()
