"""Gives rights on Linux hosts over SSH.

A grant is stored on the host before it is given (scripts.py), and what is stored there is taken away (removal.py). The
connector does not know the status of a session.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from django.conf import settings

from activity.models import Level
from activity.text import plain
from sessions_app.catalogue.account_names import ACCOUNT_NAME
from sessions_app.catalogue.connectors import Connector, ConnectorError, Grant, Held, PermanentError, Presence, Say
from sessions_app.catalogue.models import AccountKind, Resource
from sessions_app.hosts.connectors.ssh import (
    commands,
    compare,
    inventory,
    left,
    live_account,
    presence,
    removal,
    scripts,
    search,
    sshd_log,
)
from sessions_app.hosts.connectors.ssh.credentials import credentials_for, host_of
from sessions_app.hosts.connectors.ssh.host import GrantOnHost, seconds_left
from sessions_app.hosts.connectors.ssh.results import GrantOfAnotherSession
from sessions_app.hosts.connectors.ssh.shared_account import openers_of
from sessions_app.hosts.connectors.ssh.transport import connected
from sessions_app.hosts.models import ConsoleIdentity, HostComparison
from sessions_app.hosts.ssh import ca

# A key of the user allows a terminal and no forwarding.
# How scripts begin a line that says what they do not reach, or reach beside the session (shared_account.py).
LIMIT = "limit: "
MOST_OF_LIMITS = 500  # characters, as the row of the control holds
KEY_OPTIONS = 'restrict,pty,expiry-time="@EXPIRY@"'


class SshConnector(Connector):
    """Gives rights to accounts of Linux hosts.

    Each call uses one connection, and the host keeps the state.
    """

    name = "ssh"
    words = "a Linux host, over SSH"
    is_host = True
    makes_accounts = True
    can_certify = True
    can_list_grants = True
    needs_encryption = True

    def grant(self, grant: Grant, say: Say) -> None:
        """Store the grant on the host and then give it step by step.

        The keys are given last, so that nobody can log in before everything else is there.
        """
        if not ACCOUNT_NAME.fullmatch(grant.login_account):
            raise PermanentError(f"“{grant.login_account}” cannot be an account on a Linux host. Nothing was given.")
        with _on_host(grant, say) as on:
            compare.look_before(on.remote, grant, say)
            if grant.kind == AccountKind.COMMANDS:
                commands.run_grant(on)
            else:
                _give_account(on)
                on.do("Note the end of the host's log", sshd_log.NOTE, given=openers_of(grant))
                if grant.groups and grant.kind == AccountKind.MANAGED:
                    on.do("Join groups", scripts.JOIN_GROUPS, grant.login_account)
                if grant.sudo_rule:
                    rule = f"{grant.login_account} {grant.sudo_rule}\n"
                    on.do("Give sudo rule", scripts.GIVE_SUDO, grant.login_account, given=rule)
                _give_keys(on)
        say(f"{grant.login_account} can log in to {grant.resource_name}", Level.INFO)

    def revoke(self, grant: Grant, say: Say) -> None:
        """Prevent logins, end what runs, take away what is stored on the host, and then delete the stored notes.

        Notes of another console, or of another session that had the same number, are left alone, and that is said.
        After a step that fails the others are tried too, and the first failure is raised at the end.
        """
        with _on_host(grant, say) as on:
            notes = _notes(on)
            if notes is None:
                compare.look_after(on.remote, grant, say)
                return
            if not notes:
                say(f"{grant.resource_name} holds nothing of this session", Level.DEBUG)
                compare.look_after(on.remote, grant, say)
                return
            if notes["ended"]:
                say(f"{grant.resource_name} ended it by itself at {notes['ended']}, by its own clock", Level.WARNING)
            account = notes["account"]
            if account:
                _take(on, account, notes)
            on.do("Remove the session's notes", removal.FORGET)
            compare.look_after(on.remote, grant, say)
        say(f"Everything is taken away from {grant.login_account} on {grant.resource_name}", Level.INFO)

    def lock(self, grant: Grant, title: str, message: str, say: Say) -> str:
        """Prevent logins, show the texts on the user's terminals, and stop every process of the account."""
        with _on_host(grant, say) as on:
            words = _for_terminal(title, message)
            remarks = _warn(on, on.do("Freeze", live_account.LOCK, grant.login_account, _gateways(grant), given=words))
        say(f"Froze {grant.login_account} on {grant.resource_name}", Level.INFO)
        return remarks

    def unlock(self, grant: Grant, say: Say) -> None:
        """Let the processes continue, and allow logins again."""
        with _on_host(grant, say) as on:
            on.do("Unfreeze", live_account.UNLOCK, grant.login_account, str(on.seconds))
        say(f"Unfroze {grant.login_account} on {grant.resource_name}", Level.INFO)

    def disconnect(self, grant: Grant, say: Say) -> str:
        """End every login and every process of the account now."""
        with _on_host(grant, say) as on:
            remarks = _warn(on, on.do("End logins and processes", live_account.DISCONNECT, grant.login_account))
        presence.note_disconnect(grant.resource_id, grant.session_id)
        say(f"Cut the connections of {grant.login_account} on {grant.resource_name}", Level.INFO)
        return remarks

    def presence(self, grant: Grant) -> Presence:
        """Return what the host's last look found. One look serves all sessions on the host."""
        resource = _resource(grant.resource_id, grant.resource_name)
        return presence.presence(resource, host_of(resource), lambda: credentials_for(resource), grant.session_id)

    def compare(self, grant: Grant, row: HostComparison) -> tuple[list[list[str]], str]:
        """Return what is new on the host since the look before the session, and what could not be compared."""
        with _on_host(grant, lambda text, level: None) as on:
            return compare.compare_now(on.remote, grant, row)

    def notify(self, grant: Grant, text: str, say: Say) -> None:
        """Show the line on the user's terminals."""
        with _on_host(grant, say) as on:
            on.do(
                "Write to terminals",
                live_account.NOTIFY,
                grant.login_account,
                _gateways(grant),
                given=_for_terminal(text),
            )

    def extend(self, grant: Grant, say: Say) -> None:
        """Move the end that the host enforces itself. Raise PermanentError if the host has already ended the grant."""
        with _on_host(grant, say) as on:
            on.do("Move the end", scripts.EXTEND, grant.login_account, str(on.seconds))
        say(f"{grant.resource_name} lets {grant.login_account} stay until the new End", Level.INFO)

    def held(self, resource_id: int, resource_name: str) -> list[Held]:
        """Return everything on the host that has a session's number."""
        return inventory.look(_resource(resource_id, resource_name))


