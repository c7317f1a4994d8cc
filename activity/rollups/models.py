"""The tables of the counts: one row for each quarter of an hour, and one row that says which entries they count."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import models

LEVELS = {10: "debug", 20: "info", 30: "warning", 40: "error"}  # the column begins with this for each Level
OUTCOMES = {"success": "success", "failure": "failure", "denied": "denied"}  # and ends with this for each Outcome
OTHER = "other"  # an outcome that only a statement past the console can have written


class Rollup(models.Model):
    """How many entries of each level and outcome a quarter of an hour has (activity/quarters.py).

    All in one row, which is found by its key, because a year of them is read at once.
    """

    quarter = models.BigIntegerField(primary_key=True)
    debug_success = models.IntegerField(default=0)
    debug_failure = models.IntegerField(default=0)
    debug_denied = models.IntegerField(default=0)
    debug_other = models.IntegerField(default=0)
    info_success = models.IntegerField(default=0)
    info_failure = models.IntegerField(default=0)
    info_denied = models.IntegerField(default=0)
    info_other = models.IntegerField(default=0)
    warning_success = models.IntegerField(default=0)
    warning_failure = models.IntegerField(default=0)
    warning_denied = models.IntegerField(default=0)
    warning_other = models.IntegerField(default=0)
    error_success = models.IntegerField(default=0)
    error_failure = models.IntegerField(default=0)
    error_denied = models.IntegerField(default=0)
    error_other = models.IntegerField(default=0)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"entries of quarter {self.quarter}"

    def add(self, level: int, outcome: str, count: int) -> None:
        """Add so many entries to those of that level and outcome."""
        name = column(level, outcome)
        setattr(self, name, getattr(self, name) + count)


class RollupState(models.Model):
    """The one row that says which entries are counted: those up to `last_id`. Without it none is.

    Whoever changes the counts changes `version` from the value that they have read, in the same transaction.
    """

    THE_ROW = 1

    last_id = models.BigIntegerField(default=0)
    prunings = models.BigIntegerField(default=0)  # entries log.pruned that the counts have followed
    version = models.BigIntegerField(default=0)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"entries up to {self.last_id} are counted"


def column(level: int, outcome: str) -> str:
    """Return the name of the column that counts entries of that level and outcome."""
    return f"{LEVELS[level]}_{OUTCOMES.get(outcome, OTHER)}"


def columns(levels: Iterable[int], outcomes: Iterable[str]) -> list[str]:
    """Return the columns of all these levels with any of these outcomes."""
    ends = list(outcomes)
    return [column(level, outcome) for level in levels for outcome in ends]


COLUMNS = columns(LEVELS, [*OUTCOMES, OTHER])
