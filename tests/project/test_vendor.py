"""Code of others for the browser is fetched only once, and the console starts without it, too."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from scripts import vendor


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a checkout with a lock file in which nothing was fetched."""
    (tmp_path / "package-lock.json").write_text("{}")
    monkeypatch.setattr(vendor, "ROOT", tmp_path)
    monkeypatch.setattr(vendor, "MODULES", tmp_path / "node_modules")
    monkeypatch.setattr(vendor, "INTO", tmp_path / "static" / "vendor")
    monkeypatch.setattr(vendor, "TYPEFACE", tmp_path / "node_modules" / "inter")
    return tmp_path


def fetched(root: Path) -> None:
    """Create the files that npm would fetch."""
    for source in vendor.FILES:
        path = root / "node_modules" / source
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("const a = 1;\n//# sourceMappingURL=a.js.map\n")
    typeface = root / "node_modules" / "inter"
    (typeface / "files").mkdir(parents=True)
    (typeface / "LICENSE").write_text("SIL Open Font License")
    names = ["inter-greek-wght-normal", *vendor.TYPEFACE_PARTS]
    (typeface / "wght.css").write_text(
        "\n\n".join(f"/* {name} */\n@font-face {{\n  src: url(./files/{name}.woff2);\n}}" for name in names)
    )
    for name in names:
        (typeface / "files" / f"{name}.woff2").write_bytes(b"wOF2\xff")
    (root / "node_modules" / ".package-lock.json").write_text("{}")


def test_without_npm_it_says_what_is_off_and_does_not_fail_loudly(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(vendor, "find_npm", list)
    assert not vendor.ensure()
    said = capsys.readouterr().err
    assert "player" in said
    assert "terminal" in said
    assert "python -m scripts.vendor" in said


def test_npm_that_fails_is_no_traceback(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vendor, "find_npm", lambda: ["false"])
    assert not vendor.ensure()
    assert not (elsewhere / "static" / "vendor").exists()


def test_what_is_there_is_copied_without_its_source_map_and_not_again(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched(elsewhere)
    monkeypatch.setattr(vendor, "install", lambda: True)
    assert vendor.ensure()
    for name in vendor.FILES.values():
        assert (elsewhere / "static" / "vendor" / name).read_text().strip() == "const a = 1;"
    monkeypatch.setattr(vendor, "install", lambda: pytest.fail("npm was asked again"))
    assert vendor.ensure()


def test_the_typeface_comes_with_its_license_in_the_alphabets_that_its_sheet_names(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched(elsewhere)
    monkeypatch.setattr(vendor, "install", lambda: True)
    assert vendor.ensure()
    sheet = (vendor.INTO / "inter.css").read_text()
    named = re.findall(r"url\((.*?)\)", sheet)
    assert named == [f"{name}.woff2" for name in vendor.TYPEFACE_PARTS]
    assert all((vendor.INTO / name).read_bytes() == b"wOF2\xff" for name in named)
    assert "Inter Fallback" in sheet  # what stands in while it loads
    assert "Open Font License" in (vendor.INTO / "inter-license.txt").read_text()
    (vendor.INTO / named[0]).unlink()
    assert not vendor.is_current()


def test_another_lock_file_brings_other_files(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched(elsewhere)
    monkeypatch.setattr(vendor, "install", lambda: True)
    assert vendor.ensure()
    later = vendor.INTO.joinpath("xterm.mjs").stat().st_mtime + 10
    os.utime(elsewhere / "package-lock.json", (later, later))
    assert not vendor.is_current()
