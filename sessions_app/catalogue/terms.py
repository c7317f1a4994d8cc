"""Rules for the groups, sudo rules, shells and commands that an activity may contain. Pure functions.

A word that passes here cannot end a line, begin an option or change the meaning of the file that it is written to.
"""

from __future__ import annotations

import re
import shlex
from typing import Any

from django.core.validators import RegexValidator

GROUP = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
SHELL = re.compile(r"/[A-Za-z0-9_./-]+")
TARGET = re.compile(r"([A-Za-z0-9][A-Za-z0-9.-]{0,252}|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})")
LOCALE: dict[str, Any] = {  # the arguments of a model field for a locale
    "max_length": 40,
    "default": "C.UTF-8",
    "blank": True,
    "validators": [RegexValidator(r"^[A-Za-z0-9_.@-]+\Z", "Write a locale, for instance C.UTF-8 or de_DE.UTF-8.")],
    "help_text": "The value of LANG on the host. The host's sshd must allow it with AcceptEnv LANG. Leave it empty to "
    "use the language of the host.",
}
PLACEHOLDERS = ("{account}", "{user}", "{session}")


def groups_of(text: str) -> tuple[str, ...]:
    """Return the names in a list with commas or spaces."""
    return tuple(name for name in re.split(r"[,\s]+", text) if name)


def tcp_targets_of(text: str) -> tuple[tuple[str, int], ...]:
    """Return host and port of each host:port in a list with commas. IPv6 addresses are written in brackets.

    Other words are left out; problem_of_tcp_targets() reports them.
    """
    found = (TARGET.fullmatch(word) for word in groups_of(text))
    return tuple((one[1].strip("[]"), int(one[2])) for one in found if one and 0 < int(one[2]) < 65536)


def problem_of_tcp_targets(text: str) -> str:
    """Return which word of the list is not host:port, as a sentence; an empty string if there is none."""
    wrong = [word for word in groups_of(text) if not tcp_targets_of(word)]
    return f"“{wrong[0][:80]}” is not host:port, for instance db.internal:5432." if wrong else ""


def problems(unix_groups: str, sudo_rule: str, shell: str) -> dict[str, str]:
    """Return what is wrong with these values: field names and sentences."""
    found = {}
    wrong = [name for name in groups_of(unix_groups) if not GROUP.fullmatch(name)]
    if wrong:
        found["unix_groups"] = f"“{wrong[0]}” cannot be the name of a group."
    if not sudo_rule.isprintable() or sudo_rule.endswith("\\") or "#" in sudo_rule:
        found["sudo_rule"] = "A sudo rule is one line without comments."
    elif sudo_rule and "=" not in sudo_rule:
        found["sudo_rule"] = "A sudo rule names hosts and commands, for instance ALL=(ALL) NOPASSWD: ALL"
    if not SHELL.fullmatch(shell):
        found["shell"] = "Enter the whole path of a shell, for instance /bin/bash."
    return found


def unquoted_operator(line: str) -> str:
    """Return the first character by which a shell would chain or redirect commands, or an empty string."""
    quote, is_escaped = "", False
    for character in line:
        if is_escaped:
            is_escaped = False
        elif character == "\\" and quote != "'":
            is_escaped = True
        elif quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in "|&;<>":
            return character
    return ""


def problem_of_commands(text: str) -> str:
    """Return why these lines cannot be run as commands, as a sentence; an empty string if they can."""
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            words = shlex.split(line)
        except ValueError as error:
            return f"Line {number} cannot be read as a command: {error}."
        unknown = re.findall(r"{\w*}", " ".join(words))
        unknown = [one for one in unknown if one not in PLACEHOLDERS]
        if unknown:
            return f"Line {number} has the placeholder {unknown[0]}; known are {', '.join(PLACEHOLDERS)}."
        if not words or not words[0].startswith("/"):
            return f"Line {number}: begin a command with its whole path, for instance /usr/sbin/usermod."
        if operator := unquoted_operator(line):
            return (
                f"Line {number} has “{operator}”, which only a shell understands, and no shell runs the line. "
                "Quote it, or write the line into a script on the host."
            )
    return ""
