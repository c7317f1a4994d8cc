"""No process waits at its start for modules that it may never need."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.support import programs

LOADED = """
import json, sys
import django
django.setup()
import sessionadmin.urls
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Return the packages that a process has loaded which knows all addresses."""
    environment = programs.production(VAR_DIR=str(tmp_path_factory.mktemp("var")))
    done = programs.run([sys.executable, "-c", LOADED], environment, Path.cwd())
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("package", ["scim2_models", "pydantic", "onelogin", "playwright"])
def test_what_few_requests_need_is_not_loaded_at_the_start(loaded: set[str], package: str) -> None:
    assert "sessions_app" in loaded
    assert package not in loaded
