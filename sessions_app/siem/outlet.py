"""An open way to a destination, whatever its transport: what delivery.py and the test button send through."""

from __future__ import annotations

from collections.abc import Sequence

from django.forms.models import model_to_dict

from sessions_app.siem.formats import syslog_line, webhook_body
from sessions_app.siem.message import Message
from sessions_app.siem.models import Destination, Transport
from sessions_app.siem.syslog import FIRST_LOOK_SECONDS, DatagramSender, SyslogConnection
from sessions_app.siem.webhook import WebhookConnection

NOTED_TOGETHER = 500  # messages after which the cursor is written
ANSWERED_TOGETHER = 20  # for webhooks, where each message takes a while


class Outlet:
    """Sends messages to one destination. Raises DeliveryError, also when it is made."""

    def __init__(self, destination: Destination) -> None:
        self._settings = _settings_of(destination)
        self._format, self._largest = destination.format, destination.largest
        self._webhook: WebhookConnection | None = None
        self._syslog: SyslogConnection | DatagramSender | None = None
        if destination.is_webhook:
            self._webhook = WebhookConnection(destination)
        elif destination.transport == Transport.UDP:
            self._syslog = DatagramSender(destination)
        else:
            self._syslog = SyslogConnection(destination)

    @property
    def is_sure(self) -> bool:
        """Return whether nothing more will be known about a message that was sent: it was answered, or is UDP."""
        return not isinstance(self._syslog, SyslogConnection)

    @property
    def noted_together(self) -> int:
        return ANSWERED_TOGETHER if self._webhook is not None else NOTED_TOGETHER

    def is_for(self, destination: Destination) -> bool:
        """Return whether the settings are still those with which this was opened."""
        return self._settings == _settings_of(destination)

    def send(self, batch: Sequence[Message]) -> None:
        """Send messages in their order."""
        if self._syslog is not None:
            self._syslog.send([syslog_line(one, self._format, self._largest) for one in batch])
        elif self._webhook is not None:
            for one in batch:
                self._webhook.post(one.key, webhook_body(one, self._format, self._largest))

    def check(self, seconds: float = 0.0) -> None:
        """Raise DeliveryError if the receiver has closed the connection, or does so within `seconds`."""
        if self._syslog is not None:
            self._syslog.check(seconds)

    def reach(self) -> None:
        """Find out without a message whether the destination lets us in. Raise DeliveryError."""
        self.check(FIRST_LOOK_SECONDS)
        if self._webhook is not None:
            self._webhook.reach()

    def close(self) -> None:
        for connection in (self._syslog, self._webhook):
            if connection is not None:
                connection.close()


def _settings_of(destination: Destination) -> dict[str, object]:
    sealed = {name: getattr(destination, name) for name in ("client_key", "secret", "former_secret")}
    return model_to_dict(destination) | sealed
