"""The frame of every page: its files, its links and its mark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.management import call_command
from django.test import Client

from sessions_app.templatetags.console_tags import head_files
from tests.support.pages import attribute, parsed

STATIC = Path(__file__).resolve().parents[2] / "static"


@pytest.fixture
def without_vendor(settings: Any, tmp_path: Path) -> Iterator[Path]:
    """Return the empty STATIC_ROOT of a production console into whose static/vendor npm brought nothing."""
    ours = tmp_path / "static"
    ours.mkdir()
    for file in STATIC.iterdir():
        if file.name != "vendor":
            (ours / file.name).symlink_to(file)
    settings.STATICFILES_DIRS = [ours]
    settings.STATIC_ROOT = tmp_path / "collected"
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"},
    }
    head_files.cache_clear()
    yield settings.STATIC_ROOT
    head_files.cache_clear()


def sheets(html: str) -> list[str]:
    return [attribute(link, "href") for link in parsed(html).findall(".//link[@rel='stylesheet']")]


def test_every_style_sheet_of_a_page_exists_and_the_tokens_come_before_those_that_use_them(client: Client) -> None:
    head_files.cache_clear()
    names = [Path(url).name for url in sheets(client.get("/accounts/login/").content.decode())]
    assert all(finders.find(name) or finders.find(f"vendor/{name}") for name in names)
    assert names.index("tokens.css") < names.index("console.css")


def test_without_the_typeface_pages_and_collectstatic_do_without_it(without_vendor: Path, client: Client) -> None:
    call_command("collectstatic", interactive=False, verbosity=0)
    assert staticfiles_storage.url("tokens.css") != "/static/tokens.css"  # under a name with a hash
    page = client.get("/accounts/login/").content.decode()
    assert len(sheets(page)) > 5
    assert "inter" not in page
    assert 'as="font"' not in page
