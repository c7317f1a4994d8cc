"""Logins from another country than usual are marked, found and counted by their own index."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from sessions_app.logins.abroad import LOOKED_BACK, is_abroad, usual_countries
from sessions_app.logins.geoip.checks import check_home_country
from sessions_app.logins.geoip.sample_file import write_sample_database
from sessions_app.logins.geoip.sample_places import SAMPLE_PLACES
from sessions_app.logins.models import LoginSession
from tests.support import pages
from tests.support.builders import PASSWORD, make_login, make_user
from tests.support.query_plans import explained

AsUser = Callable[[User], Client]
URL = "/logins/"
NORWAY = {"country": "Norway", "country_code": "NO"}


def logged_in(user: User, *codes: str) -> None:
    for code in codes:
        make_login(user, country_code=code)


@pytest.mark.parametrize(
    ("earlier", "home", "now", "expected"),
    [
        ([], "", "NO", False),  # nothing is known
        ([], "CH", "NO", True),
        ([], "CH", "CH", False),
        (["NO", "NO"], "CH", "NO", True),  # two logins say too little
        (["NO", "NO", "NO"], "CH", "NO", False),
        (["NO", "NO", "NO"], "CH", "CH", True),
        (["CH", "CH", "NO", "NO"], "", "NO", False),  # both are usual
        (["CH", "CH", "NO", "NO"], "", "SE", True),
        (["CH", "CH", "CH", ""], "", "", False),  # from nowhere is not from abroad
        (["CH"] * LOOKED_BACK + ["NO"] * (LOOKED_BACK // 2), "", "NO", False),  # moved
    ],
)
def test_abroad_is_another_country_than_most_of_the_last_logins(
    alice: User, settings: Settings, earlier: list[str], home: str, now: str, expected: bool
) -> None:
    settings.HOME_COUNTRY = home
    logged_in(alice, *earlier)
    logged_in(make_user("zoe"), "SE", "SE", "SE")  # others do not count
    assert is_abroad(alice.pk, now) is expected


def test_a_login_and_a_change_of_address_say_whether_they_are_from_abroad(
    alice: User, settings: Settings, tmp_path: Path
) -> None:
    write_sample_database(tmp_path / "sample.mmdb")
    settings.GEOIP_DATABASE = str(tmp_path / "sample.mmdb")
    home = SAMPLE_PLACES[0]
    away = next(place for place in SAMPLE_PLACES if place.country_code != home.country_code)
    logged_in(alice, *[home.country_code] * 3)
    found = []
    client = Client(REMOTE_ADDR=home.address(1))
    assert client.post("/accounts/login/", {"username": "alice", "password": PASSWORD}).status_code == 302
    login = LoginSession.objects.latest("pk")
    for address in (home.address(1), away.address(1), home.address(2)):
        client.get("/logins/", REMOTE_ADDR=address)
        login.refresh_from_db()
        found.append((login.country_code, login.is_abroad))
    assert found == [(home.country_code, False), (away.country_code, True), (home.country_code, False)]


def test_one_click_lists_the_logins_from_abroad(as_user: AsUser, admin: User, alice: User) -> None:
    make_login(alice)
    away = make_login(make_user("zoe"), is_abroad=True, **NORWAY)
    client = as_user(admin)
    (button,) = [each for each in pages.elements(client.get(URL)).iter("button") if pages.text(each) == "From abroad"]
    assert button.get("form") == "filters"
    page = pages.elements(client.get(URL, {button.attrib["name"]: button.attrib["value"]}))
    (row,) = pages.table(page)
    assert (row["id"], row["Country"]) == (f"row-{away.pk}", "Norway (from abroad)")
    others = pages.table(pages.elements(client.get(f"{URL}?abroad=no")))
    assert "zoe" not in {row["User"] for row in others}
    assert client.get(f"{URL}?abroad=maybe").status_code == 400


def test_others_from_abroad_are_not_shown_to_users(as_user: AsUser, alice: User, outsider: User) -> None:
    make_login(outsider, is_abroad=True, **NORWAY)
    assert not pages.table(pages.elements(as_user(alice).get(f"{URL}?abroad=yes&state=all")))


@pytest.mark.django_db
def test_the_database_finds_the_few_from_abroad_and_the_last_of_a_person_by_their_indexes() -> None:
    with CaptureQueriesContext(connection) as captured:
        list(LoginSession.objects.filter(is_abroad=True).order_by("-last_access_at", "-pk")[:100])
        usual_countries(1)
    away, earlier = (explained(query["sql"]) for query in captured)
    assert "login_abroad" in away
    assert "login_located" in earlier


@pytest.mark.parametrize(("value", "ids"), [("", []), ("CH", []), ("SWISS", ["sessions_app.E012"])])
def test_a_home_country_that_is_none_is_reported(settings: Settings, value: str, ids: list[str]) -> None:
    settings.HOME_COUNTRY = value
    assert [message.id for message in check_home_country()] == ids
