"""/logins/map/: where the live logins are that a person may see, as a drawing and as a list."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from sessions_app.logins import service
from sessions_app.logins.models import EndReason
from tests.support import pages
from tests.support.builders import make_login

AsUser = Callable[[User], Client]
HTMX = {"HX-Request": "true"}


def test_the_map_has_a_marker_per_place_with_a_link_to_its_logins(alice: User, admin: User, as_user: AsUser) -> None:
    for _ in range(2):
        make_login(alice)
    make_login(alice, city="Oslo", region="Oslo", country="Norway", country_code="NO", latitude=59.9, longitude=10.8)
    make_login(alice, city="Private network", region="", country="", latitude=None, longitude=None)
    service.end(make_login(alice, city="Lima", country="Peru"), EndReason.LOGOUT, actor=alice)
    client = as_user(admin)  # a browser without an address
    response = client.get("/logins/map/", headers=HTMX)
    text = html.unescape(response.content.decode())
    assert "<html" not in text
    assert set(re.findall(r"<title>(.*?)<", text)) == {"Bern, Switzerland: 2 logins", "Oslo, Norway: 1 login"}
    assert "Lima" not in text
    assert "2 live logins from private or unknown places are not on the map." in " ".join(text.split())
    link = re.findall(r'<a href="(/logins/\?q=Bern[^"]*)"', text)[0]
    assert len(pages.table(pages.elements(client.get(link)))) == 2
    assert "HX-Request" in response["Vary"]


def test_a_place_known_by_its_country_alone_links_to_the_country(alice: User, as_user: AsUser) -> None:
    make_login(alice, city="Unknown", region="")
    text = as_user(alice).get("/logins/map/").content.decode()
    assert "<!DOCTYPE html>" in text
    assert 'href="/logins/?country=CH"' in text
    assert "Switzerland: 1 login" in text


def test_the_map_shows_only_what_the_person_may_see(alice: User, outsider: User, as_user: AsUser) -> None:
    make_login(outsider)
    assert "Bern" not in as_user(alice).get("/logins/map/").content.decode()


def test_the_map_costs_the_same_for_few_and_many(alice: User, as_user: AsUser) -> None:
    client = as_user(alice)

    def cost() -> int:
        with CaptureQueriesContext(connection) as captured:
            client.get("/logins/map/", headers=HTMX)
        return len(captured)

    few = cost()
    for number in range(20):
        make_login(alice, city=f"City {number}", latitude=float(number))
    assert cost() == few
