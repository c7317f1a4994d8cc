"""The result of a step on a host, and what its exit code means for a session. Pure functions."""

from __future__ import annotations

import dataclasses
import re

from sessions_app.catalogue.connectors import ConnectorError, PermanentError, TemporaryError

# Exit codes of our own scripts. Each is final, because another try would end in the same way.
MEANINGS = {
    10: "The account {account} exists on {host} already, and this session did not make it. Nothing was touched.",
    11: "The directory /home/{account} exists on {host} already. Nothing was touched; move it away.",
    12: "A group that the activity names does not exist on {host}. Nothing was given.",
    13: "The shell that the activity names does not exist on {host}. Nothing was given.",
    14: "{host} remembers this session with another account. Nothing was touched; see /var/lib/sessionadmin.",
    15: "The account {account} does not exist on {host}. Nothing was given.",
    16: "The account {account} is root or the service account; no session may have it. Nothing was given.",
    17: "The account {account} on {host} is opened for another session. Nothing was given.",
    18: "{host} does not know this session: no rights are there.",
    19: "The account {account} cannot be frozen: it does not exist on {host}, it is root, or another has its user id "
    "by now.",
    20: "The sudo rule of the activity is not valid on {host}, and did not go live.",
    21: "The sudo rules of {host} were broken before this session; none was added. Mend them there (visudo -c).",
    22: "{host} has no visudo: a sudo rule cannot be checked there, and was not added.",
    23: "A kept home directory of this session is in the way on {host}.",
    24: "{host} had ended this session by itself already: nobody extended it there in time. No rights are left there.",
    25: "The processes of {account} are frozen, but {host} does not manage its logins: they are not blocked.",
    26: "{host} has no user id left for a new account: each is given once, of those that HOST_ACCOUNT_IDS names. "
    "Nothing was given.",
    27: "{host} holds a session of this number that another console gave, or this one before it was restored. Nothing "
    "of it was touched; see /var/lib/sessionadmin there.",
    28: "Another account on {host} has the user id of {account} too, so their files cannot be told apart. Nothing was "
    "given.",
}
OF_ANOTHER = 27
ASKS_FOR_PASSWORD = re.compile(r"sudo: .*(password is required|not in the sudoers|not allowed|must have a tty)", re.I)
TIMED_OUT = (124, 137)  # timeout(1)
TEMPORARY = 75  # EX_TEMPFAIL of sysexits.h
# Words after “password” in messages of programs that are no password ("a password is required").
_SAID = (
    r"(?:password|is|was|are|has|had|have|for|of|from|in|on|to|at|by|with|and|or|not|no|must|may|can|cannot|could|does|did|will|"
    r"attempts?|required|expired|expires|expiry|unchanged|updated|changed|incorrect|invalid|missing|failed|prompt|"
    r"authentication|file|hash|aging|you|your|the|a|an)\b"
)
SECRET = re.compile(
    rf"(?i)((?:password|passwd|secret|token|api[-_]?key)\S*?[=:\s]\s*(?!{_SAID}))"
    r"""('[^']*'|"[^"]*"|\S+)"""
)


class GrantOfAnotherSession(PermanentError):
    """The host holds something under the session's number that was not given to this session."""


@dataclasses.dataclass(frozen=True, slots=True)
class Result:
    """How a program on a host ended, with the first bytes of each stream: at most `most` of transport.py."""

    exit_code: int
    output: str
    errors: str

    @property
    def last_error_line(self) -> str:
        """Return the last line of its errors for a message, without secrets."""
        lines = [line.strip() for line in (self.errors or self.output).splitlines() if line.strip()]
        return masked(lines[-1][:200]) if lines else ""


def masked(text: str) -> str:
    """Return `text` with what looks like a secret replaced."""
    return SECRET.sub(r"\1•••", text)


def failure(result: Result, host: str, account: str) -> ConnectorError:
    """Return the error that a script's exit code stands for."""
    if meaning := MEANINGS.get(result.exit_code):
        words = f" It said: {result.last_error_line}" if result.exit_code == 20 and result.last_error_line else ""
        kind = GrantOfAnotherSession if result.exit_code == OF_ANOTHER else PermanentError
        return kind(meaning.format(host=host, account=account) + words)
    if ASKS_FOR_PASSWORD.search(result.errors):
        return PermanentError(f"The service account may not become root on {host}: {result.last_error_line}")
    if result.exit_code in TIMED_OUT:
        return TemporaryError(f"{host} did not finish a step in time.")
    return TemporaryError(
        f"A step failed on {host} (exit code {result.exit_code}): {result.last_error_line or 'it said nothing'}"
    )
