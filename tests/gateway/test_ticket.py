"""A ticket opens the gateway once, for a short time, from the same address, and while the login session is live."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from activity.models import Level, LogEntry
from activity.verbs import Verb
from sessions_app.errors import Forbidden, Refused
from sessions_app.gateway.flows.connect import AuthenticatedClient, connect
from sessions_app.gateway.flows.ticket import KEEP_TICKETS_FOR, TICKETS_A_MINUTE, IssuedTicket, issue, redeem
from sessions_app.gateway.models import EntryPoint, GatewayConnection, GatewayTicket, TicketKind
from sessions_app.login_rules.models import LoginRule
from sessions_app.logins import service
from sessions_app.logins.models import EndReason
from sessions_app.privileged.flows.account import lock_account
from sessions_app.privileged.models import PrivilegedSession, Status
from tests.support.builders import make_key, make_login, make_resource, make_session

HERE = "192.0.2.10"
KINDS = [TicketKind.TERMINAL, TicketKind.PASSWORD]


def session_of(user: User, status: Status = Status.AVAILABLE, **values: Any) -> PrivilegedSession:
    host = make_resource("web-1", connector="ssh", host_key="ssh-ed25519 AAAA")
    return make_session(user, status, **({"resource": host} | values))


def given(
    user: User, session: PrivilegedSession, kind: TicketKind = TicketKind.TERMINAL, **values: Any
) -> IssuedTicket:
    return issue(user, session, kind, **({"login": None, "address": HERE} | values))


def shown(ticket: IssuedTicket, kind: TicketKind = TicketKind.TERMINAL, **values: Any) -> GatewayTicket:
    return redeem(ticket.secret, kind, **({"address": HERE} | values))


def refusal(ticket: IssuedTicket, kind: TicketKind = TicketKind.TERMINAL, **values: Any) -> str:
    with pytest.raises(Refused) as refused:
        shown(ticket, kind, **values)
    return refused.value.message


def refusals_logged() -> int:
    return LogEntry.objects.filter(verb=Verb.TICKET_REFUSED, level=Level.WARNING).count()


@pytest.mark.parametrize("kind", KINDS)
def test_a_ticket_opens_its_session_once(alice: User, kind: TicketKind) -> None:
    session = session_of(alice)
    ticket = given(alice, session, kind)
    opened = shown(ticket, kind, user_id=alice.pk, session_id=session.pk)
    assert (opened.user, opened.session) == (alice, session)
    assert "used before" in refusal(ticket, kind)
    assert refusals_logged() == 1


@pytest.mark.parametrize("kind", KINDS)
def test_the_secret_is_in_no_table_and_no_log(alice: User, kind: TicketKind) -> None:
    ticket = given(alice, session_of(alice), kind)
    assert ticket.secret not in repr(ticket)
    stored = [*GatewayTicket.objects.values_list(), *LogEntry.objects.values_list()]
    assert stored
    assert ticket.secret not in str(stored)


def test_a_one_time_password_is_logged_and_the_ticket_of_a_page_is_not(alice: User) -> None:
    session = session_of(alice)
    given(alice, session)
    assert not LogEntry.objects.filter(verb=Verb.PASSWORD_GIVEN).exists()
    given(alice, session, TicketKind.PASSWORD)
    entry = LogEntry.objects.of_target(session).get(verb=Verb.PASSWORD_GIVEN)
    assert entry.actor == alice
    assert HERE in entry.message


@pytest.mark.parametrize(("kind", "seconds"), [(TicketKind.TERMINAL, 30), (TicketKind.PASSWORD, 120)])
def test_a_ticket_that_comes_late_is_refused(alice: User, kind: TicketKind, seconds: int) -> None:
    ticket = given(alice, session_of(alice), kind)
    assert ticket.seconds == seconds
    GatewayTicket.objects.update(expires_at=timezone.now())
    assert "its time is over" in refusal(ticket, kind)
    assert refusals_logged() == 1


def test_a_clock_that_was_set_back_does_not_make_a_ticket_good_for_longer(alice: User) -> None:
    ticket = given(alice, session_of(alice))
    later = timezone.now() + dt.timedelta(hours=1)
    GatewayTicket.objects.update(created_at=later, expires_at=later + dt.timedelta(seconds=30))
    assert "its time is over" in refusal(ticket)


@pytest.mark.parametrize("address", ["192.0.2.11", "2001:db8::1", ""])
def test_a_ticket_is_good_for_its_address_and_spent_by_showing_it_elsewhere(alice: User, address: str) -> None:
    ticket = given(alice, session_of(alice))
    assert HERE in refusal(ticket, address=address)
    assert "used before" in refusal(ticket)
    assert refusals_logged() == 2


def test_a_ticket_opens_no_other_session_and_not_for_another_person(alice: User, outsider: User) -> None:
    session, other = session_of(alice), session_of(alice)
    assert "another session" in refusal(given(alice, session), session_id=other.pk)
    assert "another session" in refusal(given(alice, session), user_id=outsider.pk)


def test_a_password_opens_no_terminal_and_the_other_way_round(alice: User) -> None:
    session = session_of(alice)
    for kind, other in (KINDS, KINDS[::-1]):
        ticket = given(alice, session, kind)
        assert "not valid" in refusal(ticket, other)
        assert shown(ticket, kind).session == session
    assert "not valid" in refusal(IssuedTicket("", 1, timezone.now()))


@pytest.mark.parametrize("reason", [EndReason.LOGOUT, EndReason.FORCED])
def test_a_ticket_ends_with_the_login_that_asked_for_it(alice: User, reason: EndReason) -> None:
    login = make_login(alice)
    ticket = given(alice, session_of(alice), login=login)
    service.end(login, reason, actor=alice)
    assert "logged out" in refusal(ticket)


def test_a_login_that_is_idle_for_too_long_opens_nothing(alice: User, settings: Any) -> None:
    login = make_login(alice)
    ticket = given(alice, session_of(alice), login=login)
    settings.LOGIN_IDLE_TIMEOUT = -1
    assert "logged out" in refusal(ticket)


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.AVAILABLE, Status.LOGGED_IN}))
def test_a_session_that_is_not_open_gives_no_ticket(alice: User, status: Status) -> None:
    closed = session_of(alice, status)
    with pytest.raises(Refused, match="(?i)" + status.label):
        given(alice, closed, TicketKind.PASSWORD)
    if status != Status.LOCKED:
        with pytest.raises(Refused, match="(?i)" + status.label):
            given(alice, closed)
    assert not GatewayTicket.objects.exists()


def test_a_locked_session_shows_an_open_terminal_again_but_opens_no_new_one(alice: User) -> None:
    locked = session_of(alice, Status.LOCKED)
    assert shown(given(alice, locked)).session == locked
    with pytest.raises(Refused, match="is locked"):
        connect(AuthenticatedClient(alice.pk, locked.pk, EntryPoint.BROWSER, HERE, "Firefox"), "gateway-of-the-test")


def test_a_connection_is_noted_with_the_key_that_opened_it_and_no_other_may_be_named(alice: User, admin: User) -> None:
    session = session_of(alice)
    mine, foreign = make_key(alice), make_key(admin)

    def admitted(key_id: int | None) -> GatewayConnection:
        login = AuthenticatedClient(alice.pk, session.pk, EntryPoint.SSH, HERE, "OpenSSH", key_id=key_id)
        return connect(login, "gateway-of-the-test")

    connection = admitted(mine.pk)
    assert (connection.key, connection.fingerprint) == (mine, mine.fingerprint)
    assert (admitted(None).key, admitted(None).fingerprint) == (None, "")
    with pytest.raises(Refused, match="was removed"):
        admitted(foreign.pk)


@pytest.mark.parametrize("entry_point", EntryPoint)
def test_a_login_rule_counts_for_every_way_to_connect(alice: User, entry_point: EntryPoint) -> None:
    session = session_of(alice)
    LoginRule.objects.create(user=alice, networks="198.51.100.0/24")
    with pytest.raises(Refused, match="login rule of your account does not allow"):
        connect(AuthenticatedClient(alice.pk, session.pk, entry_point, HERE, ""), "gateway-of-the-test")
    assert GatewayConnection.objects.count() == 0


def test_a_session_at_its_end_gives_no_ticket(alice: User) -> None:
    session = session_of(alice, end_at=timezone.now())
    with pytest.raises(Refused, match="reached its end"):
        given(alice, session)


def test_a_session_without_ssh_has_no_terminal(alice: User) -> None:
    with pytest.raises(Refused, match="no host with SSH"):
        given(alice, make_session(alice))


def test_nobody_gets_a_ticket_for_somebody_elses_session(alice: User, admin: User, auditor: User) -> None:
    session = session_of(alice)
    for other in (admin, auditor):
        with pytest.raises(Forbidden):
            given(other, session)
    assert not GatewayTicket.objects.exists()


def test_a_locked_or_disabled_account_gets_none(alice: User, admin: User) -> None:
    User.objects.filter(pk=alice.pk).update(is_active=False)
    with pytest.raises(Refused, match="disabled"):
        given(alice, session_of(alice))
    User.objects.filter(pk=alice.pk).update(is_active=True)
    lock_account(admin, alice, title="Key lost")
    with pytest.raises(Refused, match="Key lost"):
        given(alice, session_of(alice))


def test_without_an_address_there_is_no_ticket(alice: User) -> None:
    with pytest.raises(Refused, match="TRUSTED_PROXIES"):
        given(alice, session_of(alice), address="")


def test_too_many_tickets_within_a_minute_are_refused_and_old_ones_are_forgotten(alice: User) -> None:
    session = session_of(alice)
    for _ in range(TICKETS_A_MINUTE):
        given(alice, session)
    with pytest.raises(Refused, match="Wait a minute"):
        given(alice, session)
    old = timezone.now() - KEEP_TICKETS_FOR - dt.timedelta(minutes=1)
    GatewayTicket.objects.update(created_at=old, expires_at=old)
    given(alice, session)
    assert GatewayTicket.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_ticket_that_is_shown_by_many_at_once_lets_one_in(alice: User) -> None:
    ticket, together = given(alice, session_of(alice)), Barrier(6)

    def show(number: int) -> bool:
        together.wait()
        try:
            return shown(ticket).pk > 0
        except Refused:
            return False
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(show, range(6))) == [False] * 5 + [True]
