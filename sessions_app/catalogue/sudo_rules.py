"""Checks a sudo rule before it is saved: with visudo where this machine has one, else by the grammar of sudoers(5).

The host checks the rule again with its own visudo before it takes it. That is the check that counts; this one says at
the field what would fail when a session begins.
"""

from __future__ import annotations

import re
import shutil
import subprocess

PLACES = "/usr/sbin:/sbin:/usr/local/sbin:/usr/bin:/bin:/opt/homebrew/sbin"
TIME_LIMIT = 5  # seconds
ACCOUNT = "account"  # stands for the login account
_POSITION = re.compile(r"^[^:]*:[0-9]+(?::[0-9]+)?:\s*")  # stdin:1:12:
_HOST = re.compile(r"!?(?:[A-Za-z0-9.*?_+/:-]+|\[[0-9A-Fa-f:.]+\])")
_NAMES = r"[^()\s=,]+(?:\s*,\s*[^()\s=,]+)*"
_RUN_AS = re.compile(rf"\(\s*(?:{_NAMES})?\s*(?::\s*(?:{_NAMES}))?\s*\)\s*")
_OPTION = re.compile(r"(?:ROLE|TYPE|CWD|CHROOT|TIMEOUT|NOTBEFORE|NOTAFTER|APPARMOR_PROFILE)=\S+\s+")
_TAG = re.compile(r"(?:NO)?(?:PASSWD|EXEC|SETENV|LOG_INPUT|LOG_OUTPUT|MAIL|FOLLOW|INTERCEPT):\s*")
_DIGEST = re.compile(r"sha(?:224|256|384|512):[A-Za-z0-9+/=]+\s+")
_COMMAND = re.compile(r"!?\s*(?:ALL|list|sudoedit(?:\s+\S.*)?|[A-Z][A-Z0-9_]*|\^.*\$|/\S*(?:\s+\S.*)?)")
_BETWEEN_COMMANDS = re.compile(r"(?<!\\),(?![^(]*\))")  # not in the list of whom to run as


def problem_of_sudo_rule(rule: str) -> str:
    """Return why sudo would refuse the rule, which stands after the name of an account, or an empty string."""
    visudo = shutil.which("visudo", path=PLACES)
    if visudo is None:
        return problem_by_grammar(rule)
    try:
        # The rule is data on the standard input: no shell, no file, no environment.
        result = subprocess.run(  # noqa: S603 - a fixed program with fixed arguments
            [visudo, "-cf", "-"],
            input=f"{ACCOUNT} {rule}\n",
            env={"LC_ALL": "C", "PATH": PLACES},
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return problem_by_grammar(rule)
    if result.returncode == 0:
        return ""
    lines = [line for line in (result.stderr + result.stdout).splitlines() if line.strip()]
    if lines and not _POSITION.match(lines[0]):
        return problem_by_grammar(rule)  # visudo could not work here, which says nothing about the rule
    said = _POSITION.sub("", lines[0]).strip(" .")[:150] if lines else "it said nothing"
    return f"sudo does not accept this rule: {said}{_where(lines, rule)}."


def _where(lines: list[str], rule: str) -> str:
    """Return the part of the rule that visudo complains about, from the column that it names."""
    found = re.match(r"[^:]*:[0-9]+:([0-9]+):", lines[0]) if lines else None
    rest = rule[int(found[1]) - len(ACCOUNT) - 2 :].strip() if found and int(found[1]) > len(ACCOUNT) + 1 else ""
    return f" at “{rest[:60]}”" if rest else ""


def problem_by_grammar(rule: str) -> str:
    """Return what is wrong with the rule by the grammar of sudoers(5); an empty string if nothing is.

    Aliases, which only the host knows, are not looked up.
    """
    hosts, equals, commands = rule.partition("=")
    if not equals:
        return "A sudo rule names hosts and commands, for instance ALL=(ALL) NOPASSWD: ALL"
    for host in hosts.split(","):
        if not _HOST.fullmatch(host.strip()):
            return f"sudo does not accept this rule: “{host.strip()[:60]}” before “=” is no host."
    for command in _BETWEEN_COMMANDS.split(commands):
        if problem := _problem_of_command(command.strip()):
            return f"sudo does not accept this rule: {problem}."
    return ""


def _problem_of_command(text: str) -> str:
    rest, run_as = text, _RUN_AS.match(text)
    if run_as:
        rest = text[run_as.end() :]
    elif text.startswith("("):
        return f"“{text[:60]}” begins with a “(” that does not end, or names nobody"
    for part in (_OPTION, _TAG, _DIGEST):
        while found := part.match(rest):
            rest = rest[found.end() :]
    if not rest:
        return "a command is missing"
    if not _COMMAND.fullmatch(rest):
        return f"“{rest[:60]}” is no command; write its whole path, or ALL"
    return ""
