"""One grant on one open connection. Each step is run, logged and judged here."""

from __future__ import annotations

import dataclasses
import math

from django.utils import timezone

from activity.models import Level
from sessions_app.catalogue.connectors import Grant, Say
from sessions_app.hosts.connectors import progress
from sessions_app.hosts.connectors.ssh.results import Result, failure
from sessions_app.hosts.connectors.ssh.transport import Remote

# How long after its end the host itself ends a grant. It gives time to the worker, and to an extension.
MARGIN = 60  # seconds


def seconds_left(grant: Grant) -> int:
    """Return after how many seconds the host ends the grant.

    It is a duration, because the host's clock may be wrong.
    """
    return max(math.ceil((grant.ends_at - timezone.now()).total_seconds()), 0) + MARGIN


@dataclasses.dataclass
class GrantOnHost:
    """The connection, the grant and the log of the session, which every step needs."""

    remote: Remote
    grant: Grant
    say: Say
    # How long the host waits before it ends the session alone, counted from the beginning of the call. The steps may
    # take long; the last one starts the whole span again, so that the host does not end the session before its End.
    seconds: int
    console: str  # its identity, which scripts compare with the notes on the host

    def do(self, label: str, script: str, *arguments: str, given: str = "") -> str:
        """Run a script with the session's number as $1, and return its output.

        Raise the error that its exit code stands for.
        """
        progress.begin(f"the step “{label}” has not ended yet")
        name = ":".join(filter(None, ("sessionadmin", self.console, self.grant.host_identity)))
        result = self.remote.script(script, str(self.grant.session_id), *arguments, given=given, name=name)
        self.note(label, " ".join(arguments), result)
        if result.exit_code != 0:
            raise failure(result, self.grant.resource_name, self.grant.login_account)
        return result.output

    def note(self, label: str, arguments: str, result: Result) -> None:
        """Log one line with the exit code. It never contains what was sent to standard input."""
        words = f"{label} ({arguments})" if arguments.strip() else label
        suffix = f": {result.last_error_line}" if result.exit_code != 0 and result.last_error_line else ""
        self.say(f"{words}: exit code {result.exit_code}{suffix}", Level.DEBUG)
