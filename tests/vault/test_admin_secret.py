"""Secrets in the administration: set and replaced, never shown, logged without content."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.test import Client

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.catalogue.models import Platform, Resource
from sessions_app.vault.models import Secret
from tests.support import builders, pages
from tests.support.vault import PLAIN, make_secret, make_vault

AsUser = Callable[[User], Client]
ADD = "/admin/sessions_app/secret/add/"


def form(**values: Any) -> dict[str, Any]:
    return {"resource": make_vault().pk, "name": "db root", "description": "", "content": PLAIN} | values


def change(secret: Secret) -> str:
    return f"/admin/sessions_app/secret/{secret.pk}/change/"


def errors(response: Any) -> str:
    assert response.status_code == 200
    return " ".join(pages.texts(pages.elements(response), ".//ul[@class]//li"))


def last() -> LogEntry:
    return LogEntry.objects.filter(target_type="sessions_app.secret").latest("pk")


def test_an_administrator_sets_a_secret(boss: Client, admin: User) -> None:
    assert boss.post(ADD, form(content="first\r\nsecond ")).status_code == 302
    secret = Secret.objects.get()
    assert secret.open() == "first\nsecond "
    assert secret.updated_by == admin
    entry = last()
    assert (entry.verb, entry.actor_name) == (Verb.RECORD_ADDED, "admin")
    assert entry.message == "Added secret “db root of team-vault”"
    assert entry.details["new"] == {
        "resource": "team-vault",
        "name": "db root",
        "description": "",
        "sealed": "(sealed)",
    }


def test_an_empty_content_keeps_what_is_there(boss: Client) -> None:
    secret = make_secret()
    assert boss.post(change(secret), form(content="", description="Of the reports")).status_code == 302
    secret.refresh_from_db()
    assert (secret.open(), secret.description, secret.updated_by) == (PLAIN, "Of the reports", None)
    assert last().details == {
        "changes": {"description": {"old": "PostgreSQL, primary", "new": "Of the reports"}},
    }


def test_a_new_content_is_logged_as_a_change_without_it(boss: Client, admin: User) -> None:
    secret = make_secret()
    before = secret.updated_at
    assert boss.post(change(secret), form(content="another", description=secret.description)).status_code == 302
    secret.refresh_from_db()
    assert (secret.open(), secret.updated_by) == ("another", admin)
    assert secret.updated_at > before
    assert last().message == "Changed secret “db root of team-vault”: sealed"
    assert last().details == {"changes": {"sealed": {"old": "(sealed)", "new": "(sealed)"}}}


def test_the_form_never_gives_a_content_back(boss: Client) -> None:
    secret = make_secret()
    for response in (boss.get(change(secret)), boss.post(change(secret), form(name=""))):
        field = pages.elements(response).find(".//textarea[@name='content']")
        assert field is not None
        assert (field.text or "").strip() == ""
        assert field.get("autocomplete") == "off"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"content": ""}, "Enter the secret."),
        ({"content": "x" * 20_001}, "at most 20000 characters"),
        ({"name": ""}, "This field is required."),
    ],
)
def test_what_is_no_secret_is_refused(boss: Client, values: dict[str, str], said: str) -> None:
    assert said in errors(boss.post(ADD, form(**values)))
    assert not Secret.objects.exists()


def test_a_name_is_taken_once_in_a_vault(boss: Client) -> None:
    secret = make_secret()
    assert "has a secret of that name already" in errors(boss.post(ADD, form()))
    assert boss.post(ADD, form(resource=make_vault("other-vault").pk)).status_code == 302
    with pytest.raises(IntegrityError), transaction.atomic():
        make_secret(vault=secret.resource)


def test_only_vaults_keep_secrets(boss: Client) -> None:
    host = builders.make_resource("web-1", platform=Platform.LINUX)
    assert "Select a valid choice" in errors(boss.post(ADD, form(resource=host.pk)))
    assert not Secret.objects.exists()


def test_without_a_key_it_is_refused_with_the_reason(boss: Client, settings: Any) -> None:
    settings.ENCRYPTION_KEYS = []
    assert "ENCRYPTION_KEYS is not set" in errors(boss.post(ADD, form()))
    assert not Secret.objects.exists()


def test_a_deleted_secret_is_logged_without_content(boss: Client) -> None:
    secret = make_secret()
    assert boss.post(f"/admin/sessions_app/secret/{secret.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not Secret.objects.exists()
    assert last().verb == Verb.RECORD_DELETED
    assert last().details["old"]["sealed"] == "(sealed)"


def test_a_vault_with_secrets_is_not_deleted(boss: Client) -> None:
    vault = make_secret().resource
    response = boss.post(f"/admin/sessions_app/resource/{vault.pk}/delete/", {"post": "yes"}, follow=True)
    assert "is used by 1 secret" in response.content.decode()
    assert Resource.objects.filter(pk=vault.pk).exists()
