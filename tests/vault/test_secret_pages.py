"""Secrets on the console's own pages: set and replaced, never shown, logged without content."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client, RequestFactory

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.catalogue.models import Platform
from sessions_app.vault.configuration import SECRETS
from sessions_app.vault.models import Secret
from tests.support import builders, pages
from tests.support.administration import last, said
from tests.support.vault import PLAIN, make_secret, make_vault

AsUser = Callable[[User], Client]
ADD = "/secrets/add/"


def form(**values: Any) -> dict[str, Any]:
    return {"resource": make_vault().pk, "name": "db root", "description": "", "content": PLAIN} | values


def test_an_administrator_sets_a_secret_which_is_sealed(boss: Client, admin: User) -> None:
    response = boss.post(ADD, form(content="first\r\nsecond "), follow=True)
    assert response.redirect_chain == [("/secrets/", 302)]
    secret = Secret.objects.get()
    assert (secret.open(), secret.updated_by) == ("first\nsecond ", admin)
    assert "second" not in said(response)
    assert "second" not in str(list(LogEntry.objects.values()))
    assert last(Verb.RECORD_ADDED).details["new"]["sealed"] == "(sealed)"


def test_an_empty_content_keeps_what_is_there_and_a_new_one_replaces_it(boss: Client, admin: User) -> None:
    secret = make_secret()
    path = f"/secrets/{secret.pk}/change/"
    assert boss.post(path, form(content="", description="Of the reports")).status_code == 302
    secret.refresh_from_db()
    assert (secret.open(), secret.updated_by) == (PLAIN, None)
    assert boss.post(path, form(content="another", description="Of the reports")).status_code == 302
    secret.refresh_from_db()
    assert (secret.open(), secret.updated_by) == ("another", admin)
    assert last(Verb.RECORD_CHANGED).details == {"changes": {"sealed": {"old": "(sealed)", "new": "(sealed)"}}}


@pytest.mark.parametrize("sent", [{}, {"_show": "1"}, {"find": "x"}, {"name": "db root"}])
def test_no_page_gives_a_content_back(boss: Client, sent: dict[str, str]) -> None:
    secret = make_secret()
    for path in (ADD, f"/secrets/{secret.pk}/change/", "/secrets/", f"/secrets/{secret.pk}/delete/"):
        answers = [boss.get(path)]
        if path not in ("/secrets/", f"/secrets/{secret.pk}/delete/"):
            answers += [boss.post(path, form(name="") | sent), boss.post(path, form(resource="x") | sent)]
        for answer in answers:
            assert "Zwiebelkuchen" not in said(answer)
            assert secret.sealed not in said(answer)


def test_a_refused_form_says_that_the_secret_must_be_entered_again(boss: Client) -> None:
    response = boss.post(ADD, form(name=""))
    assert response.status_code == 422
    assert set(response.context["form"].errors) == {"name", "content"}
    assert "Enter it once more" in said(response)
    field = pages.elements(response).find(".//textarea[@name='content']")
    assert field is not None
    assert field.get("autocomplete") == "off"


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"content": ""}, "Enter the secret."),
        ({"content": "x" * 20_001}, "at most 20000 characters"),
        ({"resource": ""}, "This field is required."),
    ],
)
def test_what_is_no_secret_is_refused(boss: Client, values: dict[str, str], problem: str) -> None:
    assert problem in said(boss.post(ADD, form(**values)))
    assert not Secret.objects.exists()


def test_a_name_is_taken_once_in_a_vault_and_only_vaults_keep_secrets(boss: Client, settings: Any) -> None:
    make_secret()
    assert "has a secret of that name already" in said(boss.post(ADD, form()))
    host = builders.make_resource("web-1", platform=Platform.LINUX)
    assert "Select a valid choice" in said(boss.post(ADD, form(resource=host.pk, name="new")))
    settings.ENCRYPTION_KEYS = []
    assert "ENCRYPTION_KEYS is not set" in said(boss.post(ADD, form(name="new")))
    assert Secret.objects.count() == 1


def test_an_error_report_has_no_content(rf: RequestFactory) -> None:
    request = rf.post(ADD, form_without_database())
    view = SECRETS.urls("secrets")[0].callback
    with pytest.raises(AttributeError):  # a request that no middleware has seen has no person
        view(request)
    assert request.sensitive_post_parameters == ("content",)  # type: ignore[attr-defined]  # set by Django's decorator


def form_without_database() -> dict[str, str]:
    return {"resource": "1", "name": "x", "content": PLAIN}


def test_the_list_shows_names_to_who_may_read_and_links_to_who_may_change(
    boss: Client, auditor: User, alice: User, as_user: AsUser
) -> None:
    secret = make_secret()
    change = f'href="/secrets/{secret.pk}/change/"'
    page = said(boss.get("/secrets/"))
    assert "db root" in page
    assert change in page
    page = said(as_user(auditor).get("/secrets/"))
    assert "db root" in page
    assert change not in page
    assert 'href="/secrets/add/"' not in page
    assert as_user(alice).get("/secrets/").status_code == 403


def test_a_deleted_secret_is_logged_without_content(boss: Client) -> None:
    secret = make_secret()
    assert boss.post(f"/secrets/{secret.pk}/delete/")["Location"] == "/secrets/"
    assert not Secret.objects.exists()
    assert last(Verb.RECORD_DELETED).details["old"]["sealed"] == "(sealed)"
