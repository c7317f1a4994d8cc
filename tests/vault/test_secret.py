"""A vault's session shows its secrets to its own user while it is available, and logs each view and each copy."""

from __future__ import annotations

import base64
import datetime as dt
import os
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.privileged.flows.account import lock_account
from sessions_app.privileged.flows.end import end
from sessions_app.privileged.flows.lock import lock
from sessions_app.privileged.flows.unlock import unlock
from sessions_app.privileged.models import PrivilegedSession, Status
from sessions_app.vault.flows import secret as flow
from sessions_app.vault.models import Secret
from sessions_app.worker import reconcile
from tests.support import builders, pages, scene
from tests.support.vault import PLAIN, make_secret, make_vault, opened

AsUser = Callable[[User], Client]
HTMX = {"HX-Request": "true"}


def show(client: Client, session: PrivilegedSession, secret: Secret, **headers: str) -> Any:
    return client.post(f"/sessions/{session.pk}/secrets/{secret.pk}/show/", headers=headers or HTMX)


def copied(client: Client, session: PrivilegedSession, secret: Secret) -> Any:
    return client.post(f"/sessions/{session.pk}/secrets/{secret.pk}/copied/", headers=HTMX)


def entries(verb: Verb) -> list[LogEntry]:
    return list(LogEntry.objects.filter(verb=verb).order_by("pk"))


def content(response: Any) -> str:
    field = pages.elements(response).find(".//textarea")
    assert field is not None
    return (field.text or "").removeprefix("\n")


def test_its_user_sees_the_secret_for_the_profiles_seconds(as_user: AsUser, alice: User) -> None:
    secret, session = make_secret(), opened(alice, secret_view_timeout=7)
    response = show(as_user(alice), session, secret)
    assert response.status_code == 200
    assert content(response) == PLAIN
    shown = pages.elements(response).find(".//section[@data-seconds]")
    assert shown is not None
    assert shown.get("data-seconds") == "7"
    assert "no-store" in response["Cache-Control"]
    assert pages.elements(response).find(".//html") is None
    [entry] = entries(Verb.SECRET_VIEWED)
    assert entry.message == "alice viewed the secret “db root” for 7 s"
    assert entry.target_id == session.pk
    assert (entry.actor_name, entry.user_name) == ("alice", "alice")
    assert entry.details == {"secret": secret.pk, "name": "db root"}


def test_without_javascript_it_is_a_page_that_leaves_by_itself(as_user: AsUser, alice: User) -> None:
    secret, session = make_secret(), opened(alice)
    response = show(as_user(alice), session, secret, Accept="text/html")
    assert pages.elements(response).find(".//html") is not None
    assert content(response) == PLAIN
    assert response["Refresh"] == f"20; url=/sessions/{session.pk}/"
    assert "no-store" in response["Cache-Control"]


def test_a_view_never_outlasts_the_session(as_user: AsUser, alice: User) -> None:
    secret, session = make_secret(), opened(alice)
    PrivilegedSession.objects.filter(pk=session.pk).update(end_at=timezone.now() + dt.timedelta(seconds=5))
    shown = pages.elements(show(as_user(alice), session, secret)).find(".//section[@data-seconds]")
    assert shown is not None
    assert int(shown.get("data-seconds", "")) <= 5


def test_the_sessions_page_names_the_secrets_and_shows_none(as_user: AsUser, alice: User) -> None:
    make_secret()
    make_secret("backup passphrase")
    make_secret("of another vault", vault=make_vault("other-vault"))
    session = opened(alice)
    page = pages.elements(as_user(alice).get(f"/sessions/{session.pk}/"))
    section = pages.text(page.find(".//section[@id='secrets']"))
    assert "backup passphrase" in section
    assert "db root" in section
    assert "20 s" in section
    assert "another vault" not in section
    assert len(page.findall(".//section[@id='secrets']//button[@data-show]")) == 2
    assert page.find(".//form[@id='reveal']//input[@name='csrfmiddlewaretoken']") is not None
    assert page.find(".//textarea") is None


