"""“Try it” on its page and on that of a policy, and what a person may do on the page of that person."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from sessions_app.pages.people.rights import MOST_PAIRS
from tests.support import builders
from tests.support.pages import ClientResponse, elements, text, texts

AsUser = Callable[[User], Client]


def answered(response: ClientResponse) -> str:
    assert response.status_code == 200
    return text(elements(response).find(".//div[@id='try-it-answer']"))


def asked(client: Client, user: str = "alice", activity: str = "Patch Linux", resource: str = "web-1") -> str:
    return answered(client.get("/try/", {"user": user, "activity": activity, "resource": resource}))


@pytest.mark.parametrize("role", ["admin", "auditor"])
def test_who_sees_everything_asks_about_everybody(
    role: str, admin: User, auditor: User, alice: User, as_user: AsUser
) -> None:
    builders.make_policy(users=[alice])
    builders.make_resource("db-1")
    client = as_user(admin if role == "admin" else auditor)
    assert asked(client).startswith("Yes, alice may do Patch Linux on web-1, by the access policy Linux work")
    refused = asked(client, resource="db-1")
    assert "No, alice may not do Patch Linux on db-1" in refused
    assert "but not the resource db-1" in refused
    assert "Did you mean “alice”?" in asked(client, user="alcie")


def test_a_person_asks_about_themselves_and_what_they_may_see(
    alice: User, outsider: User, admin: User, as_user: AsUser
) -> None:
    policy = builders.make_policy("Secret name", users=[alice])
    builders.make_policy("Others", users=[outsider], resources=[builders.make_resource("db-1")])
    client = as_user(alice)
    assert "Yes" in asked(client)
    assert "Yes" in asked(client, user="")
    assert asked(client, user="outsider") == "There is no user “outsider”."
    assert asked(client, resource="db-1") == "There is no resource “db-1”. Did you mean “web-1”?"
    policy.is_active = False
    policy.save()
    builders.make_session(alice)  # she still sees the host, by her session
    assert "Secret name" not in client.get("/try/?user=alice&activity=Patch Linux&resource=web-1").content.decode()


def test_nothing_is_answered_before_everything_is_asked(boss: Client, alice: User) -> None:
    assert answered(boss.get("/try/")) == ""
    assert answered(boss.get("/try/?user=alice&activity=")) != "Yes"


def test_htmx_gets_the_answer_alone(boss: Client, alice: User) -> None:
    builders.make_policy(users=[alice])
    response = boss.get("/try/?user=alice&activity=Patch Linux&resource=web-1", headers={"HX-Request": "true"})
    assert "<html" not in response.content.decode()
    assert "Yes" in response.content.decode()
    assert "HX-Request" in response["Vary"]


def test_a_field_suggests_what_the_person_may_choose(alice: User, outsider: User, admin: User, as_user: AsUser) -> None:
    builders.make_policy(users=[alice])
    builders.make_resource("web-2")

    def offered(person: User, field: str, typed: str) -> list[str]:
        page = elements(as_user(person).get("/try/", {"names": field, field: typed}))
        return [option.attrib["value"] for option in page.iter("option")]

    assert offered(admin, "resource", "WEB") == ["web-1", "web-2"]
    assert offered(alice, "resource", "WEB") == ["web-1"]
    assert offered(alice, "user", "") == ["alice"]
    assert offered(admin, "activity", "nothing") == []
    assert as_user(admin).get("/try/?names=password").status_code == 404


def test_a_policy_page_asks_too(boss: Client, alice: User) -> None:
    policy = builders.make_policy(users=[alice])
    page = elements(boss.get(f"/policies/{policy.pk}/"))
    form = page.find(".//form[@class='try-it-question']")
    assert form is not None
    assert form.attrib["action"] == "/try/"
    assert "alice" in [option.attrib["value"] for option in form.iter("option")]


# --- what a person may do


def lines(response: ClientResponse) -> list[list[str]]:
    return [texts(row, "td") for row in elements(response).findall(".//tbody/tr")]


def test_the_page_of_a_person_says_what_they_may_do(boss: Client, alice: User, approver: User) -> None:
    strict = builders.make_profile("Strict", [[approver]])
    builders.make_policy("Strict work", users=[alice], resources=[builders.make_resource("db-1")], profile=strict)
    builders.make_policy(users=[alice], resources=[builders.make_resource("web-1", is_active=True)])
    builders.make_policy("Off", users=[alice], resources=[builders.make_resource("web-2")], is_active=False)
    assert lines(boss.get(f"/users/{alice.pk}/?tab=rights")) == [
        ["Patch Linux", "db-1", "yes", "2 h 00 min", "1 of approver", "Strict work"],
        ["Patch Linux", "web-1", "yes", "2 h 00 min", "not needed", "Linux work"],
    ]
    assert [line[1] for line in lines(boss.get(f"/users/{alice.pk}/?tab=rights&q=WEB"))] == ["web-1"]


def test_an_obstacle_stands_in_the_line(boss: Client, alice: User) -> None:
    builders.make_policy(users=[alice])
    alice.is_active = False
    alice.save()
    assert lines(boss.get(f"/users/{alice.pk}/?tab=rights"))[0][2] == "no: The account alice is disabled."


def test_a_person_sees_their_own_rights_without_links_to_policies(alice: User, outsider: User, as_user: AsUser) -> None:
    policy = builders.make_policy(users=[alice])
    page = as_user(alice).get(f"/users/{alice.pk}/?tab=rights")
    assert lines(page)[0][-1] == "Linux work"
    assert policy.get_absolute_url() not in page.content.decode()
    assert as_user(outsider).get(f"/users/{alice.pk}/?tab=rights").status_code == 404


def test_many_rights_have_pages_and_cost_as_many_queries_as_few(boss: Client, alice: User) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            boss.get(f"/users/{alice.pk}/?tab=rights")
        return len(captured)

    resources = [builders.make_resource(f"web-{number:03}") for number in range(2)]
    policy = builders.make_policy(users=[alice], resources=resources)
    queries()
    few = queries()
    policy.resources.add(*(builders.make_resource(f"web-{number:03}") for number in range(2, MOST_PAIRS + 20)))
    assert queries() == few
    first = boss.get(f"/users/{alice.pk}/?tab=rights")
    [link] = [link.attrib["href"] for link in elements(first).iter("a") if text(link) == "Next page"]
    second = boss.get(f"/users/{alice.pk}/{link}")
    found = [line[1] for line in lines(first) + lines(second)]
    assert found == [f"web-{number:03}" for number in range(MOST_PAIRS + 20)]
    assert not [link for link in elements(second).iter("a") if text(link) == "Next page"]


@pytest.mark.parametrize("after", ["x", "1.x", "999999.1", "1", "1.1.1"])
def test_a_page_that_does_not_exist_is_a_404(boss: Client, alice: User, after: str) -> None:
    assert boss.get(f"/users/{alice.pk}/?tab=rights&after={after}").status_code == 404


def test_the_page_of_an_application_has_its_rights(boss: Client) -> None:
    application = builders.make_application()
    builders.make_policy(users=[application.principal])
    assert lines(boss.get(f"/applications/{application.pk}/?tab=rights"))[0][:3] == ["Patch Linux", "web-1", "yes"]
