"""Tests say something: each can fail, and each management command is run by one."""

from __future__ import annotations

import ast
import itertools
from pathlib import Path

from tests.support.source import ROOT, called, name, tree

COMMANDS = sorted(path for path in ROOT.glob("*/management/commands/*.py") if path.stem != "__init__")


# Started by an option of `serve`, which `make run` gives where the machine can have a practice host.
STARTED_BY_OTHERS = {"practice_sshd": "tests/hosts/test_practice_sshd.py"}


def commands_run(path: Path) -> set[str]:
    """Return the management commands that a file of the tests runs: by call_command(), by a function of its own that
    hands its arguments to that, or by a list that begins with manage.py."""
    module = tree(path)
    runners = {"call_command"}
    for function in ast.walk(module):
        if isinstance(function, ast.FunctionDef):
            calls = [one for one in ast.walk(function) if isinstance(one, ast.Call) and called(one) == "call_command"]
            if any(one.args and isinstance(one.args[0], ast.Starred) for one in calls):
                runners.add(function.name)
    found = set()
    for node in ast.walk(module):
        words: list[ast.expr] = []
        if isinstance(node, ast.Call) and called(node) in runners:
            words = node.args[:1]
        elif isinstance(node, ast.List | ast.Tuple):
            words = [word for before, word in itertools.pairwise(node.elts) if "manage" in ast.unparse(before).lower()]
        found |= {word.value for word in words if isinstance(word, ast.Constant) and isinstance(word.value, str)}
    return found


def test_the_check_of_commands_finds_those_that_are_run_alone(tmp_path: Path) -> None:
    path = tmp_path / "test_it.py"
    path.write_text(
        "def printed(*arguments):\n    call_command(*arguments)\n\n"
        'def test_it():\n    "backup"\n    call_command("doctor", "restore")\n    printed("ca", "show")\n'
        '    run([*MANAGE, "serve", "--port", "1"])\n    other("generate")\n'
    )
    assert commands_run(path) == {"doctor", "ca", "serve"}


def test_every_management_command_is_run_by_a_test() -> None:
    run = {command for path in (ROOT / "tests").rglob("*.py") for command in commands_run(path)}
    assert {path.stem for path in COMMANDS} - run == set(STARTED_BY_OTHERS)
    for path in STARTED_BY_OTHERS.values():
        assert (ROOT / path).exists()


def is_check(node: ast.AST) -> bool:
    """Return whether a node can make a test fail: it asserts what is not fixed, expects an exception, or expects
    something of a page."""
    if isinstance(node, ast.Assert):
        is_fixed = not any(isinstance(one, ast.Name | ast.Call) for one in ast.walk(node.test))
        # An answer is true whatever its status is.
        is_answer = isinstance(node.test, ast.Call) and called(node.test) in ("get", "post", "head", "put", "request")
        return not (is_fixed or is_answer or is_itself(node.test))
    if isinstance(node, ast.Call):
        if called(node).startswith(("refuse_", "require_")):  # raises where it must not
            return True
        expects = ("to_", "not_to_", "wait_for_", "assert_")
        return ast.unparse(node.func) in ("pytest.raises", "pytest.warns", "pytest.fail") or (
            isinstance(node.func, ast.Attribute) and node.func.attr.startswith(expects)
        )
    return False


def is_itself(test: ast.expr) -> bool:
    """Return whether it compares a value with itself. Two calls may differ."""
    if not isinstance(test, ast.Compare) or any(isinstance(one, ast.Call) for one in ast.walk(test)):
        return False
    return ast.unparse(test.left) == ast.unparse(test.comparators[0])


def raising(module: ast.Module) -> set[str]:
    """Return the functions that are called in a block where pytest expects an exception."""
    blocks = [one for one in ast.walk(module) if isinstance(one, ast.With) and "raises(" in ast.unparse(one.items[0])]
    calls = [node for one in blocks for line in one.body for node in ast.walk(line) if isinstance(node, ast.Call)]
    return {node.func.id for node in calls if isinstance(node.func, ast.Name)}


def checking(module: ast.Module, known: frozenset[str] = frozenset()) -> frozenset[str]:
    """Return the functions that check something, themselves or by a function that they call: another of these, one of
    `known`, or one that is expected to raise elsewhere in the module, so that here it is expected not to."""
    found = set(known) | raising(module)
    calls: dict[str, set[str]] = {}
    for one in ast.walk(module):
        if isinstance(one, ast.FunctionDef):
            inside = list(ast.walk(one))
            calls.setdefault(one.name, set()).update(called(node) for node in inside if isinstance(node, ast.Call))
            if any(is_check(node) for node in inside):
                found.add(one.name)
    while more := {function for function, inner in calls.items() if function not in found and inner & found}:
        found |= more
    return frozenset(found)


def test_the_check_of_tests_finds_those_that_cannot_fail() -> None:
    bodies = {
        "assert True": False,
        "assert 1 == 1, name": False,
        "assert client.get('/')": False,
        "assert found == found": False,
        "assert seal(text) != seal(text)": True,
        "look(client)": False,
        "client.get('/')": False,
        "assert client.get('/').status_code == 200": True,
        "pytest.raises(Refused)": True,
        "expect(page).to_have_title('x')": True,
        "helper(client)": True,
    }
    for body, can_fail in bodies.items():
        module = ast.parse(f"def helper(client):\n    assert client.ok\n\ndef test_it(client):\n    {body}\n")
        assert ("test_it" in checking(module)) is can_fail, body


def test_every_test_can_fail() -> None:
    support = frozenset[str]()
    for path in sorted((ROOT / "tests" / "support").glob("*.py")):
        support |= checking(tree(path))
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        module = tree(path)
        functions = {one.name for one in ast.walk(module) if isinstance(one, ast.FunctionDef)}
        cannot = {one for one in functions if one.startswith("test_")} - checking(module, support)
        assert not cannot, f"{name(path)}: cannot fail"