def test_more_secrets_cost_no_more_queries(as_user: AsUser, alice: User) -> None:
    make_secret()
    client, session = as_user(alice), opened(alice)

    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert client.get(f"/sessions/{session.pk}/").status_code == 200
        assert not any('"sealed"' in query["sql"] for query in captured)
        return len(captured)

    queries()
    one = queries()
    for number in range(10):
        make_secret(f"secret {number}")
    assert queries() == one


def test_nobody_else_sees_it_whatever_they_may_read(
    as_user: AsUser, alice: User, admin: User, auditor: User, outsider: User
) -> None:
    secret, session = make_secret(), opened(alice)
    for user, expected in ((admin, 403), (auditor, 403), (outsider, 404)):
        client = as_user(user)
        assert show(client, session, secret).status_code == expected
        assert show(client, session, secret, Accept="text/html").status_code == expected
        assert copied(client, session, secret).status_code == expected
    for user in (admin, auditor):
        page = pages.elements(as_user(user).get(f"/sessions/{session.pk}/"))
        assert page.find(".//section[@id='secrets']") is None
        assert page.find(".//form[@id='reveal']") is None
    assert entries(Verb.SECRET_VIEWED) == entries(Verb.SECRET_COPIED) == []


def test_an_administrator_sees_those_of_their_own_session_only(as_user: AsUser, admin: User) -> None:
    secret, session = make_secret(), opened(admin)
    assert content(show(as_user(admin), session, secret)) == PLAIN


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.AVAILABLE, Status.LOGGED_IN}))
def test_in_no_other_status_is_it_shown(as_user: AsUser, alice: User, status: Status) -> None:
    secret = make_secret()
    session = builders.make_session(alice, status, resource=secret.resource)
    client = as_user(alice)
    for headers in (HTMX, {"Accept": "text/html"}):
        response = show(client, session, secret, **headers)
        assert response.status_code == 422
        assert "Secrets are shown while the session is available." in response.content.decode()
    page = pages.elements(client.get(f"/sessions/{session.pk}/"))
    assert page.find(".//button[@data-show]") is None
    assert f"It is {status.label} now." in pages.text(page.find(".//section[@id='secrets']"))
    assert entries(Verb.SECRET_VIEWED) == []


def test_logged_in_shows_it_too(as_user: AsUser, alice: User) -> None:
    secret = make_secret()
    session = builders.make_session(alice, Status.LOGGED_IN, resource=secret.resource)
    assert content(show(as_user(alice), session, secret)) == PLAIN


def test_at_its_end_it_hides_even_before_the_worker_came(as_user: AsUser, alice: User) -> None:
    secret, session = make_secret(), opened(alice)
    scene.age(session, dt.timedelta(hours=5))
    assert session.status == Status.AVAILABLE
    response = show(as_user(alice), session, secret)
    assert response.status_code == 422
    assert "reached its end" in response.content.decode()


def test_a_lock_hides_it_at_once_and_an_unlock_shows_it_again(as_user: AsUser, alice: User, admin: User) -> None:
    secret, session = make_secret(), opened(alice)
    client = as_user(alice)
    lock(admin, session, title="Under review")
    assert show(client, session, secret).status_code == 422  # before any worker enforced it
    reconcile()
    assert show(client, session, secret).status_code == 422
    unlock(admin, session)
    reconcile()
    assert content(show(client, session, secret)) == PLAIN
    said = scene.messages_of(session)
    assert "The secrets of team-vault are hidden from alice" in said
    assert "alice can view the secrets of team-vault again" in said


def test_a_locked_account_sees_nothing(as_user: AsUser, alice: User, admin: User) -> None:
    secret, session = make_secret(), opened(alice)
    client = as_user(alice)
    lock_account(admin, alice, title="Under review")
    response = show(client, session, secret)
    assert PLAIN.splitlines()[0] not in response.content.decode()
    assert entries(Verb.SECRET_VIEWED) == []


def test_an_ended_session_is_over_and_leaves_nothing(as_user: AsUser, alice: User) -> None:
    secret, session = make_secret(), opened(alice)
    end(alice, session)
    assert show(as_user(alice), session, secret).status_code == 422
    reconcile()
    session.refresh_from_db()
    assert session.status == Status.COMPLETE
    assert "alice can no longer view the secrets of team-vault" in scene.messages_of(session)


