"""Real syslog servers get every entry: over TLS, with client certificates, while workers and servers die."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from activity.models import LogEntry
from sessions_app.sealing import seal
from sessions_app.siem.models import DeliveryState
from tests.support.certificates import authority
from tests.support.entries import make_entry
from tests.support.siem import deliver, over_tls
from tests.support.syslog_receivers import Receiver, receiver
from tests.support.waiting import wait_until
from tests.support.worker_process import worker

pytestmark = [pytest.mark.syslog]
SERVERS = ["rsyslog", "syslog-ng-core"]


def unique(ids: list[int]) -> list[int]:
    return list(dict.fromkeys(ids))


def has_all(server: Receiver) -> bool:
    return set(server.ids()) >= set(LogEntry.objects.values_list("pk", flat=True))


@pytest.mark.django_db
@pytest.mark.parametrize("package", SERVERS)
def test_entries_arrive_over_tls_with_their_structured_data(package: str, tmp_path: Path) -> None:
    with receiver(package, tmp_path) as server:
        first = make_entry('says "hello" with a ] and a \\ in it', target_name='a "]\\" name').pk
        second = make_entry("Grüße aus Köln", details={"size": "x" * 5000}).pk
        state = deliver(over_tls(server.port, entry=first))
        assert state.last_error == ""
        assert state.cursor > second
        wait_until(lambda: len(server.lines()) == 3, "both lines, and that the destination was added")
        one, two, _ = server.lines()
        assert one.startswith("login.succeeded|[sessionadmin@32473 ")
        assert f' id="{first}"' in one
        assert r'target="a \"\]\\\" name"' in one
        assert one.endswith(r'says "hello" with a ] and a \ in it')
        assert two.endswith("Grüße aus Köln")
        assert "x" * 5000 in two


@pytest.mark.django_db
@pytest.mark.parametrize("package", SERVERS)
def test_a_client_certificate_of_another_authority_is_refused_and_said(package: str, tmp_path: Path) -> None:
    stranger = authority("Another authority").pair("console.test")
    with receiver(package, tmp_path) as server:
        make_entry()
        destination = over_tls(server.port, client_certificate=stranger.certificate)
        destination.client_key = seal(stranger.key.encode())
        destination.save()
        state = deliver(destination)
        assert state.attempts == 1
        assert state.confirmed == 0
        assert f"127.0.0.1:{server.port}" in state.last_error
        assert not server.ids()


@pytest.mark.django_db
def test_a_server_whose_certificate_is_of_another_authority_gets_nothing(tmp_path: Path) -> None:
    with receiver("rsyslog", tmp_path) as server:
        make_entry()
        state = deliver(over_tls(server.port, authorities=authority("Another authority").pem))
        assert "The certificate of 127.0.0.1" in state.last_error
        state = deliver(over_tls(server.port, name="Other name", server_name="other.example.com"))
        assert "The certificate of 127.0.0.1" in state.last_error
        assert not server.ids()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("package", SERVERS)
def test_every_entry_arrives_in_order_though_the_worker_is_killed_and_the_server_restarts(
    package: str, tmp_path: Path
) -> None:
    with receiver(package, tmp_path) as server:
        destination = over_tls(server.port)
        _write(3000)
        with worker(tmp_path) as process:
            wait_until(lambda: len(server.ids()) > 200, "the first entries")
            process.send_signal(signal.SIGKILL)
            process.wait()
        _write(1000)
        DeliveryState.objects.filter(pk=destination.pk).update(lease_until="2020-01-01T00:00:00Z")  # a minute later
        with worker(tmp_path):
            wait_until(lambda: has_all(server), "what was written before and after")
            server.stop()
            _write(500)
            server.start()
            wait_until(lambda: has_all(server), "what was written while the server was stopped")
            server.stop(kill=True)
            _write(500)
            server.start()
            wait_until(lambda: has_all(server), "what was written while the server was dead")
    everything = list(LogEntry.objects.order_by("pk").values_list("pk", flat=True))
    assert len(everything) >= 5000
    assert unique(server.ids()) == everything[: len(unique(server.ids()))] == everything


def _write(count: int) -> None:
    LogEntry.objects.bulk_create([LogEntry(verb="login.succeeded", message=f"entry {n}") for n in range(count)])
