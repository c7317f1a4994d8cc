"""A deed that asks for a fresh factor, in a browser: the question lies over the page, and the deed goes on there."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from sessions_app.people.models import AccountLock
from sessions_app.privileged.models import Status
from tests.support.browser import axe_finds, plug_in
from tests.support.builders import PASSWORD, make_profile, make_resource, make_session
from tests.support.confirming import let_time_pass
from tests.support.vault import make_secret

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
OpenAs = Callable[..., Page]


@pytest.mark.browser_smoke
def test_requests_are_approved_in_place_after_the_password_is_entered_once(
    open_as: OpenAs, approver: User, alice: User
) -> None:
    profile = make_profile("Approved", [[approver]])
    first, second = (
        make_session(alice, Status.WAITING, profile=profile, resource=make_resource(f"web-{number}"))
        for number in range(2)
    )
    page = open_as(approver, "/approvals/")
    let_time_pass()
    cards = [page.locator(f"#request-{one.pk}") for one in (first, second)]
    cards[0].focus()
    page.keyboard.press("a")
    password = page.locator("#dialog").get_by_label("Password")
    expect(password).to_be_focused()
    assert axe_finds(page) == []
    page.keyboard.type("not it")
    page.keyboard.press("Enter")
    expect(page.locator("#dialog")).to_contain_text("This is not your password. Nothing was done.")
    expect(password).to_be_focused()
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.locator("#dialog")).to_be_hidden()
    expect(cards[0]).to_have_count(0)
    expect(page.locator("#messages .message.success")).to_contain_text("approved")
    expect(page.locator("#messages .message.info")).to_contain_text("Confirmed until")
    expect(cards[1]).to_be_focused()
    page.keyboard.press("a")  # asks no more
    expect(cards[1]).to_have_count(0)
    for session in (first, second):
        session.refresh_from_db()
        assert session.status == Status.PROVISIONING


def test_a_security_key_confirms_in_the_dialog(open_as: OpenAs, approver: User, alice: User) -> None:
    session = make_session(alice, Status.WAITING, profile=make_profile("Approved", [[approver]]))
    page = open_as(approver, "/accounts/2fa/keys/security-key/")
    plug_in(page, "usb")
    page.get_by_role("button", name="Set up").click()
    page.get_by_role("link", name="I have saved them").click()
    expect(page.get_by_text("Security key").first).to_be_visible()
    page.goto("/approvals/")
    let_time_pass()
    page.locator(f"#request-{session.pk}").get_by_role("button", name="Approve").click()
    key = page.locator("#dialog").get_by_role("button", name="Use a security key or passkey")
    expect(key).to_be_focused()
    expect(page.locator("#dialog").get_by_label("Recovery code")).to_be_visible()
    assert axe_finds(page) == []
    page.keyboard.press("Enter")
    expect(page.locator(f"#request-{session.pk}")).to_have_count(0)
    expect(page.locator("#dialog")).to_be_hidden()
    session.refresh_from_db()
    assert session.status == Status.PROVISIONING


def test_everything_is_cut_in_the_dialog_with_the_reason_that_was_typed(
    open_as: OpenAs, admin: User, alice: User
) -> None:
    make_session(alice)
    page = open_as(admin, f"/users/{alice.pk}/")
    let_time_pass()
    page.get_by_role("link", name="Cut everything").click()
    dialog = page.locator("#dialog")
    dialog.get_by_label("Reason").fill("Laptop stolen – “today”")
    dialog.get_by_role("button", name="Cut everything").click()
    expect(dialog).to_contain_text("To cut everything of a person, confirm that it is you.")
    assert not AccountLock.objects.exists()
    dialog.get_by_label("Password").fill(PASSWORD)
    dialog.get_by_role("button", name="Confirm").click()
    expect(dialog).to_contain_text("What was cut of alice")
    assert axe_finds(page) == []
    assert AccountLock.objects.get().title == "Laptop stolen – “today”"
    dialog.get_by_role("link", name="Close").click()
    expect(page.locator("#account-lock")).to_contain_text("Laptop stolen")


def test_a_secret_appears_in_its_place_after_the_question(open_as: OpenAs, alice: User) -> None:
    secret = make_secret()
    session = make_session(alice, Status.AVAILABLE, resource=secret.resource)
    page = open_as(alice, f"/sessions/{session.pk}/")
    let_time_pass()
    page.locator("[data-show]").click()
    page.locator("#dialog").get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.locator("#revealed textarea")).to_be_visible()
    expect(page.locator("#dialog")).to_be_hidden()


def test_a_cancelled_question_changes_nothing_and_the_page_stays(open_as: OpenAs, approver: User, alice: User) -> None:
    session = make_session(alice, Status.WAITING, profile=make_profile("Approved", [[approver]]))
    page = open_as(approver, "/approvals/")
    let_time_pass()
    page.locator(f"#request-{session.pk}").get_by_role("button", name="Approve").click()
    page.locator("#dialog").get_by_role("button", name="Cancel").click()
    expect(page.locator("#dialog")).to_be_hidden()
    expect(page.locator(f"#request-{session.pk}")).to_be_visible()
    session.refresh_from_db()
    assert session.status == Status.WAITING


def test_the_log_is_downloaded_after_the_question(open_as: OpenAs, admin: User) -> None:
    make_session(admin)
    page = open_as(admin, "/activity/?period=1m")
    let_time_pass()
    page.locator("#download").click()
    page.get_by_label("Password").fill(PASSWORD)
    with page.expect_download() as download:
        page.get_by_role("button", name="Confirm").click()
    assert download.value.suggested_filename.endswith(".csv")
    expect(page.get_by_role("heading", level=1)).to_have_text("Confirmed")
    page.get_by_role("link", name="Go back").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Activity log")


@pytest.mark.parametrize("has_script", [True, False])
def test_a_form_of_the_configuration_goes_on_from_a_page_of_its_own(
    open_as: OpenAs, admin: User, *, has_script: bool
) -> None:
    page = open_as(admin, "/groups/add/", java_script_enabled=has_script)
    let_time_pass()
    page.get_by_label("Name").fill("Night & day")
    page.get_by_role("button", name="Add group").last.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Add a group")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Night & day")
    expect(page.locator("#messages")).to_contain_text("Confirmed until")
