"""What every step needs while a worker handles one session."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable
from typing import Any

from activity import log
from activity.models import Level, Outcome
from activity.verbs import Verb
from sessions_app.catalogue.connectors import Connector, ConnectorError, Grant, connector_for
from sessions_app.catalogue.terms import groups_of, tcp_targets_of
from sessions_app.gateway.models import GatewayConnection
from sessions_app.hosts.models import UserKey
from sessions_app.privileged.models import PrivilegedSession, Status
from sessions_app.worker import retry

Clock = Callable[[], dt.datetime]


@dataclasses.dataclass
class StepContext:
    """One session that a worker handles under its lease."""

    session: PrivilegedSession
    owner: str
    now: Clock

    def connector(self) -> Connector:
        """Return the connector of the session's resource. Raises UnknownConnector."""
        return connector_for(self.session.resource.connector)

    def grant(self) -> Grant:
        """Return what the session gives, in the form that connectors take."""
        session = self.session
        return Grant(
            session_id=session.pk,
            resource_name=session.resource_name,
            address=session.resource.address,
            port=session.resource.port,
            login_account=session.login_account,
            user_name=session.user_name,
            grant_actions=_lines(session.activity.grant_actions),
            remove_actions=_lines(session.activity.remove_actions),
            ends_at=session.end_at or self.now() + session.maximum_duration,
            resource_id=session.resource_id,
            host_identity=session.host_identity,
            kind=session.activity.kind,
            groups=groups_of(session.activity.unix_groups),
            sudo_rule=session.activity.sudo_rule,
            shell=session.activity.shell,
            keep_home=session.profile.keep_home,
            compare_host=session.profile.compare_host,
            tcp_targets=tcp_targets_of(session.profile.tcp_targets),
            public_keys=self._public_keys(),
        )

    def grant_to_tell(self) -> Grant:
        """Return the grant for calls that show a message to the user.

        It names the ports of the gateways' terminals, which a gateway has already told.
        """
        ports = GatewayConnection.objects.open().filter(session=self.session).values_list("host_port", flat=True)
        return dataclasses.replace(self.grant(), gateway_ports=tuple(port for port in ports if port is not None))

    def _public_keys(self) -> tuple[str, ...]:
        """Return the user's registered SSH keys, which are needed only while rights are being given.

        There are none where the profile asks for a second factor, because the host would let them in without one.
        """
        if self.session.status != Status.PROVISIONING or self.session.profile.confirms:
            return ()
        return tuple(UserKey.objects.filter(user=self.session.user_id).values_list("public_key", flat=True))

    def say(self, text: str, level: Level) -> None:
        """Record a connector's message in the session's log."""
        self.record(Verb.CONNECTOR_STEP, text, level, Outcome.FAILURE if level >= Level.ERROR else None)

    def record(self, verb: Verb, text: str, level: Level = Level.INFO, outcome: Outcome | None = None) -> None:
        """Record an entry in the session's log, as done by the system itself."""
        log.record(verb, text, user=self.session.user, target=self.session, level=level, outcome=outcome)

    def set(self, **values: Any) -> bool:
        """Write fields of the session if it still has the status it was read with. Return whether it had."""
        rows = PrivilegedSession.objects.filter(pk=self.session.pk, status=self.session.status).update(**values)
        for name, value in values.items():
            setattr(self.session, name, value)
        return bool(rows)

    def failed(self, error: ConnectorError, what: str) -> None:
        """Note a failed call and when it is tried again, and log it when it is worth an entry."""
        text = str(error)[:300]
        attempts = self.session.attempts + 1
        wait = retry.pause(attempts)
        if retry.is_worth_logging(attempts, text, self.session.last_error):
            self.record(
                Verb.CONNECTOR_STEP,
                f"{what}: {text} Tried {attempts} time{'' if attempts == 1 else 's'}, again in {wait.seconds + 1} s.",
                Level.ERROR if error.permanent else Level.WARNING,
                Outcome.FAILURE,
            )
        self.set(attempts=attempts, next_attempt_at=self.now() + wait, last_error=text)


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())
