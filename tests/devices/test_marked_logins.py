"""Session Information marks logins from new devices and from too far away, and finds them by their own indexes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from sessions_app.devices.models import Device, RecognisedBy
from sessions_app.logins.models import LoginSession
from tests.support import pages
from tests.support.builders import make_login, make_user
from tests.support.entries import download
from tests.support.query_plans import explained

AsUser = Callable[[User], Client]
URL = "/logins/"


def rows(client: Client, query: str) -> list[str]:
    return [row["id"] for row in pages.table(pages.elements(client.get(f"{URL}?{query}")))]


def test_new_devices_and_impossible_travel_are_marked_found_and_downloaded(
    as_user: AsUser, admin: User, alice: User
) -> None:
    client = as_user(admin)
    zoe = make_user("zoe")
    phone = Device.objects.create(user=zoe, secret_hash="x", name="her phone")
    new = make_login(zoe, recognised_by=RecognisedBy.NEW, known_device=phone, device="Mobile")
    far = make_login(alice, travel_kmh=4200)
    shown = {row["id"]: row for row in pages.table(pages.elements(client.get(URL)))}
    assert shown[f"row-{new.pk}"]["Device details"].split() == ["New", "(Mobile)", "her", "phone"]
    assert shown[f"row-{far.pk}"]["City"] == "Too far away for the time: Bern"
    assert "4,200 km/h since another login" in client.get(URL).content.decode()
    assert rows(client, "new_device=yes") == [f"row-{new.pk}"]
    assert rows(client, "travel=yes") == [f"row-{far.pk}"]
    assert f"row-{new.pk}" not in rows(client, "new_device=no")
    assert f"row-{far.pk}" not in rows(client, "travel=no")
    head = pages.text(pages.elements(client.get(f"/logins/{far.pk}/")).find(".//h1"))
    assert "Too far away for the time" in head
    assert "New device" in pages.text(pages.elements(client.get(f"/logins/{new.pk}/")).find(".//h1"))
    lines = {line["User"]: line for line in download(client.get(f"{URL}?csv=1"))}
    assert (lines["zoe"]["Device name (now)"], lines["zoe"]["Device recognised"]) == ("her phone", "New device")
    assert (lines["alice"]["Travel (km/h)"], lines["alice"]["City"]) == ("4200", "Bern")


def test_a_row_shows_the_name_that_its_person_gave_the_device(as_user: AsUser, alice: User) -> None:
    client = as_user(alice)
    laptop = Device.objects.create(user=alice, secret_hash="x", name="work <laptop>")
    named = make_login(alice, known_device=laptop, device="Desktop")
    shown = {row["id"]: row for row in pages.table(pages.elements(client.get(URL)))}
    assert shown[f"row-{named.pk}"]["Device details"] == "work <laptop>"
    cell = pages.elements(client.get(URL)).find(f".//tr[@id='row-{named.pk}']//span[@title='work <laptop> (Desktop)']")
    assert cell is not None
    (line,) = [line for line in download(client.get(f"{URL}?csv=1")) if line["Device name (now)"]]
    assert (line["Device details"], line["Device name (now)"]) == ("Desktop", "work <laptop>")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("condition", "index"),
    [({"recognised_by": RecognisedBy.NEW}, "login_new_device"), ({"travel_kmh__isnull": False}, "login_travel")],
)
def test_the_few_marked_ones_have_their_index(condition: dict[str, object], index: str) -> None:
    with CaptureQueriesContext(connection) as asked:
        list(LoginSession.objects.filter(**condition).order_by("-last_access_at", "-pk")[:100])
    assert index in explained(asked[0]["sql"])
