"""The connector of secret vaults. The console itself shows the secrets, by the status of the session's row.

So there is nothing to give, freeze or cut anywhere else: vault/flows/secret.py shows a secret while the row says
Available, and from the moment the row says Locked or Canceling it does not. Each step is said in the session's log all
the same. This module knows no secret.
"""

from __future__ import annotations

from activity.models import Level
from sessions_app.catalogue.connectors import Connector, Grant, Presence, Say


class VaultConnector(Connector):
    """Writes in the session's log when its user can see the secrets. Every call succeeds."""

    name = "vault"
    words = "a vault of secrets in this console"
    needs_encryption = True
    is_vault = True

    def grant(self, grant: Grant, say: Say) -> None:
        """Say that the secrets can be seen once the session is available."""
        say(f"{grant.user_name} can view the secrets of {grant.resource_name}", Level.INFO)

    def revoke(self, grant: Grant, say: Say) -> None:
        """Say that they can be seen no more, which is so since the session left Available."""
        say(f"{grant.user_name} can no longer view the secrets of {grant.resource_name}", Level.INFO)

    def lock(self, grant: Grant, title: str, message: str, say: Say) -> str:
        """Say that they are hidden, since the session became Locked. Its page shows title and message."""
        say(f"The secrets of {grant.resource_name} are hidden from {grant.user_name}", Level.INFO)
        return ""

    def unlock(self, grant: Grant, say: Say) -> None:
        """Say that they can be seen again."""
        say(f"{grant.user_name} can view the secrets of {grant.resource_name} again", Level.INFO)

    def disconnect(self, grant: Grant, say: Say) -> str:
        """Say that a vault has no connections."""
        say(f"{grant.resource_name} has no connections to cut", Level.DEBUG)
        return ""

    def presence(self, grant: Grant) -> Presence:
        """Return that nobody is logged on. Nobody logs in to a vault, so its sessions stay Available."""
        return Presence(False)

    def notify(self, grant: Grant, text: str, say: Say) -> None:
        """Do nothing: nobody is logged on who could be told, and the session's page says when it ends."""

    def extend(self, grant: Grant, say: Say) -> None:
        """Do nothing: the row has the new End already."""
