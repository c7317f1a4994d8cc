"""A connector makes, watches and takes away grants on one kind of resource. The registry knows all of them by name.

A new one is a subclass of Connector that is named in sessions_app/wiring.py. It says in class attributes what its
resources are and can; forms, checks, pages, flows and gateways ask for these and never compare a connector's name.

Every call may be repeated (the worker may die between the call and its note of it), so each is idempotent: granting
twice gives once, revoking what is not there is success. A connector knows the resource and the grant, never the
status of a session.
"""

from __future__ import annotations

import abc
import dataclasses
import datetime as dt
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import ClassVar

from django.conf import settings

from activity.models import Level


class ConnectorError(Exception):
    """A call to a resource failed. The text is fit for the session log: it has no secret and no traceback."""

    permanent = False


class TemporaryError(ConnectorError):
    """A call failed, and another try may help: the host is down, the network is slow, the disk is full."""


class PermanentError(ConnectorError):
    """A call failed, and no other try can help: the account is taken, the host key changed, the action is refused."""

    permanent = True


@dataclasses.dataclass(frozen=True, slots=True)
class Grant:
    """What a session gives to a login account on a resource. It is built from the row and holds no secret."""

    session_id: int
    resource_name: str
    address: str
    port: int
    login_account: str
    user_name: str
    grant_actions: tuple[str, ...]
    remove_actions: tuple[str, ...]
    ends_at: dt.datetime  # for resources that can end a grant themselves
    resource_id: int = 0
    # The rest is for connectors that make accounts.
    host_identity: str = ""  # tells it from another console's session with its number, or one before a restore
    kind: str = "ephemeral"  # catalogue.models.AccountKind
    groups: tuple[str, ...] = ()
    sudo_rule: str = ""
    shell: str = "/bin/bash"
    keep_home: bool = False
    compare_host: bool = False  # look at the host before and after
    tcp_targets: tuple[tuple[str, int], ...] = ()  # where the gateway may forward to from the host
    public_keys: tuple[str, ...] = ()  # of the user, as in authorized_keys, without options
    # From where gateways hold terminals open; they tell those themselves. Ports alone: addresses change on the way.
    gateway_ports: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Presence:
    """What a resource says of the logins of one session.

    `is_logged_on` is None while another worker is looking. `look_again_at` is set when the time of the next look does
    not depend on this session alone. `through` and `address` say what the newest login came with (a key, a
    certificate) and from where, as far as the resource knows. `has_ended` says that the resource took everything away
    by itself, and that nobody can log in any more.
    """

    is_logged_on: bool | None
    look_again_at: dt.datetime | None = None
    through: str = ""
    address: str = ""
    has_ended: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Held:
    """One thing that a resource holds, and the number of the session that it was given to."""

    session_id: int
    what: str


Say = Callable[[str, Level], None]  # one line for the session log


class Capabilities:
    """What the resources of a connector are and can. All of it is False except what a class sets to True."""

    # A machine with an SSH server that lets a service account in: it has an address and a host key to confirm, can be
    # tested, is asked for its greeting while it is silent, and is looked at by Health.
    is_host: ClassVar[bool] = False
    # The login account is an account of the machine, which one session at a time can have.
    makes_accounts: ClassVar[bool] = False
    # The login account lets in who shows a certificate for the session; gateways connect with one.
    can_certify: ClassVar[bool] = False
    # What is given lies on the resource: held() lists it, take_away() removes what was left there.
    can_list_grants: ClassVar[bool] = False
    # The work needs something that is sealed, and so ENCRYPTION_KEYS: a private key, a secret.
    needs_encryption: ClassVar[bool] = False
    # The resource is a vault, which has neither an address nor accounts: the console shows its secrets.
    is_vault: ClassVar[bool] = False
    # It gives nobody any rights, and is there to try the console out. Only a trial offers it (settings.IS_TRIAL).
    is_practice: ClassVar[bool] = False


