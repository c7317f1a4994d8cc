"""`make mutants` changes what a test should notice, and nothing else; the changes are the same for a seed."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from scripts.mutants import __main__ as mutants
from scripts.mutants import changes
from scripts.mutants.changes import Change

CODE = '''"""A module. Not changed: 1 + 1."""

LIMIT = 5


class EntryPoint:
    """A door."""

    def open(self, people):
        """Let them in."""
        logger.info("Opened for %s", "größer" + str(1))
        for one in people:
            if not one.is_late and (one.age) >= 18:
                self.let_in(one)
        return Person.objects.filter(door=self, is_in=True)
'''


@pytest.fixture
def offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Change]:
    """Return all changes to that module."""
    (tmp_path / "policy.py").write_text(CODE)
    monkeypatch.setattr(changes, "SUBJECTS", {"policy": ("policy.py",)})
    return list(changes._Finder("policy.py", CODE).run())


def test_decisions_filters_and_steps_are_changed_and_words_are_not(offered: list[Change]) -> None:
    assert {(change.line, change.old.strip(" ,"), change.new) for change in offered} == {
        (13, "not one.is_late and (one.age) >= 18", "not (not one.is_late and (one.age) >= 18)"),
        (13, "not one.is_late", "(one.is_late)"),
        (13, "and", "or"),
        (13, "and (one.age) >= 18", ""),
        (13, ">=", ">"),
        (13, "18", "19"),
        (14, "self.let_in(one)", "pass"),
        (15, "return Person.objects.filter(door=self, is_in=True)", "return None"),
        (15, "is_in=True", ""),
        (15, "True", "False"),
        (11, "1", "2"),
    }
    assert {change.function for change in offered} == {"EntryPoint.open"}


def test_what_is_changed_is_still_python(offered: list[Change]) -> None:
    for change in offered:
        assert ast.parse(change.applied(CODE))


def test_a_seed_draws_the_same_again_and_no_more_than_is_there(offered: list[Change], tmp_path: Path) -> None:
    assert changes.draw(tmp_path, 7, 3) == changes.draw(tmp_path, 7, 3)
    assert len(changes.draw(tmp_path, 7, 100)) == 3  # at most three a function


def test_the_most_particular_tests_come_first_and_who_calls_the_file_when_nobody_calls_the_function() -> None:
    tests = {
        "wide": {"seconds": 1.0, "calls": ["a.py::f", "a.py::g", "b.py::h"]},
        "narrow": {"seconds": 1.0, "calls": ["a.py::f"]},
        "long": {"seconds": mutants.FIRST_TESTS_SECONDS, "calls": ["a.py::f"]},
        "other": {"seconds": 0.1, "calls": ["b.py::h"]},
    }
    assert mutants.chosen(Change("a.py", "f", 1, 0, "", ""), tests) == [["narrow", "wide"], ["long"]]
    assert mutants.chosen(Change("b.py", "unheard", 1, 0, "", ""), tests) == [["other", "wide"]]
    assert mutants.chosen(Change("c.py", "f", 1, 0, "", ""), tests) == []
