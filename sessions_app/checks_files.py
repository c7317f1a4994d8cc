"""System checks for the files that the console keeps, and for those that it serves and that are not ours.

Importing the module registers them; `SessionsAppConfig.ready` does. Each message says what to do.
"""

from __future__ import annotations

import shlex
import stat
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles import finders
from django.core.checks import CheckMessage, Error, Warning, register
from django.db import connection

IN_THE_BROWSER = (  # brought by scripts/vendor.py
    "asciinema-player.js",
    "asciinema-player.css",
    "xterm.mjs",
    "xterm.css",
    "xterm-addon-fit.mjs",
    "xterm-addon-unicode.mjs",
)


def database_file() -> Path | None:
    """Return the file of the embedded database; None for PostgreSQL and in memory."""
    name = str(connection.settings_dict["NAME"])
    return Path(name) if connection.vendor == "sqlite" and name.startswith("/") else None


def missing_in_the_browser() -> list[str]:
    """Return which files of others, needed by the terminal and the replay, nobody brought here."""
    collected = Path(settings.STATIC_ROOT) / "vendor"
    is_there = ((collected / name).exists() or finders.find(f"vendor/{name}") is not None for name in IN_THE_BROWSER)
    return [name for name, there in zip(IN_THE_BROWSER, is_there, strict=True) if not there]


def how_to_bring() -> str:
    """Return what to do about missing files of the terminal and the replay; a wheel does not hold what fetches them."""
    if (settings.BASE_DIR / "scripts" / "vendor.py").exists():
        return "Run .venv/bin/python -m scripts.vendor where the console was installed."
    return (
        "The wheel was built without them: in the checkout run `python -m scripts.vendor`, build the wheel again and "
        "install it with pip's --force-reinstall."
    )


def wider_than_private(path: Path) -> str:
    """Return the mode of `path` in octal digits when others than its owner have rights to it, else an empty string."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return ""  # what is not there yet is made with the right mode; what cannot be read fails where it is needed
    return f"{mode:04o}" if mode & 0o077 else ""


@register()
def check_private_files(**kwargs: object) -> list[CheckMessage]:
    """E031: VAR_DIR or SQLite's file is open to other accounts of the machine."""
    var = Path(settings.VAR_DIR)
    messages: list[CheckMessage] = []
    if mode := wider_than_private(var):
        messages.append(_too_wide(f"VAR_DIR {var}", mode, f"chmod 0700 {shlex.quote(str(var))}"))
    file = database_file()
    if file is not None and not file.is_relative_to(var):
        mode = wider_than_private(file) if wider_than_private(file.parent) else ""
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
    """W031: the terminal in the browser or the replay was never brought here."""
    missing = missing_in_the_browser()
    if not missing:
        return []
    return [
        Warning(
            f"Missing: {', '.join(missing)}. The terminal in the browser and the replay of recordings do not work.",
            hint=f"{how_to_bring()} Then run `sessionadmin collectstatic --no-input`, and start the web server again.",
            id="sessions_app.W031",
        )
    ]
