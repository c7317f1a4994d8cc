"""A password that somebody else chose is good for a week, and is changed before anything else opens."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.login_rules.models import ONLY_ROW, PasswordLogin, SignInSettings
from sessions_app.logins.models import LoginSession
from sessions_app.people.models import InitialPassword
from sessions_app.people.passwords import random_password
from tests.support.builders import PASSWORD
from tests.support.pages import elements, text

AsUser = Callable[[User], Client]
FIRST, OWN = "given by the office 7", "a phrase of my own 23"
CHANGE = "/accounts/password/"


def set_password(boss: Client, user: User, password: str = FIRST) -> None:
    sent = {"password1": password, "password2": password, "usable_password": "true"}
    assert boss.post(f"/users/{user.pk}/password/", sent).status_code == 302


def save_sign_in(boss: Client, **more: Any) -> None:
    sent = {
        "second_factor": "nobody",
        "grace_logins": "3",
        "when_too_many": "end_oldest",
        "password_login": "everybody",
    }
    assert boss.post("/sign-in/", sent | more).status_code == 302


def log_in(name: str, password: str) -> Client:
    client = Client()
    client.post("/accounts/login/", {"username": name, "password": password})
    return client


def change(client: Client, old: str, new: str) -> int:
    return client.post(CHANGE, {"old_password": old, "new_password1": new, "new_password2": new}).status_code


def test_nothing_opens_before_an_initial_password_is_changed(boss: Client, alice: User) -> None:
    set_password(boss, alice)
    client = log_in("alice", FIRST)
    for path in ("/", "/sessions/", "/logins/?csv=1", "/accounts/me/", "/accounts/keys/add/", "/accounts/2fa/"):
        assert client.get(path)["Location"] == CHANGE
    assert client.get("/sessions/", headers={"HX-Request": "true"})["HX-Redirect"] == CHANGE
    said = client.post("/sessions/ssh/", {}, headers={"Accept": "application/json"})
    assert (said.status_code, said.json()["problem"][:20]) == (403, "Change your password")
    page = client.get(CHANGE)
    assert "Somebody else chose the password that you have." in text(elements(page).find(".//main"))
    open_to_it = {CHANGE, "/accounts/logout/"}
    for path in (CHANGE, "/accounts/confirm/"):
        shown = elements(client.get(path))
        assert [part.get("id") for part in shown.iter() if part.get("hx-get") or part.tag == "nav"] == []
        assert "approvals-count" not in client.get(path).content.decode()
    assert {form.get("action") for form in elements(page).iterfind(".//form")} == open_to_it
    assert [link.get("href") for link in elements(page).iterfind(".//main//a")] == []
    assert change(client, FIRST, FIRST) == 200  # the same once more is no change
    assert change(client, FIRST, OWN) == 302
    assert client.get("/sessions/").status_code == 200
    page = client.get(CHANGE)
    assert "Somebody else" not in page.content.decode()
    assert elements(page).find(".//nav") is not None
    assert "/accounts/me/" in [link.get("href") for link in elements(page).iterfind(".//main//a")]
    assert log_in("alice", OWN).get("/sessions/").status_code == 200
    assert not InitialPassword.objects.exists()


def test_a_new_account_begins_with_an_initial_password_too(boss: Client) -> None:
    boss.post("/users/add/", {"username": "nina", "password": FIRST, "is_active": "on"})
    assert log_in("nina", FIRST).get("/")["Location"] == CHANGE
    sent = {"username": "otto", "password1": FIRST, "password2": FIRST, "usable_password": "true"}
    boss.post("/admin/auth/user/add/", sent)
    assert log_in("otto", FIRST).get("/")["Location"] == CHANGE


def test_an_initial_password_is_good_for_a_week(boss: Client, alice: User) -> None:
    set_password(boss, alice)
    InitialPassword.objects.update(set_at=timezone.now() - dt.timedelta(days=8))
    client = Client()
    page = client.post("/accounts/login/", {"username": "alice", "password": FIRST})
    assert "good for 7 days, for a first login" in text(elements(page).find(".//main"))
    assert not LoginSession.objects.filter(user=alice).exists()
    assert LogEntry.objects.filter(verb=Verb.LOGIN_FAILED, user=alice).count() == 1
    wrong = client.post("/accounts/login/", {"username": "alice", "password": "wrong"})
    assert "good for 7 days" not in wrong.content.decode()
    set_password(boss, alice, "given once more 19")
    assert log_in("alice", "given once more 19").get("/")["Location"] == CHANGE


def test_ones_own_password_and_one_that_is_taken_away_are_no_initial_ones(boss: Client, alice: User) -> None:
    assert change(log_in("alice", PASSWORD), PASSWORD, OWN) == 302
    assert not InitialPassword.objects.exists()
    set_password(boss, alice)
    boss.post(f"/users/{alice.pk}/password/", {"usable_password": "false"})
    assert not InitialPassword.objects.exists()


def test_the_password_of_a_break_glass_account_waits_in_its_safe(boss: Client, alice: User) -> None:
    SignInSettings.objects.create(pk=ONLY_ROW).break_glass_accounts.add(alice)
    set_password(boss, alice)
    InitialPassword.objects.update(set_at=timezone.now() - dt.timedelta(days=800))
    assert log_in("alice", FIRST).get("/sessions/").status_code == 200


def test_the_form_for_a_password_says_what_holds_for_the_account(boss: Client, alice: User) -> None:
    SignInSettings.objects.create(pk=ONLY_ROW).break_glass_accounts.add(alice)
    bob = User.objects.create_user("bob")
    of_alice, of_bob = (
        text(elements(boss.get(f"/users/{user.pk}/password/")).find(".//main")) for user in (alice, bob)
    )
    assert "It stays good and is not changed at a login" in of_alice
    assert "good for 7 days" not in of_alice
    assert "choose their own one" not in of_alice
    assert "choose their own one" in of_bob
    assert "It is good for 7 days and has to be changed at the first login" in of_bob


def test_somebody_without_a_password_gets_a_first_one(boss: Client) -> None:
    boss.post("/users/add/", {"username": "nina", "is_active": "on"})
    nina = User.objects.get(username="nina")
    page = elements(boss.get(f"/users/{nina.pk}/password/"))
    assert {field.get("name") for field in page.iterfind(".//main//input")} >= {"password1", "password2"}
    empty = boss.post(f"/users/{nina.pk}/password/", {"password1": "", "password2": ""})
    assert empty.status_code == 422
    sent = {"password1": FIRST, "password2": FIRST}
    assert boss.post(f"/users/{nina.pk}/password/", sent).status_code == 302
    assert log_in("nina", FIRST).get("/")["Location"] == CHANGE


def test_an_account_that_leaves_the_list_of_break_glass_accounts_has_a_week(boss: Client, alice: User) -> None:
    save_sign_in(boss, break_glass_accounts=[alice.pk])
    set_password(boss, alice)
    InitialPassword.objects.update(set_at=timezone.now() - dt.timedelta(days=800))
    save_sign_in(boss, **{"break_glass_accounts": [alice.pk], "break_glass_accounts-shown": str(alice.pk)})
    assert InitialPassword.objects.filter(set_at__lt=timezone.now() - dt.timedelta(days=700)).exists()
    save_sign_in(boss, **{"break_glass_accounts": [], "break_glass_accounts-shown": str(alice.pk)})
    assert not SignInSettings.is_break_glass(alice.pk)
    assert log_in("alice", FIRST).get("/")["Location"] == CHANGE


def test_an_old_initial_password_leads_to_the_provider_where_no_password_is_accepted(
    boss: Client, alice: User, settings: Settings
) -> None:
    set_password(boss, alice)
    InitialPassword.objects.update(set_at=timezone.now() - dt.timedelta(days=8))
    SignInSettings.objects.update_or_create(pk=ONLY_ROW, defaults={"password_login": PasswordLogin.BREAK_GLASS})
    settings.LOGIN_FAILURES_PER_ACCOUNT = 1
    for _ in range(3):  # none of them counts as a failed try
        page = Client().post("/accounts/login/", {"username": "alice", "password": FIRST}).content.decode()
        assert "Use a button above instead" in " ".join(page.split())
        assert "good for 7 days" not in page


def test_another_way_in_asks_for_no_change(boss: Client, alice: User, as_user: AsUser) -> None:
    set_password(boss, alice)
    alice.refresh_from_db()
    assert as_user(alice).get("/sessions/").status_code == 200


def test_the_forms_propose_random_passwords(boss: Client, alice: User) -> None:
    assert len({random_password() for _ in range(50)}) == 50
    for path in ("/users/add/", f"/users/{alice.pk}/password/"):
        pages = [text(elements(boss.get(path)).find(".//main")) for _ in range(2)]
        proposed = [page.partition("A random one: ")[2].split()[0] for page in pages]
        assert len(set(proposed)) == 2
        set_password(boss, alice, proposed[0])  # it passes the checks
