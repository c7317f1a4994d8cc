"""What the README shows is true: its settings, roles, pictures and links."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest
from django.contrib.auth.models import Group
from django.core.management import get_commands

from sessions_app.roles import ADMINISTRATORS, AUDITORS
from tests.support import programs

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
EXAMPLE = (ROOT / ".env.example").read_text()
PACKAGES = ("activity", "sessions_app", "sessionadmin")
MOST_BYTES = 150_000  # of a picture


def configuration() -> dict[str, str]:
    """Return the default of each variable in the README's table."""
    section = README.partition("## Configuration")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| `([A-Z_]+)` \| (.*?) \|", section, flags=re.MULTILINE))


def test_the_configuration_table_has_every_variable_of_the_example() -> None:
    assert set(configuration()) == set(re.findall(r"^#([A-Z_]+)=", EXAMPLE, flags=re.MULTILINE))


def test_the_defaults_of_the_configuration_table_are_those_of_the_settings() -> None:
    files = ("base.py", "gateway.py", "sign_in.py", "production.py")
    settings = "".join((ROOT / "sessionadmin" / "settings" / name).read_text() for name in files)
    numbers = {name: int(shown) for name, shown in configuration().items() if shown.isdecimal()}
    assert len(numbers) >= 7
    for name, shown in numbers.items():
        found = re.search(rf'env\.int\(\s*"{name}", default=([\d *]+)\)', settings)
        assert found, name
        product = 1
        for factor in found[1].split("*"):
            product *= int(factor)
        assert product == shown, name
    switches = {name: shown == "on" for name, shown in configuration().items() if shown in ("on", "off")}
    for name, is_on in switches.items():
        assert f'env.bool("{name}", default={is_on})' in settings, name
    for name in ("SESSION_STORE", "LOG_LEVEL", "DEFAULT_FROM_EMAIL"):
        assert f'env.str("{name}", default="{configuration()[name].strip("`")}")' in settings, name


@pytest.mark.django_db
def test_the_groups_that_the_roles_name_are_there() -> None:
    named = set(re.findall(r"the group \*(\w+)\*", README))
    assert named == {ADMINISTRATORS, AUDITORS}
    assert set(Group.objects.filter(name__in=named).values_list("name", flat=True)) == named


def test_the_commands_for_a_trial_run_as_they_are_written(tmp_path: Path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
    written = next(block for block in blocks if "practice_host" in block)
    result = programs.run(["bash", "-ec", written], programs.clean_environment(VAR_DIR=str(tmp_path)))
    assert result.returncode == 0, result.stderr
    assert "0 grants." in result.stdout
    assert "create_first_admin" in result.stdout


def test_every_command_that_documents_name_exists() -> None:
    for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        named = set(
            re.findall(r"(?:\bbin/|`|^ *)(?:sessionadmin|manage\.py) ([a-z_]+)\b", path.read_text(), re.MULTILINE)
        )
        # `ssh` is no command of Django: sessionadmin/cli.py takes it before.
        assert named - {"help", "ssh"} <= set(get_commands()), path.name


DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]


def headings(text: str) -> set[str]:
    """Return the anchors that GitHub makes of the headings of a document."""
    outside_code = re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ +(.+?) *$", outside_code, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_link_of_the_documents_leads_somewhere() -> None:
    for path in DOCUMENTS:
        for target, _, anchor in re.findall(r"\]\((?!https?://)([^)#]*)(#([^)]+))?\)", path.read_text()):
            there = path.parent / target if target else path
            assert there.exists(), f"{path.name}: {target}"
            assert not anchor or anchor in headings(there.read_text()), f"{path.name}: {target}#{anchor}"


def test_the_index_leads_to_every_document() -> None:
    index = (ROOT / "docs" / "index.md").read_text()
    assert re.findall(r"^## (.+)$", index, re.MULTILINE) == ["Start", "Tutorials", "How-to", "Reference", "Explanation"]
    for path in (ROOT / "docs").rglob("*.md"):
        there = str(path.relative_to(ROOT / "docs"))
        assert there == "index.md" or there.startswith("decisions/") or f"]({there}" in index, there
    assert "](docs/index.md)" in README


def test_the_reference_names_every_command_and_every_system_check() -> None:
    reference = (ROOT / "docs" / "reference.md").read_text()
    rows = re.findall(r"^\| `([\w.]+)` \|", reference, re.MULTILINE)
    commands = {path.stem for path in ROOT.glob("*/management/commands/*.py")} - {"__init__"}
    code = "".join(path.read_text() for name in PACKAGES for path in sorted((ROOT / name).rglob("*.py")))
    checks = set(re.findall(r"\bid=\"(\w+\.[EW]\d+)\"", code))
    assert len(checks) > 15
    assert set(rows) == commands | checks


def test_pictures_are_there_small_and_wide_enough_to_read() -> None:
    shown = re.findall(r"!\[([^\]]+)\]\((docs/images/[^)]+\.png)\)", README)
    assert len(shown) >= 2
    assert {name for _, name in shown} == {str(path.relative_to(ROOT)) for path in (ROOT / "docs/images").iterdir()}
    for description, name in shown:
        picture = (ROOT / name).read_bytes()
        assert picture.startswith(b"\x89PNG")
        assert len(picture) <= MOST_BYTES, name
        assert struct.unpack(">I", picture[16:20])[0] >= 1000, name
        assert len(description) > 20
