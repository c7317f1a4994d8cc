"""Limits of one person, by many connections at the same moment to a real `serve`, as people start it.

Whoever is over a limit is told what it is and when to go on. Somebody else is answered all the while.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPMessage
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

import pytest

from tests.support import programs, slow_clients
from tests.support.slow_clients import Scene
from tests.support.waiting import PATIENCE, wait_until

AT_ONCE = 8  # connections of one person
REQUESTS, LIVE, SESSIONS = 100, 2, 3  # the limits
HOSTS = 8
PEOPLE = """
from django.conf import settings
from django.test import Client
from tests.support import builders
from tests.support.recordings import make_running

people = [builders.make_admin(f"admin-{number}") for number in range(12)]
asker, approver = builders.make_user("asker"), builders.make_user("approver")
hosts = [builders.make_resource(f"host-{number}") for number in range(8)]
builders.make_policy(users=[asker, people[0]], resources=hosts, profile=builders.make_profile(tiers=[[approver]]))
for number in range(8):
    make_running()
for person in [asker, *people]:
    client = Client()
    client.force_login(person)
    print("COOKIE", client.cookies[settings.SESSION_COOKIE_NAME].value)
"""


class Answer(NamedTuple):
    status: int
    headers: HTTPMessage
    text: str


class Person:
    """The browser of somebody who is logged in. Each request uses a new connection."""

    def __init__(self, port: int, cookie: str) -> None:
        self.port = port
        self.cookie = cookie

    def get(self, path: str) -> Answer:
        return self._ask("GET", path, "", self.cookies())

    def post(self, path: str, form: dict[str, str]) -> Answer:
        """Send a form, with the token that belongs to the cookie beside it."""
        token = "a" * 32
        body = urlencode(form | {"csrfmiddlewaretoken": token})
        return self._ask("POST", path, body, f"{self.cookies()}; csrftoken={token}")

    def cookies(self) -> str:
        return f"sessionid={self.cookie}"

    def _ask(self, method: str, path: str, body: str, cookies: str) -> Answer:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        headers = {"Cookie": cookies}
        if body:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        with contextlib.closing(connection):
            connection.request(method, path, body or None, headers)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read().decode())

    def at_once(self, ask: Callable[[Person, str], Answer], whats: Sequence[str]) -> list[Answer]:
        """Return the answers to requests that are sent at the same moment."""
        with ThreadPoolExecutor(len(whats)) as threads:
            return list(threads.map(lambda what: ask(self, what), whats))


@contextlib.contextmanager
def answered_all_the_while(person: Person, path: str = "/activity/") -> Iterator[None]:
    """Check that somebody else gets a page again and again, at least once, during the block."""
    seen: Counter[int] = Counter()
    is_over = threading.Event()

    def look() -> None:
        while not is_over.wait(0.2) or not seen:
            seen[person.get(path).status] += 1

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield
    finally:
        is_over.set()
        looking.join(PATIENCE)
    assert set(seen) == {200}


def assert_told(answer: Answer, words: str) -> None:
    """Check for a 429 that names the limit, and says that nothing was changed and when to go on."""
    assert answer.status == 429
    assert words in answer.text
    assert int(answer.headers["Retry-After"]) > 0


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return slow_clients.make_scene(tmp_path_factory.mktemp("limits") / "var", entries=0, people=PEOPLE)


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory in which every e-mail becomes a file."""
    return tmp_path_factory.mktemp("letters")


