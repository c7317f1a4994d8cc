"""Lock, unlock and cut everything from a person's page: confirmed first, done once, and shown line by line."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.logins.models import LoginSession
from sessions_app.people.models import AccountLock
from sessions_app.privileged.models import PrivilegedSession, Status
from tests.support import builders

AsUser = Callable[[User], Client]
HTMX = {"HX-Request": "true"}


def test_the_confirmation_is_a_fragment_for_the_dialog_and_a_page_without_javascript(
    as_user: AsUser, admin: User, alice: User
) -> None:
    builders.make_login(alice)
    client, url = as_user(admin), f"/users/{alice.pk}/cut/"
    fragment = client.get(url, headers=HTMX).content.decode()
    assert "<html" not in fragment
    assert '<h2 id="dialog-title">Cut everything of alice</h2>' in fragment
    assert "1 live login" in fragment
    assert "data-close" in fragment
    page = client.get(url).content.decode()
    assert "<html" in page
    assert f'href="/users/{alice.pk}/">Cancel' in page
    assert not AccountLock.objects.exists()


def test_cutting_everything_logs_out_ends_locks_and_says_each_line(
    as_user: AsUser, admin: User, alice: User, outsider: User
) -> None:
    her_browser = as_user(alice)
    assert her_browser.get("/accounts/me/").status_code == 200
    available = builders.make_session(alice, Status.AVAILABLE)
    pending = builders.make_session(alice, Status.PENDING, resource=builders.make_resource("db-1"))
    waiting = builders.make_session(alice, Status.WAITING, resource=builders.make_resource("db-2"))
    other = builders.make_session(outsider, Status.AVAILABLE)
    done = as_user(admin).post(f"/users/{alice.pk}/cut/", {"reason": "Left the company"})
    assert done.status_code == 200
    lines = done.context["lines"]
    assert all(line.ok for line in lines)
    text = done.content.decode()
    for line in lines:
        assert line.text in text
    assert len(lines) == 5  # the lock, the logins, three sessions
    status = dict(PrivilegedSession.objects.values_list("pk", "status"))
    assert status == {
        available.pk: Status.CANCELING,
        pending.pk: Status.CANCELED,
        waiting.pk: Status.CANCELED,
        other.pk: Status.AVAILABLE,
    }
    assert not LoginSession.objects.live().filter(user=alice).exists()
    assert AccountLock.objects.in_force().get(user=alice).title == "Left the company"
    away = her_browser.get("/accounts/me/")
    assert (away.status_code, away["Location"].split("?")[0]) == (302, "/accounts/login/")
    entry = LogEntry.objects.get(verb=Verb.ACCOUNT_CUT)
    assert (entry.actor_name, entry.user_name) == ("admin", "alice")


def test_cutting_twice_is_harmless_and_says_so(as_user: AsUser, admin: User, alice: User) -> None:
    client = as_user(admin)
    client.post(f"/users/{alice.pk}/cut/")
    again = client.post(f"/users/{alice.pk}/cut/")
    assert again.status_code == 200
    assert "locked already" in again.content.decode()
    assert AccountLock.objects.filter(user=alice).count() == 1


def test_an_application_is_cut_and_leads_back_to_its_own_page(as_user: AsUser, admin: User) -> None:
    application = builders.make_application()
    builders.make_session(application.principal)
    done = as_user(admin).post(f"/users/{application.principal_id}/cut/")
    assert f'href="/applications/{application.pk}/"' in done.content.decode()
    assert AccountLock.objects.in_force().filter(user=application.principal).exists()


def test_nobody_cuts_or_locks_themself(as_user: AsUser, admin: User) -> None:
    client = as_user(admin)
    for action in ("cut", "lock"):
        refused = client.post(f"/users/{admin.pk}/{action}/", {"title": "Me"})
        assert refused.status_code == 422
        assert "Ask another administrator." in refused.content.decode()
    assert not AccountLock.objects.exists()
    assert client.get("/users/").status_code == 200


@pytest.mark.parametrize("action", ["lock", "unlock", "cut"])
def test_only_administrators_may(as_user: AsUser, alice: User, auditor: User, outsider: User, action: str) -> None:
    url = f"/users/{alice.pk}/{action}/"
    for user, expected in ((alice, 403), (auditor, 403), (outsider, 404)):
        assert as_user(user).get(url).status_code == expected
        assert as_user(user).post(url, {"title": "Mine"}).status_code == expected
    assert not AccountLock.objects.exists()


def test_an_account_is_locked_and_unlocked_from_its_page(as_user: AsUser, admin: User, alice: User) -> None:
    client, page = as_user(admin), f"/users/{alice.pk}/"
    locked = client.post(f"{page}lock/", {"title": "Under review", "message": "Call the desk."}, follow=True)
    assert locked.redirect_chain == [(page, 302)]
    assert "Locked the account alice." in locked.content.decode()
    assert "Under review" in locked.content.decode()
    twice = client.post(f"{page}lock/", {"title": "Again"})
    assert twice.status_code == 422
    assert "locked already" in twice.content.decode()
    unlocked = client.post(f"{page}unlock/", follow=True)
    assert "Unlocked the account alice." in unlocked.content.decode()
    assert "Earlier locks" in unlocked.content.decode()
    assert "is not locked" in client.post(f"{page}unlock/").content.decode()
    verbs = (
        LogEntry.objects.filter(verb__startswith="account.", user=alice).order_by("pk").values_list("verb", flat=True)
    )
    assert list(verbs) == [Verb.ACCOUNT_LOCKED, Verb.ACCOUNT_UNLOCKED]


@pytest.mark.parametrize("values", [{}, {"title": ""}, {"title": "x" * 121}, {"title": "ok", "message": "x" * 501}])
def test_a_lock_without_fitting_words_is_not_made(
    as_user: AsUser, admin: User, alice: User, values: dict[str, str]
) -> None:
    refused = as_user(admin).post(f"/users/{alice.pk}/lock/", values, headers=HTMX)
    assert refused.status_code == 422
    assert "problem" in refused.content.decode()
    assert not AccountLock.objects.exists()
