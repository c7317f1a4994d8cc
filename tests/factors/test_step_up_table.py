"""Every address that accepts a form is in one of the two tables of deeds: with or without a fresh factor."""

from __future__ import annotations

from collections.abc import Iterator

from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern

from sessions_app.factors import step_up

VALUES = {"int": "1", "slug": "x", "path": "1", "str": "x", "uuid": "00000000-0000-0000-0000-000000000000"}


def addresses(resolver: URLResolver, before: str = "", namespace: str = "") -> Iterator[tuple[str, str]]:
    """Yield the name and a path of each address of the site. Addresses without a name only redirect."""
    for pattern in resolver.url_patterns:
        route = pattern.pattern
        if not isinstance(route, RoutePattern):
            assert isinstance(pattern, URLPattern)
            assert not pattern.name or namespace == "admin", f"{route} is no path: give this test one"
            if pattern.name:
                yield f"admin:{pattern.name}", f"/{before}x/"
            continue
        path = before + str(route)
        for name, converter in route.converters.items():
            kind = type(converter).__name__.removesuffix("Converter").replace("String", "Str").lower()
            for written in (f"<{kind}:{name}>", f"<{name}>"):
                path = path.replace(written, VALUES[kind])
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern, path, pattern.namespace or namespace)
        elif pattern.name:
            yield (f"{namespace}:{pattern.name}" if namespace else pattern.name), f"/{path}"


def test_every_address_that_accepts_a_form_is_in_a_table(admin: User) -> None:
    client = Client()
    known = set()
    for name, path in addresses(get_resolver()):
        known.add(name)
        if step_up.is_listed(name):
            continue
        client.force_login(admin)
        answer = client.post(path)
        assert answer.status_code == 405, (
            f"{name} ({path}) accepts POST: name it in NEEDED or NOT_NEEDED of sessions_app/factors/step_up.py"
        )
    named = {*step_up.NEEDED, *step_up.NOT_NEEDED, *step_up.NOT_NEEDED_IN_ADMINISTRATION}
    assert named <= known, "The tables name addresses that are not there"


def test_no_address_is_in_both_tables() -> None:
    assert not set(step_up.NEEDED) & set(step_up.NOT_NEEDED)


def test_all_of_the_administration_needs_a_fresh_factor_but_the_way_out() -> None:
    free = {name for name, _ in addresses(get_resolver()) if name.startswith("admin:")}
    assert len(free) > 40
    assert {name for name in free if step_up.deed_at(name) is None} == step_up.NOT_NEEDED_IN_ADMINISTRATION
