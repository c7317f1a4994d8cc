"""How grants are made on resources: one connector for each kind, behind one protocol (base.py).

Adding one: write a class that follows `base.Connector` and name it here.
"""

from __future__ import annotations

from collections.abc import Mapping

from sessions_app.connectors.base import Connector, ForGood
from sessions_app.connectors.practice import PracticeConnector
from sessions_app.connectors.ssh import SshConnector
from sessions_app.connectors.vault import VaultConnector

CONNECTORS: Mapping[str, Connector] = {
    "practice": PracticeConnector(),
    "ssh": SshConnector(),
    "vault": VaultConnector(),
}


class UnknownConnector(ForGood):
    """The resource names a connector that this installation does not have."""


def connector_for(name: str) -> Connector:
    """The connector that a resource names. Raises UnknownConnector."""
    try:
        return CONNECTORS[name]
    except KeyError:
        known = ", ".join(sorted(CONNECTORS))
        raise UnknownConnector(f"There is no connector “{name}”. Known: {known}. Correct the resource.") from None
