"""The delivery to one destination: order, filters, failures, breaks, several workers, and what was deleted."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import re
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from activity.models import LogEntry, Outcome
from activity.prune import prune
from activity.seal.models import Checkpoint
from activity.settled import SettledEntries
from activity.verbs import Verb
from sessions_app.errors import Refused
from sessions_app.siem import delivery as deliveries
from sessions_app.siem.backlog import backlog, report_silence
from sessions_app.siem.delivery import Delivery
from sessions_app.siem.flows.begin import begin
from sessions_app.siem.flows.send_again import send_again
from sessions_app.siem.flows.switch import pause
from sessions_app.siem.models import DeliveryState, Destination, Transport
from tests.support.entries import FORGED_PRUNINGS, ago, another_connection, make_entry
from tests.support.siem import deliver, make_delivery, make_destination
from tests.support.waiting import wait_until

pytestmark = pytest.mark.django_db


SLOW_ENTRY = (
    "INSERT INTO activity_logentry (at, actor_name, user_name, verb, level, outcome, message, target_type, target_name,"
    " details) VALUES (now(), '', '', 'login.succeeded', 20, 'success', 'slow', '', '', '{}') RETURNING id"
)


class TcpReceiver:
    """A syslog server over TCP that reads frames by their octet counts, one connection after the other."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.lines: list[str] = []
        self.connections: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections.append(connection)
                threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def _read(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), connection.makefile("rb") as stream:
            while True:
                digits = b""
                while (one := stream.read(1)) != b" ":
                    if not one:
                        return
                    digits += one
                self.lines.append(stream.read(int(digits)).decode())

    def hang_up(self) -> None:
        """Close the open connection, as a server does that ends."""
        self.connections[-1].shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.close()
        for connection in self.connections:
            connection.close()

    def ids(self) -> list[int]:
        return [int(found[1]) for line in self.lines if (found := re.search(r' id="(\d+)"', line))]

    def of_kind(self, kind: str) -> list[str]:
        return [line for line in self.lines if f' kind="{kind}" ' in line]


@pytest.fixture
def receiver() -> Iterator[TcpReceiver]:
    running = TcpReceiver()
    yield running
    running.close()


def arrives(receiver: TcpReceiver, *ids: int) -> None:
    wait_until(lambda: receiver.ids() == list(ids), f"the entries {ids}, but got {receiver.ids()}")


def due_now(destination: Destination) -> None:
    DeliveryState.objects.filter(pk=destination.pk).update(next_attempt_at=None)


def test_entries_arrive_in_order_from_the_one_on_that_was_chosen(
    receiver: TcpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "BATCH", 3)
    make_entry("before")
    ids = [make_entry(f"entry {number}").pk for number in range(10)]
    destination = make_destination(port=receiver.port, entry=ids[0])
    ids.append(LogEntry.objects.latest("pk").pk)  # that the destination was added
    state = deliver(destination)
    assert (state.cursor, state.delivered, state.attempts) == (ids[-1], len(ids), 0)
    arrives(receiver, *ids)


def test_a_new_destination_begins_now_or_at_a_date(receiver: TcpReceiver) -> None:
    newest = make_entry("of tomorrow", at=ago(days=-1)).pk
    now = make_destination(port=receiver.port, entry=None)
    assert now.state.cursor == LogEntry.objects.latest("pk").pk
    now.state.delete()
    assert begin(now, at=timezone.now()).cursor == newest - 1
    DeliveryState.objects.all().delete()
    assert begin(now, at=ago(days=-2)).cursor == LogEntry.objects.latest("pk").pk


def test_only_what_the_filter_lets_through_is_sent_and_the_cursor_passes_the_rest(receiver: TcpReceiver) -> None:
    wanted = make_entry(verb=Verb.SESSION_LOCKED, level=30, outcome=Outcome.DENIED).pk
    make_entry(verb=Verb.SESSION_LOCKED, level=20, outcome=Outcome.DENIED)
    make_entry(verb=Verb.SESSION_LOCKED, level=30)
    make_entry(verb=Verb.LOGIN, level=40, outcome=Outcome.DENIED)
    destination = make_destination(
        port=receiver.port, entry=wanted, minimum_level=30, groups=["session", "key"], outcomes=["denied"]
    )
    assert backlog(destination).count == 1
    assert deliver(destination).cursor == LogEntry.objects.latest("pk").pk
    arrives(receiver, wanted)
    assert backlog(Destination.objects.get()).count == 0


def test_a_destination_that_nobody_listens_at_is_tried_again_with_growing_waits() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    destination = make_destination(port=port)
    before = timezone.now()
    state = deliver(destination)
    assert (state.attempts, state.cursor) == (1, 0)
    assert f"127.0.0.1:{port} cannot be reached: Connection refused" in state.last_error
    assert state.next_attempt_at is not None
    assert state.next_attempt_at > before
    assert deliver(destination).attempts == 1  # not due yet
    due_now(destination)
    assert deliver(destination).attempts == 2