class Connector(Capabilities, abc.ABC):
    """Works at one kind of resource. Every method may raise ConnectorError, and says each step through `say`."""

    name: ClassVar[str]  # as resources name it; at most 20 characters
    words: ClassVar[str] = ""  # what it does, for the form of a resource

    @abc.abstractmethod
    def grant(self, grant: Grant, say: Say) -> None:
        """Give the rights (pre-session actions). All are given when this returns, perhaps some when it raises."""

    @abc.abstractmethod
    def revoke(self, grant: Grant, say: Say) -> None:
        """End the account's connections, and take away exactly what grant() gave.

        That may be only a part or nothing. Nothing is left when this returns.
        """

    @abc.abstractmethod
    def lock(self, grant: Grant, title: str, message: str, say: Say) -> str:
        """Freeze the account: its connections stay, the user can do nothing, and nobody can log in.

        Show title and message, except on terminals where a gateway shows them (grant.gateway_ports). Return in words
        what the lock does not reach, or what it reaches that is not the session's; empty when there is nothing to say.
        """

    @abc.abstractmethod
    def unlock(self, grant: Grant, say: Say) -> None:
        """Let the login account be used again, and continue what lock() stopped."""

    @abc.abstractmethod
    def disconnect(self, grant: Grant, say: Say) -> str:
        """Cut every live connection of the login account at once; the rights stay.

        Return in words what could not be cut; empty when there is nothing to say.
        """

    @abc.abstractmethod
    def presence(self, grant: Grant) -> Presence:
        """Return whether the login account is on the resource now.

        This is called often, and one look at the resource may serve all sessions there.
        """

    @abc.abstractmethod
    def notify(self, grant: Grant, text: str, say: Say) -> None:
        """Show one line to the user on the resource (the end notification).

        Not on terminals where a gateway shows it. Nothing happens if nobody is logged on.
        """

    @abc.abstractmethod
    def extend(self, grant: Grant, say: Say) -> None:
        """Let the resource know that the End has moved to grant.ends_at, where it ends grants itself."""

    def held(self, resource_id: int, resource_name: str) -> list[Held]:
        """Return all that the resource holds of sessions, whether they go on or not; asked with `can_list_grants`."""
        return []

    def take_away(self, grant: Grant, say: Say) -> None:
        """Take away what held() found of a session, of which the grant may know the number alone."""
        self.revoke(grant, say)


class UnknownConnector(PermanentError):
    """The resource names a connector that this installation does not have."""


NO_CAPABILITIES = Capabilities()


_registered: dict[str, Connector] = {}
CONNECTORS: Mapping[str, Connector] = MappingProxyType(_registered)


def register_connector(connector: Connector) -> None:
    """Let resources use the connector by its name. wiring.py calls this when Django starts."""
    _registered[connector.name] = connector


def connector_for(name: str) -> Connector:
    """Return the connector that a resource names. Raises UnknownConnector."""
    try:
        return CONNECTORS[name]
    except KeyError:
        known = ", ".join(sorted(CONNECTORS))
        raise UnknownConnector(f"There is no connector “{name}”. Known: {known}. Correct the resource.") from None


def capabilities_of(name: str) -> Capabilities:
    """Return what the resources of this connector can; nothing when this installation does not have it."""
    return CONNECTORS.get(name, NO_CAPABILITIES)


def offered_connectors(current: str) -> list[str]:
    """Return the sorted names of the connectors that a resource can choose, and `current`, which it has already."""
    offered = {name for name, one in CONNECTORS.items() if settings.IS_TRIAL or not one.is_practice}
    return sorted(offered | ({current} & CONNECTORS.keys()))


def names_where(can: Callable[[Capabilities], bool]) -> list[str]:
    """Return the sorted names of the connectors that have a capability.

    Use it in a query: `Resource.objects.filter(connector__in=names_where(lambda one: one.is_host))`.
    """
    return sorted(name for name, connector in CONNECTORS.items() if can(connector))
