"""The counts of the chart: they say the same as counting all entries, whatever comes late, is deleted or is erased."""

from __future__ import annotations

import datetime as dt
import random
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from activity import summary
from activity.erase import erase
from activity.models import Level, LogEntry, Outcome, PruneRequest, Rollup, RollupState, SealState
from activity.period import Span, read_span
from activity.prune import prune
from activity.rollups import counting, reading
from activity.rollups.models import LEVELS, OUTCOMES
from activity.rollups.reading import Narrowing
from activity.verbs import Verb
from sessions_app.evidence import keys
from sessions_app.worker.sealer import Sealer
from tests.support.entries import FORGED_PRUNINGS, ago, make_entry

NOW = dt.datetime(2026, 11, 29, 12, 34, 56, 789012, tzinfo=dt.UTC)
ZONES = ["UTC", "Europe/Zurich", "America/St_Johns", "Asia/Kathmandu"]
# The clocks go forward and back within the first two in every zone that changes them.
ASKED: list[dict[str, str]] = [
    {"period": "1y"},
    {"period": "custom"},
    {"period": "24h"},
    {"since": "2026-03-28", "until": "2026-03-29"},
    {"since": "2026-10-24T13:07", "until": "2026-10-26T01:59"},
    {"until": "2026-11-01"},
]


def scatter(count: int, seed: int = 1) -> None:
    """Write entries at random times of a year, many of them in the nights in which the clocks change."""
    rng = random.Random(seed)  # noqa: S311 - test data
    nights = [dt.datetime(2026, 3, 29, tzinfo=dt.UTC), dt.datetime(2026, 10, 25, tzinfo=dt.UTC), NOW]
    rows = []
    for _ in range(count):
        back = dt.timedelta(seconds=rng.uniform(0, 86400 * rng.choice([1, 3, 400])))
        at = rng.choice(nights) + dt.timedelta(hours=5) - back
        level, outcome = rng.choice(Level.values), rng.choice(Outcome.values)
        rows.append(LogEntry(verb=Verb.LOGIN, message="scattered", at=at, level=level, outcome=outcome))
    LogEntry.objects.bulk_create(rows)


def mark_sealed() -> None:
    """Say that all entries are sealed, without the hashes, which nothing here needs."""
    newest = LogEntry.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    SealState.current()
    SealState.objects.update(last_id=newest)


def roll_all() -> None:
    """Count all entries."""
    mark_sealed()
    counting.roll()


def within(span: Span) -> Any:
    entries = LogEntry.objects.all()
    entries = entries.filter(at__gte=span.start) if span.start else entries
    return entries.filter(at__lt=span.end) if span.end else entries


def assert_same(
    narrowing: Narrowing | None = None, *, from_rollups: bool = True, zones: Sequence[str] = ("America/St_Johns",)
) -> None:
    """Compare the chart from the counts with the one that counts entries, in each period."""
    narrowing = narrowing or Narrowing()
    for zone in zones:
        with timezone.override(zone):
            for asked in ASKED:
                span = read_span(asked, NOW)
                entries = narrowing(within(span))
                assert (reading.counted(entries, span, narrowing) is not None) is from_rollups
                plain = summary.buckets(entries, span, NOW)
                assert summary.buckets(entries, span, NOW, narrowing) == plain, (zone, asked)
                assert sum(bucket.total for bucket in plain) == entries.count()


@pytest.mark.django_db
def test_the_chart_is_that_of_counting_all_entries_in_every_zone_and_with_every_narrowing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(counting, "BATCH", 70)
    scatter(500)
    roll_all()
    scatter(40, seed=2)  # not counted yet
    for narrowing in (
        Narrowing(),
        Narrowing(levels=frozenset({Level.ERROR})),
        Narrowing(levels=frozenset({Level.DEBUG, Level.INFO}), outcomes=frozenset({Outcome.DENIED})),
        Narrowing(outcomes=Narrowing().outcomes - {Outcome.SUCCESS}),
    ):
        assert_same(narrowing, zones=ZONES)


