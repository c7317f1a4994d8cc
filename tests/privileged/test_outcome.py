"""A view says what it did: to an open page by an event, to a plain browser by messages and a redirect."""

from __future__ import annotations

import json

import pytest
from django.contrib.messages import get_messages
from django.contrib.messages.storage.fallback import FallbackStorage
from django.http import HttpRequest
from django.test import RequestFactory
from django_htmx.middleware import HtmxDetails

from sessions_app.outcome import Undo, outcome

LINES = [("success", "Locked 2 sessions."), ("error", "“ü” was not locked.\nNothing was changed.")]


def request_of(*, htmx: bool) -> HttpRequest:
    request = RequestFactory().post("/", headers={"HX-Request": "true"} if htmx else {})
    vars(request).update(htmx=HtmxDetails(request), session={})
    vars(request).update(_messages=FallbackStorage(request))
    return request


def test_htmx_gets_the_event_with_every_line() -> None:
    response = outcome(request_of(htmx=True), LINES, "/sessions/")
    assert response.status_code == 204
    event = json.loads(response.headers["HX-Trigger"])
    assert event == {"done": {"messages": [list(line) for line in LINES]}}
    assert response.headers["HX-Trigger"].isascii()


def test_a_plain_browser_gets_messages_and_goes_back() -> None:
    request = request_of(htmx=False)
    response = outcome(request, LINES, "/sessions/?tab=active")
    assert (response.status_code, response.headers["Location"]) == (302, "/sessions/?tab=active")
    assert [(message.level_tag, message.message) for message in get_messages(request)] == LINES


@pytest.mark.parametrize("hostile", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", ""])
def test_nobody_is_sent_elsewhere(hostile: str) -> None:
    assert outcome(request_of(htmx=False), LINES, hostile).headers["Location"] == "/"


def test_what_can_be_taken_back_carries_how_with_the_first_success() -> None:
    lines = [("error", "“b” was not locked."), ("success", "Locked “a”."), ("success", "And more.")]
    undo = Undo("/sessions/do/unlock/", ("7", "8"))
    event = json.loads(outcome(request_of(htmx=True), lines, "/", undo=undo).headers["HX-Trigger"])
    carried = {"url": "/sessions/do/unlock/", "ids": ["7", "8"]}
    assert event["done"]["messages"] == [list(lines[0]), [*lines[1], carried], list(lines[2])]
    request = request_of(htmx=False)
    outcome(request, lines, "/", undo=undo)
    assert [Undo.read(message.extra_tags) for message in get_messages(request)] == [None, undo, None]


def test_what_did_not_succeed_cannot_be_taken_back() -> None:
    event = json.loads(outcome(request_of(htmx=True), LINES[1:], "/", undo=Undo("/x/")).headers["HX-Trigger"])
    assert event["done"]["messages"] == [list(LINES[1])]