@contextlib.contextmanager
def _on_host(grant: Grant, say: Say) -> Iterator[GrantOnHost]:
    seconds = seconds_left(grant)
    console = ConsoleIdentity.text()
    resource = _resource(grant.resource_id, grant.resource_name)
    with connected(host_of(resource), credentials_for(resource)) as remote:
        yield GrantOnHost(remote, grant, say, seconds, console)


def _resource(resource_id: int, name: str) -> Resource:
    """Return the host's address and credentials. The address may have been corrected since the request."""
    found = Resource.objects.select_related("service_key").filter(pk=resource_id).first()
    if found is None:
        raise PermanentError(f"The resource {name} does not exist any more.")
    return found


def _give_account(on: GrantOnHost) -> None:
    grant = on.grant
    if grant.kind == AccountKind.MANAGED:
        on.do("Note the managed account", scripts.CLAIM_MANAGED, grant.login_account, ",".join(grant.groups))
        _start_watchdog(on)
        return
    groups = ",".join(grant.groups)
    on.do("Note the new account", scripts.CLAIM_EPHEMERAL, grant.login_account, grant.shell, groups)
    _start_watchdog(on)
    ids = settings.HOST_ACCOUNT_IDS
    on.do("Make the account", scripts.CREATE, grant.login_account, grant.shell, groups, str(on.seconds), ids)


