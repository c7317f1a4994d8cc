"""Runs an administrator's own commands before and after a session.

A line is split into words like a shell does, and placeholders are replaced inside words. No shell runs it: nothing is
expanded, piped or chained. Output and errors stay on the host.
"""

from __future__ import annotations

import shlex

from activity.models import Level
from sessions_app.catalogue.connectors import Grant, PermanentError, TemporaryError
from sessions_app.hosts.connectors.ssh import removal, scripts, sshd_log
from sessions_app.hosts.connectors.ssh.host import GrantOnHost
from sessions_app.hosts.connectors.ssh.results import TEMPORARY, TIMED_OUT, Result, failure, masked
from sessions_app.hosts.connectors.ssh.shared_account import openers_of


def run_grant(on: GrantOnHost) -> None:
    """Run each pre-session action in order. A repeated grant runs all of them again, so they must allow that."""
    account = on.grant.login_account
    lines = [words_of(line, on.grant) for line in on.grant.grant_actions]
    watchdog = watchdog_program_of(on.grant)
    on.do("Note the session", scripts.CLAIM_COMMANDS, account)
    # Before the commands, so that no login is missed by which sessions on one account are told apart.
    on.do("Note the end of the host's log", sshd_log.NOTE, given=openers_of(on.grant))
    on.do("Start the watchdog", scripts.SET_WATCHDOG, str(on.seconds), given=watchdog)
    for number, words in enumerate(lines, start=1):
        on.do("Note the command", scripts.NOTE_COMMAND, str(number))
        result = _run(on, words)
        if result.exit_code != 0:
            said = result.last_error_line or "it said nothing"
            text = f"Command {number} ended with exit code {result.exit_code}: {said}"
            temporary = result.exit_code == TEMPORARY or result.exit_code in TIMED_OUT
            raise TemporaryError(text) if temporary else PermanentError(text)
        on.say(f"Ran: {masked(shlex.join(words))}", Level.INFO)
    on.do("Note the account", scripts.NOTE_ACCOUNT, account, str(on.seconds))


def run_remove(on: GrantOnHost) -> None:
    """Run every post-session action in order, and then raise the first failure."""
    failed: list[str] = []
    for number, line in enumerate(on.grant.remove_actions, start=1):
        words = words_of(line, on.grant)
        result = _run(on, words)
        if result.exit_code != 0:
            failed.append(f"{number} (exit code {result.exit_code}: {result.last_error_line or 'it said nothing'})")
        else:
            on.say(f"Ran: {masked(shlex.join(words))}", Level.INFO)
    if failed:
        raise TemporaryError(f"Post-session command {', '.join(failed)} failed.")


def watchdog_program_of(grant: Grant) -> str:
    """Return the program by which the host ends the grant without the console. Raise PermanentError."""
    return removal.program([words_of(line, grant) for line in grant.remove_actions], keep_home=grant.keep_home)


def words_of(line: str, grant: Grant) -> list[str]:
    """Return the words of one action with its placeholders replaced. Raise PermanentError."""
    values = {"{account}": grant.login_account, "{user}": grant.user_name, "{session}": str(grant.session_id)}
    if grant.user_name.startswith("-"):
        raise PermanentError("A name that begins with a dash would be an option of a command. Nothing was run.")
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise PermanentError(f"An action of this activity cannot be read as a command: {error}.") from error
    for placeholder, value in values.items():
        words = [word.replace(placeholder, value) for word in words]
    return words


def _run(on: GrantOnHost, words: list[str]) -> Result:
    result = on.remote.program(words)
    on.note(masked(shlex.join(words)), "", result)
    if result.exit_code != 0 and result.errors.startswith("sudo:"):
        raise failure(result, on.grant.resource_name, on.grant.login_account)
    return result