@pytest.mark.django_db
def test_an_entry_that_comes_late_counts_in_its_own_time_and_once() -> None:
    scatter(60)
    roll_all()
    scatter(60, seed=3)  # its times lie among those that are counted
    assert_same()
    roll_all()
    assert_same()
    assert counting.roll() == 0
    assert_same()


@pytest.mark.django_db
def test_who_is_told_to_stop_says_how_many_were_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "BATCH", 10)
    scatter(25)
    mark_sealed()
    assert counting.roll(lambda: False) == 10
    assert counting.roll() == LogEntry.objects.count() - 10


@pytest.mark.django_db
def test_only_sealed_entries_are_counted() -> None:
    scatter(20)
    assert counting.roll() == 0  # nothing is sealed
    assert not RollupState.objects.exists()
    roll_all()
    scatter(20, seed=4)
    assert counting.roll() == 0
    assert RollupState.objects.get().last_id == SealState.current().last_id
    assert_same()


@pytest.mark.django_db
def test_an_outcome_that_the_console_does_not_know_is_counted_too() -> None:
    make_entry("by hand", ago(days=2), outcome="odd")
    make_entry("refused", ago(days=2), outcome=Outcome.DENIED)
    roll_all()
    assert_same()
    assert_same(Narrowing(outcomes=Narrowing().outcomes - {Outcome.SUCCESS}))


@pytest.mark.django_db(transaction=True)
def test_pruning_takes_away_what_it_deleted_and_nothing_else() -> None:
    keys.ensure()
    limit = dt.datetime(2026, 3, 29, 1, 7, tzinfo=dt.UTC)  # in the middle of a quarter
    scatter(300)
    make_entry("told before", dt.datetime(2026, 1, 5, tzinfo=dt.UTC), verb=Verb.LOG_ERASED, level=Level.WARNING)
    roll_all()
    SealState.objects.all().delete()  # what was only said to be sealed is sealed by the pruning
    deleted = prune(limit)
    assert deleted > 50
    assert LogEntry.objects.filter(at__lt=limit).count() == 1  # it stays, and counts
    assert_same(zones=ZONES)
    roll_all()
    assert_same()


@pytest.mark.django_db
def test_a_deletion_by_hand_is_noticed_at_once_and_followed_by_the_next_worker() -> None:
    scatter(200)
    roll_all()
    PruneRequest.objects.create(before=dt.datetime(2026, 3, 29, 1, 7, tzinfo=dt.UTC))
    assert_same(from_rollups=False)
    roll_all()
    assert_same()
    PruneRequest.objects.create(before=dt.datetime(2026, 1, 2, tzinfo=dt.UTC))  # earlier than the one before
    roll_all()
    assert_same()


@pytest.mark.django_db
def test_prunings_that_somebody_forged_do_not_stop_the_counts() -> None:
    scatter(50)
    for details in FORGED_PRUNINGS:
        make_entry("forged", verb=Verb.LOG_PRUNED, details=details)
    roll_all()
    assert_same()


@pytest.mark.django_db(transaction=True)
def test_erasing_changes_no_count() -> None:
    keys.ensure()
    entry = make_entry("about somebody", ago(days=3), level=Level.ERROR, outcome=Outcome.DENIED)
    roll_all()
    SealState.objects.all().delete()
    erase(entry.pk, "asked for")
    assert_same()


@pytest.mark.django_db(transaction=True)
def test_several_workers_at_once_count_each_entry_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "BATCH", 25)
    scatter(500)
    mark_sealed()
    failed: list[BaseException] = []
    begin = threading.Barrier(3)

    def work() -> None:
        try:
            begin.wait(30)
            for _ in range(25):
                counting.roll()
        except BaseException as error:
            failed.append(error)
            raise
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    counting.roll()
    assert RollupState.objects.get().last_id == SealState.current().last_id
    assert_same()


@pytest.mark.django_db
def test_who_was_overtaken_writes_nothing() -> None:
    scatter(30)
    roll_all()
    state = RollupState.objects.get()
    scatter(30, seed=5)
    roll_all()
    mark_sealed()
    assert counting._add(state, SealState.current().last_id) is None
    assert_same()


