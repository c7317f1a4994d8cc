"""Draws small changes to the code, each of which a test should notice. Pure but for reading the files.

What is changed are decisions: comparisons, conditions, filters of queries, steps that are left out, numbers. Texts are
for people and stay as they are.
"""

from __future__ import annotations

import ast
import dataclasses
import itertools
import random
from collections.abc import Iterator
from pathlib import Path

SUBJECTS = {
    "policy": ("sessions_app/privileged/policy.py", "sessions_app/privileged/lifecycle.py", "sessions_app/roles.py"),
    "flows": tuple(
        f"sessions_app/{room}/flows" for room in ("privileged", "hosts", "logins", "catalogue", "vault", "gateway")
    ),
    "worker": ("sessions_app/worker",),
    "logins": ("sessions_app/logins",),
    "connectors": ("sessions_app/hosts/connectors",),
    "gateway": ("sessions_app/gateway",),
    "listing": ("activity/listing", "activity/text_index.py", "activity/filters.py", "activity/period.py"),
    "log": ("activity/log.py", "activity/prune.py", "activity/bulk.py", "activity/appending.py", "activity/summary.py"),
    "keys": ("sessions_app/hosts/ssh", "sessions_app/sealing.py", "sessions_app/vault"),
}
COMPARISONS = {
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.Lt: "<=",
    ast.LtE: "<",
    ast.Gt: ">=",
    ast.GtE: ">",
    ast.Is: "is not",
    ast.IsNot: "is",
    ast.In: "not in",
    ast.NotIn: "in",
}
ARITHMETIC = {ast.Add: "-", ast.Sub: "+", ast.Mult: "//", ast.BitAnd: "|", ast.BitOr: "&"}
QUERIES = {"filter", "exclude", "update", "get", "get_or_create", "Q"}
SPOKEN = {"debug", "info", "warning", "error", "exception", "critical"}  # what goes to the operator's log alone


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """`old`, which begins at `start` (a place in the file's text), becomes `new`."""

    path: str
    function: str  # its qualified name; empty outside of functions
    line: int
    start: int
    old: str
    new: str

    def applied(self, text: str) -> str:
        """The file with the change."""
        return text[: self.start] + self.new + text[self.start + len(self.old) :]

    def __str__(self) -> str:
        old, new = (" ".join(text.split())[:70] for text in (self.old, self.new))
        return f"{self.path}:{self.line} {self.function or '(module)'}: {old}  ->  {new}"


def draw(root: Path, seed: int, count: int) -> list[Change]:
    """`count` changes, spread evenly over the subjects; the same for a seed as long as the code is the same."""
    chance = random.Random(seed)  # noqa: S311 - drawn anew with the same seed, not a secret
    pools = {subject: list(_pool(root, places, chance)) for subject, places in SUBJECTS.items()}
    drawn: list[Change] = []
    while len(drawn) < count and any(pools.values()):
        for pool in pools.values():
            if pool and len(drawn) < count:
                drawn.append(pool.pop())
    return drawn


def _pool(root: Path, places: tuple[str, ...], chance: random.Random) -> Iterator[Change]:
    """Changes to the subject's files, at most three a function, so that long ones do not have them all."""
    found: dict[tuple[str, str], list[Change]] = {}
    for place in places:
        path = root / place
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            for change in _Finder(str(file.relative_to(root)), file.read_text(encoding="utf-8")).run():
                found.setdefault((change.path, change.function), []).append(change)
    few = [each for changes in found.values() for each in chance.sample(changes, min(3, len(changes)))]
    chance.shuffle(few)
    yield from few


