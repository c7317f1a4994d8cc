"""What a connector is: how a grant is made, watched and taken away on one kind of resource.

Every call may be repeated (the worker may die between the call and its note of it), so each is idempotent: granting
twice gives once, revoking what is not there is success. A connector knows the resource and the grant, never the
database row's status.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Protocol

from activity.models import Level


class ConnectorError(Exception):
    """Something on the resource went wrong. The text is fit for the session log: no secret, no traceback."""

    permanent = False


class ForNow(ConnectorError):
    """Worth another try later: the host is down, the network is slow, the disk is full."""


class ForGood(ConnectorError):
    """Trying again cannot help: the account name is taken, the host key changed, the action is refused."""

    permanent = True


@dataclasses.dataclass(frozen=True, slots=True)
class Grant:
    """What a session gives to a login account on a resource. Built from the row; holds no secret."""

    session_id: int
    resource_name: str
    address: str
    port: int
    login_account: str
    user_name: str
    grant_actions: tuple[str, ...]
    remove_actions: tuple[str, ...]
    ends_at: dt.datetime  # for resources that can end a grant themselves
    # What real hosts need beyond that.
    resource_id: int = 0
    mark: str = ""  # tells the session from another of its number: of another console, or from before a restore
    kind: str = "ephemeral"  # models.AccountKind
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
    """Whether the login account is on the resource; `is_logged_on` is None while somebody else is looking.

    `look_again_at`: when there is more to be known, where that does not depend on the session alone. `through` and
    `address`: what the newest login came with (a key, a certificate), and from where, as far as the resource says.
    `has_ended`: the resource took everything away by itself; nobody can log in any more.
    """

    is_logged_on: bool | None
    look_again_at: dt.datetime | None = None
    through: str = ""
    address: str = ""
    has_ended: bool = False


Say = Callable[[str, Level], None]  # one line for the session log


class Connector(Protocol):
    """One kind of resource. Every method may raise ForNow or ForGood, and says each step it takes through `say`."""

    def grant(self, grant: Grant, say: Say) -> None:
        """Give the rights (pre-session actions). Complete when it returns; partial when it raises."""

    def revoke(self, grant: Grant, say: Say) -> None:
        """End the account's connections and take away exactly what grant() gave, also when that was only a part
        or nothing. Nothing is left when it returns."""

    def lock(self, grant: Grant, title: str, message: str, say: Say) -> None:
        """Freeze: connections stay, the user can do nothing, nobody logs in anew; show title and message, except where
        a gateway does (grant.gateway_ports)."""

    def unlock(self, grant: Grant, say: Say) -> None:
        """Undo lock()."""

    def disconnect(self, grant: Grant, say: Say) -> None:
        """Cut every live connection of the login account at once; the rights stay."""

    def presence(self, grant: Grant) -> Presence:
        """Whether the login account is on the resource now. Asked often; a look may serve all sessions there."""

    def notify(self, grant: Grant, text: str, say: Say) -> None:
        """Show one line to the user on the resource (the end notification), except where a gateway does; success when
        nobody is logged on."""

    def extend(self, grant: Grant, say: Say) -> None:
        """The End has moved to grant.ends_at: let the resource know, where it ends grants itself."""


class UnknownConnector(ForGood):
    """The resource names a connector that this installation does not have."""


_registered: dict[str, Connector] = {}
CONNECTORS: Mapping[str, Connector] = MappingProxyType(_registered)


def register_connector(name: str, connector: Connector) -> None:
    """Let resources use `connector` under `name`. Apps call it once, when Django starts (AppConfig.ready)."""
    _registered[name] = connector


def connector_for(name: str) -> Connector:
    """Return the connector that a resource names. Raises UnknownConnector."""
    try:
        return CONNECTORS[name]
    except KeyError:
        known = ", ".join(sorted(CONNECTORS))
        raise UnknownConnector(f"There is no connector “{name}”. Known: {known}. Correct the resource.") from None
