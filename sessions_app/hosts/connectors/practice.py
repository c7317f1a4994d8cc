"""The connector for trials and tests: a resource is a directory below settings.PRACTICE_DIR, a grant is a file in it.

    <resource>/<login account>--<session>.json

The file is there exactly as long as the rights are, so that a grant left behind can be seen. A file UNREACHABLE in the
directory makes every call fail for now, BROKEN makes it fail for good. `sessionadmin practice_host` plays the user and
the host. This module knows nothing of the database.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.utils import timezone

from activity.models import Level
from activity.times_in_text import time_value
from sessions_app.catalogue.connectors import Connector, Grant, Held, PermanentError, Presence, Say, TemporaryError

UNREACHABLE = "UNREACHABLE"
BROKEN = "BROKEN"


class Unreadable(PermanentError):
    """A grant's file holds something that no connector wrote."""


class PracticeConnector(Connector):
    """Keeps grants as files."""

    name = "practice"
    words = "a host that is only pretended, for a trial"
    is_practice = True
    can_list_grants = True

    def grant(self, grant: Grant, say: Say) -> None:
        """Write the grant, one pre-session action after the other. What is given already is not given twice."""
        with _host(grant.resource_name) as host:
            path = _path(host, grant)
            state = _read(path) or _new_state(grant)
            state["ends_at"] = grant.ends_at.isoformat()
            _write(path, state)
            for action in grant.grant_actions:
                if action not in state["rights"]:
                    state["rights"].append(action)
                    _write(path, state)
                    say(f"Gave {grant.login_account}: {action}", Level.INFO)
        say(f"{grant.login_account} can log in to {grant.resource_name}", Level.INFO)

    def revoke(self, grant: Grant, say: Say) -> None:
        """Cut the connection, say the post-session actions in order, and remove the grant if there is one."""
        with _host(grant.resource_name) as host:
            path = _path(host, grant)
            try:
                state = _read(path)
            except Unreadable:
                state = {"logged_on": False}  # whatever it is, it goes
            if state is None:
                _remove(path)
                say(f"{grant.login_account} has no rights on {grant.resource_name}", Level.DEBUG)
                return
            if state["logged_on"]:
                state["logged_on"] = False
                _write(path, state)
                say(f"Cut the connections of {grant.login_account}", Level.INFO)
            for action in grant.remove_actions:
                say(f"Took from {grant.login_account}: {action}", Level.INFO)
            _remove(path)
        say(f"{grant.login_account} can no longer log in to {grant.resource_name}", Level.INFO)

    def lock(self, grant: Grant, title: str, message: str, say: Say) -> str:
        """Note the lock in the grant. `practice_host login` then refuses with the title."""
        with _granted(grant) as state:
            state["locked"] = {"title": title, "message": message}
        say(f"Froze {grant.login_account}", Level.INFO)
        return ""

    def unlock(self, grant: Grant, say: Say) -> None:
        """Remove the note of the lock."""
        with _granted(grant) as state:
            state["locked"] = None
        say(f"Unfroze {grant.login_account}", Level.INFO)

    def disconnect(self, grant: Grant, say: Say) -> str:
        """Log the user off, if there is a grant and the user is logged on."""
        with _host(grant.resource_name) as host:
            path = _path(host, grant)
            state = _read(path)
            if state is not None and state["logged_on"]:
                state["logged_on"] = False
                _write(path, state)
        say(f"Cut the connections of {grant.login_account}", Level.INFO)
        return ""

    def presence(self, grant: Grant) -> Presence:
        """Return what `practice_host login` and `logoff` wrote last."""
        with _host(grant.resource_name) as host:
            state = _read(_path(host, grant))
            return Presence(bool(state and state["logged_on"]))

    def notify(self, grant: Grant, text: str, say: Say) -> None:
        """Append the line to what the user was told, if the user is logged on."""
        with _host(grant.resource_name) as host:
            path = _path(host, grant)
            state = _read(path)
            if state is None or not state["logged_on"]:
                return
            state["notices"].append(text)
            _write(path, state)
        say(f"Told {grant.login_account}: {text}", Level.INFO)

    def extend(self, grant: Grant, say: Say) -> None:
        """Note the new End in the grant."""
        with _granted(grant) as state:
            state["ends_at"] = grant.ends_at.isoformat()
        say(f"{grant.login_account} may stay until {time_value(grant.ends_at)}", Level.INFO)

    def held(self, resource_id: int, resource_name: str) -> list[Held]:
        """Return every grant of the resource, with the name of its file."""
        with _host(resource_name) as host:
            names = sorted(path.name for path in host.glob("*--*.json"))
        pairs = [(name.removesuffix(".json").rpartition("--")[2], name) for name in names]
        numbered = sorted((int(number), name) for number, name in pairs if number.isdecimal())
        return [Held(number, f"practice grant {name}") for number, name in numbered]

    def take_away(self, grant: Grant, say: Say) -> None:
        """Remove the files of a session, readable or not. The grant may lack the login account."""
        with _host(grant.resource_name) as host:
            for path in host.glob(f"*--{grant.session_id}.json"):
                _remove(path)