class _Finder(ast.NodeVisitor):
    """Every change that one file offers."""

    def __init__(self, path: str, text: str) -> None:
        self.path, self.text = path, text
        self.starts = [0]
        for line in text.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))
        self.names: list[str] = []
        self.found: list[Change] = []

    def run(self) -> list[Change]:
        """In the order of the file."""
        self.visit(ast.parse(self.text))
        return self.found

    def _place(self, line: int, column: int) -> int:
        """A place in the text; ast counts columns in bytes of UTF-8."""
        start = self.starts[line - 1]
        return start + len(self.text[start : self.starts[line]].encode()[:column].decode())

    def _span(self, node: ast.expr | ast.stmt | ast.keyword) -> tuple[int, int]:
        return (
            self._place(node.lineno, node.col_offset),
            self._place(node.end_lineno or 0, node.end_col_offset or 0),
        )

    def _offer(self, node: ast.expr | ast.stmt, new: str, start: int | None = None, end: int | None = None) -> None:
        first, last = self._span(node)
        start, end = first if start is None else start, last if end is None else end
        old = self.text[start:end]
        line = self.text.count("\n", 0, start) + 1
        self.found.append(Change(self.path, ".<locals>.".join(self.names), line, start, old, new))

    def _offer_between(self, node: ast.expr, left: ast.expr, right: ast.expr, new: str) -> None:
        """Another operator between the two, whose parentheses stay."""
        start = self._span(left)[1]
        between = self.text[start : self._span(right)[0]]
        old = between.strip().strip("()").strip()
        at = start + between.index(old)
        self._offer(node, new, at, at + len(old))

    # --- where we are

    def _visit_named(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        outer = self.names
        is_in_class = bool(outer) and outer[-1].endswith("\0")
        name = node.name + ("\0" if isinstance(node, ast.ClassDef) else "")
        self.names = [*outer[:-1], outer[-1][:-1] + "." + name] if is_in_class else [*outer, name]
        for statement in node.body:
            self.visit(statement)
        self.names = outer

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _visit_named  # noqa: N815 - ast finds them by these

    def visit(self, node: ast.AST) -> None:
        """Only functions: what stands outside says how things are called, and how long they are."""
        is_inside = bool(self.names) and not self.names[-1].endswith("\0")
        named = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Module)
        if isinstance(node, named) or is_inside:
            super().visit(node)

    # --- what can be changed

    def visit_Compare(self, node: ast.Compare) -> None:
        """One comparison turned round, or its edge moved."""
        self._offer_between(node, node.left, node.comparators[0], COMPARISONS[type(node.ops[0])])
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        """And for or; or the last part is left out."""
        before, last = node.values[-2:]
        self._offer_between(node, before, last, "or" if isinstance(node.op, ast.And) else "and")
        if self.text[self._span(before)[1] : self._span(last)[0]].strip() in ("and", "or"):
            self._offer(node, "", self._span(before)[1], self._span(last)[1])
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        """Without the not."""
        if isinstance(node.op, ast.Not):
            self._offer(node, f"({self.text[slice(*self._span(node.operand))]})")
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        """Plus for minus, times for by, both for either."""
        new = ARITHMETIC.get(type(node.op))
        is_text = any(isinstance(each, ast.JoinedStr) or _is_text(each) for each in (node.left, node.right))
        if new and not is_text:
            self._offer_between(node, node.left, node.right, new)
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        """Another number, or the other truth."""
        if isinstance(node.value, bool):
            self._offer(node, str(not node.value))
        elif isinstance(node.value, int):
            self._offer(node, str(node.value + 1))

    def visit_Call(self, node: ast.Call) -> None:
        """One condition of a query is left out."""
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        arguments = [*node.args, *node.keywords]
        if name in QUERIES and len(arguments) > 1 and (node.keywords or name != "get"):
            for before, each in itertools.pairwise(arguments):
                self._offer(node, "", self._span(before)[1], self._span(each)[1])
        self.generic_visit(node)

    def visit_If(self, node: ast.If) -> None:
        """The other way."""
        self._offer(node.test, f"not ({self.text[slice(*self._span(node.test))]})")
        self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> None:
        """A step is left out."""
        value = node.value.value if isinstance(node.value, ast.Await) else node.value
        if isinstance(value, ast.Call):
            if getattr(value.func, "attr", "") not in SPOKEN:
                self._offer(node, "pass")
            self.generic_visit(node)

    def visit_Return(self, node: ast.Return) -> None:
        """Nothing is returned."""
        if node.value is not None and not isinstance(node.value, ast.Constant):
            self._offer(node, "return None")
        self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> None:
        """It goes on as if nothing were wrong."""
        self._offer(node, "pass")

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        """A step is left out."""
        self._offer(node, "pass")
        self.generic_visit(node)

    def visit_Continue(self, node: ast.Continue) -> None:
        """The rest of the turn is run all the same."""
        self._offer(node, "pass")

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        """What types say is not run."""
        if node.value is not None:
            self.visit(node.value)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)
