"""A wheel of the console runs in an environment that knows nothing of the repository."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from tests.support import programs

ROOT = programs.ROOT
NEEDED = ("sessionadmin", "sessions_app", "activity", "templates", "static", "docs")
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]

LOG_IN = """
import sys
import django
django.setup()
from django.core.management import call_command
from django.test import Client
import sessionadmin
assert sys.argv[1] in sessionadmin.__file__, sessionadmin.__file__
call_command("migrate", verbosity=0)
from django.contrib.auth import get_user_model
get_user_model().objects.create_user("alice", password="correct horse battery staple")
browser = Client(headers={"host": "localhost"})
assert browser.get("/accounts/login/").status_code == 200
answer = browser.post("/accounts/login/", {"username": "alice", "password": "correct horse battery staple"})
assert answer.status_code == 302, answer.content
page = browser.get("/sessions/")
assert page.status_code == 200
assert "alice" in page.content.decode()
assert 'id="run-it"' in browser.get("/help/gateway/").content.decode()
assert browser.get("/logins/map/").status_code == 200  # a drawing among the templates
for name in ("console.css", "console.js", "badges.css"):
    assert browser.get(f"/static/{name}").status_code == 200, name
assert browser.get("/no/such/page").status_code == 404
"""


def run(*command: str, directory: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    result = programs.run(command, programs.clean_environment(**environment), directory)
    assert result.returncode == 0, result.stdout + result.stderr
    return result


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a wheel from a copy, so that the repository stays unchanged."""
    source = tmp_path_factory.mktemp("source")
    for folder in NEEDED:
        shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (source / "scripts").mkdir()
    for name in ("pyproject.toml", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "scripts/wheel.py"):
        shutil.copy(ROOT / name, source / name)
    run(*PIP, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", "dist", ".", directory=source)
    (found,) = (source / "dist").glob("*.whl")
    return found


def test_it_holds_every_template_static_file_and_document_of_ours_and_nothing_beside_the_packages(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("templates", "static", "docs"):
        for path in (ROOT / folder).rglob("*"):
            if path.is_file():
                assert f"sessionadmin/{path.relative_to(ROOT)}" in names
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"sessionadmin", "sessions_app", "activity"}


def test_somebody_logs_in_to_it_in_a_new_environment(wheel: Path, tmp_path: Path) -> None:
    """The dependencies are those of the tests: what is tried is the wheel."""
    env = tmp_path / "env"
    venv.create(env, with_pip=False, symlinks=True)
    python = str(env / "bin" / "python")
    run(*PIP, "--python", python, "install", "--no-deps", "--no-index", str(wheel), directory=tmp_path)
    (site,) = (env / "lib").glob("python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")  # its own .pth files are not read
    here = tmp_path / "here"
    here.mkdir()
    development = {"DJANGO_SETTINGS_MODULE": "sessionadmin.settings.development"}
    run(python, "-c", LOG_IN, str(env), directory=here, **development)
    assert (here / "var" / "sessionadmin.sqlite3").exists()
    production = {name: value for name, value in programs.production().items() if name not in ("PATH", "HOME")}
    run(str(env / "bin" / "sessionadmin"), "collectstatic", "--no-input", directory=here, **production)
    assert list((here / "var" / "static").glob("console.*.css"))
