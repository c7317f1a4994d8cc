"""People see, name and forget their own devices on the page of their account."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.devices.models import Device
from tests.support.builders import PASSWORD
from tests.support.pages import elements, text

ACCOUNT = "/accounts/me/"


@pytest.fixture
def laptop(alice: User) -> Client:
    client = Client(REMOTE_ADDR="198.51.100.7")
    client.post("/accounts/login/", {"username": "alice", "password": PASSWORD})
    return client


def listed(client: Client) -> list[str]:
    page = elements(client.get(ACCOUNT))
    links = [link for link in page.findall(".//li/a") if "/devices/" in link.attrib["href"]]
    return [text(item) for item in page.findall(".//li") if any(link in list(item) for link in links)]


def test_a_device_is_named_and_the_one_in_use_is_marked(alice: User, laptop: Client) -> None:
    device = Device.objects.get()
    url = f"/accounts/devices/{device.pk}/name/"
    assert "Name this device" in laptop.get(url, headers={"HX-Request": "true"}).content.decode()
    assert laptop.post(url, {"name": " work\u202elaptop "}).status_code == 302
    [line] = listed(laptop)
    assert line.startswith("work laptop")
    assert "This device" in line
    assert "named a device “work laptop”" in LogEntry.objects.get(verb=Verb.DEVICE_NAMED).message
    assert laptop.post(url, {"name": "x" * 61}).status_code == 422
    other = Device.objects.create(user=alice, secret_hash="x")
    answer = laptop.post(f"/accounts/devices/{other.pk}/name/", {"name": "work laptop"})
    assert answer.status_code == 422
    assert "Another device of yours has this name" in answer.content.decode()
    assert laptop.post(url, {"name": ""}).status_code == 302
    device.refresh_from_db()
    assert device.name == ""


def test_a_device_is_forgotten_and_its_logins_go_on(laptop: Client) -> None:
    url = f"/accounts/devices/{Device.objects.get().pk}/forget/"
    assert "1 login from it stays logged in" in text(elements(laptop.get(url)).find(".//main"))
    assert laptop.post(url).status_code == 302
    assert Device.objects.count() == 0
    assert listed(laptop) == []
    assert LogEntry.objects.filter(verb=Verb.DEVICE_FORGOTTEN).count() == 1
    assert laptop.post(url).status_code == 404