def directory(resource_name: str) -> Path:
    """Return the directory of a resource's grants. Each name becomes one safe path component of its own."""
    safe = quote(resource_name, safe=" ")
    safe = f"%2E{safe[1:]}" if safe.startswith(".") else safe
    if len(safe) > 100 or safe != safe.strip():
        safe = f"{safe.strip()[:60]}%{hashlib.sha256(resource_name.encode()).hexdigest()[:32]}"
    return Path(settings.PRACTICE_DIR) / safe


def set_state(resource_name: str, state: str) -> None:
    """Make a resource UNREACHABLE or BROKEN, or let it work again with an empty string."""
    host = directory(resource_name)
    host.mkdir(parents=True, exist_ok=True)
    for name in (UNREACHABLE, BROKEN):
        if name == state:
            (host / name).touch()
        else:
            (host / name).unlink(missing_ok=True)


def grants() -> list[tuple[Path, dict[str, Any]]]:
    """Return every grant on every practice resource, each after the file that holds it."""
    found = []
    for path in sorted(Path(settings.PRACTICE_DIR).glob("*/*--*.json")):
        state = _read(path)
        if state is not None:  # else it was revoked since glob() saw it
            found.append((path, state))
    return found


def find_grant(session_id: int) -> Path | None:
    """Return the file of a session's grant; None when the session has no rights anywhere."""
    return next(iter(Path(settings.PRACTICE_DIR).glob(f"*/*--{session_id}.json")), None)


def log_on(session_id: int) -> dict[str, Any]:
    """Play a user who logs in with a client. Raises PermanentError when there are no rights, or they are locked."""
    path = find_grant(session_id)
    if path is None:
        raise PermanentError(f"Permission denied: session {session_id} has no rights on any practice host.")
    with _locked_directory(path.parent):
        state = _read(path)
        if state is None:
            raise PermanentError(f"Permission denied: session {session_id} has no rights any more.")
        if state["locked"]:
            raise PermanentError(f"Locked: {state['locked']['title']} {state['locked']['message']}".strip())
        state["logged_on"] = True
        _write(path, state)
    return state


def log_off(session_id: int) -> None:
    """Play a user who closes the client. Nothing happens when nobody is logged on."""
    path = find_grant(session_id)
    if path is None:
        return
    with _locked_directory(path.parent):
        state = _read(path)
        if state is not None:
            state["logged_on"] = False
            _write(path, state)


@contextlib.contextmanager
def _host(resource_name: str) -> Iterator[Path]:
    """Return the resource's directory, for one caller at a time.

    Raises TemporaryError when the resource is UNREACHABLE or the disk is full or read-only, and PermanentError when it
    is BROKEN.
    """
    host = directory(resource_name)
    try:
        host.mkdir(parents=True, exist_ok=True)
        with _locked_directory(host):
            if (host / UNREACHABLE).exists():
                raise TemporaryError(f"{resource_name} cannot be reached.")
            if (host / BROKEN).exists():
                raise PermanentError(f"{resource_name} refuses every change.")
            yield host
    except OSError as error:
        raise TemporaryError(f"{resource_name}: {error.strerror or type(error).__name__}.") from error


@contextlib.contextmanager
def _granted(grant: Grant) -> Iterator[dict[str, Any]]:
    """Return the state of a grant, and write it back after the block. Raises PermanentError when there is no grant."""
    with _host(grant.resource_name) as host:
        path = _path(host, grant)
        state = _read(path)
        if state is None:
            raise PermanentError(f"{grant.login_account} has no rights on {grant.resource_name}.")
        yield state
        _write(path, state)


@contextlib.contextmanager
def _locked_directory(host: Path) -> Iterator[None]:
    with (host / ".lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _path(host: Path, grant: Grant) -> Path:
    account = re.sub(r"[^A-Za-z0-9_-]", "_", grant.login_account)
    return host / f"{account}--{grant.session_id}.json"


def _new_state(grant: Grant) -> dict[str, Any]:
    return {
        "session": grant.session_id,
        "account": grant.login_account,
        "user": grant.user_name,
        "resource": grant.resource_name,
        "rights": [],
        "granted_at": timezone.now().isoformat(),
        "ends_at": grant.ends_at.isoformat(),
        "locked": None,
        "logged_on": False,
        "notices": [],
    }


def _read(path: Path) -> dict[str, Any] | None:
    try:
        state: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise Unreadable(f"{path.name} is not a grant that can be read.") from error
    return state


def _write(path: Path, state: dict[str, Any]) -> None:
    """Write the whole state or nothing, also when the machine stops in between."""
    temporary = _temporary(path)
    with temporary.open("w") as handle:
        json.dump(state, handle, indent=1)
        handle.flush()
        os.fsync(handle.fileno())
    temporary.replace(path)


def _remove(path: Path) -> None:
    _temporary(path).unlink(missing_ok=True)
    path.unlink(missing_ok=True)


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.tmp")