@pytest.mark.parametrize(("times", "is_answered"), [(1, True), (2, False)])
@pytest.mark.django_db
def test_counts_that_change_while_they_are_read_are_read_again_and_else_not_shown(
    times: int, is_answered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    scatter(50)
    roll_all()
    scatter(50, seed=6)
    plain, span, left = reading._not_yet, read_span({"period": "1y"}, NOW), times

    def overtaken(*args: Any) -> Any:
        nonlocal left
        if left:
            left -= 1
            scatter(5, seed=left)
            roll_all()
        return plain(*args)

    monkeypatch.setattr(reading, "_not_yet", overtaken)
    found = reading.counted(within(span), span, Narrowing())
    assert (found is not None) is is_answered
    assert found is None or sum(total for _, total, _ in found) == within(span).count()


@pytest.mark.parametrize("damage", ["state", "command", "rows and state"])
@pytest.mark.django_db
def test_lost_and_damaged_counts_are_made_anew(damage: str) -> None:
    scatter(100)
    roll_all()
    Rollup.objects.update(info_success=7)
    if damage == "command":
        call_command("rebuild_rollups", verbosity=0)
    else:
        RollupState.objects.all().delete()
        if damage == "rows and state":
            Rollup.objects.all().delete()
        assert_same(from_rollups=False)
        roll_all()
    assert_same()


@pytest.mark.django_db
def test_too_much_that_is_not_counted_yet_is_counted_along_the_index_of_times(monkeypatch: pytest.MonkeyPatch) -> None:
    scatter(20)
    roll_all()
    scatter(20, seed=7)
    monkeypatch.setattr(reading, "MOST_LEFT", 10)
    assert_same(from_rollups=False)


def test_every_level_and_outcome_has_a_column() -> None:
    assert set(LEVELS) == set(Level.values)
    assert set(OUTCOMES) == set(Outcome.values)


@pytest.mark.django_db(transaction=True)
def test_the_sealing_thread_of_the_worker_counts() -> None:
    keys.ensure()
    scatter(30)
    sealer = Sealer(threading.Event(), "test")
    sealer.look()
    assert RollupState.objects.get().last_id == SealState.current().last_id > 0
    assert_same()


@pytest.mark.parametrize(
    ("asked", "is_rolled"),
    [
        ({}, True),
        ({"level": "problems"}, True),
        ({"level": "problems", "level_is": "not"}, True),
        ({"outcome": "denied", "outcome_is": "not", "level": "error"}, True),
        ({"outcome": "success"}, True),
        ({"verb": Verb.LOGIN.value}, False),
        ({"activity": "scattered"}, False),
        ({"user": "auditor"}, False),
    ],
)
def test_the_page_asks_the_counts_whatever_they_can_answer(
    as_user: Callable[[User], Client], auditor: User, asked: dict[str, str], is_rolled: bool
) -> None:
    scatter(80)
    roll_all()
    browser = as_user(auditor)
    asked = {"period": "custom", "since": "2025-06-01", **asked}
    browser.get("/activity/chart/", asked)  # who reads it is logged at first
    with CaptureQueriesContext(connection) as queries:
        answer = browser.get("/activity/chart/", asked)
    assert answer.status_code == 200, answer.content.decode()
    assert any('FROM "activity_rollup"' in query["sql"] for query in queries) is is_rolled
    RollupState.objects.all().delete()
    assert browser.get("/activity/chart/", asked).context["buckets"] == answer.context["buckets"]


def test_who_sees_only_their_own_entries_is_never_answered_from_the_counts_of_all(
    as_user: Callable[[User], Client], alice: User
) -> None:
    scatter(30)
    make_entry("hers", ago(hours=3), user=alice)
    roll_all()
    browser = as_user(alice)
    with CaptureQueriesContext(connection) as queries:
        answer = browser.get("/activity/chart/?period=24h")
    assert not any('"activity_rollup' in query["sql"] for query in queries)
    own = LogEntry.objects.visible_to(alice).filter(at__gte=ago(days=1)).count()
    assert sum(bucket.total for bucket in answer.context["buckets"]) <= own < 30
