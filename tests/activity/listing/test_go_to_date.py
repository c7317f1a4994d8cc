"""Go to date: beside the pages of a list that is sorted by time, and as an ordinary address."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client

from activity import log
from activity.verbs import Verb
from sessions_app.privileged.models import Status
from tests.support import builders, pages

AsUser = Callable[[User], Client]
pytestmark = pytest.mark.django_db
LOG = "/activity/?period=custom&until=2026-02-28"
NOON = dt.datetime(2026, 2, 1, 12, tzinfo=dt.UTC)


@pytest.fixture
def entries() -> None:
    """Create eight entries a day for four weeks, from 00:00 on."""
    begin = NOON.replace(hour=0)
    log.record_all(
        log.draft(Verb.LOGIN, f"Entry {number}", at=begin + dt.timedelta(hours=3 * number)) for number in range(28 * 8)
    )


def times(client: Client, query: str) -> list[str]:
    answer = client.get(f"{LOG}&{query}")
    assert answer.status_code == 200
    return [row["Date and time"] for row in pages.table(pages.elements(answer))]


@pytest.mark.usefixtures("entries")
def test_the_newest_entry_of_the_day_stands_first_or_the_oldest_where_the_list_is_turned_round(
    as_user: AsUser, auditor: User
) -> None:
    client = as_user(auditor)
    newest_first = times(client, "day=2026-02-20")
    assert (newest_first[0], len(newest_first)) == ("2026-02-20 21:00:00", 100)
    oldest_first = times(client, "sort=at&day=2026-02-10")
    assert (oldest_first[0], len(oldest_first)) == ("2026-02-10 00:00:00", 100)


@pytest.mark.usefixtures("entries")
def test_the_pages_before_and_after_join_without_a_gap(as_user: AsUser, auditor: User) -> None:
    client = as_user(auditor)
    page = pages.elements(client.get(f"{LOG}&day=2026-02-20"))
    here = [row["Date and time"] for row in pages.table(page)]
    around = {}
    for name in ("previous", "next"):
        link = page.find(f".//a[@id='page-{name}']")
        assert link is not None
        around[name] = [row["Date and time"] for row in pages.table(pages.elements(client.get(link.get("href", ""))))]
    assert around["previous"][-1] == "2026-02-21 00:00:00"
    assert here[-1] > around["next"][0]
    assert len({*around["previous"], *here, *around["next"]}) == len(around["previous"]) + 100 + len(around["next"])


@pytest.mark.usefixtures("entries")
def test_a_day_is_one_of_the_viewers_zone(as_user: AsUser, auditor: User) -> None:
    client = as_user(auditor)
    client.cookies["timezone"] = "Asia/Tokyo"
    assert times(client, "day=2026-02-20")[0] == "2026-02-20 21:00:00"
    assert times(client, "sort=at&day=2026-02-10")[0] == "2026-02-10 00:00:00"


@pytest.mark.usefixtures("entries")
def test_a_day_past_either_end_shows_the_first_or_the_last_page(as_user: AsUser, auditor: User) -> None:
    client = as_user(auditor)
    assert times(client, "day=2030-01-01") == times(client, "")
    assert pages.elements(client.get(f"{LOG}&day=2030-01-01")).find(".//a[@id='page-previous']") is None
    assert times(client, "day=1990-01-01") == times(client, "last=1")


@pytest.mark.usefixtures("entries")
def test_a_search_goes_to_a_date_too(as_user: AsUser, auditor: User) -> None:
    assert times(as_user(auditor), "activity=entry&day=2026-02-20")[0] == "2026-02-20 21:00:00"


@pytest.mark.usefixtures("entries")
def test_the_form_keeps_what_is_filtered_and_works_without_javascript(as_user: AsUser, auditor: User) -> None:
    page = pages.elements(as_user(auditor).get(f"{LOG}&level=info&last=1"))
    form = page.find(".//form[@id='jump']")
    assert form is not None
    assert form.get("method") == "get"
    sent = pages.fields(page, ".//form[@id='jump']")
    assert sent == {"period": "custom", "until": "2026-02-28", "level": "info", "day": ""}
    assert "Go to date" in pages.text(form)


@pytest.mark.usefixtures("entries")
def test_only_a_list_in_the_order_of_time_has_dates(as_user: AsUser, auditor: User) -> None:
    client = as_user(auditor)
    assert pages.elements(client.get(f"{LOG}&sort=actor")).find(".//form[@id='jump']") is None
    assert client.get(f"{LOG}&sort=actor&day=2026-02-20").status_code == 400


@pytest.mark.parametrize("day", ["tomorrow", "2026-02-31", "2026-1-1'"])
def test_what_is_no_date_is_refused_with_a_word_on_how_to_write_one(as_user: AsUser, auditor: User, day: str) -> None:
    answer = as_user(auditor).get(LOG, {"day": day})
    assert answer.status_code == 400
    assert "2026-01-31" in answer.content.decode()


def test_sessions_without_that_time_stand_after_those_with_one(as_user: AsUser, admin: User, alice: User) -> None:
    for day in (1, 5, 9):
        session = builders.make_session(alice)
        type(session).objects.filter(pk=session.pk).update(
            status="complete", start_at=NOON.replace(day=day), ended_at=NOON.replace(day=day)
        )
    builders.make_session(alice, Status.DENIED)
    answer = as_user(admin).get("/sessions/?tab=historical&sort=-start&day=2026-02-06")
    starts = [row["Start"] for row in pages.table(pages.elements(answer))]
    assert starts == ["2026-02-05 12:00:00", "2026-02-01 12:00:00", "–"]
