"""A new connector is a class and its name in sessions_app/wiring.py: everything else asks what it can."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from sessions_app import wiring
from sessions_app.catalogue import connectors
from sessions_app.catalogue.connectors import Capabilities, Connector, Grant, Held, Presence, Say, capabilities_of
from sessions_app.catalogue.models import Resource
from sessions_app.errors import Refused
from sessions_app.gateway.flows.connect import wanted_session, why_not
from sessions_app.hosts.checks import check_connectors
from sessions_app.hosts.flows import host_key
from sessions_app.hosts.flows.certificate import why_no_certificate
from sessions_app.hosts.flows.leftovers import find_leftovers, remove_leftovers
from sessions_app.privileged.flows.end import end
from sessions_app.privileged.flows.extend import extend
from sessions_app.privileged.flows.lock import lock
from sessions_app.privileged.flows.request import request_sessions
from sessions_app.privileged.flows.unlock import unlock
from sessions_app.privileged.models import PrivilegedSession, Status
from sessions_app.sealing_checks import check_sealed
from sessions_app.worker import reconcile
from tests.support import builders, source
from tests.support.machine import ROOT
from tests.support.scene import ask


class PlainConnector(Connector):
    """Says nothing of what it can, and notes what it is asked."""

    name = "plain"
    calls: ClassVar[list[tuple[str, str]]] = []
    held_by: ClassVar[dict[int, str]] = {}  # number of the session -> login account

    def grant(self, grant: Grant, say: Say) -> None:
        self.held_by[grant.session_id] = grant.login_account
        self._note("grant", grant)

    def revoke(self, grant: Grant, say: Say) -> None:
        self.held_by.pop(grant.session_id, None)
        self._note("revoke", grant)

    def lock(self, grant: Grant, title: str, message: str, say: Say) -> str:
        self._note(f"lock: {title}", grant)
        return ""

    def unlock(self, grant: Grant, say: Say) -> None:
        self._note("unlock", grant)

    def disconnect(self, grant: Grant, say: Say) -> str:
        self._note("disconnect", grant)
        return ""

    def presence(self, grant: Grant) -> Presence:
        return Presence(False)

    def notify(self, grant: Grant, text: str, say: Say) -> None:
        self._note("notify", grant)

    def extend(self, grant: Grant, say: Say) -> None:
        self._note("extend", grant)

    def _note(self, call: str, grant: Grant) -> None:
        self.calls.append((call, grant.resource_name))


class AbleConnector(PlainConnector):
    """Says that it can everything."""

    name = "able"
    is_host = True
    makes_accounts = True
    can_certify = True
    can_list_grants = True
    needs_encryption = True

    def held(self, resource_id: int, resource_name: str) -> list[Held]:
        return [Held(number, f"account {account}") for number, account in sorted(self.held_by.items())]


@pytest.fixture(autouse=True)
def _added(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(wiring, "CONNECTOR_CLASSES", (*wiring.CONNECTOR_CLASSES, PlainConnector, AbleConnector))
    wiring.register_connectors()
    yield
    for name in ("plain", "able"):
        del connectors._registered[name]
    PlainConnector.calls.clear()
    PlainConnector.held_by.clear()


def available(user: User, resource: Resource) -> PrivilegedSession:
    """Return a session that the worker made available on this resource."""
    profile = builders.make_profile("Extendable", extension_limit=1)
    builders.make_policy(users=[user], resources=[resource], profile=profile)
    session = ask(user, resource=resource.name)
    return worked(session, Status.AVAILABLE)


def worked(session: PrivilegedSession, status: Status) -> PrivilegedSession:
    PrivilegedSession.objects.filter(pk=session.pk).update(next_monitor_at=None)
    reconcile()
    session.refresh_from_db()
    assert session.status == status, session.last_error
    return session


@pytest.mark.parametrize("name", ["plain", "able"])
def test_a_session_lives_its_whole_life_on_a_new_connector(alice: User, admin: User, name: str) -> None:
    session = available(alice, builders.make_resource("new-1", connector=name))
    lock(admin, session, title="Wait")
    worked(session, Status.LOCKED)
    unlock(admin, session)
    worked(session, Status.AVAILABLE)
    extend(alice, session)
    worked(session, Status.AVAILABLE)
    end(alice, session)
    worked(session, Status.COMPLETE)
    calls = ["grant", "lock: Wait", "unlock", "extend", "revoke"]
    assert PlainConnector.calls == [(call, "new-1") for call in calls]
    assert PlainConnector.held_by == {}


def test_the_administration_offers_it(admin: User, as_user: Callable[[User], Client]) -> None:
    form = as_user(admin).get(reverse("admin:sessions_app_resource_add")).context["adminform"].form
    offered = [value for value, _ in form.fields["connector"].choices]
    assert offered == ["able", "plain", "practice", "ssh", "vault"]


def test_the_checks_know_it(db: None, settings: Any) -> None:
    builders.make_resource("plain-1", connector="plain")
    builders.make_resource("able-1", connector="able")
    builders.make_resource("odd-1", connector="telepathy")
    [unknown] = check_connectors(databases=["default"])
    assert "odd-1" in unknown.msg
    settings.ENCRYPTION_KEYS = []
    [unsealed] = check_sealed(databases=["default"])
    assert "the connector able or ssh or vault" in unsealed.msg
    Resource.objects.filter(connector="able").delete()
    assert check_sealed(databases=["default"]) == []


def test_only_a_host_needs_an_address_and_is_tested(
    alice: User, admin: User, as_user: Callable[[User], Client]
) -> None:
    for name, is_host in {"plain": False, "able": True, "telepathy": False}.items():
        resource = builders.make_resource(f"{name}-1", connector=name)
        page = as_user(admin).get(resource.get_absolute_url()).content.decode()
        assert (reverse("host_check", args=[resource.pk]) in page) == is_host
        resource.address = ""
        if is_host:
            with pytest.raises(ValidationError, match="address"):
                resource.clean()
        else:
            resource.clean()
            with pytest.raises(Refused, match="only hosts with SSH"):
                host_key.check(admin, resource)


def test_certificates_and_gateways_open_it_where_it_says_so(alice: User) -> None:
    able = available(alice, builders.make_resource("able-1", connector="able"))
    plain = builders.make_session(alice, resource=builders.make_resource("plain-1", connector="plain"))
    assert why_no_certificate(able, timezone.now()) == ""
    assert why_not(able) == ""
    assert "Certificates do not open" in why_no_certificate(plain, timezone.now())
    assert "cannot be reached through the gateway" in why_not(plain)
    assert wanted_session(alice, "") == able
    assert wanted_session(alice, "ABLE-1") == able


@pytest.mark.parametrize(("name", "is_refused"), [("plain", False), ("able", True)])
def test_an_account_that_another_session_has_is_not_made_again(alice: User, name: str, is_refused: bool) -> None:
    session = available(alice, builders.make_resource("new-1", connector=name))
    other = builders.make_activity("Restart services")
    assert other.login_account("alice", 0) == session.login_account
    builders.make_policy("Other", users=[alice], activities=[other], resources=[session.resource])
    with pytest.raises(Refused, match=session.login_account) if is_refused else contextlib.nullcontext():
        request_sessions(alice, user=alice, activity=other, resources=[session.resource])


def test_what_is_left_there_is_found_and_taken_away(alice: User) -> None:
    able = builders.make_resource("able-1", connector="able")
    session = available(alice, able)
    AbleConnector.held_by[999] = "gone-adm"
    left = find_leftovers(able)
    assert left == [Held(999, "account gone-adm")]
    assert remove_leftovers(able, left) == [999]
    assert list(AbleConnector.held_by) == [session.pk]
    with pytest.raises(Refused, match="leaves nothing behind"):
        find_leftovers(builders.make_resource("plain-1", connector="plain"))


def test_an_unknown_connector_can_nothing() -> None:
    names = [name for name in vars(Capabilities) if not name.startswith("_")]
    assert len(names) == 7
    assert not any(getattr(capabilities_of("telepathy"), name) for name in names)


def test_nobody_compares_the_name_of_a_connector() -> None:
    compared = []
    for path in source.modules("sessions_app"):
        for node in ast.walk(source.tree(path)):
            if isinstance(node, ast.expr) and is_comparison_of_connector(node):
                compared.append(f"{source.name(path)}:{node.lineno}")
    for path in sorted(ROOT.glob("templates/**/*.html")):
        if "connector ==" in path.read_text() or "connector !=" in path.read_text():
            compared.append(str(path.relative_to(ROOT)))
    assert compared == []


def is_comparison_of_connector(node: ast.expr) -> bool:
    """Return whether code compares `resource.connector`, or queries for one name (`connector="ssh"`)."""
    if isinstance(node, ast.Compare):
        sides = [node.left, *node.comparators]
        return any(isinstance(side, ast.Attribute) and side.attr == "connector" for side in sides)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
        names = [keyword.arg or "" for keyword in node.keywords]
        return called in ("filter", "exclude", "get", "Q") and any(
            name == "connector" or name.endswith("__connector") for name in names
        )
    return False
