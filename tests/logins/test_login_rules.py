"""Login rules: networks, hours of the week and the number of logins, at the login and at every request after it."""

from __future__ import annotations

import datetime as dt
import threading
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.login_rules.models import ONLY_ROW, LoginRule, SignInSettings, WhenTooMany
from sessions_app.login_rules.rules import rules_of, why_refused
from sessions_app.logins import service
from sessions_app.logins.models import EndReason, LoginSession
from tests.support import builders, pages

OFFICE, ELSEWHERE = "10.1.2.3", "203.0.113.7"
PASSWORD = "a long enough password"


@pytest.fixture
def person(alice: User) -> User:
    alice.set_password(PASSWORD)
    alice.save()
    return alice


def log_in(user: User, address: str = OFFICE, password: str = PASSWORD) -> tuple[Client, Any]:
    browser = Client(REMOTE_ADDR=address)
    return browser, browser.post("/accounts/login/", {"username": user.username, "password": password})


def problem(answer: Any) -> str:
    return pages.text(pages.elements(answer).find(".//p[@role='alert']"))


def farewell(browser: Client) -> str:
    return pages.text(pages.elements(browser.get("/accounts/login/")).find(".//*[@id='farewell']"))


def group_rule(user: User, name: str = "Staff", **limits: Any) -> LoginRule:
    group, _ = Group.objects.get_or_create(name=name)
    group.user_set.add(user)
    return LoginRule.objects.create(group=group, **limits)


def only_now(*, is_inside: bool) -> str:
    """Return hours of the week that hold today, or any day but today and its neighbours."""
    today = timezone.localtime(timezone=timezone.get_default_timezone()).weekday()
    days = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
    day = today if is_inside else (today + 3) % 7
    return f"{days[day - 1]} 00:00-24:00\n{days[day]} 00:00-24:00\n{days[(day + 1) % 7]} 00:00-24:00"


def test_who_comes_from_elsewhere_is_told_the_rule_once_the_password_was_right(person: User) -> None:
    LoginRule.objects.create(user=person, networks="10.0.0.0/8")
    _, wrong = log_in(person, ELSEWHERE, "wrong")
    _, unknown = log_in(User(username="nobody"), ELSEWHERE, "wrong")
    assert problem(wrong) == problem(unknown)
    assert "rule" not in problem(wrong)
    browser, refused = log_in(person, ELSEWHERE)
    said = f"The login rule of your account does not allow {ELSEWHERE}. An administrator can change this rule."
    assert problem(refused) == f"{said} You are not logged in."
    assert browser.get("/sessions/").status_code == 302
    assert said in LogEntry.objects.filter(verb=Verb.LOGIN_FAILED).latest("pk").message
    _, let_in = log_in(person, OFFICE)
    assert let_in.status_code == 302
    assert LoginSession.objects.live().count() == 1


def test_a_login_that_moves_outside_its_networks_ends_and_its_browser_reads_why(person: User) -> None:
    browser, _ = log_in(person)
    assert browser.get("/sessions/").status_code == 200
    group_rule(person, networks="10.0.0.0/8\n2001:db8::/32")
    assert browser.get("/sessions/").status_code == 200
    assert browser.get("/sessions/", REMOTE_ADDR="2001:db8::7").status_code == 200
    refused = browser.get("/sessions/", REMOTE_ADDR=ELSEWHERE)
    assert refused["Location"].startswith("/accounts/login/")
    assert LoginSession.objects.get().end_reason == EndReason.NETWORKS
    assert f"The login rule of the group Staff does not allow {ELSEWHERE}." in farewell(browser)
    assert browser.get("/sessions/", REMOTE_ADDR=OFFICE).status_code == 302  # it does not come back to life


def test_hours_are_checked_at_the_login_and_later_and_by_the_worker(person: User) -> None:
    rule = LoginRule.objects.create(user=person, hours=only_now(is_inside=True))
    browser, _ = log_in(person)
    other, _ = log_in(person)
    assert browser.get("/sessions/").status_code == 200
    assert service.end_outside_hours() == 0
    rule.hours = only_now(is_inside=False)
    rule.save()
    assert browser.get("/sessions/").status_code == 302
    assert "The login rule of your account allows" in farewell(browser)
    assert service.end_outside_hours() == 1  # the other browser, which asks for nothing
    assert set(LoginSession.objects.values_list("end_reason", flat=True)) == {EndReason.HOURS}
    assert "The login rule of your account allows" in farewell(other)
    _, refused = log_in(person)
    assert "only, and it is" in problem(refused)


