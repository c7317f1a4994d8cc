"""The files and functions that docs/architecture.md and CONTRIBUTING.md name exist."""

from __future__ import annotations

import ast
import dataclasses
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.source import ROOT, tree

ARCHITECTURE = ROOT / "docs" / "architecture.md"
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
TRIPS = ("A request", "A click on Lock", "A login over SSH", "A download")
RECIPES = ("a column to a list", "a filter to a list", "a verb", "a connector", "a page", "a system check")
MOST_LINES = 10
# How a file is reached that nobody above it in a list imports.
OTHERWISE = ("in the database", "Reached by `")

STEP = re.compile(r"^\d+\. `(?P<path>[\w./-]+)`(?P<names>(?: `[\w.]+(?:\(\))?`)*): (?P<text>.+)$")
NUMBERED = re.compile(r"^\d+\. ")
A_PATH = re.compile(r"`((?:[\w.-]+/)+(?:[\w-]+\.(?:py|md|html|toml|css|js))?)`")


@dataclasses.dataclass(frozen=True)
class Step:
    """One line of a numbered list: a file, what in it matters, and the words about it."""

    path: str
    names: tuple[str, ...]
    text: str


def section(text: str, heading: str) -> str:
    """Return what stands under a heading, up to the next one."""
    found = re.search(rf"^#+ {re.escape(heading)}$\n(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"there is no section “{heading}”"
    return found[1]


def steps(text: str) -> list[Step]:
    """Return the numbered lines; each must have the form of a step."""
    found = []
    for line in text.splitlines():
        if NUMBERED.match(line):
            match = STEP.match(line)
            assert match, f"not `file` `name`: words: {line}"
            names = re.findall(r"`([\w.]+)(?:\(\))?`", match["names"])
            found.append(Step(match["path"], tuple(names), match["text"]))
    return found


def defined(module: ast.Module | ast.ClassDef, before: str = "") -> Iterator[str]:
    """Yield what a module defines: functions, classes, constants, and `Class.method`."""
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield before + node.name
        if isinstance(node, ast.ClassDef):
            yield from defined(node, f"{node.name}.")
        elif isinstance(node, ast.Assign):
            yield from (before + one.id for one in node.targets if isinstance(one, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield before + node.target.id


def problems_of(found: list[Step]) -> list[str]:
    """Return what is wrong with the files and names of a list."""
    wrong = []
    for step in found:
        path = ROOT / step.path
        if not path.is_file():
            wrong.append(f"there is no {step.path}")
            continue
        there = set(defined(tree(path))) if path.suffix == ".py" else set()
        wrong += [f"{step.path} defines no {name}" for name in step.names if name not in there]
    return wrong


def named_modules(path: Path) -> set[str]:
    """Return the dotted names that a module imports, or names in a string as settings and addresses do."""
    found: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found |= {node.value, node.value.rpartition(".")[0]}
    return found


def unreached(found: list[Step]) -> list[str]:
    """Return the files of a trip that no file above them leads to, and that do not say how they are reached."""
    known = named_modules(ROOT / found[0].path)
    wrong = []
    for step in found[1:]:
        module = step.path.removesuffix(".py").replace("/", ".")
        if module not in known and not any(words in step.text for words in OTHERWISE):
            wrong.append(f"nothing above leads to {step.path}")
        known |= named_modules(ROOT / step.path)
    return wrong


def test_the_checks_of_the_map_find_what_is_wrong() -> None:
    good = "1. `activity/urls.py` `urlpatterns`: addresses.\n2. `activity/views.py` `activity_log()`: the page."
    assert [problems_of(steps(good)), unreached(steps(good))] == [[], []]
    assert problems_of(steps("1. `activity/nowhere.py`: gone.")) == ["there is no activity/nowhere.py"]
    assert problems_of(steps("1. `activity/log.py` `recorded()`: gone.")) == ["activity/log.py defines no recorded"]
    apart = "1. `activity/urls.py`: addresses.\n2. `sessions_app/sealing.py`: secrets."
    assert unreached(steps(apart)) == ["nothing above leads to sessions_app/sealing.py"]
    assert not unreached(steps(f"{apart} Reached by `magic`."))
    with pytest.raises(AssertionError, match="not `file`"):
        steps("1. The file activity/log.py")
    with pytest.raises(AssertionError, match="no section"):
        section(ARCHITECTURE.read_text(), "A trip to nowhere")


@pytest.mark.parametrize("heading", TRIPS)
def test_a_trip_goes_through_files_that_lead_to_each_other(heading: str) -> None:
    found = steps(section(ARCHITECTURE.read_text(), heading))
    assert 2 < len(found) <= MOST_LINES
    assert problems_of(found) + unreached(found) == []


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_names_files_and_functions_that_are_there(recipe: str) -> None:
    found = steps(section(CONTRIBUTING.read_text(), f"Add {recipe}"))
    assert 2 < len(found) <= MOST_LINES
    assert problems_of(found) == []


@pytest.mark.parametrize("document", [ARCHITECTURE, CONTRIBUTING], ids=lambda path: path.name)
def test_every_file_and_folder_that_the_map_names_is_there(document: Path) -> None:
    named = A_PATH.findall(document.read_text())
    named += re.findall(r"\btests/[\w/]+\.py\b", document.read_text())
    assert len(named) > 20
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_picture_of_the_packages_is_what_import_linter_checks() -> None:
    picture = section(ARCHITECTURE.read_text(), "The packages").partition("```text\n")[2].partition("```")[0]
    rows = [re.split(r" {2,}", line, maxsplit=1)[0] for line in picture.splitlines()]
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    inside = next(one for one in contracts if one.get("containers") == ["sessions_app"])
    assert rows == inside["layers"]


def test_the_docstring_of_the_app_has_a_line_for_each_package() -> None:
    app = ROOT / "sessions_app"
    text = ast.get_docstring(ast.parse((app / "__init__.py").read_text())) or ""
    packages = {path.parent.name for path in app.glob("*/__init__.py")} - {"migrations"}
    assert set(re.findall(r"^    (\w+)/ ", text, re.MULTILINE)) == packages
    for path in re.findall(r"[\w/]+\.py", text):
        assert (app / path).exists() or (ROOT / path).exists(), path
