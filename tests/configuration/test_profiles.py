"""Connection profiles on the console's own form: durations, limits, tiers, templates."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.catalogue.models import ApprovalTier, ConnectionProfile
from sessions_app.catalogue.profile_forms import TEMPLATES
from tests.support import pages
from tests.support.administration import last, said
from tests.support.builders import make_policy, make_profile, make_session

ADD = "/profiles/add/"


def filled(boss: Client, path: str = ADD) -> dict[str, str]:
    """Return the fields of the form as the page fills them in."""
    sent = pages.fields(pages.elements(boss.get(path)), ".//form[@id='configuration']")
    return {name: value for name, value in sent.items() if name != "find"}


def new(boss: Client, **changes: Any) -> dict[str, Any]:
    return {**filled(boss), "name": "New", **changes}


def test_durations_are_typed_as_people_say_them(boss: Client) -> None:
    sent = new(boss, maximum_duration="2 h 30", end_notice="15min", secret_view_timeout="1 min")
    assert boss.post(ADD, sent).status_code == 302
    profile = ConnectionProfile.objects.get()
    assert profile.maximum_duration == dt.timedelta(hours=2, minutes=30)
    assert profile.end_notice == dt.timedelta(minutes=15)
    assert (profile.secret_view_timeout, profile.logon_monitor_interval) == (60, 30)
    shown = filled(boss, f"/profiles/{profile.pk}/change/")
    assert shown["maximum_duration"] == "2 h 30 min"
    assert shown["secret_view_timeout"] == "1 min"
    assert "= 2 hours 30 minutes" in said(boss.get(f"/profiles/{profile.pk}/change/"))
    before = LogEntry.objects.count()
    assert boss.post(f"/profiles/{profile.pk}/change/", shown).status_code == 302
    assert LogEntry.objects.count() == before


def test_the_administration_reads_durations_in_the_same_way(boss: Client) -> None:
    path = "/admin/sessions_app/connectionprofile/add/"
    form = boss.get(path).context["adminform"].form
    assert form.fields["maximum_duration"].clean("60 min") == dt.timedelta(hours=1)
    assert "Add the unit: 60 min, or 60 h?" in said(boss.post(path, {"maximum_duration": "60"}))


@pytest.mark.parametrize(
    ("name", "changes", "problem"),
    [
        ("maximum_duration", {"maximum_duration": "60"}, "Add the unit: 60 min, or 60 h?"),
        ("maximum_duration", {"maximum_duration": "0 min"}, "Enter a duration above zero"),
        ("end_notice", {"maximum_duration": "1 h", "end_notice": "1 h"}, "must come before the end"),
        ("extension_by", {"extension_limit": "1", "extension_by": "0 s"}, "An extension must add some time"),
        ("extension_by", {"extension_limit": "1", "extension_by": "1 day"}, "at most the maximum duration"),
        (
            "approval_timeout",
            {"tiers": "1", "tier1_users": "approver", "approval_timeout": "soon"},
            "cannot be read as a duration",
        ),
        ("secret_view_timeout", {"secret_view_timeout": "1 s"}, "Show a secret for at least 5 s"),
        ("logon_monitor_interval", {"logon_monitor_interval": "1 day"}, "must look at least once"),
        ("recording_days", {"recording_days": "40000"}, "at most 36500 days"),
        ("tcp_targets", {"tcp_targets": "db"}, "“db” is not host:port"),
        ("tier1_users", {"tiers": "1"}, "Tier 1 has no approver. Choose people or groups."),
        ("tier1_users", {"tiers": "1", "tier1_users": "77"}, "does not exist any more"),
        ("tiers", {"tiers": "4"}, "Select a valid choice."),
    ],
)
def test_what_does_not_fit_is_said_at_the_field(
    boss: Client, approver: User, name: str, changes: dict[str, str], problem: str
) -> None:
    sent = new(boss, **{"approval_timeout": "1 h", "tier1_required": "1", **changes})
    if sent.get("tier1_users") == "approver":
        sent["tier1_users"] = str(approver.pk)
    response = boss.post(ADD, sent)
    assert response.status_code == 422
    errors = response.context["form"].errors
    assert list(errors) == [name]
    assert problem in str(errors[name][0])
    if name in sent and not name.startswith("tier"):
        assert sent[name] in said(response)
    assert not ConnectionProfile.objects.exists()


def test_a_tier_with_too_few_people_is_refused(boss: Client, approver: User) -> None:
    sent = new(boss, tiers="1", approval_timeout="1 h", tier1_required="2", tier1_users=str(approver.pk))
    assert "Tier 1 needs 2 approvals, but it has only 1 approvers." in said(boss.post(ADD, sent))


def test_tiers_are_added_changed_and_taken_away_on_the_same_form(boss: Client, alice: User, approver: User) -> None:
    group = Group.objects.create(name="Approvers")
    sent = new(boss, tiers="2", approval_timeout="4 h", tier1_required="2", tier2_required="1")
    response = boss.post(ADD, {**sent, "tier1_groups": str(group.pk), "tier2_users": [alice.pk, approver.pk]})
    assert response.status_code == 302
    profile = ConnectionProfile.objects.get()
    first, second = profile.tiers.order_by("order")
    assert (first.required, list(first.groups.all()), list(first.users.all())) == (2, [group], [])
    assert set(second.users.all()) == {alice, approver}
    path = f"/profiles/{profile.pk}/change/"
    page = boss.get(path)
    assert "Tier 2" in said(page)
    assert "Tier 3" not in said(page)
    form = pages.fields(pages.elements(page), ".//form[@id='configuration']")
    assert form["tier1_groups"] == str(group.pk)
    assert boss.post(path, {**form, "tiers": "1"}).status_code == 302
    assert list(profile.tiers.values_list("order", flat=True)) == [1]
    assert last(Verb.RECORD_DELETED).message == "Deleted approval tier “New tier 2”"
    assert boss.post(path, {**form, "tiers": "0"}).status_code == 302
    assert not ApprovalTier.objects.exists()


def test_who_was_chosen_survives_a_change_of_the_number_of_tiers(boss: Client, approver: User) -> None:
    sent = new(boss, tiers="0", approval_timeout="4 h", tier1_users=str(approver.pk), tier1_required="1", _show="1")
    hidden = pages.fields(pages.elements(boss.post(ADD, sent)), ".//form[@id='configuration']")
    assert hidden["tier1_users"] == str(approver.pk)
    assert hidden["approval_timeout"] == "4 h"
    shown = boss.post(ADD, {**hidden, "tiers": "1", "_show": "1"})
    assert "Tier 1" in said(shown)
    assert "1 chosen." in " ".join(said(shown).split())


@pytest.mark.parametrize("key", sorted(TEMPLATES))
def test_a_template_fills_in_a_form_that_can_be_saved(boss: Client, approver: User, key: str) -> None:
    page = boss.get(ADD)
    assert f'href="?template={key}"' in page.content.decode()
    sent = filled(boss, f"{ADD}?template={key}")
    assert sent["name"] == TEMPLATES[key]["name"]
    if key == "needs-approval":
        sent["tier1_users"] = str(approver.pk)
    assert boss.post(ADD, sent).status_code == 302
    profile = ConnectionProfile.objects.get()
    assert profile.maximum_duration == TEMPLATES[key]["maximum_duration"]
    assert profile.tiers.count() == TEMPLATES[key].get("tiers", 0)


def test_an_unknown_template_is_an_empty_form(boss: Client) -> None:
    assert filled(boss, f"{ADD}?template=x")["name"] == ""
    assert boss.get(f"{ADD}?template=x%00").status_code == 400


def test_a_profile_in_use_is_not_deleted_and_its_tiers_go_with_it(boss: Client, approver: User) -> None:
    used = make_policy().profile
    assert "is used by 1 access policy. Nothing was deleted." in said(boss.post(f"/profiles/{used.pk}/delete/"))
    unused = make_profile("Unused", [[approver]])
    assert boss.post(f"/profiles/{unused.pk}/delete/").status_code == 302
    assert list(ConnectionProfile.objects.all()) == [used]
    assert not ApprovalTier.objects.exists()


def test_a_profile_asks_for_a_second_factor_and_every_page_about_it_says_so(boss: Client, alice: User) -> None:
    sent = new(boss, confirm_at_start="on", confirm_at_connect="on")
    assert boss.post(ADD, sent).status_code == 302
    profile = ConnectionProfile.objects.get()
    words = "when the session begins and at each connect"
    assert profile.confirms == words
    policy = make_policy(users=[alice], profile=profile)
    asked = "/try/?user=alice&activity=Patch Linux&resource=web-1"
    session = make_session(alice, profile=profile)
    for path in (profile.get_absolute_url(), policy.get_absolute_url(), asked, session.get_absolute_url()):
        assert words in said(boss.get(path)), path
    shown = filled(boss, f"/profiles/{profile.pk}/change/")
    del shown["confirm_at_start"]
    boss.post(f"/profiles/{profile.pk}/change/", shown)
    profile.refresh_from_db()
    assert profile.confirms == "at each connect"
    assert "confirm_at_start" in last(Verb.RECORD_CHANGED).message