def _start_watchdog(on: GrantOnHost) -> None:
    """Start the watchdog, with which the host ends the grant without the console."""
    on.do("Start the watchdog", scripts.SET_WATCHDOG, str(on.seconds), given=commands.watchdog_program_of(on.grant))


def _give_keys(on: GrantOnHost) -> None:
    """Install the user's keys and our authority, until shortly after the end by the host's own clock."""
    grant = on.grant
    marker = f"sessionadmin-session-{grant.session_id}"
    lines = [f"{KEY_OPTIONS} {key} {marker}" for key in grant.public_keys]
    ours = ca.session_lines(grant.session_id, grant.tcp_targets)
    lines += [f'expiry-time="@EXPIRY@",{line} {marker}' for line in ours]
    if not lines:
        raise PermanentError(
            f"{grant.user_name} has no SSH key, and there is no certificate authority: nobody could log in."
        )
    given = "".join(f"{line}\n" for line in lines)
    on.do("Give keys", scripts.GIVE_KEYS, grant.login_account, str(on.seconds), given=given)
    keys, authorities = len(grant.public_keys), len(ours)
    on.say(
        f"{keys} SSH key{'' if keys == 1 else 's'} and {authorities} "
        f"certificate {'authority' if authorities == 1 else 'authorities'} open it",
        Level.INFO,
    )


def _notes(on: GrantOnHost) -> dict[str, str] | None:
    """Return what the host has stored about the session.

    Return None with a warning if it belongs to another session.
    """
    grant = on.grant
    try:
        output = on.do("Read the session's notes", removal.NOTES, grant.login_account)
    except GrantOfAnotherSession as error:
        on.say(str(error), Level.WARNING)
        return None
    return dict(line.split("=", 1) for line in output.splitlines() if "=" in line)


def _take(on: GrantOnHost, account: str, notes: dict[str, str]) -> None:
    first: ConnectorError | None = None
    for step in removal.STEPS:
        try:
            _warn(on, on.do(step.label, step.script, account))
        except ConnectorError as error:
            first = first or error
    if notes["kind"] == AccountKind.COMMANDS and notes["commands"]:
        commands.run_remove(on)
    if first is not None:
        raise first
    if notes["kind"] == AccountKind.COMMANDS:
        on.do("Remove what is left of the account", removal.REMOVE_ORPHAN, account)
    if notes["expiry"]:
        on.do("Let log in as before", removal.ALLOW_LOGINS, account)
    if notes["kind"] == AccountKind.EPHEMERAL:
        keep = "keep" if on.grant.keep_home else "remove"
        _warn(on, on.do("Remove the account", removal.REMOVE_ACCOUNT, account, keep))
        _report_leftovers(on, account)


def _warn(on: GrantOnHost, output: str) -> str:
    """Say what a script found and left alone, or what it restored.

    Return as one line what it does not reach or reaches beside the session. Each of these parts has the same room.
    """
    for line in output.splitlines():
        on.say(plain(f"On {on.grant.resource_name} {line.removeprefix(LIMIT)}", 300), Level.WARNING)
    limits = [line.removeprefix(LIMIT) for line in output.splitlines() if line.startswith(LIMIT)]
    return "; ".join(plain(line, MOST_OF_LIMITS // len(limits) - 2) for line in limits)


def _report_leftovers(on: GrantOnHost, account: str) -> None:
    """Say what of the account's user id is left. Its files elsewhere are searched for when the session is over."""
    rest = left.parse(on.do("Look for what is left", removal.LOOK_FOR_MORE, account))
    if rest:
        on.say(f"Left on {on.grant.resource_name} by {account}, whose user id nobody gets again: {rest}", Level.WARNING)
    search.request_search(on.grant)


def _gateways(grant: Grant) -> str:
    """Return as one argument the addresses of logins whose terminals a gateway informs."""
    return " ".join(str(port) for port in grant.gateway_ports) or "none"


def _for_terminal(*lines: str) -> str:
    """Return the lines without control characters, for a raw terminal."""
    return "\r\n".join(plain(line) for line in lines if line)
