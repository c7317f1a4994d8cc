"""Where a profile asks for a second factor, nobody connects without one: by no key, ticket or certificate."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from typing import Any

import asyncssh
import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.errors import Refused
from sessions_app.factors.fresh import FRESH_FOR
from sessions_app.factors.models import FactorRule
from sessions_app.gateway.flows.connect import AuthenticatedClient, connect
from sessions_app.gateway.flows.ticket import issue, redeem
from sessions_app.gateway.models import EntryPoint, GatewayConnection, GatewayTicket, TicketKind
from sessions_app.hosts.flows.certificate import give_certificate
from sessions_app.hosts.ssh import ca
from sessions_app.logins.models import LoginSession, SecondFactor
from sessions_app.privileged.flows.confirm import FactorNeeded
from sessions_app.privileged.models import PrivilegedSession, Status
from sessions_app.worker.step import StepContext
from tests.support import pages
from tests.support.administration import said
from tests.support.builders import (
    PASSWORD,
    make_application,
    make_key,
    make_login,
    make_profile,
    make_resource,
    make_session,
    make_user,
)
from tests.support.control_scene import run
from tests.support.factors import code_of, give_app
from tests.support.gateway_scene import Front, front, prepared
from tests.support.waiting import seconds

HERE = "127.0.0.1"
OTHER_SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
AT_CONNECT: dict[str, Any] = {"confirm_at_connect": True}
AT_START: dict[str, Any] = {"confirm_at_start": True}


@pytest.fixture(params=[AT_CONNECT, AT_START], ids=["at each connect", "at the start"])
def session(request: pytest.FixtureRequest, alice: User) -> PrivilegedSession:
    return session_of(alice, **request.param)


def session_of(user: User, **profile: Any) -> PrivilegedSession:
    host = make_resource("web-1", connector="ssh", host_key="ssh-ed25519 AAAA")
    return make_session(user, resource=host, profile=make_profile("Careful", **profile))


def login_of(user: User, *, fresh: bool) -> LoginSession:
    long_ago = timezone.now() - FRESH_FOR - dt.timedelta(seconds=1)
    return make_login(user, confirmed_at=timezone.now() if fresh else long_ago)


def client(session: PrivilegedSession, **values: Any) -> AuthenticatedClient:
    defaults: dict[str, Any] = {"user_id": session.user_id, "session_id": session.pk, "entry_point": EntryPoint.SSH}
    return AuthenticatedClient(**(defaults | values), address=HERE, client="")


@pytest.mark.parametrize("way", EntryPoint)
def test_nobody_connects_without_a_factor_whichever_way(session: PrivilegedSession, way: EntryPoint) -> None:
    with pytest.raises(FactorNeeded, match="The connection profile Careful asks for a second factor"):
        connect(client(session, entry_point=way), "gate-1")
    assert not GatewayConnection.objects.exists()
    assert LogEntry.objects.of_target(session).get(verb=Verb.CONNECTION_REFUSED).actor_name == "alice"
    connect(client(session, entry_point=way, is_confirmed=True), "gate-1")
    assert GatewayConnection.objects.count() == 1


def test_the_factor_of_the_start_is_given_once_and_that_of_a_connect_each_time(alice: User) -> None:
    session = session_of(alice, **AT_START)
    connect(client(session, is_confirmed=True), "gate-1")
    session.refresh_from_db()
    assert session.start_confirmed_at is not None
    connect(client(session), "gate-1")
    session.profile.confirm_at_connect = True
    session.profile.save()
    with pytest.raises(FactorNeeded):
        connect(client(session), "gate-1")


def test_who_may_not_connect_is_told_so_and_not_asked_for_a_factor(session: PrivilegedSession) -> None:
    PrivilegedSession.objects.update(status=Status.LOCKED)
    with pytest.raises(Refused, match="is locked"):
        connect(client(session), "gate-1")


def test_an_application_is_told_that_it_can_give_none(db: None) -> None:
    session = session_of(make_application("backup-job").principal, **AT_CONNECT)
    with pytest.raises(FactorNeeded, match="An application has none: an administrator"):
        connect(client(session), "gate-1")


@pytest.mark.parametrize("kind", [TicketKind.TERMINAL, TicketKind.PASSWORD])
def test_a_ticket_needs_a_fresh_factor(session: PrivilegedSession, alice: User, kind: TicketKind) -> None:
    for login in (None, login_of(alice, fresh=False)):
        with pytest.raises(FactorNeeded):
            issue(alice, session, kind, login=login, address=HERE)
    assert not GatewayTicket.objects.exists()
    ticket = issue(alice, session, kind, login=login_of(alice, fresh=True), address=HERE)
    assert redeem(ticket.secret, kind, address=HERE).is_confirmed


def test_the_page_of_an_open_terminal_comes_back_without_a_factor_but_opens_no_other(alice: User) -> None:
    session, login = session_of(alice, **AT_CONNECT), login_of(alice, fresh=False)
    opened = client(session, entry_point=EntryPoint.BROWSER, login_session_id=login.pk, is_confirmed=True)
    connection = connect(opened, "gate-1")
    ticket = issue(alice, session, TicketKind.TERMINAL, login=login, address=HERE)
    assert not redeem(ticket.secret, TicketKind.TERMINAL, address=HERE).is_confirmed
    with pytest.raises(FactorNeeded):
        issue(alice, session, TicketKind.PASSWORD, login=login, address=HERE)
    GatewayConnection.objects.filter(pk=connection.pk).update(ended_at=timezone.now(), end_reason="closed")
    with pytest.raises(FactorNeeded):
        issue(alice, session, TicketKind.TERMINAL, login=login, address=HERE)


def test_a_certificate_needs_a_fresh_factor_and_is_short(
    session: PrivilegedSession, alice: User, settings: Any
) -> None:
    settings.CERTIFICATE_SECONDS = 3600
    ca.create()
    key = make_key(alice)
    with pytest.raises(FactorNeeded):
        give_certificate(alice, session, key, login=login_of(alice, fresh=False))
    certificate = give_certificate(alice, session, key, login=login_of(alice, fresh=True))
    session.refresh_from_db()
    is_short = certificate.valid_until - timezone.now() <= FRESH_FOR
    assert is_short == session.profile.confirm_at_connect
    assert (session.start_confirmed_at is not None) == session.profile.confirm_at_start


def test_the_host_takes_no_registered_key_that_would_go_round_the_question(alice: User) -> None:
    key = make_key(alice)
    asking: tuple[tuple[dict[str, Any], tuple[str, ...]], ...]
    asking = (({}, (key.public_key,)), (AT_CONNECT, ()), (AT_START, ()))
    for profile, given in asking:
        session = make_session(alice, Status.PROVISIONING, profile=make_profile(str(profile), **profile))
        assert StepContext(session, "worker", timezone.now).grant().public_keys == given


class Phone(asyncssh.SSHClient):
    """A client that answers questions, and keeps what it is shown."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.said: list[str] = []
        self.instructions: list[str] = []
        self.prompts: list[str] = []

    def auth_banner_received(self, msg: str, lang: str) -> None:
        self.said.append(msg)

    def kbdint_auth_requested(self) -> str | None:
        return "" if self.answers else None

    def kbdint_challenge_received(self, name: str, instructions: str, lang: str, prompts: Any) -> list[str]:
        if not prompts:
            return []
        self.instructions.append(instructions)
        self.prompts += [prompt for prompt, _ in prompts]
        return [self.answers.pop(0)]


