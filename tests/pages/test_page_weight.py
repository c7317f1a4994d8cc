"""How many bytes a list has, compressed as proxies send it."""

from __future__ import annotations

import gzip
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client

from sessions_app.catalogue.models import Resource
from tests.support import builders, entries, pages

AsUser = Callable[[User], Client]
ROWS = 100
MOST = 12_000  # bytes
LISTS = ["/sessions/", "/logins/", "/activity/?period=1y", "/users/", "/resources/"]


@pytest.fixture
def full_lists(db: None) -> None:
    """Create a hundred rows for each list, each about another person and another thing."""
    names = [f"{number * 7919 % 1000:03}" for number in range(ROWS + 1)]  # in no order, so that few letters repeat
    people = User.objects.bulk_create(User(username=f"person-{name}") for name in names)
    hosts = Resource.objects.bulk_create(Resource(name=f"host-{name}", address=f"{name}.example.com") for name in names)
    builders.make_policy(users=people, resources=hosts)
    for number, (person, host) in enumerate(zip(people, hosts, strict=True)):
        builders.make_session(person, resource=host)
        builders.make_login(person, ip=f"203.0.113.{number}")
        entries.make_entry(f"Logged in from 203.0.113.{number}", actor=person)


def test_a_hundred_rows_of_any_list_weigh_little(full_lists: None, as_user: AsUser, admin: User) -> None:
    client = as_user(admin)
    weights = {}
    for url in LISTS:
        page = client.get(url)
        assert len(pages.table(pages.elements(page))) == ROWS, url
        weights[url] = len(gzip.compress(page.content, compresslevel=6))
    assert {url: size for url, size in weights.items() if size > MOST} == {}
