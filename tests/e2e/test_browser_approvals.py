"""The inbox of approvals in a browser: by keyboard alone, and by clicks, which are counted."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from sessions_app.privileged.models import PrivilegedSession, Status
from tests.support.builders import make_profile, make_resource, make_session

pytestmark = [pytest.mark.browser, pytest.mark.browser_smoke, pytest.mark.django_db(transaction=True)]
OpenAs = Callable[..., Page]


@pytest.fixture
def waiting(alice: User, approver: User) -> list[PrivilegedSession]:
    profile = make_profile("Approved", [[approver]])
    hosts = [make_resource(f"web-{number}") for number in range(4)]
    return [make_session(alice, Status.WAITING, profile=profile, resource=host) for host in hosts]


def test_three_requests_are_decided_in_at_most_three_clicks_each(
    open_as: OpenAs, approver: User, waiting: list[PrivilegedSession]
) -> None:
    page = open_as(approver, "/approvals/")
    page.evaluate("window.clicks = 0; addEventListener('click', (e) => e.isTrusted && clicks++, true)")
    first, second, third, _ = waiting
    for session in (first, second):
        page.locator(f"#request-{session.pk}").get_by_role("button", name="Approve").click()
        expect(page.locator(f"#request-{session.pk}")).to_have_count(0)
    page.locator(f"#request-{third.pk}").get_by_role("button", name="Deny").or_(
        page.locator(f"#request-{third.pk}").get_by_role("link", name="Deny")
    ).click()
    page.locator("#dialog").get_by_label("Reason").fill("Not today")
    page.locator("#dialog button[type=submit]").click()
    expect(page.locator(f"#request-{third.pk}")).to_have_count(0)
    assert page.evaluate("clicks") <= 5  # the field is clicked by nobody: it has the focus or is reached by Tab
    decided = [PrivilegedSession.objects.get(pk=one.pk).status for one in waiting]
    assert decided == [Status.PROVISIONING, Status.PROVISIONING, Status.DENIED, Status.WAITING]


def test_the_keys_of_a_request_decide_it_and_the_next_one_has_the_focus(
    open_as: OpenAs, approver: User, waiting: list[PrivilegedSession]
) -> None:
    page = open_as(approver, "/approvals/")
    cards = [page.locator(f"#request-{one.pk}") for one in waiting]
    cards[0].get_by_role("button", name="Approve").focus()
    page.keyboard.press("ArrowDown")
    expect(cards[1]).to_be_focused()
    page.keyboard.press("a")
    expect(cards[1]).to_have_count(0)
    expect(cards[2]).to_be_focused()
    page.keyboard.press("d")
    page.locator("#dialog").get_by_label("Reason").fill("No a and no d in a field decides")
    page.locator("#dialog button[type=submit]").focus()
    page.keyboard.press("Enter")
    expect(cards[2]).to_have_count(0)
    expect(cards[3]).to_be_focused()
    page.keyboard.press("a")
    expect(cards[3]).to_have_count(0)
    expect(cards[0]).to_be_focused()
