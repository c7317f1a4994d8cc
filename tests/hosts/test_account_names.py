"""What the login account of a person is called on a host: always a name that Linux accepts, and nobody else's."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from sessions_app.catalogue.account_names import ACCOUNT_NAME, account_name
from sessions_app.catalogue.models import AccountKind, Activity
from sessions_app.errors import Refused
from sessions_app.privileged.flows.request import request_sessions
from sessions_app.privileged.models import PrivilegedSession, Status
from tests.support import builders

LOOK_ALIKE = [
    *(
        "a.b",
        "a-b",
        "a b",
        "A-b",
        "-a-b",
        "a-b-",
        "a+b",
        "a@b",
        "a.b@example.com",
        "a-b-example-com",
        "ä-b",
        "1a",
        "u1a",
    ),
    *("x" * 27, "x" * 28, "x" * 29, "x" * 60, "x" * 60 + "y", ".", "..", "user", "日本", "日本語"),
]


@pytest.mark.parametrize("template", ["{user}", "{user}-adm", "adm_{user}", "satest-{user}-{session}"])
def test_no_two_users_get_the_same_account(template: str) -> None:
    made = {name: account_name(template, name, 1234567) for name in LOOK_ALIKE}
    # Somebody may be called just as a mark makes another one's name.
    made |= {name: account_name(template, name, 1234567) for name in [account_name("{user}", "a.b", 1), "a-b-00000000"]}
    assert len(set(made.values())) == len(made)
    assert [name for name in made.values() if not ACCOUNT_NAME.fullmatch(name)] == []


def test_a_name_that_loses_nothing_stays_as_it_is() -> None:
    assert account_name("{user}-adm", "alice", 7) == "alice-adm"
    assert account_name("{user}-{session}", "a_b-c", 7) == "a_b-c-7"
    assert account_name("deploy", "a.b", 7) == "deploy"


def test_a_name_is_the_same_every_time() -> None:
    assert account_name("{user}-adm", "a.b", 1) == account_name("{user}-adm", "a.b", 2) == "a-b-2e7336dc-adm"


def test_a_template_that_leaves_little_room_still_makes_names_of_linux() -> None:
    names = {account_name("administrator-of-the-hosts-{user}", name, 1) for name in ("alice", "bob", "a.b")}
    assert all(ACCOUNT_NAME.fullmatch(name) for name in names)
    assert len(names) == 3


def two_activities(user: User, connector: str = "ssh", **values: str) -> tuple[Activity, Activity]:
    first, second = builders.make_activity("Patch Linux", **values), builders.make_activity("Read logs", **values)
    host = builders.make_resource("web-1", connector=connector, address="web-1.example.com")
    builders.make_policy(users=[user], activities=[first, second], resources=[host])
    return first, second


def ask_for(activity: Activity, user: User) -> PrivilegedSession:
    [session] = request_sessions(user, user=user, activity=activity, resources=[builders.make_resource("web-1")])
    return session


def test_a_second_session_with_the_same_account_is_refused_with_the_reason(alice: User) -> None:
    first, second = two_activities(alice)
    session = ask_for(first, alice)
    with pytest.raises(Refused, match="account alice-adm on web-1 is open for another session") as refused:
        ask_for(second, alice)
    assert refused.value.field == "start_at"
    PrivilegedSession.objects.filter(pk=session.pk).update(status=Status.FAILED, ended_at=timezone.now())
    assert ask_for(second, alice).login_account == "alice-adm"


@pytest.mark.parametrize(
    ("connector", "values"),
    [
        ("ssh", {"login_account_template": "{user}-{session}"}),
        ("ssh", {"kind": AccountKind.COMMANDS}),
        ("practice", {}),
    ],
)
def test_sessions_that_do_not_share_an_account_go_side_by_side(
    alice: User, connector: str, values: dict[str, str]
) -> None:
    first, second = two_activities(alice, connector, **values)
    assert ask_for(first, alice).status == ask_for(second, alice).status == Status.PROVISIONING
