"""Input that only a program would send is refused with a clear answer, on every database, and breaks nothing."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib.admin.sites import site as admin_site
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

from activity.models import ListPreference
from sessions_app.admin.lookups import OfferedLookupsOnly
from sessions_app.logins.models import LoginSession
from sessions_app.privileged.models import Approval, Status
from tests.support import pages, recordings
from tests.support.builders import make_application, make_login, make_policy, make_profile, make_session, make_user
from tests.support.vault import make_secret

AsUser = Callable[[User], Client]


def cursor(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps([value, 1]).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("sort", "value"),
    [
        ("user", "\ud800"),
        ("user", "\x00"),
        ("last_access", 10**30),
        ("user", {"a": 1}),
    ],
)
def test_a_cursor_that_somebody_made_up_is_refused(as_user: AsUser, alice: User, sort: str, value: Any) -> None:
    answer = as_user(alice).get(reverse("logins"), {"sort": sort, "after": cursor(value)})
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("sort", "value"),
    [
        *[("ip", value) for value in ("abc", "::zz", 10**30, True)],
        ("last_access", "0001-01-01T00:00:00+14:00"),
        ("last_access", "9999-12-31T23:59:59-14:00"),
    ],
)
def test_a_cursor_that_only_one_database_could_take_never_breaks_the_list(
    as_user: AsUser, alice: User, sort: str, value: Any
) -> None:
    answer = as_user(alice).get(reverse("logins"), {"sort": sort, "before": cursor(value)})
    assert answer.status_code in (200, 400)


@pytest.mark.parametrize("next_url", ["foo", "user", "//evil.example/", "https://evil.example/", "javascript:alert(1)"])
def test_a_change_leads_to_a_path_of_ours_whatever_next_says(as_user: AsUser, admin: User, next_url: str) -> None:
    session = make_session(status=Status.AVAILABLE)
    form = {"ids": session.pk, "title": "Locked", "next": next_url}
    answer = as_user(admin).post(reverse("session_action", args=["lock"]), form)
    assert (answer.status_code, answer["Location"]) == (302, reverse("home"))
    session.refresh_from_db()
    assert session.status == Status.LOCKED


@pytest.mark.parametrize("next_url", ["foo", "user", "//evil.example/"])
def test_saved_columns_lead_to_a_path_of_ours(as_user: AsUser, alice: User, next_url: str) -> None:
    answer = as_user(alice).post(reverse("save_columns", args=["logins"]), {"all": "ip", "next": next_url})
    assert (answer.status_code, answer["Location"]) == (302, reverse("home"))


@pytest.mark.parametrize("key", ["\x00", "\ud800", "a" * 41, "<b>"])
def test_widths_are_kept_for_columns_only(as_user: AsUser, alice: User, key: str) -> None:
    answer = as_user(alice).post(reverse("save_columns", args=["logins"]), {"widths": json.dumps({key: 100})})
    assert answer.status_code == 400
    assert not ListPreference.objects.exclude(widths={}).exists()


def test_hidden_columns_are_kept_by_their_keys_only(as_user: AsUser, alice: User) -> None:
    as_user(alice).post(reverse("save_columns", args=["logins"]), {"all": ["ip", "\x00", "<b>"], "shown": []})
    assert ListPreference.objects.get().hidden == ["ip"]


@pytest.mark.parametrize(
    "key", ['"aaaaaaaaaa\\000aaaaaaaaaaaaaaaaaaaaa"', "'; DROP TABLE x; --aaaaaaaaaaa", "a" * 9000]
)
@pytest.mark.django_db
def test_a_made_up_session_cookie_is_a_stranger(client: Client, key: str) -> None:
    answer = client.get(reverse("sessions"), headers={"Cookie": f"sessionid={key}"})
    assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, reverse("login"))


@pytest.mark.django_db
def test_nobody_fills_the_disk_with_uploads(client: Client) -> None:
    form = {"username": "alice", "password": "x", "file": io.BytesIO(b"x" * 10)}
    answer = client.post(reverse("login"), form)
    assert answer.status_code in (400, 413)


def test_what_was_done_to_many_fits_the_headers_of_an_answer(as_user: AsUser, admin: User) -> None:
    logins = [make_login(make_user(f"{number:03}-{'x' * 140}")) for number in range(60)]
    client = as_user(admin)
    answer = client.post(
        reverse("logins_logout"), {"ids": [login.pk for login in logins]}, headers={"HX-Request": "true"}
    )
    assert answer.status_code == 204
    assert len(answer["HX-Trigger"]) < 4000
    said = json.loads(answer["HX-Trigger"])["done"]["messages"]
    assert said[-1] == ["success", "And 53 more like these."]
    assert not LoginSession.objects.live().exclude(user=admin).exists()


# --- free text

LONG = "x" * 50_001  # more than SQLite takes as a pattern
NOBODY_TYPED = ["\x00", "a\x00b", LONG, "é" * 30_000]
ADDRESSES = ["http://[", "http://[::1", "//[", "http://\u2100.example/", "http://a b/", "%", "", "javascript:alert(1)"]


@pytest.mark.parametrize("here", ADDRESSES)
@pytest.mark.django_db
def test_a_stranger_whose_page_has_no_address_is_sent_to_log_in(client: Client, here: str) -> None:
    for header in ({"HX-Current-URL": here}, {"HX-Current-URL": here, "HX-Current-URL-URI-AutoEncoded": "true"}):
        answer = client.get(reverse("sessions"), headers={"HX-Request": "true", **header})
        assert (answer.status_code, answer["HX-Redirect"].partition("?")[0]) == (200, reverse("login"))


@pytest.mark.parametrize("path", ["/sessions/", "/activity/", "/admin/", "/accounts/login/", "/no/such/page/"])
def test_more_parameters_than_anybody_sends_are_refused(
    client: Client, as_user: AsUser, admin: User, path: str
) -> None:
    query = "&".join(f"p{number}=1" for number in range(1001))
    for browser in (client, as_user(admin)):
        for headers in ({}, {"HX-Request": "true"}):
            answer = browser.get(f"{path}?{query}", headers=headers)
            assert answer.status_code in (302, 400, 404) or "HX-Redirect" in answer
    answer = as_user(admin).get(f"/sessions/?{query}")
    assert answer.status_code == 400
    assert "not understood" in answer.content.decode()


@pytest.mark.parametrize("text", NOBODY_TYPED)
def test_a_login_by_ssh_to_what_nobody_typed_is_refused_in_words(as_user: AsUser, alice: User, text: str) -> None:
    for form in ({"session": text, "key": ""}, {"session": "web-1", "key": text}):
        answer = as_user(alice).post(reverse("ssh_login"), form)
        assert answer.status_code in (400, 422)
        assert answer.json()["problem"]


@pytest.mark.parametrize("text", NOBODY_TYPED)
def test_a_search_for_what_nobody_typed_is_refused_everywhere(as_user: AsUser, admin: User, text: str) -> None:
    recording = recordings.make_recording()
    client = as_user(admin)
    for path, name in (
        (reverse("recording", args=[recording.pk]), "find"),
        (reverse("recording", args=[recording.pk]), "t"),
        (reverse("recording_cast", args=[recording.pk]), "view"),
        (reverse("recordings"), "q"),
        (reverse("activity_users"), "q"),
        (reverse("activity_users"), "user"),
        *((reverse(name), "q") for name in ("sessions", "logins", "users", "resources", "policies")),
        (reverse("activity_log"), "activity"),
        (reverse("sessions"), "tab"),
        (reverse("sessions"), "user"),
    ):
        answer = client.get(path, {name: text})
        assert answer.status_code == 400, (path, name)


@pytest.mark.parametrize("text", NOBODY_TYPED)
def test_the_administration_refuses_what_nobody_typed(as_user: AsUser, admin: User, text: str) -> None:
    client = as_user(admin)
    for model in admin_site._registry:
        listing = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        for name in ("q", "_to_field", "o", "p", "all", "e", "pk", "id__exact", "_facets", "_popup"):
            answer = client.get(listing, {name: text})
            assert answer.status_code == 400, (model, name)
        for page in (f"{listing}add/", f"{listing}{quote(text[:9])}/change/", f"{listing}1/history/"):
            assert client.get(page, {"_to_field": text, "_changelist_filters": text}).status_code in (
                302,
                400,
                403,
                404,
            )
    for name in ("term", "app_label", "model_name", "field_name"):
        where = {"app_label": "sessions_app", "model_name": "accesspolicy", "field_name": "resources", "term": "web"}
        assert client.get("/admin/autocomplete/", where | {name: text}).status_code in (400, 403)


HUGE = "9" * 23
LOOKUPS = [
    *[(name, HUGE) for name in ("id__in", "pk__in", "id__gt", "groups__id__in", "user__id__in", "resource__in")],
    *[("date_joined__year", "9999999"), ("date_joined__date", "0001-01-01"), ("last_login__gte", "9999-12-31")],
    *[("username__regex", "("), ("name__iregex", "("), ("name__regex", "a"), ("username__startswith", "a")],
    *[("password__startswith", "a"), ("groups__name__regex", "("), ("port__lt", HUGE), ("nonsense", "1")],
    *[(name, HUGE) for name in ("id", "pk", "id__exact", "groups__id__exact", "profile__id__exact")],
    *[("resource__id__exact", HUGE), ("profile__id__exact", "x"), ("groups__id__exact", "-1")],
]


@pytest.mark.parametrize(("lookup", "value"), LOOKUPS)
def test_a_list_of_the_administration_is_filtered_by_what_it_offers_only(
    as_user: AsUser, admin: User, lookup: str, value: str
) -> None:
    client = as_user(admin)
    for model in admin_site._registry:
        listing = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        assert client.get(listing, {lookup: value}).status_code == 400, listing


def test_every_link_of_a_list_of_the_administration_works(as_user: AsUser, admin: User) -> None:
    admin.groups.add(Group.objects.create(name="Operators"))
    make_policy(users=[admin], profile=make_profile())
    make_profile("Another")
    make_secret()
    client, names = as_user(admin), set[str]()
    for model, model_admin in admin_site._registry.items():
        assert isinstance(model_admin, OfferedLookupsOnly)
        listing = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        links = {link.get("href", "") for link in pages.elements(client.get(listing)).iter("a")}
        queries = {link for link in links if link.startswith("?")}
        names |= {link[1:].partition("=")[0] for link in queries} - {""}
        first = str(model._default_manager.values_list("pk", flat=True).first() or 1)
        for query in [*queries, f"?pk={first}", f"?id__exact={first}", "?_facets=1", "?q=a&o=1"]:
            assert client.get(f"{listing}{query}").status_code == 200, (listing, query)
        for text in ("True", "x", "", "1" * 18, "-"):
            for name in {link[1:].partition("=")[0] for link in queries} - {""}:
                assert client.get(listing, {name: text}).status_code in (200, 302, 400), (listing, name, text)
    assert names >= {"is_active__exact", "groups__id__exact", "platform__exact", "profile__id__exact", "record__exact"}


def test_the_administration_finds_by_a_field_that_objects_are_named_by(as_user: AsUser, admin: User) -> None:
    client = as_user(admin)
    for model in admin_site._registry:
        listing = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        fields = [field.name for field in model._meta.concrete_fields]
        for field in [*fields, "", "pk", "nonsense", "user__password", "__class__"]:
            for page in (
                listing,
                f"{listing}add/",
                f"{listing}x%22y/change/",
                f"{listing}99999999999999999999/change/",
            ):
                for popup in ({}, {"_popup": "1"}):
                    answer = client.get(page, {"_to_field": field, **popup})
                    assert answer.status_code in (200, 302, 400, 403, 404), (page, field)


@pytest.mark.parametrize(
    ("verb", "status"), [("approve", Status.WAITING), ("deny", Status.WAITING), ("lock", Status.AVAILABLE)]
)
def test_what_is_said_about_a_session_loses_what_nobody_sees(
    as_user: AsUser, alice: User, approver: User, admin: User, verb: str, status: Status
) -> None:
    profile = make_profile(tiers=[[approver]])
    session = make_session(alice, status, profile=profile)
    said = "Not\u202e now,\u2028come \u2066back\x1b[31m later"
    form = {"ids": session.pk, "reason": said, "title": said, "message": said}
    as_user(admin if verb == "lock" else approver).post(reverse("session_action", args=[verb]), form)
    session.refresh_from_db()
    shown_text = session.lock_message if verb == "lock" else Approval.objects.get().reason
    assert shown_text == "Not  now, come  back [31m later"


@pytest.mark.parametrize("key", ["25:61", "x", "\x00", "9" * 30, "-1", "²", "1,2"])
def test_a_form_of_the_administration_with_what_is_no_object_is_shown_again(
    as_user: AsUser, admin: User, key: str
) -> None:
    application, policy, profile = make_application(), make_policy(), make_profile()
    client = as_user(admin)
    pages = (
        (f"/admin/sessions_app/application/{application.pk}/change/", {"owner": key}),
        (f"/admin/auth/user/{admin.pk}/change/", {"groups": key}),
        (f"/admin/sessions_app/accesspolicy/{policy.pk}/change/", {"profile": key, "users": key, "resources": key}),
        (
            f"/admin/sessions_app/connectionprofile/{profile.pk}/change/",
            {"tiers-TOTAL_FORMS": "1", "tiers-INITIAL_FORMS": "0", "tiers-0-users": key, "tiers-0-groups": key},
        ),
    )
    for path, form in pages:
        answer = client.post(path, form)
        assert answer.status_code == 200
        assert "Please correct the error" in answer.content.decode()