async def tried(there: Front, phone: Phone, **values: Any) -> int | None:
    """Run a command through the gateway. Return its exit status; None if the login was refused."""
    try:
        connection = await there.connect(client_factory=lambda: phone, **values)
    except asyncssh.PermissionDenied:
        return None
    async with connection:
        status: int | None = (await connection.run("swallow", stdin=asyncssh.DEVNULL)).exit_status
    return status


def wrong_codes() -> int:
    return LogEntry.objects.filter(verb=Verb.FACTOR_FAILED).count()


@pytest.mark.django_db(transaction=True)
def test_a_code_of_the_authenticator_app_is_good_once_and_for_its_own_person(alice: User) -> None:
    given = prepared(alice, **AT_CONNECT)
    give_app(alice)
    give_app(make_user("bob"), OTHER_SECRET)
    code = code_of()
    first, again, of_bob, later = (
        Phone(code),
        Phone(code),
        Phone(code_of(OTHER_SECRET, steps=1)),
        Phone(code_of(steps=1)),
    )
    ended: list[int | None] = []

    async def scenario() -> None:
        async with asyncio.timeout(seconds(30)), front(given) as there:
            ended.extend([await tried(there, phone) for phone in (first, again, of_bob, later)])

    run(scenario())
    assert ended == [0, None, None, 0]
    assert first.prompts == ["Code or one-time password: "]
    assert "Enter the code of your authenticator app" in first.instructions[0]
    assert "The code is wrong, or it was used before." in "".join(again.said)
    assert wrong_codes() == 2
    logged = LogEntry.objects.of_target(given.session).filter(verb=Verb.FACTOR_CONFIRMED)
    assert (
        list(logged.values_list("message", "ip"))
        == [("Confirmed over SSH (Authenticator app), to connect to web-1", HERE)] * 2
    )
    assert {entry.ip for entry in LogEntry.objects.filter(verb=Verb.FACTOR_FAILED)} == {HERE}


@pytest.mark.django_db(transaction=True)
def test_the_channels_of_one_connection_share_its_factor(alice: User) -> None:
    given = prepared(alice, **AT_CONNECT)
    give_app(alice)
    phone = Phone(code_of())
    ended: list[int | None] = []

    async def scenario() -> None:
        async with (
            asyncio.timeout(seconds(30)),
            front(given) as there,
            await there.connect(client_factory=lambda: phone) as one,
        ):
            ended.extend([(await one.run("swallow", stdin=asyncssh.DEVNULL)).exit_status for _ in range(2)])

    run(scenario())
    assert ended == [0, 0]
    assert len(phone.prompts) == 1


