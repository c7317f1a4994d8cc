"""Draw small changes to the code, each of which a test should notice. Only reading the files is I/O.

Decisions are changed: comparisons, conditions, filters of queries, steps that are left out, numbers. Texts are for
people and stay as they are.
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
    "log": ("activity/log.py", "activity/prune.py", "activity/appending.py", "activity/summary.py"),
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
    """A change of the code: `old`, which begins at the position `start` of the text, becomes `new`."""

    path: str
    function: str  # its qualified name; empty outside of functions
    line: int
    start: int
    old: str
    new: str

    def applied(self, text: str) -> str:
        """Return the text with the change."""
        return text[: self.start] + self.new + text[self.start + len(self.old) :]

    def __str__(self) -> str:
        old, new = (" ".join(text.split())[:70] for text in (self.old, self.new))
        return f"{self.path}:{self.line} {self.function or '(module)'}: {old}  ->  {new}"


def draw(root: Path, seed: int, count: int) -> list[Change]:
    """Return `count` changes, spread evenly over the subjects.

    They are the same for a seed as long as the code is the same.
    """
    chance = random.Random(seed)  # noqa: S311 - drawn anew with the same seed, not a secret
    pools = {subject: list(_pool(root, places, chance)) for subject, places in SUBJECTS.items()}
    drawn: list[Change] = []
    while len(drawn) < count and any(pools.values()):
        for pool in pools.values():
            if pool and len(drawn) < count:
                drawn.append(pool.pop())
    return drawn


def _pool(root: Path, places: tuple[str, ...], chance: random.Random) -> Iterator[Change]:
    """Yield changes to the subject's files, at most three for each function.

    So long functions do not get most of them.
    """
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
    """Finds every change that one file offers."""

    def __init__(self, path: str, text: str) -> None:
        self.path, self.text = path, text
        self.starts = [0]
        for line in text.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))
        self.names: list[str] = []
        self.found: list[Change] = []

    def run(self) -> list[Change]:
        """Return the changes in the order of the file."""
        self.visit(ast.parse(self.text))
        return self.found

    def _place(self, line: int, column: int) -> int:
        """Return a position in the text. ast counts columns in bytes of UTF-8."""
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
        """Offer another operator between two expressions, whose parentheses stay."""
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
        """Visit functions only: what is outside of them names things, and says how long they are."""
        is_inside = bool(self.names) and not self.names[-1].endswith("\0")
        named = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Module)
        if isinstance(node, named) or is_inside:
            super().visit(node)

    # --- what can be changed

    def visit_Compare(self, node: ast.Compare) -> None:
        """Offer a comparison that is turned round, or whose limit is moved."""
        self._offer_between(node, node.left, node.comparators[0], COMPARISONS[type(node.ops[0])])
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        """Offer `and` in the place of `or`, or the expression without its last part."""
        before, last = node.values[-2:]
        self._offer_between(node, before, last, "or" if isinstance(node.op, ast.And) else "and")
        if self.text[self._span(before)[1] : self._span(last)[0]].strip() in ("and", "or"):
            self._offer(node, "", self._span(before)[1], self._span(last)[1])
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        """Offer the condition without its `not`."""
        if isinstance(node.op, ast.Not):
            self._offer(node, f"({self.text[slice(*self._span(node.operand))]})")
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        """Offer another arithmetic or bitwise operator."""
        new = ARITHMETIC.get(type(node.op))
        is_text = any(isinstance(each, ast.JoinedStr) or _is_text(each) for each in (node.left, node.right))
        if new and not is_text:
            self._offer_between(node, node.left, node.right, new)
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        """Offer another number, or the other truth value."""
        if isinstance(node.value, bool):
            self._offer(node, str(not node.value))
        elif isinstance(node.value, int):
            self._offer(node, str(node.value + 1))

    def visit_Call(self, node: ast.Call) -> None:
        """Offer a query without one of its conditions."""
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        arguments: list[ast.expr | ast.keyword] = [*node.args, *node.keywords]
        if name in QUERIES and len(arguments) > 1 and (node.keywords or name != "get"):
            for before, each in itertools.pairwise(arguments):
                self._offer(node, "", self._span(before)[1], self._span(each)[1])
        self.generic_visit(node)

    def visit_If(self, node: ast.If) -> None:
        """Offer the negated condition."""
        self._offer(node.test, f"not ({self.text[slice(*self._span(node.test))]})")
        self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> None:
        """Offer to leave a step out."""
        value = node.value.value if isinstance(node.value, ast.Await) else node.value
        if isinstance(value, ast.Call):
            if getattr(value.func, "attr", "") not in SPOKEN:
                self._offer(node, "pass")
            self.generic_visit(node)

    def visit_Return(self, node: ast.Return) -> None:
        """Offer to return nothing."""
        if node.value is not None and not isinstance(node.value, ast.Constant):
            self._offer(node, "return None")
        self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> None:
        """Offer to go on instead of raising."""
        self._offer(node, "pass")

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        """Offer to leave the assignment out."""
        self._offer(node, "pass")
        self.generic_visit(node)

    def visit_Continue(self, node: ast.Continue) -> None:
        """Offer to run the rest of the loop's body."""
        self._offer(node, "pass")

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        """Visit the value alone, because annotations are not run."""
        if node.value is not None:
            self.visit(node.value)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)
