"""No page, form or mail of django-allauth's own is reachable: no sign-up, no addresses of e-mail, no other look."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from allauth import urls as urls_of_allauth
from django.contrib import admin
from django.contrib.auth.models import User
from django.template.loader import get_template
from django.test import Client
from django.urls import NoReverseMatch, URLPattern, URLResolver, get_resolver, reverse

# The names that allauth itself redirects to, all of which are our own views here.
OURS = {"account_login", "mfa_authenticate"}


def patterns(resolver: URLResolver) -> Iterator[URLPattern]:
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            yield from patterns(pattern)
        elif isinstance(pattern, URLPattern):
            yield pattern


def names_of_allauth() -> set[str]:
    """Return every name of an address that allauth would have."""
    found: set[str] = set()
    waiting = [urls_of_allauth.urlpatterns]
    while waiting:
        for pattern in waiting.pop():
            if isinstance(pattern, URLResolver):
                waiting.append(pattern.url_patterns)
            elif pattern.name:
                found.add(pattern.name)
    return found


def test_no_address_leads_to_a_view_of_allauth() -> None:
    views = {f"{pattern.callback.__module__}.{pattern.name}" for pattern in patterns(get_resolver())}
    assert len(views) > 100
    assert [view for view in views if view.startswith("allauth")] == []


def test_no_name_of_allauth_has_an_address_except_two_of_ours() -> None:
    names = names_of_allauth()
    assert {"account_signup", "account_email", "mfa_index", "mfa_view_recovery_codes"} <= names
    reachable = set()
    for name in names - OURS:
        for arguments in ((), ("x",), (1,), ("a-b",)):
            try:
                reverse(name, args=arguments)
            except NoReverseMatch:
                continue
            reachable.add(name)
    assert reachable == set()


@pytest.mark.parametrize(
    "path", ["signup/", "email/", "password/reset/", "confirm-email/x/", "2fa/totp/activate/", "3rdparty/"]
)
def test_its_usual_addresses_are_not_there(client: Client, alice: User, path: str) -> None:
    assert client.get(f"/accounts/{path}").status_code == 404
    client.force_login(alice)
    assert client.get(f"/accounts/{path}").status_code == 404


def test_its_models_are_not_in_the_administration(boss: Client) -> None:
    labels = {model._meta.app_label for model in admin.site._registry}
    assert not labels & {"account", "mfa", "socialaccount"}
    assert boss.get("/admin/mfa/authenticator/").status_code == 404


def test_our_templates_are_none_of_its() -> None:
    for name in ("authenticate", "factors", "app_add", "key_add", "codes"):
        assert "site-packages" not in str(get_template(f"sessions_app/factors/{name}.html").origin.name)  # type: ignore[attr-defined]
