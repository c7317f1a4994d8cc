"""Destinations of the log for tests, and one pass of the delivery to them."""

from __future__ import annotations

import datetime as dt
import threading
from typing import Any

from activity.settled import SettledEntries
from sessions_app.sealing import seal
from sessions_app.siem.delivery import Delivery
from sessions_app.siem.flows.begin import begin
from sessions_app.siem.models import DeliveryState, Destination, Transport
from tests.support.certificates import authority
from tests.support.syslog_receivers import CLIENT

SECRET = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVoxMjM0NTY="


def make_destination(name: str = "SIEM", entry: int | None = 1, **values: Any) -> Destination:
    """Make a destination that gets the log from `entry` on, by default over TCP."""
    defaults = {"transport": Transport.TCP, "host": "127.0.0.1", "heartbeat": None}
    destination = Destination.objects.create(name=name, **{**defaults, **values})
    begin(destination, entry=entry)
    return destination


def over_tls(port: int, **values: Any) -> Destination:
    """Make a destination over TLS with the client certificate that the receivers of the tests let in."""
    pair = authority().pair(CLIENT)
    certificates = {
        "authorities": authority().pem,
        "client_certificate": pair.certificate,
        "client_key": seal(pair.key.encode()),
    }
    return make_destination(port=port, transport=Transport.TLS, **{**certificates, **values})


def make_delivery(owner: str = "test") -> Delivery:
    return Delivery(owner, threading.Event(), lambda attempts: dt.timedelta(seconds=attempts))


def deliver(destination: Destination, delivery: Delivery | None = None) -> DeliveryState:
    """Make one pass to a destination, and return its state."""
    (delivery or make_delivery()).look(Destination.objects.get(pk=destination.pk), SettledEntries().newest())
    return DeliveryState.objects.get(pk=destination.pk)
