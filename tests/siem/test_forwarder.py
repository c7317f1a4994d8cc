"""A worker sends to several destinations at once: one that hangs or is broken holds up neither others nor its end."""

from __future__ import annotations

import socket
import threading

import pytest

from sessions_app.siem.delivery import Delivery
from sessions_app.siem.models import DeliveryState, Destination, Transport
from sessions_app.worker.siem import Forwarder
from tests.support.entries import make_entry
from tests.support.siem import make_destination
from tests.support.waiting import wait_until


def cursor_of(name: str) -> int:
    return DeliveryState.objects.get(destination__name=name).cursor


@pytest.mark.django_db(transaction=True)
def test_a_destination_that_hangs_or_breaks_delays_neither_others_nor_the_end_of_the_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = Delivery._send

    def broken(self: Delivery, destination: Destination, *args: object) -> None:
        if destination.name == "Broken":
            raise RuntimeError("a mistake of ours")
        real(self, destination, *args)  # type: ignore[arg-type]  # passes on what it got

    monkeypatch.setattr(Delivery, "_send", broken)
    with socket.create_server(("127.0.0.1", 0)) as silent, socket.create_server(("127.0.0.1", 0)) as good:
        make_destination(name="Hangs", port=silent.getsockname()[1], transport=Transport.TLS)  # answers no handshake
        make_destination(name="Broken", port=good.getsockname()[1])
        make_destination(name="Good", port=good.getsockname()[1])
        newest = make_entry().pk
        stop = threading.Event()
        forwarder = Forwarder(stop, "worker")
        forwarder.start()
        wait_until(lambda: cursor_of("Good") >= newest, "the delivery to the good one")
        assert cursor_of("Hangs") == cursor_of("Broken") == 0
        Destination.objects.filter(name="Good").update(is_active=False)
        wait_until(
            lambda: DeliveryState.objects.get(destination__name="Good").lease == "", "the lease of the paused one"
        )
        newest = make_entry().pk
        Destination.objects.filter(name="Good").update(is_active=True)
        wait_until(lambda: cursor_of("Good") >= newest, "the delivery after the pause")
        stop.set()
        forwarder.finish()  # does not wait for the handshake
        assert DeliveryState.objects.get(destination__name="Good").lease == ""
    for thread in threading.enumerate():
        if thread.name.startswith("siem-"):
            thread.join()  # what hung is free now, and must not write while the database is emptied
