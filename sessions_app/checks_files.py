"""System checks for the console's private files, and for the files that the browser needs from other projects.

Importing the module registers them (wiring.py). Each message says what to do.
"""

from __future__ import annotations

import shlex
import stat
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles import finders
from django.core.checks import CheckMessage, Error, Warning, register
from django.db import connection

BROWSER_FILES = (  # brought by scripts/vendor.py
    "asciinema-player.js",
    "asciinema-player.css",
    "xterm.mjs",
    "xterm.css",
    "xterm-addon-fit.mjs",
    "xterm-addon-unicode.mjs",
)


def database_file() -> Path | None:
    """Return the path of the SQLite database; None on PostgreSQL and for a database in memory."""
    name = str(connection.settings_dict["NAME"])
    return Path(name) if connection.vendor == "sqlite" and name.startswith("/") else None


def missing_browser_files() -> list[str]:
    """Return the files for the terminal and the replay that are not installed."""
    collected = Path(settings.STATIC_ROOT) / "vendor"
    is_there = ((collected / name).exists() or finders.find(f"vendor/{name}") is not None for name in BROWSER_FILES)
    return [name for name, there in zip(BROWSER_FILES, is_there, strict=True) if not there]


def install_instructions() -> str:
    """Return what to do to install the missing files of the terminal and the replay."""
    if (settings.BASE_DIR / "scripts" / "vendor.py").exists():
        return "Run .venv/bin/python -m scripts.vendor where the console was installed."
    return (
        "The wheel was built without them: in the checkout run `python -m scripts.vendor`, build the wheel again and "
        "install it with pip's --force-reinstall."
    )


def mode_open_to_others(path: Path) -> str:
    """Return the mode of `path` in octal digits if other accounts have rights to it, else an empty string."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return ""  # a missing file will be made with the right mode, and an unreadable one fails where it is used
    return f"{mode:04o}" if mode & 0o077 else ""


@register()
def check_private_files(**kwargs: object) -> list[CheckMessage]:
    """Report E031 if other accounts of the machine can open VAR_DIR or the SQLite database."""
    var = Path(settings.VAR_DIR)
    messages: list[CheckMessage] = []
    if mode := mode_open_to_others(var):
        messages.append(_too_wide(f"VAR_DIR {var}", mode, f"chmod 0700 {shlex.quote(str(var))}"))
    file = database_file()
    if file is not None and not file.is_relative_to(var):
        mode = mode_open_to_others(file) if mode_open_to_others(file.parent) else ""
        if mode:
            messages.append(_too_wide(f"The database {file}", mode, f"chmod 0600 {shlex.quote(str(file))}*"))
    return messages


def _too_wide(what: str, mode: str, command: str) -> CheckMessage:
    return Error(
        f"{what} has the mode {mode}: every account of this machine may be able to read what the console keeps.",
        hint=f"Give it to the console's account alone: {command}",
        id="sessions_app.E031",
    )


@register(deploy=True)
def check_browser_files(**kwargs: object) -> list[CheckMessage]:
    """Report W031 if the files of the browser's terminal or of the replay are not installed."""
    missing = missing_browser_files()
    if not missing:
        return []
    return [
        Warning(
            f"Missing: {', '.join(missing)}. The terminal in the browser and the replay of recordings do not work.",
            hint=f"{install_instructions()} Run `sessionadmin collectstatic --no-input`, and restart the web server.",
            id="sessions_app.W031",
        )
    ]