def test_the_worker_ends_who_is_outside_the_hours_of_a_group_unless_their_own_rule_says_otherwise(
    alice: User, outsider: User, django_assert_num_queries: Any
) -> None:
    group_rule(alice, hours=only_now(is_inside=False)).group.user_set.add(outsider)  # type: ignore[union-attr]
    LoginRule.objects.create(user=outsider, hours="Mon-Sun 00:00-24:00")
    for user in (alice, outsider):
        builders.make_login(user)
    assert service.end_outside_hours() == 1
    assert [login.user for login in LoginSession.objects.live()] == [outsider]
    with django_assert_num_queries(3):  # the rules, who is in their groups, and their live logins
        assert service.end_outside_hours() == 0


@pytest.mark.parametrize("of_rule", [True, False])
def test_the_oldest_login_ends_when_there_are_too_many(person: User, of_rule: bool) -> None:
    settings = SignInSettings(pk=ONLY_ROW, max_logins=5 if of_rule else 2)
    settings.save()
    if of_rule:
        group_rule(person, "Few", max_logins=2)
        group_rule(person, "More", max_logins=4)
    browsers = [log_in(person)[0] for _ in range(3)]
    assert [browser.get("/accounts/me/").status_code for browser in browsers] == [302, 200, 200]
    assert LoginSession.objects.order_by("pk").first().end_reason == EndReason.TOO_MANY  # type: ignore[union-attr]
    assert "You logged in again, and may have 2 logins at a time." in farewell(browsers[0])
    again = browsers[1].post("/accounts/login/", {"username": person.username, "password": PASSWORD})
    assert again.status_code == 302  # the same browser once more is not one more
    assert [browser.get("/accounts/me/").status_code for browser in browsers] == [302, 200, 200]


def test_the_new_login_is_refused_where_the_settings_say_so(person: User, settings: Any) -> None:
    SignInSettings.objects.create(pk=ONLY_ROW, max_logins=1, when_too_many=WhenTooMany.REFUSE_NEW)
    first, _ = log_in(person)
    second, refused = log_in(person)
    assert problem(refused) == (
        "You may have 1 login at a time, and have 1 already. Log out there first, or ask an administrator. "
        "You are not logged in."
    )
    assert "may have 1 login" in LogEntry.objects.filter(verb=Verb.LOGIN_FAILED).latest("pk").message
    assert [browser.get("/accounts/me/").status_code for browser in (first, second)] == [200, 302]
    LoginSession.objects.update(last_access_at=timezone.now() - dt.timedelta(seconds=settings.LOGIN_IDLE_TIMEOUT + 1))
    assert log_in(person)[1].status_code == 302  # a login that is over for its age takes no place


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("when_too_many", WhenTooMany)
def test_logins_at_the_same_moment_are_never_too_many(person: User, when_too_many: WhenTooMany) -> None:
    SignInSettings.objects.create(pk=ONLY_ROW, max_logins=2, when_too_many=when_too_many)
    together = threading.Barrier(4)
    answers: list[int] = []

    def one_more() -> None:
        together.wait()
        try:
            answers.append(log_in(person)[1].status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=one_more) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert LoginSession.objects.live().filter(user=person).count() == 2
    refused = answers.count(200)
    assert (refused, len(answers)) == (0 if when_too_many == WhenTooMany.END_OLDEST else 2, 4)


def test_every_group_must_allow_it_and_a_rule_of_ones_own_comes_first(alice: User) -> None:
    group_rule(alice, "Berlin", networks="10.1.0.0/16", max_logins=3)
    group_rule(alice, "Paris", networks="10.2.0.0/16", max_logins=2)
    group_rule(builders.make_user("somebody"), "Others", networks="192.0.2.0/24", max_logins=1)
    now = timezone.now()
    assert why_refused(rules_of(alice.pk), "10.1.0.1", now) is not None
    assert rules_of(alice.pk).most_logins == 2
    LoginRule.objects.create(user=alice, networks="10.1.0.0/16")
    assert why_refused(rules_of(alice.pk), "10.1.0.1", now) is None
    assert why_refused(rules_of(alice.pk), "::ffff:10.1.0.1", now) is None
    assert why_refused(rules_of(alice.pk), "", now) is not None  # an address that nobody knows
    assert rules_of(alice.pk).most_logins == 2  # her own rule says nothing about it


def test_a_request_costs_no_query_more_without_rules_and_one_with_any(person: User) -> None:
    browser, _ = log_in(person)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert browser.get("/accounts/me/").status_code == 200
        return len(captured)

    queries()
    without = queries()
    LoginRule.objects.create(user=builders.make_user("somebody"), networks="192.0.2.0/24")
    assert queries() == without + 1
    group_rule(person, networks="10.0.0.0/8", hours="Mon-Sun 00:00-24:00")
    assert queries() == without + 1
