"""What an entry says that tells of a pruning: a time, or nothing that anybody can follow."""

from __future__ import annotations

import datetime as dt

import pytest

from activity.prunings import pruned_before
from tests.support.entries import FORGED_PRUNINGS

AT = dt.datetime(2026, 11, 29, 12, 0, tzinfo=dt.UTC)


@pytest.mark.parametrize("details", [*FORGED_PRUNINGS, None])
def test_what_the_database_did_not_write_is_no_time(details: object) -> None:
    assert pruned_before(AT, details) is None


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ("2026-11-28T12:00:00+00:00", AT - dt.timedelta(days=1)),
        ("2026-11-28T13:00:00+01:00", AT - dt.timedelta(days=1)),
        ("2026-11-28T12:00:00.5+00:00", AT - dt.timedelta(days=1, seconds=-0.5)),
        ("2026-11-29T12:00:00.000001+00:00", None),  # later than the entry
        ("9999-12-31T23:59:00-05:00", None),
    ],
)
def test_a_time_before_that_of_the_entry_counts(before: str, expected: dt.datetime | None) -> None:
    assert pruned_before(AT, {"before": before}) == expected