@pytest.mark.django_db(transaction=True)
def test_after_the_key_a_client_is_asked_for_a_one_time_password(alice: User) -> None:
    given = prepared(alice, **AT_CONNECT)
    good = issue(alice, given.session, TicketKind.PASSWORD, login=login_of(alice, fresh=True), address=HERE)
    silent, wrong, right, again = Phone(), Phone("wrong", "wronger"), Phone("wrong", good.secret), Phone(good.secret)

    ended: list[int | None] = []

    async def scenario() -> None:
        async with asyncio.timeout(seconds(30)), front(given) as there:
            ended.extend([await tried(there, phone) for phone in (silent, wrong, right, again)])

    run(scenario())
    assert ended == [None, None, 0, None]
    assert "Your session on web-1 asks for a second factor at each connect." in "".join(silent.said)
    assert right.instructions[0].startswith(
        "You have no authenticator app. Get a one-time password for this session at"
    )
    assert f"/sessions/{given.session.pk}/" in right.instructions[0]
    assert right.prompts == ["One-time password: "] * 2
    assert "Second factor refused. It was used before" in "".join(again.said)
    connection = GatewayConnection.objects.get()
    assert (connection.fingerprint != "", connection.login_session_id is not None) == (True, True)
    texts = list(LogEntry.objects.filter(verb=Verb.CONNECTION_REFUSED).values_list("message", flat=True))
    assert sum("the key is right, but the second factor was not given" in text for text in texts) == 1


def test_the_page_of_a_terminal_asks_first_and_its_ticket_opens_then(
    alice: User, as_user: Callable[[User], Client]
) -> None:
    session, browser = session_of(alice, **AT_CONNECT), as_user(alice)
    terminal, ticket = f"/sessions/{session.pk}/terminal/", f"/sessions/{session.pk}/ticket/"
    LoginSession.objects.update(confirmed_at=timezone.now() - FRESH_FOR)
    refused = browser.post(ticket)
    assert refused.status_code == 422
    assert "asks for a second factor at each connect. Give it and connect again. For that, reload" in said(refused)
    assert browser.get(terminal, headers={"HX-Request": "true"}).status_code == 200  # the line that refreshes itself
    asked = browser.get(terminal)
    assert asked.status_code == 403
    assert "To connect to web-1, confirm that it is you" in said(asked)
    assert not pages.elements(asked).findall(".//main//form[@hx-post]")  # which would put the page into the dialog
    answer = pages.fields(pages.elements(asked), ".//main//form") | {"confirm-password": PASSWORD}
    assert browser.post(terminal, answer)["Location"] == terminal
    assert "terminal-ticket" in said(browser.get(terminal))
    opened = redeem(browser.post(ticket).json()["ticket"], TicketKind.TERMINAL, address=HERE)
    assert opened.is_confirmed


def test_what_cannot_be_connected_to_is_not_asked_for(alice: User, as_user: Callable[[User], Client]) -> None:
    session, browser = session_of(alice, **AT_CONNECT), as_user(alice)
    LoginSession.objects.update(confirmed_at=None)
    PrivilegedSession.objects.update(status=Status.LOCKED)
    assert "is locked" in said(browser.get(f"/sessions/{session.pk}/terminal/"))


def test_sessionadmin_ssh_is_told_what_the_profile_asks_for(alice: User, as_user: Callable[[User], Client]) -> None:
    ca.create()
    session, browser = session_of(alice, **AT_CONNECT), as_user(alice)
    key = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    sent = {"session": session.pk, "key": key}
    assert browser.post("/sessions/ssh/", sent).status_code == 200
    LoginSession.objects.update(confirmed_at=None)
    refused = browser.post("/sessions/ssh/", sent)
    assert (refused.status_code, "asks for a second factor" in refused.json()["problem"]) == (422, True)


def test_who_must_set_up_a_second_factor_first_connects_by_no_way(alice: User) -> None:
    session, login = session_of(alice), login_of(alice, fresh=True)
    connect(client(session), "gate-1")
    FactorRule.objects.create(user=alice, is_required=True, grace_used=FactorRule.NO_GRACE)
    with pytest.raises(Refused, match="Log in to the console with a browser and set one up first"):
        connect(client(session), "gate-1")
    LoginSession.objects.filter(pk=login.pk).update(must_enrol=True)
    with pytest.raises(Refused, match="needs a second factor"):
        connect(client(session, login_session_id=login.pk), "gate-1")
    login_of(alice, fresh=True)
    LoginSession.objects.filter(pk=login.pk + 1).update(second_factor=SecondFactor.PROVIDER)
    connect(client(session), "gate-1")  # whose provider asks for it
    LoginSession.objects.update(second_factor="")
    give_app(alice)
    connect(client(session), "gate-1")
