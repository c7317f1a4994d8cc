"""Health and doctor say what waits for each destination, when it got something last, and what is wrong."""

from __future__ import annotations

import datetime as dt
import socket
from io import StringIO
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from sessions_app.sealing import seal
from sessions_app.siem.models import DeliveryState, Destination, Transport
from sessions_app.worker.health.findings import Grade
from sessions_app.worker.health.heartbeat import beat
from sessions_app.worker.health.siem import siem
from tests.support.certificates import authority
from tests.support.entries import ago, make_entry
from tests.support.siem import SECRET, deliver, make_destination
from tests.support.webhook_receiver import webhook_receiver

pytestmark = pytest.mark.django_db


def sent_by_a_worker() -> None:
    DeliveryState.objects.update(lease="worker", lease_until=timezone.now() + dt.timedelta(seconds=60))


def test_nothing_is_wrong_without_destinations_and_with_one_that_has_everything() -> None:
    assert siem().grade == Grade.OK
    make_destination(port=1, entry=None)
    sent_by_a_worker()
    DeliveryState.objects.update(cursor=10**9, delivered_at=ago(seconds=5))
    assert (siem().grade, siem().text) == (Grade.OK, "SIEM: nothing waits, last delivery 5 s ago.")


def test_a_failing_destination_is_a_warning_and_a_silent_one_an_error(boss: Client) -> None:
    destination = make_destination(port=1, entry=make_entry(at=ago(hours=1)).pk)
    deliver(destination)
    sent_by_a_worker()
    found = siem()
    assert found.grade == Grade.WARNING
    assert "2 entries wait, nothing was delivered yet. 127.0.0.1:1 cannot be reached" in found.text
    DeliveryState.objects.update(began_at=ago(minutes=20))
    found = siem()
    assert found.grade == Grade.ERROR
    assert "It is silent: 127.0.0.1:1 cannot be reached: Connection refused." in found.text
    assert "It is silent" in boss.get("/health/").content.decode()


def test_a_destination_that_no_worker_sends_to_is_an_error() -> None:
    make_destination(port=1, entry=None)
    assert siem().grade == Grade.OK  # a moment after it was added
    DeliveryState.objects.update(began_at=ago(minutes=5), cursor=10**9)
    assert "No worker sends to it" in siem().text
    DeliveryState.objects.update(lease="worker", lease_until=ago(seconds=1))
    assert siem().grade == Grade.ERROR


def test_secrets_that_cannot_be_opened_are_an_error_and_stop_nothing(settings: Settings) -> None:
    destination = make_destination(port=1, transport=Transport.TLS)
    Destination.objects.update(client_certificate="certificate", client_key="sealed1:x:y")
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    sent_by_a_worker()
    assert "A secret cannot be opened" in siem().text
    DeliveryState.objects.update(lease="", lease_until=None)
    state = deliver(destination)
    assert state.attempts == 1
    assert "cannot be" in state.last_error


def test_a_paused_destination_is_a_warning() -> None:
    make_destination(port=1, is_active=False)
    assert siem().grade == Grade.WARNING
    assert "SIEM is paused, " in siem().text


def test_doctor_connects_to_every_destination_and_sends_nothing(tmp_path: Path) -> None:
    beat("worker")
    with webhook_receiver(tmp_path) as receiver, socket.create_server(("127.0.0.1", 0)) as listener:
        make_destination(name="Open", port=listener.getsockname()[1], entry=None)
        make_destination(name="Closed", port=1, entry=None)
        make_destination(name="Datagrams", port=9, transport=Transport.UDP, entry=None)
        make_destination(
            name="Webhook",
            transport=Transport.WEBHOOK,
            url=receiver.url,
            secret=seal(SECRET.encode()),
            allows_private=True,
            authorities=authority().pem,
        )
        make_destination(name="Paused", port=1, is_active=False)
        out = StringIO()
        with pytest.raises(CommandError):
            call_command("doctor", stdout=out)
        assert receiver.requests == []
    printed = out.getvalue()
    assert "ok      SIEM Open: 127.0.0.1:" in printed
    assert "error   SIEM Closed: Nothing can be delivered: 127.0.0.1:1 cannot be reached" in printed
    assert "ok      SIEM Datagrams: " in printed
    assert "ok      SIEM Webhook: https://localhost:" in printed
    assert "SIEM Paused" not in printed