def test_the_secret_of_another_vault_is_not_found(as_user: AsUser, alice: User) -> None:
    session = opened(alice)
    other = make_secret(vault=make_vault("other-vault"))
    assert show(as_user(alice), session, other).status_code == 404
    assert copied(as_user(alice), session, other).status_code == 404


def test_a_session_on_a_host_has_no_secrets(as_user: AsUser, alice: User) -> None:
    session = builders.make_session(alice)
    secret = make_secret(vault=session.resource)  # no form allows it
    assert show(as_user(alice), session, secret).status_code == 403
    assert b'id="secrets"' not in as_user(alice).get(f"/sessions/{session.pk}/").content


def test_a_copy_is_logged_after_a_view_only(as_user: AsUser, alice: User) -> None:
    secret, session = make_secret(), opened(alice)
    client = as_user(alice)
    assert copied(client, session, secret).status_code == 422
    show(client, session, secret)
    assert copied(client, session, make_secret("another")).status_code == 422
    assert copied(client, session, secret).status_code == 204
    [entry] = entries(Verb.SECRET_COPIED)
    assert entry.message == "alice copied the secret “db root”"
    assert entry.details == {"secret": secret.pk, "name": "db root"}


def test_a_copy_is_logged_although_a_lock_came_in_between(as_user: AsUser, alice: User, admin: User) -> None:
    secret, session = make_secret(), opened(alice)
    client = as_user(alice)
    show(client, session, secret)
    lock(admin, session, title="Under review")
    assert copied(client, session, secret).status_code == 204


def test_views_are_limited_for_one_person_over_all_sessions(
    as_user: AsUser, alice: User, outsider: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow, "VIEWS_A_MINUTE", 3)
    secret, session = make_secret(), opened(alice)
    other = make_secret(vault=make_vault("other-vault"))
    second = opened(alice, other.resource)
    client = as_user(alice)
    for _ in range(2):
        assert show(client, session, secret).status_code == 200
    assert show(client, second, other).status_code == 200
    refused = show(client, session, secret)
    assert refused.status_code == 422
    assert "which is the limit" in refused.content.decode()
    assert len(entries(Verb.SECRET_VIEWED)) == 3
    assert show(as_user(outsider), opened(outsider), secret).status_code == 200
    later = timezone.now() + dt.timedelta(seconds=61)
    monkeypatch.setattr(timezone, "now", lambda: later)
    assert show(client, session, secret).status_code == 200


def test_copies_are_limited_too(as_user: AsUser, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "VIEWS_A_MINUTE", 2)
    secret, session = make_secret(), opened(alice)
    client = as_user(alice)
    show(client, session, secret)
    assert [copied(client, session, secret).status_code for _ in range(3)] == [204, 204, 422]


def test_a_secret_that_cannot_be_opened_says_so_and_logs_no_view(
    as_user: AsUser, alice: User, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    secret, session = make_secret(), opened(alice)
    settings.ENCRYPTION_KEYS = []
    response = show(as_user(alice), session, secret)
    assert response.status_code == 422
    assert "Tell an administrator" in response.content.decode()
    assert "ENCRYPTION_KEYS is not set" in caplog.text
    assert entries(Verb.SECRET_VIEWED) == []


def test_only_a_post_shows_or_reports(as_user: AsUser, alice: User) -> None:
    secret, session = make_secret(), opened(alice)
    for page in ("show", "copied"):
        assert as_user(alice).get(f"/sessions/{session.pk}/secrets/{secret.pk}/{page}/").status_code == 405


def test_rotation_wraps_the_secrets_of_vaults_with_the_new_key(as_user: AsUser, alice: User, settings: Any) -> None:
    secret, session = make_secret(), opened(alice)
    [old] = settings.ENCRYPTION_KEYS
    new = base64.urlsafe_b64encode(os.urandom(32)).decode()
    settings.ENCRYPTION_KEYS = [new, old]
    call_command("rotate_encryption")
    settings.ENCRYPTION_KEYS = [new]
    assert content(show(as_user(alice), session, secret)) == PLAIN