def test_what_was_sent_within_a_minute_before_a_break_is_sent_again(
    receiver: TcpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery, first = make_delivery(), make_entry().pk
    destination = make_destination(port=receiver.port, entry=first)
    state = deliver(destination, delivery)
    assert (state.cursor, state.confirmed) == (first + 1, first - 1)
    arrives(receiver, first, first + 1)
    receiver.hang_up()
    wait_until(lambda: deliver(destination, delivery).attempts == 1, "the break to be seen")
    assert "closed the connection" in DeliveryState.objects.get().last_error
    due_now(destination)
    deliver(destination, delivery)
    arrives(receiver, first, first + 1, first, first + 1)
    monkeypatch.setattr(deliveries, "CONFIRMED_AFTER", 0.0)
    assert deliver(destination, delivery).confirmed == first + 1  # the connection stood long enough
    receiver.hang_up()
    third = make_entry().pk
    wait_until(lambda: deliver(destination, delivery).attempts == 1, "the break to be seen")
    due_now(destination)
    deliver(destination, delivery)
    arrives(receiver, first, first + 1, first, first + 1, third)


def test_of_two_workers_one_sends_and_the_other_goes_on_when_it_is_dead(receiver: TcpReceiver) -> None:
    one, other = make_delivery("one"), make_delivery("other")
    first = make_entry().pk
    destination = make_destination(port=receiver.port, entry=first)
    deliver(destination, one)
    arrives(receiver, first, first + 1)
    second = make_entry().pk
    assert deliver(destination, other).cursor == first + 1
    DeliveryState.objects.update(lease_until=ago(seconds=1))
    state = deliver(destination, other)
    assert (state.lease, state.cursor) == ("other", second)
    third = make_entry().pk
    assert deliver(destination, one).cursor == second
    one.give_back(destination)
    assert DeliveryState.objects.get().lease == "other"
    other.give_back(destination)
    assert deliver(destination, one).cursor == third


def test_a_worker_that_lost_its_lease_in_the_middle_notes_nothing(
    receiver: TcpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    destination = make_destination(port=receiver.port)
    real = Delivery._deliver

    def taken_meanwhile(self: Delivery, *args: Any) -> None:
        DeliveryState.objects.update(lease="other", cursor=7, confirmed=7)
        real(self, *args)

    monkeypatch.setattr(Delivery, "_deliver", taken_meanwhile)
    state = deliver(destination)
    assert (state.lease, state.cursor, state.attempts) == ("other", 7, 0)


def test_the_log_is_sent_again_from_an_entry_on(receiver: TcpReceiver, admin: User) -> None:
    delivery, first = make_delivery(), make_entry().pk
    destination = make_destination(port=receiver.port, entry=first)
    deliver(destination, delivery)
    arrives(receiver, first, first + 1)
    with pytest.raises(Refused, match="was not sent"):
        send_again(admin, destination, first + 2)
    send_again(admin, destination, first + 1)
    deliver(destination, delivery)
    again = LogEntry.objects.get(verb=Verb.SIEM_SENT_AGAIN)
    arrives(receiver, first, first + 1, first + 1, again.pk)
    assert (again.actor, again.details["from"]) == (admin, first + 1)


def test_entries_that_were_deleted_before_they_were_sent_are_named(receiver: TcpReceiver) -> None:
    destination = make_destination(port=receiver.port)
    sent = make_entry("sent", at=ago(days=40)).pk
    DeliveryState.objects.update(cursor=sent, confirmed=sent)
    lost = [make_entry("never sent", at=ago(days=30)).pk for _ in range(3)]
    kept = make_entry("kept").pk
    prune(ago(days=20))
    state = deliver(destination)
    wait_until(lambda: kept in receiver.ids(), "what was kept")
    (gap,) = receiver.of_kind("gap")
    entry = LogEntry.objects.get(verb=Verb.SIEM_GAP)
    assert entry.details["last"] == lost[-1]
    assert entry.details["count"] == len(lost)
    assert entry.outcome == Outcome.FAILURE
    assert f"to {lost[-1]} were deleted" in gap
    assert not set(lost) & set(receiver.ids())
    assert state.cursor > kept
    deliver(destination)
    assert LogEntry.objects.filter(verb=Verb.SIEM_GAP).count() == 1


def test_a_pruning_of_what_was_sent_is_no_gap(receiver: TcpReceiver) -> None:
    make_entry("old", at=ago(days=40))
    destination = make_destination(port=receiver.port, entry=None)
    prune(ago(days=20))
    deliver(destination)
    assert not LogEntry.objects.filter(verb=Verb.SIEM_GAP).exists()


def test_prunings_that_somebody_forged_hold_up_no_delivery(receiver: TcpReceiver) -> None:
    destination = make_destination(port=receiver.port)
    forged = [make_entry("forged", verb=Verb.LOG_PRUNED, details=details).pk for details in FORGED_PRUNINGS]
    state = deliver(destination)
    wait_until(lambda: set(forged) <= set(receiver.ids()), "all of them")
    assert state.pruned == forged[-1]
    assert not LogEntry.objects.filter(verb=Verb.SIEM_GAP).exists()


def test_checkpoints_are_sent_with_their_note_once(receiver: TcpReceiver) -> None:
    note = "console.example.com/log\n17\ncm9vdA==\n\n— console.example.com/log c2lnbmF0dXJl\n"
    destination, delivery = make_destination(port=receiver.port), make_delivery()
    Checkpoint.objects.create(size=17, root=b"root", note=note, key="k")
    deliver(destination, delivery)
    deliver(destination, delivery)
    wait_until(lambda: bool(receiver.of_kind("checkpoint")), "the checkpoint")
    (line,) = receiver.of_kind("checkpoint")
    found = re.search(r'details="((?:[^"\\]|\\.)*)"', line)
    assert found is not None
    assert json.loads(re.sub(r"\\(.)", r"\1", found[1])) == {"size": 17, "note": note}
    Destination.objects.update(has_checkpoints=False)
    Checkpoint.objects.create(size=18, root=b"root", note=note, key="k")
    deliver(destination, delivery)
    assert len(receiver.of_kind("checkpoint")) == 1


def test_a_heartbeat_is_sent_when_nothing_else_was(receiver: TcpReceiver) -> None:
    destination, delivery = make_destination(port=receiver.port, heartbeat=dt.timedelta(0)), make_delivery()
    deliver(destination, delivery)
    wait_until(lambda: len(receiver.of_kind("heartbeat")) == 1, "the heartbeat")
    Destination.objects.update(heartbeat=dt.timedelta(hours=1))
    deliver(destination, delivery)
    assert len(receiver.of_kind("heartbeat")) == 1


def test_datagrams_carry_one_message_each() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(5)
        first = make_entry("x" * 900, details={"y": "z" * 4000}).pk
        port = listener.getsockname()[1]
        destination = make_destination(port=port, transport=Transport.UDP, largest=2048, entry=first)
        state = deliver(destination)
        assert (state.cursor, state.confirmed) == (first + 1, first + 1)
        datagrams = [listener.recv(65_536).decode() for _ in range(2)]
    assert [f'id="{number}"' in text for number, text in zip((first, first + 1), datagrams, strict=True)] == [True] * 2
    assert "shortened_from_bytes" in datagrams[0]
    assert len(datagrams[0].encode()) <= 2048


def test_silence_is_logged_once_and_its_end_too(receiver: TcpReceiver) -> None:
    destination = make_destination(port=receiver.port, entry=make_entry("waits", at=ago(hours=1)).pk)
    report_silence()
    assert not LogEntry.objects.filter(verb=Verb.SIEM_SILENT).exists()  # it is new
    DeliveryState.objects.update(began_at=ago(hours=1), last_error="Nobody answers.")
    report_silence()
    report_silence()
    silent = LogEntry.objects.get(verb=Verb.SIEM_SILENT)
    assert "Nothing was delivered to SIEM for 15 min" in silent.message
    assert silent.message.endswith("Nobody answers.")
    deliver(destination)
    report_silence()
    report_silence()
    assert LogEntry.objects.filter(verb=Verb.SIEM_BACK).count() == 1


def test_a_paused_destination_is_not_silent(receiver: TcpReceiver, admin: User) -> None:
    destination = make_destination(port=receiver.port, entry=make_entry("waits", at=ago(hours=1)).pk)
    DeliveryState.objects.update(began_at=ago(hours=1))
    assert pause(admin, destination)
    assert not pause(admin, destination)
    report_silence()
    assert not LogEntry.objects.filter(verb=Verb.SIEM_SILENT).exists()
    assert LogEntry.objects.filter(verb=Verb.SIEM_PAUSED).count() == 1


def test_changed_settings_are_used_at_once(receiver: TcpReceiver) -> None:
    delivery, other = make_delivery(), TcpReceiver()
    first = make_entry().pk
    destination = make_destination(port=receiver.port, entry=first)
    deliver(destination, delivery)
    arrives(receiver, first, first + 1)
    Destination.objects.update(port=other.port)
    second = make_entry().pk
    deliver(destination, delivery)
    arrives(other, first, first + 1, second)
    other.close()


@pytest.mark.postgres_only
@pytest.mark.django_db(transaction=True)
def test_an_entry_that_a_slow_transaction_brings_late_is_sent_in_its_place(receiver: TcpReceiver) -> None:
    delivery, settled = make_delivery(), SettledEntries()
    destination = make_destination(port=receiver.port, entry=make_entry().pk)
    delivery.look(destination, settled.newest())
    sent = LogEntry.objects.latest("pk").pk
    slow = another_connection()
    slow.execute("BEGIN")
    (late,) = slow.execute(SLOW_ENTRY).fetchone()
    early = make_entry().pk
    assert late < early
    delivery.look(destination, settled.newest())
    arrives(receiver, sent - 1, sent)
    slow.execute("COMMIT")
    slow.close()
    delivery.look(destination, settled.newest())
    arrives(receiver, sent - 1, sent, late, early)
