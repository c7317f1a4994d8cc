"""HTML that is written in Python, not in a template, is escaped: what is put in is followed to what escapes it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.support.source import called, name, own_modules

# What gives escaped HTML.
ESCAPES = {"attribute", "badge", "conditional_escape", "empty", "escaped", "format_html", "link", "moment"}
ESCAPES |= {"render_to_string", "then_and_now"}


class Escaping:
    """Follows what is put into HTML, in one module, up to what escapes it."""

    def __init__(self, module: ast.Module) -> None:
        self.functions = [one for one in ast.walk(module) if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]

    def around(self, node: ast.expr) -> ast.AST:
        """Return the innermost function around the expression; outside of functions the expression itself."""
        holding = [one for one in self.functions if one.lineno <= node.lineno <= (one.end_lineno or 0)]
        return holding[-1] if holding else node

    def holds(self, node: ast.expr, function: ast.AST, depth: int = 0) -> bool:
        """Return whether each part is a constant, escaped, or a name that is given only such values."""
        if depth > 8:
            return False
        parts: list[ast.expr] = []
        match node:
            case ast.Constant():
                return True
            case ast.Call():
                return self._call_holds(node, function, depth)
            case ast.Name():
                return self._name_holds(node, function, depth)
            case ast.IfExp():
                is_safe_already = "isinstance" in ast.unparse(node.test) and "SafeString" in ast.unparse(node.test)
                parts = [node.orelse] if is_safe_already else [node.body, node.orelse]
            case ast.JoinedStr():
                parts = [one.value if isinstance(one, ast.FormattedValue) else one for one in node.values]
            case ast.List() | ast.Tuple():
                parts = node.elts
            case ast.Starred():
                parts = [node.value]
            case ast.BinOp():
                parts = [node.left, node.right]
            case ast.ListComp() | ast.GeneratorExp():
                parts = [node.elt]
            case _:
                return False
        return all(self.holds(part, function, depth + 1) for part in parts)

    def _call_holds(self, node: ast.Call, function: ast.AST, depth: int) -> bool:
        if called(node) in ESCAPES:
            return True
        if isinstance(node.func, ast.Attribute) and called(node) in ("join", "strip"):
            return all(self.holds(part, function, depth + 1) for part in [node.func.value, *node.args])
        own = [one for one in self.functions if isinstance(node.func, ast.Name) and one.name == node.func.id]
        returned = [one.value for inner in own for one in ast.walk(inner) if isinstance(one, ast.Return) and one.value]
        return bool(returned) and all(self.holds(value, own[0], depth + 1) for value in returned)

    def _name_holds(self, node: ast.Name, function: ast.AST, depth: int) -> bool:
        given = []
        for one in ast.walk(function):
            if isinstance(one, ast.Assign) and any(getattr(target, "id", "") == node.id for target in one.targets):
                given.append(one.value)
        return bool(given) and all(self.holds(value, function, depth + 1) for value in given)


def unescaped(path: Path) -> list[int]:
    """Return the lines that call text safe which is not seen to be escaped, and which do not say why it is safe."""
    lines, module = path.read_text().splitlines(), ast.parse(path.read_text())
    escaping = Escaping(module)
    found = []
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and called(node) in ("mark_safe", "SafeString") and node.args:
            is_said = re.search(r"# (noqa: S308 - |safe: )\w", lines[node.lineno - 1])
            if not is_said and not escaping.holds(node.args[0], escaping.around(node)):
                found.append(node.lineno)
    return found


def test_the_check_of_escaping_finds_what_it_should(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    for wrong in ("f'<b>{name}</b>'", "name", "''.join([name])", "escaped(name) or name", "other(name)"):
        path.write_text(f"def cell(name):\n    escaped(name)\n    return SafeString({wrong})\n")
        assert unescaped(path) == [3], wrong
    for right in (
        "'-'",
        "f'<b>{escaped(name)}</b>'",
        "shown",
        "''.join(bold(one) for one in name)",
    ):
        path.write_text(
            f"def cell(name):\n    shown = name if isinstance(name, SafeString) else escaped(name)\n"
            f"    return SafeString({right})\n\ndef bold(name):\n    return f'<b>{{escaped(name)}}</b>'\n"
        )
        assert unescaped(path) == [], right
    said = tmp_path / "said.py"
    said.write_text("SafeString(number)  # safe: digits alone")
    assert unescaped(said) == []
    path.write_text("SafeString(number)  # safe: digits alone")
    assert unescaped(path) == []


# How many lines of a file are not followed: they put together what functions of that file have escaped for them.
# tests/activity/listing/ looks at the HTML that they write.
NOT_FOLLOWED = {"activity/listing/markup.py": 1}


def test_html_that_is_written_in_python_is_escaped() -> None:
    found = {name(path): lines for path in own_modules() if (lines := unescaped(path))}
    wrong = {path: lines for path, lines in found.items() if len(lines) > NOT_FOLLOWED.get(path, 0)}
    assert not wrong, "escape what is put in, or say why it is safe: `# safe: ...` on the line"