@pytest.fixture(scope="module")
def console(scene: Scene, letters: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[programs.Running]:
    environment = scene.environment(
        PAGE_REQUESTS_LIMIT=str(REQUESTS),
        LIVE_VIEWS_LIMIT=str(LIVE),
        SESSION_REQUESTS_LIMIT=str(SESSIONS),
        EMAIL_URL=f"filemail:///{letters}",  # the package takes one slash away
    )
    with slow_clients.serving(environment, tmp_path_factory.mktemp("console") / "out") as running:
        yield running


@pytest.fixture(scope="module")
def asker(console: programs.Running, scene: Scene) -> Person:
    return Person(console.port, scene.cookies[0])


@pytest.fixture(scope="module")
def people(console: programs.Running, scene: Scene) -> Iterator[Person]:
    """Yield administrators that no test has used before, because requests are counted for a minute."""
    return (Person(console.port, cookie) for cookie in scene.cookies[1:])


FLOODS = {
    "a search of the log": "/activity/?activity=row+many",
    "a search of sessions": "/sessions/?q=host",
    "suggestions of names": "/activity/?user=admin-1",
    "the wizard": "/sessions/request/",
}


@pytest.mark.parametrize("flood", FLOODS)
def test_more_requests_than_a_minute_may_have(people: Iterator[Person], flood: str) -> None:
    person, other = next(people), next(people)
    found: list[Answer] = []

    def is_refused() -> bool:
        found.extend(person.at_once(lambda one, path: one.get(path), [FLOODS[flood]] * AT_ONCE))
        return any(answer.status == 429 for answer in found)

    with answered_all_the_while(other):
        wait_until(is_refused, "there were too many")
        assert {answer.status for answer in found} == {200, 429}
        refused = next(answer for answer in found if answer.status == 429)
        assert_told(refused, f"Your pages asked the console for more than {REQUESTS} answers within a minute")
        assert "Nothing was changed. Go on in " in refused.text
    assert person.post("/accounts/logout/", {}).status == 302  # what stops something is done all the same


def test_more_live_views_than_a_person_may_have_open(people: Iterator[Person]) -> None:
    person, other = next(people), next(people)
    with answered_all_the_while(other, "/recordings/8/live/"):
        live = [f"/recordings/{number + 1}/live/" for number in range(AT_ONCE)]
        found = person.at_once(lambda one, path: one.get(path), live)
        assert Counter(answer.status for answer in found) == {200: LIVE, 429: AT_ONCE - LIVE}
        for answer in found:
            if answer.status == 429:
                assert_told(answer, f"You watch {LIVE} sessions live, which is as many as one person may at a time.")
                continue
            # Those that are open go on, all connections at once.
            address = re.search(r'data-pieces="([^"]+)"', answer.text)
            if address is None:
                pytest.skip("the player is not installed (.venv/bin/python -m scripts.vendor)")
            pieces = [address[1].replace("&amp;", "&")] * 4
            assert {piece.status for piece in person.at_once(lambda one, at: one.get(at), pieces)} == {200}


def values_of(name: str, page: str) -> list[str]:
    """Return the values of all fields with that name."""
    return re.findall(rf'name="{name}"[^>]*value="([^"]+)"', page)


def ask_for_session(person: Person, activity: str, host: str) -> Answer:
    """Go through the review to the last button."""
    sent = {
        "activity": activity,
        "resources": host,
        "notes": "the disk is full",
        "ticket": "",
        "when": "now",
        "start_at": "",
    }
    review = person.post("/sessions/request/", sent | {"do": "review"})
    (token,) = values_of("token", review.text)
    return person.post("/sessions/request/", sent | {"do": "send", "token": token})


def test_more_requests_for_sessions_than_ten_minutes_may_have_and_each_mails_once(
    asker: Person, people: Iterator[Person], letters: Path
) -> None:
    with answered_all_the_while(next(people), "/sessions/"):
        (activity,) = values_of("activity", asker.get("/sessions/request/").text)
        hosts = values_of("resources", asker.get(f"/sessions/request/?activity={activity}").text)
        assert len(hosts) == HOSTS
        found = asker.at_once(lambda one, host: ask_for_session(one, activity, host), hosts)
    assert Counter(answer.status for answer in found) == {302: SESSIONS, 429: HOSTS - SESSIONS}
    for answer in found:
        if answer.status == 429:
            assert_told(answer, f"You asked for sessions {SESSIONS} times within 10 minutes")
            assert "Nothing was requested." in answer.text
            assert "the disk is full" in answer.text  # what was typed stays
    wait_until(lambda: mails(letters) >= SESSIONS, "the approver is asked")
    assert mails(letters) == SESSIONS


def mails(letters: Path) -> int:
    return sum(file.read_text().count("\nTo: approver@example.com") for file in letters.iterdir())
