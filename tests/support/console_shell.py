"""Run Python inside a running console, as `manage.py shell` does."""

from __future__ import annotations

from tests.support import programs


def shell(code: str, environment: dict[str, str]) -> list[str]:
    """Run the code in the console's shell, and return the words of the last line that it printed."""
    result = programs.run([*programs.MANAGE, "shell", "--no-imports", "-c", code], environment)
    assert result.returncode == 0, result.stderr
    return (result.stdout.splitlines() or [""])[-1].split()
