"""The log is sealed: every entry gets one leaf, in order, whoever seals at the same time and whenever one dies."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from activity import log, verify_sessionadmin
from activity.models import Checkpoint, Level, LogEntry, Outcome, SealFinding, SealState, SealTile
from activity.seal import behind, checkpoints, sealing, tree
from activity.seal.rows import read_entries
from activity.seal.sealing import Sealing
from activity.verbs import Verb
from activity.verify_sessionadmin import Frontier, leaf_hash
from sessions_app.evidence import keys
from tests.support.entries import another_connection, make_entry

INSERT = (
    "INSERT INTO activity_logentry (at, actor_name, user_name, verb, level, message, target_type, target_name, "
    "details) VALUES (now(), '', '', 'login.succeeded', 20, 'slow', '', '', '{}') RETURNING id"
)


def write(count: int) -> None:
    log.record_all(log.draft(Verb.LOGIN, f"entry {number}") for number in range(count))


def assert_sealed_in_order() -> None:
    """Compare the tree with the log: the leaves are its first entries, none missing, none twice."""
    frontier, ids = Frontier(), []
    for number, data in read_entries(connection, 0, SealState.current().last_id):
        frontier.append(leaf_hash(data))
        ids.append(number)
    assert frontier.size == tree.size()
    assert tree.root(frontier.size) == frontier.root()
    assert [tree.leaf_index(ids[place]) for place in (0, -1) if ids] == [0, frontier.size - 1][: len(ids) and 2]


def is_everything_sealed() -> bool:
    return tree.size() == LogEntry.objects.filter(pk__lte=SealState.current().last_id).count() > 0


@pytest.mark.django_db
def test_entries_get_leaves_in_the_order_of_their_numbers() -> None:
    write(600)
    assert Sealing("one").seal() == LogEntry.objects.exclude(verb=Verb.SEAL_KEY_MADE).count() >= 600
    write(5)
    assert Sealing("one").seal() >= 5  # and the entry about the first key
    assert_sealed_in_order()
    assert Sealing("one").seal() == 0
    entry = LogEntry.objects.latest("pk")
    proof = tree.Tree(tree.size()).inclusion_proof(tree.leaf_index(entry.pk))
    ((_, data),) = read_entries(connection, entry.pk - 1, entry.pk)
    assert verify_sessionadmin.is_included(
        leaf_hash(data), tree.leaf_index(entry.pk), tree.size(), proof, tree.root(tree.size())
    )


@pytest.mark.django_db
def test_a_backlog_is_sealed_in_batches_and_stops_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "BATCH", 100)
    write(350)
    answers = iter([True, True, False])
    assert Sealing("one").seal(lambda: next(answers)) == 200
    assert_sealed_in_order()
    assert Sealing("one").seal() > 150
    assert_sealed_in_order()


@pytest.mark.django_db
def test_a_checkpoint_is_signed_when_the_tree_has_grown_for_a_minute() -> None:
    write(3)
    Sealing("one").seal()
    first = Checkpoint.objects.get()
    note = verify_sessionadmin.open_note(first.note, [verify_sessionadmin.parse_vkey(keys.vkey(keys.active()))])
    said = verify_sessionadmin.parse_checkpoint(note.text)
    assert (said.origin, said.size, said.root) == (keys.active().name, first.size, tree.root(first.size))
    assert first.key == keys.active().fingerprint
    write(1)
    Sealing("one").seal()
    assert Checkpoint.objects.count() == 1  # the minute is not over
    later = timezone.now() + dt.timedelta(minutes=1)
    assert checkpoints.make_if_due(later) is not None
    assert checkpoints.make_if_due(later + dt.timedelta(minutes=1)) is None  # the tree has not grown
    assert Checkpoint.objects.count() == 2


@pytest.mark.django_db
def test_many_entries_get_a_checkpoint_before_the_minute_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "AFTER", 100)
    monkeypatch.setattr(sealing, "BATCH", 50)
    write(400)
    Sealing("one").seal()
    assert [each.size for each in Checkpoint.objects.order_by("pk")] == [50, 150, 250, 350]


@pytest.mark.django_db
def test_a_tree_that_contradicts_the_newest_checkpoint_is_not_signed() -> None:
    write(3)
    Sealing("one").seal()
    tile = SealTile.objects.get(level=0)
    SealTile.objects.filter(pk=tile.pk).update(hashes=bytes(32) + bytes(tile.hashes)[32:])
    write(1)
    Sealing("one").seal()
    with pytest.raises(tree.TreeDamaged, match="Nothing was signed"):
        checkpoints.make()
    assert Checkpoint.objects.count() == 1


@pytest.mark.django_db
def test_without_a_key_entries_are_sealed_and_nothing_is_signed(settings: Any) -> None:
    settings.ENCRYPTION_KEYS = []
    write(3)
    assert Sealing("one").seal() == LogEntry.objects.count()
    assert not Checkpoint.objects.exists()


@pytest.mark.django_db
def test_another_process_leaves_the_sealing_to_the_one_that_is_at_it() -> None:
    write(3)
    Sealing("one").seal()
    write(3)
    assert Sealing("two").seal() == 0
    SealState.objects.update(held_until=timezone.now())
    assert Sealing("two").seal() > 0


@pytest.mark.django_db(transaction=True)
def test_several_that_seal_at_once_do_not_fork_the_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "BATCH", 30)
    keys.ensure()
    write(700)
    failed: list[BaseException] = []

    def work(name: str) -> None:
        try:
            for _ in range(40):
                Sealing(name).seal(is_alone=True)
        except BaseException as error:
            failed.append(error)
            raise
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(name,)) for name in ("one", "two", "three")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert is_everything_sealed()
    assert_sealed_in_order()


class Killed(BaseException):
    """Stands for SIGKILL: nothing that runs afterwards may tidy up."""


@pytest.mark.django_db
def test_a_sealing_that_is_killed_at_any_statement_leaves_nothing_torn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "BATCH", 150)
    keys.ensure()
    died = 0
    for at in range(1, 200):
        write(200)
        left = at

        def dying(execute: Callable[..., Any], sql: str, *args: Any) -> Any:
            nonlocal left
            if not sql.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK")):
                left -= 1
                if left == 0:
                    raise Killed
            return execute(sql, *args)

        before = tree.size()
        try:
            with connection.execute_wrapper(dying):
                Sealing("one").seal(is_alone=True)
        except Killed:
            died += 1
        else:
            break
        assert_sealed_in_order()
        assert tree.size() >= before
    assert died > 8
    Sealing("one").seal(is_alone=True)
    assert_sealed_in_order()
    assert tree.size() == LogEntry.objects.count()


@pytest.mark.postgres_only
@pytest.mark.django_db(transaction=True)
def test_sealing_waits_for_an_open_transaction_and_says_since_when(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "WORTH_SAYING", dt.timedelta(0))
    keys.ensure()
    one, other = Sealing("one"), another_connection()
    try:
        one.seal()
        sealed = tree.size()
        other.execute("BEGIN")
        ((early,),) = other.execute(INSERT).fetchall()
        late = make_entry().pk
        assert early < late
        for _ in range(3):
            one.seal()
        assert tree.size() == sealed
        state = SealState.current()
        assert state.waiting_since is not None
        assert f"process {other.info.backend_pid} " in state.waiting_for
        other.execute("COMMIT")
        one.seal()
    finally:
        other.close()
    assert [tree.leaf_index(pk) for pk in (early, late)] == [sealed, sealed + 1]
    assert SealState.current().waiting_since is None
    assert not behind.look()


def plant(*numbers: int) -> None:
    """Add entries with these numbers, as somebody does who writes into the database by hand."""
    LogEntry.objects.bulk_create(
        LogEntry(pk=pk, verb=Verb.LOGIN, message="planted", level=Level.INFO) for pk in numbers
    )


@pytest.fixture
def gap() -> int:
    """Seal 300 entries, a gap of some numbers, and 600 entries after it. Return the first number of the gap."""
    keys.ensure()
    write(300)
    first = LogEntry.objects.latest("pk").pk + 1
    plant(*range(first + 10, first + 610))
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT setval(pg_get_serial_sequence('activity_logentry', 'id'), %s)", [first + 609])
    Sealing("one").seal()
    return first


@pytest.mark.django_db
def test_an_entry_behind_the_seal_is_noted_once_and_never_sealed(gap: int) -> None:
    assert behind.look() == []
    sealed = tree.size()
    plant(gap + 1, gap + 3)
    assert behind.look() == [gap + 1, gap + 3]
    assert behind.look() == []
    assert sorted(SealFinding.objects.values_list("entry_id", flat=True)) == [gap + 1, gap + 3]
    assert Sealing("one").seal() == 1  # the entry about them
    assert tree.size() == sealed + 1
    with pytest.raises(tree.NotSealed):
        tree.leaf_index(gap + 1)
    entry = LogEntry.objects.get(verb=Verb.SEAL_FINDING)
    assert (entry.level, entry.outcome) == (Level.ERROR, Outcome.FAILURE)
    assert f"{gap + 1:,}, {gap + 3:,}" in entry.message


@pytest.mark.django_db
def test_older_tiles_are_looked_through_in_turn(gap: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(behind, "NEWEST_TILES", 1)
    monkeypatch.setattr(behind, "IN_TURN", 1)
    plant(gap)
    assert [behind.look() for _ in range(5)] == [[], [gap], [], [], []]
    assert SealState.current().looked_through_to == 1
