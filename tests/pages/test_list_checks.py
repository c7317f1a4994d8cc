"""The checks at start report a list that became slow to download."""

from __future__ import annotations

import dataclasses
import re

import pytest

from activity.listing import Column, Table
from sessions_app.pages.list_checks import every_table, problems

pytestmark = pytest.mark.no_database
UNKNOWN = Column("mood", "Mood", csv=lambda row: "good", cell=lambda row: "Good")


def table(*columns: Column) -> Table:
    return Table("moods", columns, default_sort="name", noun="mood", nouns="moods")


def test_every_list_is_written_by_the_database_or_says_why_not() -> None:
    assert problems(every_table()) == []


def test_a_column_that_only_python_writes_is_named() -> None:
    (problem,) = problems([table(Column("name", "Name", "name"), UNKNOWN)])
    assert problem.id == "sessions_app.W012"
    assert re.search(r"“moods” .* write Mood\.$", problem.msg)
    assert problems([table(Column("name", "Name", "name"))]) == []


def test_a_reason_settles_it() -> None:
    assert problems([dataclasses.replace(table(UNKNOWN), slow_csv="Moods are not stored.")]) == []


def test_no_reason_is_left_over_where_the_database_writes_everything() -> None:
    assert [each.name for each in every_table() if each.slow_csv and not each.unknown_to_database()] == []


def test_every_list_says_what_stands_on_a_card_and_which_column_takes_the_room_that_is_left() -> None:
    for each in every_table():
        shown = {column.key for column in each.columns if not column.is_hidden}
        assert each.card is not None, each.name
        assert {key for key in dataclasses.astuple(each.card) if key} <= shown, each.name
        assert each.flexible[0] in shown, each.name
        assert not each.opens or each.opens in shown, each.name
