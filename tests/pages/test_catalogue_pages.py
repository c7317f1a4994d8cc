"""Resources, activities, profiles and policies: read-only, linked, and only what concerns the person."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.catalogue.lock_models import ResourceLock
from sessions_app.catalogue.models import AccessPolicy, ApprovalTier
from sessions_app.hosts.models import HostWatch
from sessions_app.privileged.models import Status
from tests.support import builders, pages

AsUser = Callable[[User], Client]
LISTS = ["resources/", "activities/", "profiles/", "resources/{resource}/"]


@pytest.fixture
def policy(alice: User, approver: User) -> AccessPolicy:
    """Return a policy for alice, after creating another one that does not concern her."""
    builders.make_policy(
        "Windows work",
        activities=[builders.make_activity("Patch Windows")],
        resources=[builders.make_resource("dc-1")],
        profile=builders.make_profile("Four eyes"),
    )
    profile = builders.make_profile("Two hours", tiers=[[approver]], ticket_required=True)
    return builders.make_policy(
        "Linux work",
        users=[alice],
        activities=[builders.make_activity("Patch Linux")],
        resources=[builders.make_resource("web-1"), builders.make_resource("web-2")],
        profile=profile,
    )


def names(client: Client, url: str) -> list[str]:
    page = client.get(url)
    assert page.status_code == 200
    return [str(row) for row in page.context["listing"].page.rows]


def test_an_ordinary_person_finds_what_their_policies_give_them(
    as_user: AsUser, alice: User, outsider: User, policy: AccessPolicy
) -> None:
    client = as_user(alice)
    assert names(client, "/resources/") == ["web-1", "web-2"]
    assert names(client, "/activities/") == ["Patch Linux"]
    assert names(client, "/profiles/") == ["Two hours"]
    assert client.get("/policies/").status_code == 403
    assert names(as_user(outsider), "/resources/") == []


@pytest.mark.parametrize(
    ("nouns", "words"),
    [
        ("resources", "Hosts and secret vaults"),
        ("activities", "What is done"),
        ("profiles", "How long a session lasts"),
    ],
)
@pytest.mark.django_db
def test_an_empty_list_says_what_goes_there_to_who_sees_everything(
    as_user: AsUser, auditor: User, outsider: User, nouns: str, words: str
) -> None:
    assert words in as_user(auditor).get(f"/{nouns}/").content.decode()
    assert words not in as_user(outsider).get(f"/{nouns}/").content.decode()


def test_a_policy_of_a_group_counts_for_its_members_and_an_inactive_one_for_nobody(
    as_user: AsUser, outsider: User, policy: AccessPolicy
) -> None:
    team = Group.objects.create(name="Linux team")
    team.user_set.add(outsider)
    policy.groups.add(team)
    assert names(as_user(outsider), "/resources/") == ["web-1", "web-2"]
    policy.is_active = False
    policy.save(update_fields=["is_active"])
    assert names(as_user(outsider), "/resources/") == []


def test_what_no_policy_gives_is_not_found(as_user: AsUser, alice: User, policy: AccessPolicy) -> None:
    client = as_user(alice)
    for url in (
        f"/resources/{builders.make_resource('dc-1').pk}/",
        f"/activities/{builders.make_activity('Patch Windows').pk}/",
        f"/profiles/{AccessPolicy.objects.get(name='Windows work').profile_id}/",
        f"/policies/{policy.pk}/",
        "/resources/999/",
    ):
        assert client.get(url).status_code == 404, url


def test_the_resource_of_a_session_that_one_approves_can_be_looked_at(
    as_user: AsUser, alice: User, approver: User, policy: AccessPolicy
) -> None:
    resource = builders.make_resource("web-1")
    client = as_user(approver)
    assert client.get(f"/resources/{resource.pk}/").status_code == 404
    builders.make_session(alice, Status.WAITING, resource=resource, profile=policy.profile)
    assert client.get(f"/resources/{resource.pk}/").status_code == 200


def test_who_sees_everything_finds_all_with_links_between_them(
    as_user: AsUser, auditor: User, alice: User, policy: AccessPolicy
) -> None:
    client = as_user(auditor)
    assert names(client, "/resources/") == ["dc-1", "web-1", "web-2"]
    assert set(names(client, "/policies/")) == {"Linux work", "Windows work"}
    page = client.get(f"/policies/{policy.pk}/").content.decode()
    resource, activity = builders.make_resource("web-1"), builders.make_activity("Patch Linux")
    for url in (
        f"/users/{alice.pk}/",
        f"/resources/{resource.pk}/",
        f"/activities/{activity.pk}/",
        f"/profiles/{policy.profile_id}/",
    ):
        assert f'href="{url}"' in page, url
    for url in (f"/resources/{resource.pk}/", f"/activities/{activity.pk}/", f"/profiles/{policy.profile_id}/"):
        assert f'href="/policies/{policy.pk}/"' in client.get(url).content.decode(), url


def test_only_administrators_are_led_to_the_form(
    as_user: AsUser, admin: User, auditor: User, policy: AccessPolicy
) -> None:
    resource = builders.make_resource("web-1")
    pages = {
        f"/resources/{resource.pk}/": f"/resources/{resource.pk}/change/",
        f"/policies/{policy.pk}/": f"/policies/{policy.pk}/change/",
        f"/profiles/{policy.profile_id}/": f"/profiles/{policy.profile_id}/change/",
    }
    for url, change in pages.items():
        assert f'href="{change}"' in as_user(admin).get(url).content.decode()
        assert change not in as_user(auditor).get(url).content.decode()
        assert as_user(admin).get(change).status_code == 200


def test_a_profile_says_who_must_approve(as_user: AsUser, alice: User, policy: AccessPolicy) -> None:
    group = Group.objects.create(name="Approvers")
    second = ApprovalTier.objects.create(profile=policy.profile, order=2, required=2)
    second.groups.add(group)
    page = pages.elements(as_user(alice).get(f"/profiles/{policy.profile_id}/"))
    tiers = pages.texts(page, ".//ol/li")
    assert tiers[0].startswith("Tier 1: 1 of approver")
    assert tiers[1] == "Tier 2: 2 of the group Approvers"
    assert pages.facts(page)["Ticket"] == "required"


def test_a_resource_shows_the_sessions_on_it_that_one_may_see(
    as_user: AsUser, alice: User, outsider: User, auditor: User, policy: AccessPolicy
) -> None:
    resource = builders.make_resource("web-1")
    mine = builders.make_session(alice, resource=resource)
    theirs = builders.make_session(outsider, resource=resource)
    builders.make_session(alice, resource=builders.make_resource("web-2"))
    seen = as_user(alice).get(f"/resources/{resource.pk}/")
    assert [row.pk for row in seen.context["listing"].page.rows] == [mine.pk]
    assert seen.context["facts"].live == 1
    seen = as_user(auditor).get(f"/resources/{resource.pk}/")
    assert {row.pk for row in seen.context["listing"].page.rows} == {mine.pk, theirs.pk}


@pytest.mark.parametrize(
    ("off", "said"),
    [
        (600.0, "The clock of this host is 10 min ahead of the console's. Set one of the two right."),
        (-3660.0, "The clock of this host is 1 h 1 min behind the console's. Set one of the two right."),
        (59.0, ""),
        (None, ""),
    ],
)
def test_a_resource_whose_clock_is_a_minute_off_says_so_and_no_other_does(
    as_user: AsUser, alice: User, policy: AccessPolicy, off: float | None, said: str
) -> None:
    resource, other = builders.make_resource("web-1"), builders.make_resource("web-2")
    HostWatch.objects.create(resource=resource, clock_off=off)
    client = as_user(alice)
    page = pages.text(pages.elements(client.get(f"/resources/{resource.pk}/")))
    assert said in page
    assert ("The clock of this host" in page) is bool(said)
    assert "The clock of this host" not in pages.text(pages.elements(client.get(f"/resources/{other.pk}/")))


def test_an_administrator_closes_a_resource_and_opens_it_again(
    as_user: AsUser, admin: User, alice: User, policy: AccessPolicy
) -> None:
    resource = builders.make_resource("web-1")
    client, url = as_user(admin), f"/resources/{resource.pk}/"
    assert "Close web-1 to new sessions" in client.get(f"{url}lock/", headers={"HX-Request": "true"}).content.decode()
    done = client.post(f"{url}lock/", {"title": "Disk is full", "message": "Back at noon."}, follow=True)
    assert done.redirect_chain == [(url, 302)]
    assert "Closed web-1 to new sessions." in done.content.decode()
    seen_by_alice = as_user(alice).get(url).content.decode()
    assert "Disk is full" in seen_by_alice
    assert f"{url}unlock/" not in seen_by_alice
    assert "Locked" in as_user(alice).get("/resources/").content.decode()
    again = client.post(f"{url}lock/", {"title": "Twice"})
    assert again.status_code == 422
    assert "closed to new sessions already" in again.content.decode()
    client.post(f"{url}unlock/")
    assert not ResourceLock.objects.in_force().exists()
    assert list(
        LogEntry.objects.filter(verb__in=[Verb.RESOURCE_LOCKED, Verb.RESOURCE_UNLOCKED])
        .order_by("pk")
        .values_list("verb", "actor_name")
    ) == [(Verb.RESOURCE_LOCKED, "admin"), (Verb.RESOURCE_UNLOCKED, "admin")]


@pytest.mark.parametrize("action", ["lock", "unlock"])
def test_nobody_else_closes_or_opens_a_resource(
    as_user: AsUser, alice: User, outsider: User, auditor: User, policy: AccessPolicy, action: str
) -> None:
    url = f"/resources/{builders.make_resource('web-1').pk}/{action}/"
    for user, expected in ((alice, 403), (auditor, 403), (outsider, 404)):
        assert as_user(user).get(url).status_code == expected
        assert as_user(user).post(url, {"title": "Mine"}).status_code == expected
    assert not ResourceLock.objects.exists()


@pytest.mark.parametrize("url", ["/resources/", "/activities/", "/profiles/", "/policies/"])
@pytest.mark.parametrize("query", ["sort=nothing", "colour=red", "after=x", "platform=amiga"])
def test_an_unknown_value_is_told(as_user: AsUser, admin: User, url: str, query: str) -> None:
    assert as_user(admin).get(f"{url}?{query}").status_code == 400


@pytest.mark.parametrize(
    ("who", "url"),
    [
        ("admin", "/policies/"),
        *((who, f"/{url}") for who in ("admin", "alice") for url in LISTS),
    ],
)
def test_a_list_costs_the_same_queries_with_2_and_with_20_rows(
    as_user: AsUser, admin: User, alice: User, who: str, url: str
) -> None:
    client = as_user({"admin": admin, "alice": alice}[who])
    resource = builders.make_resource("shared")
    counts = []
    for count in (2, 20):
        for number in range(count):
            name = f"{count}-{number}"
            builders.make_policy(
                name,
                users=[alice],
                activities=[builders.make_activity(f"Activity {name}")],
                resources=[builders.make_resource(f"host-{name}"), resource],
            )
            builders.make_session(alice, resource=resource)
        address = url.format(resource=resource.pk)
        client.get(address)
        with CaptureQueriesContext(connection) as queries:
            assert client.get(address).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]
