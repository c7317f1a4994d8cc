"""Promises about the code that a program can keep: see docs/architecture.md and style. Reads files, runs nothing."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.support.source import ROOT, called, imported, modules, name, own_modules, tree

TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
# People copy this one to a machine without the console, so all of it is in one file.
ONE_FILE = "activity/verify_sessionadmin.py"
LONGEST = {"module": 320, "function": 60, "template": 80}


# Where text comes in


def test_free_text_of_a_request_is_read_in_one_way() -> None:
    """By a form's field or by activity/typed.py, which refuse what no database takes. The tab in the frame of a page
    and a field of the administration are compared with known words, the name of a file keeps letters only."""
    direct = re.compile(r"""(?:GET|POST)(?:\.get\(|\[)|\bsent\.get\(""")
    console = {"sessionadmin/admin_site.py", "sessions_app/pages/navigation.py"}
    allowed = {"activity/views.py", "activity/typed.py", *console}
    readers = [path for path in own_modules() if not path.stem.endswith("forms")]  # what those get goes to their fields
    found = {name(path) for path in readers if direct.search(path.read_text())}
    assert found <= allowed, f"read it with typed(): {found - allowed}"


# What may import what


def test_the_log_knows_nothing_of_sessions_and_nobody_knows_the_project() -> None:
    for path in modules("activity"):
        assert not [one for one in imported(path) if one.startswith(("sessions_app", "sessionadmin"))], name(path)
    for path in modules("sessions_app"):
        assert not [one for one in imported(path) if one.startswith("sessionadmin")], name(path)


def test_the_console_only_includes_the_addresses_of_its_packages() -> None:
    found = set(re.findall(r"include\(\"([\w.]+)\"\)", (ROOT / "sessions_app" / "urls.py").read_text()))
    own = [path for path in modules("sessions_app") if path.name == "urls.py" and path.parent.name != "sessions_app"]
    assert found == {name(path).removesuffix(".py").replace("/", ".") for path in own}
    assert "as_view" not in (text := (ROOT / "sessions_app" / "urls.py").read_text())
    assert text.count("path(") == len(found)


def test_nothing_is_imported_inside_a_function_without_saying_why() -> None:
    for path in own_modules():
        lines = path.read_text().splitlines()
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for inner in ast.walk(node):
                    if isinstance(inner, ast.Import | ast.ImportFrom):
                        line = lines[inner.lineno - 1]
                        assert re.search(r"noqa: .*PLC0415", line), f"{name(path)}:{inner.lineno}"


# one place for each thing


def status_writes(path: Path) -> Iterator[int]:
    """Yield lines that set the status of a privileged session: by assignment, update() or create()."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if not isinstance(target, ast.Attribute) or target.attr != "status":
                    continue
                if not (isinstance(target.value, ast.Name) and target.value.id in NOT_SESSIONS):
                    yield node.lineno
        elif isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            sets_status = any(keyword.arg == "status" for keyword in node.keywords)
            if sets_status and called in ("update", "create", "get_or_create", "update_or_create", "PrivilegedSession"):
                yield node.lineno


NOT_SESSIONS = {"self", "response"}  # a story of the sample data keeps its own status; responses have one too


def test_the_status_of_a_session_is_written_in_the_lifecycle_only() -> None:
    found = {name(path): list(status_writes(path)) for path in own_modules()}
    assert [path for path, lines in found.items() if lines] == ["sessions_app/privileged/lifecycle.py"]


def test_a_status_is_never_written_by_raw_sql() -> None:
    for path in own_modules():
        assert not re.search(r"UPDATE\s+sessions_app_privilegedsession", path.read_text(), re.I), name(path)


def test_the_log_is_written_by_the_log_only() -> None:
    for path in own_modules():
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call):
                written = ast.unparse(node.func)
                is_write = written == "LogEntry" or re.search(r"LogEntry\.objects\.(bulk_)?create", written)
                assert not is_write or name(path) == "activity/log.py", f"{name(path)}:{node.lineno}"


def test_every_verb_of_the_log_is_named_by_its_enum() -> None:
    for path in own_modules():
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("log.record", "log.draft") and node.args:
                assert not isinstance(node.args[0], ast.Constant), f"{name(path)}:{node.lineno}"


def test_no_exception_is_swallowed() -> None:
    for path in own_modules():
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ExceptHandler):
                assert node.type is not None, f"bare except in {name(path)}:{node.lineno}"
                only_pass = len(node.body) == 1 and isinstance(node.body[0], ast.Pass)
                assert not only_pass, f"{name(path)}:{node.lineno} swallows {ast.unparse(node.type)}"


# templates


class Markup(HTMLParser):
    """Collects what a strict content security policy forbids."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "style" or (tag == "script" and "src" not in values):
            self.wrong.append(f"inline <{tag}>")
        for key, value in attrs:
            if key == "style" or (key.startswith("on") and key not in ("one",)):
                self.wrong.append(f"{tag} {key}=")
            if key.startswith("hx-on") or "javascript:" in (value or ""):
                self.wrong.append(f"{tag} {key}={value}")


def test_the_check_of_markup_finds_what_it_should() -> None:
    for wrong in (
        '<p style="x">',
        '<a onclick="x">',
        "<script>x</script>",
        '<a href="javascript:x">',
        "<style></style>",
    ):
        markup = Markup()
        markup.feed(wrong)
        assert markup.wrong, wrong


@pytest.mark.parametrize("path", TEMPLATES, ids=name)
def test_a_template_has_no_inline_script_and_no_inline_style(path: Path) -> None:
    markup = Markup()
    markup.feed(re.sub(r"{%.*?%}|{{.*?}}|{#.*?#}", "", path.read_text(), flags=re.S))
    assert not markup.wrong


@pytest.mark.parametrize("path", TEMPLATES, ids=name)
def test_a_template_trusts_no_text(path: Path) -> None:
    assert not re.search(r"\|\s*safe\b|{%\s*autoescape\s+off|\|\s*safeseq\b", path.read_text())


GOES_AWAY = {"logged_out.html"}  # to the provider of single sign-on


@pytest.mark.parametrize("path", TEMPLATES, ids=name)
def test_every_form_that_changes_something_carries_its_token(path: Path) -> None:
    for form in re.findall(r"<form\b[^>]*method=\"post\".*?</form>", path.read_text(), re.S | re.I):
        # A form that goes to another host must not carry it there.
        assert ("{% csrf_token %}" in form) is (path.name not in GOES_AWAY)


def list_templates(path: Path) -> set[str]:
    """Return the templates that a module hands to list_response(), by themselves or as a variable `template`."""
    calls = [one for one in ast.walk(tree(path)) if isinstance(one, ast.Call) and called(one) == "list_response"]
    handed = [one.args[3] for one in calls]
    names = {one.id for one in handed if isinstance(one, ast.Name)}
    assigned = [
        one.value
        for one in ast.walk(tree(path))
        if isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Name) and one.targets[0].id in names
    ]
    return {one.value for one in (*handed, *assigned) if isinstance(one, ast.Constant) and isinstance(one.value, str)}


def test_every_list_page_extends_the_list_and_so_has_its_fragment() -> None:
    """What is handed to list_response() is or extends activity/listing/list.html, whose fragment is results.html."""
    base = "activity/listing/list.html"
    handed = set[str]().union(*(list_templates(path) for path in own_modules()))
    assert len(handed) >= 8
    for one in handed - {base}:
        assert f'{{% extends "{base}" %}}' in (ROOT / "templates" / one).read_text(), one
    assert 'include "activity/listing/results.html"' in (ROOT / "templates" / base).read_text()


def test_every_template_that_is_named_exists() -> None:
    for path in own_modules():
        for one in re.findall(
            r"\"((?:sessions_app|activity|registration)/[\w/]+\.(?:html|svg|txt))\"", path.read_text()
        ):
            assert (ROOT / "templates" / one).exists(), f"{name(path)} names {one}"
    for path in TEMPLATES:
        for one in re.findall(r"{%\s*(?:include|extends)\s+\"([^\"]+)\"", path.read_text()):
            is_ours = one.split("/")[0] in ("sessions_app", "activity", "registration") or "/" not in one
            assert not is_ours or (ROOT / "templates" / one).exists(), f"{name(path)} names {one}"


# what docstrings promise


def refusals_unsaid(function: ast.FunctionDef) -> list[str]:
    """Return the exceptions that a function raises for a person and that its docstring does not name."""
    raised = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Raise) and node.exc is not None:
            raised |= {word for word in ("Refused", "Forbidden") if re.search(rf"\b{word}\b", ast.unparse(node.exc))}
        elif isinstance(node, ast.Call) and called(node) == "require":
            raised.add("Refused")
    said = ast.get_docstring(function) or ""
    # Forbidden is a kind of Refused.
    return sorted(word for word in raised if word not in said and "Refused" not in said)


@pytest.mark.parametrize("path", sorted((ROOT / "sessions_app").glob("*/flows/*.py")), ids=name)
def test_a_flow_that_refuses_says_so_in_its_docstring(path: Path) -> None:
    public = [node for node in tree(path).body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")]
    assert {node.name: unsaid for node in public if (unsaid := refusals_unsaid(node))} == {}


def test_the_check_of_flows_finds_what_is_not_said() -> None:
    flow = ast.parse("def lock(actor):\n    'Lock it.'\n    require(actor, 'lock')\n    raise Forbidden('No.')").body[0]
    assert isinstance(flow, ast.FunctionDef)
    assert refusals_unsaid(flow) == ["Forbidden", "Refused"]


# sizes and strangers


def test_files_and_functions_stay_small_enough_to_read() -> None:
    wrong = []
    for path in own_modules():
        length = len(path.read_text().splitlines())
        if length > LONGEST["module"] and name(path) != ONE_FILE:
            wrong.append(f"{name(path)}: {length} lines")
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > LONGEST["function"]:
                    wrong.append(f"{name(path)}: {node.name} has {length} lines")
    wrong += [
        f"{name(path)}: too long" for path in TEMPLATES if len(path.read_text().splitlines()) > LONGEST["template"]
    ]
    assert not wrong


def test_every_module_says_in_a_sentence_what_it_is_for() -> None:
    for path in own_modules():
        if path.read_text().strip():
            said = (ast.get_docstring(tree(path)) or "").partition("\n\n")[0]
            assert len(said.split()) >= 3, name(path)
            assert said.endswith((".", ":")), name(path)


def tracked() -> list[str]:
    listing = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True)
    return listing.stdout.split()


def test_nothing_of_others_is_committed() -> None:
    names = tracked()
    if not names:
        pytest.fail("git lists no file; run the tests in a clone")
    wrong = [
        one
        for one in names
        if re.search(r"(^|/)(node_modules|vendor|third_party|\.venv|var)/|\.min\.(js|css)$|htmx|\.mmdb$|\.whl$", one)
    ]
    assert not wrong


def test_no_place_of_this_machine_and_no_registry_is_named() -> None:
    words = re.compile(r"/work/|/root/|(pypi|npmjs|pythonhosted)\.(org|com)|--index-url|--extra-index-url|resolved\"")
    wrong = []
    for one in tracked():
        path = ROOT / one
        # Tests name such words to prove that they are refused.
        if path.suffix in (".png", ".ico", ".jpg") or one.startswith("tests/") or not path.is_file():
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1):
            if words.search(line):
                wrong.append(f"{one}:{number}: {line.strip()[:80]}")
    assert not wrong
