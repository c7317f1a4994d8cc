"""Run every check of `make check`, none of which starts the product.

Every check runs even when one fails, so that one run shows all there is to repair.
"""

import os
import re
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

from scripts import vendor

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / ".venv" / "bin"
MANAGE = [str(BIN / "python"), str(ROOT / "manage.py")]
LONGEST_TEMPLATE_LINE = 120  # djangofmt breaks what it can, but neither comments nor what stands in one attribute
LOCK_FILES = ["requirements.lock", "requirements-dev.lock", "package-lock.json"]


def main() -> int:
    """Run all checks. Return the number of those that failed, as the exit code."""
    vendor.ensure()  # the deployment check warns when what runs in the browser is missing
    with tempfile.TemporaryDirectory(prefix="sessionadmin-check-") as scratch:
        failed = [name for name, command, extra in checks(scratch) if not passes(name, command, extra, scratch)]
    if long := long_template_lines():
        failed.append("template lines")
        print("\n".join([f"== template lines: longer than {LONGEST_TEMPLATE_LINE} characters", *long]))
    if addresses := lock_file_addresses():
        failed.append("lock files")
        print("\n".join(["== lock files: an address is in there, which ties everybody to one registry", *addresses]))
    print(f"{len(failed)} failed: {', '.join(failed)}" if failed else "All checks passed.")
    return len(failed)


def checks(scratch: str) -> list[tuple[str, list[str], dict[str, str]]]:
    """Return name, command and environment of each check, the quickest first. `scratch` is an empty directory."""
    templates = [str(path.relative_to(ROOT)) for path in our_templates()]
    testing = {"DJANGO_SETTINGS_MODULE": "sessionadmin.settings.test", "TEST_VAR_DIR": scratch}
    production = {
        "DJANGO_SETTINGS_MODULE": "sessionadmin.settings.production",
        "SECRET_KEY": secrets.token_urlsafe(50),
        "ALLOWED_HOSTS": "console.example.com",
        "VAR_DIR": scratch,
    }
    return [
        ("ruff check", [str(BIN / "ruff"), "check", "."], {}),
        ("ruff format", [str(BIN / "ruff"), "format", "--check", "."], {}),
        ("djade", [str(BIN / "djade"), "--check", "--target-version", "5.2", *templates], {}),
        ("djangofmt", [str(BIN / "djangofmt"), "--check", *templates], {}),
        ("djangofmt check", [str(BIN / "djangofmt"), "check", *templates], {}),
        ("import-linter", [str(BIN / "lint-imports"), "--no-logo"], {}),
        ("makemigrations", [*MANAGE, "makemigrations", "--check", "--dry-run"], testing),
        ("check --deploy", [*MANAGE, "check", "--deploy", "--fail-level", "WARNING"], production),
        ("mypy", [str(BIN / "mypy")], testing),
    ]


def our_templates(root: Path = ROOT, kind: str = "html") -> list[Path]:
    """Return the templates below `root` that are ours and whose names end in `kind`, sorted."""
    return sorted(path for path in root.glob(f"**/templates/**/*.{kind}") if is_ours(path, root))


def is_ours(path: Path, root: Path = ROOT) -> bool:
    """Return whether the file belongs to the project, and not to what is installed or built."""
    return not {".venv", "node_modules", "var", "build"} & set(path.relative_to(root).parts)


def passes(name: str, command: list[str], extra: dict[str, str], scratch: str) -> bool:
    """Run one check, and print its output only when it fails. Return whether it passed."""
    # What the caller has in the environment or in .env must not change the result; .env is read from the working
    # directory, so management commands get another one.
    directory = scratch if command[: len(MANAGE)] == MANAGE else ROOT
    environment = {key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "LANG", "TERM", "TMPDIR")}
    if not Path(command[0]).exists():
        print(
            f"== {name}: FAILED\n{command[0]} is not installed. Run `make check`, which installs what is new, or\n"
            ".venv/bin/pip install --require-hashes --no-deps -r requirements-dev.lock",
            flush=True,
        )
        return False
    result = subprocess.run(
        command,
        cwd=directory,
        env=environment | extra,
        check=False,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if result.returncode == 0:
        print(f"== {name}: passed", flush=True)
        return True
    print(f"== {name}: FAILED\n{result.stdout.rstrip()}", flush=True)
    return False


def long_template_lines(root: Path = ROOT) -> list[str]:
    """Return every line of a template below `root` that is too long, as `file:line: text`, but for the paths of SVG."""
    return [
        f"{path.relative_to(root)}:{number}: {line.strip()}"
        for path in [*our_templates(root), *our_templates(root, "svg")]
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if len(line) > LONGEST_TEMPLATE_LINE and not (path.suffix == ".svg" and ' d="' in line)
    ]


def lock_file_addresses(root: Path = ROOT) -> list[str]:
    """Return every line of a lock file below `root` that holds an address, as `file:line: text`."""
    found = []
    for name in LOCK_FILES:
        for number, line in enumerate((root / name).read_text().splitlines(), start=1):
            if re.search(r"://|\bfile:|--(extra-)?index-url|--find-links|\"resolved\"", line):
                found.append(f"{name}:{number}: {line.strip()}")
    return found


if __name__ == "__main__":
    sys.exit(main())
