"""People whom a provider makes by SCIM log in by its single sign-on, where an administrator has said so."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.scim.models import ScimToken
from sessions_app.sso.models import Identity
from tests.support.scim import ScimClient, make_token

ISSUER = "https://id.example.com"


@pytest.fixture
def scim(admin: User, settings: Any, monkeypatch: pytest.MonkeyPatch) -> ScimClient:
    monkeypatch.setenv("TEST_SECRET_OF_SCIM", "x")
    entry = {"name": "Company", "issuer": ISSUER, "client_id": "x", "client_secret_env": "TEST_SECRET_OF_SCIM"}
    settings.SSO_PROVIDERS = {"company": entry}
    return ScimClient(make_token(admin, provider="company"))


def linked() -> list[tuple[str, str]]:
    return list(Identity.objects.filter(issuer=ISSUER).order_by("pk").values_list("user__username", "subject"))


def test_a_new_user_is_linked_by_the_external_id(scim: ScimClient) -> None:
    made = scim.make_user("bjensen", externalId="sub-1")
    assert linked() == [("bjensen", "sub-1")]
    entry = LogEntry.objects.get(verb=Verb.IDENTITY_LINKED)
    assert entry.actor_name == "SCIM token “Directory”"
    replaced = {"op": "replace", "path": "externalId", "value": "sub-2"}
    assert scim.patch(f"Users/{made['id']}", replaced).status_code == 200
    assert linked() == [("bjensen", "sub-2")]


def test_an_account_that_was_there_is_linked_by_nobody_but_people(scim: ScimClient, alice: User) -> None:
    for value in ("sub-1", "sub-2"):
        change = {"op": "replace", "path": "externalId", "value": value}
        assert scim.patch(f"Users/user-{alice.pk}", change).status_code == 200
    assert linked() == []


def test_the_subject_of_somebody_else_is_refused(scim: ScimClient, alice: User) -> None:
    Identity.objects.create(user=alice, provider="company", issuer=ISSUER, subject="sub-1")
    sent = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "bjensen", "externalId": "sub-1"}
    assert scim.send("POST", "Users", sent).status_code == 409
    assert not User.objects.filter(username="bjensen").exists()


def test_a_token_without_a_provider_links_nobody(scim: ScimClient, admin: User) -> None:
    ScimClient(make_token(admin, "Other")).make_user("bjensen", externalId="sub-1")
    assert linked() == []


def test_an_administrator_chooses_the_provider(scim: ScimClient, boss: Client) -> None:
    assert boss.post("/scim-tokens/add/", {"name": "New", "provider": "company"}).status_code == 200
    assert ScimToken.objects.get(name="New").provider == "company"
    assert boss.post("/scim-tokens/add/", {"name": "Newer", "provider": "nonsense"}).status_code == 422
