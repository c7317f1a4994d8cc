"""The page of login sessions says where its locations come from, or why there are none."""

from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from sessions_app.logins.models import LoginSession
from tests.support.builders import make_admin, make_policy, make_session, make_user
from tests.support.geoip_database import write_database
from tests.support.pages import elements, text

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(client: Client) -> Client:
    client.force_login(make_user("alice"))
    return client


def test_a_free_database_is_mentioned_with_a_link(browser: Client, tmp_path: Path, settings: Settings) -> None:
    write_database(tmp_path / "city.mmdb", "Bern", "DBIP-City-Lite")
    settings.GEOIP_DATABASE = str(tmp_path / "city.mmdb")
    me = User.objects.get()
    login = LoginSession.objects.get()
    for path in ("/logins/", "/logins/map/", f"/logins/{login.pk}/", f"/users/{me.pk}/?tab=logins"):
        page = elements(browser.get(path))
        link = page.find(".//*[@id='geoip-attribution']/a")
        assert text(link) == "IP Geolocation by DB-IP"
        assert link is not None
        assert link.attrib["href"] == "https://db-ip.com"
        assert page.find(".//*[@id='geoip']") is None
    make_session(me, policy=make_policy())  # else an administrator sees the first steps
    chief = Client()
    chief.force_login(make_admin())
    assert elements(chief.get("/")).find(".//*[@id='geoip-attribution']/a") is not None  # logins by country
    other = elements(browser.get(f"/users/{me.pk}/?tab=sessions"))
    assert other.find(".//*[@id='geoip-attribution']") is None


def test_a_missing_database_is_said_and_nobody_is_mentioned(browser: Client, settings: Settings) -> None:
    settings.GEOIP_DATABASE = ""
    page = elements(browser.get("/logins/"))
    assert "no GeoIP database is configured" in text(page.find(".//*[@id='geoip']"))
    assert page.find(".//*[@id='geoip-attribution']") is None
