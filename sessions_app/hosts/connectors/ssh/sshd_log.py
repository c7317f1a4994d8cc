"""Reads in the log of the host's sshd with which key a login was made. Lines are parsed strictly.

Every local user can write to a syslog file, and parts of each line come from the client that connects. So a line is
used only if all of it has the form that sshd writes, and no decision depends on it: it is only reported, and the last
use of a key is stored. Only the journal knows who wrote a line; there only lines of root are used.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import re

from sessions_app.hosts.connectors.ssh.log_source import LOG
from sessions_app.hosts.connectors.ssh.scripts import HEAD

# Argument: session. Standard input: the fingerprints of the keys and certificates with which people can log in. Stores
# them, where the log is, and its current end, before anybody can log in.
NOTE = (
    HEAD
    + LOG
    + r"""
if [ ! -d "$D" ] || [ -e "$D/log" ]; then exit 0; fi
f=$(log_file)
put opens
write_note log_file "$f"
case $f in
  '') ;;
  journal) timeout 10 journalctl -q --no-pager -n 0 --show-cursor | sed -n 's/^-- cursor: /j:/p' ;;
  *) stat -L -c 'f:%i:%s' "$f" ;;
esac | put log
"""
)

# No argument. Standard input: for each session its number, its account, and the position up to which its log was read
# ("-" at first). Prints "none" if there is no log. Otherwise it prints for each session the new lines and after them
# the new position, so that lines are read again if the output is incomplete.
READ = (
    HEAD.replace("session-$1", "session-none")
    + LOG
    + r"""
f=$(log_file)
if [ -z "$f" ]; then echo none; exit 0; fi
accepted() { # number account; the log on standard input
  grep -aE "(^|sshd(-session)?\[[0-9]+\]: )Accepted [a-z/-]+ for $2 from " | tail -n 20 | cut -c1-600 |
    sed "s/^/line $1 /" || :
}
while read -r n account from; do
  D=$S/session-$n
  [ -d "$D" ] || continue
  [ "$from" != - ] || from=$(noted log)
  if [ "$f" = journal ]; then
    now=
    case $from in
      j:*)
        out=$(timeout 10 journalctl -q --no-pager -o cat --after-cursor="${from#j:}" --show-cursor \
          _UID=0 SYSLOG_IDENTIFIER=sshd + _UID=0 SYSLOG_IDENTIFIER=sshd-session) || continue
        printf '%s\n' "$out" | grep -v '^-- cursor: ' | accepted "$n" "$account"
        now=$(printf '%s\n' "$out" | sed -n 's/^-- cursor: /j:/p' | tail -n 1)
        [ -n "$now" ] || now=$from
        ;;
      *) now=$(timeout 10 journalctl -q --no-pager -n 0 --show-cursor | sed -n 's/^-- cursor: /j:/p') ;;
    esac
    echo "at $n $now"
    continue
  fi
  read -r inode size << .
$(stat -L -c '%i %s' "$f")
.
  begin=$size
  case $from in
    "f:$inode:"*) begin=${from##*:} ;;
    f:*) # a new file was begun; the rest of the old one is next to it
      begin=0
      old=${from#f:}
      if [ "$(stat -L -c %i "$f.1" 2>/dev/null)" = "${old%:*}" ]; then
        tail -c "+$((${old#*:} + 1))" "$f.1" | tail -c 1048576 | accepted "$n" "$account"
      fi
      ;;
  esac
  [ "$begin" -le "$size" ] || begin=0 # emptied
  [ $((size - begin)) -le 1048576 ] || begin=$((size - 1048576))
  tail -c "+$((begin + 1))" "$f" | head -c $((size - begin)) | accepted "$n" "$account"
  echo "at $n f:$inode:$size"
done
"""
)

POSITION = re.compile(r"f:\d{1,20}:\d{1,20}|j:[a-z0-9=;]{1,300}")
FINGERPRINT = r"SHA256:[A-Za-z0-9+/]{43}"
TIME = r"(?:[A-Z][a-z]{2} [ \d]\d [\d:]{8}|\d{4}-\d\d-\d\dT[\d:.]{8,15}(?:Z|[+-]\d\d:\d\d))"
CERTIFICATE = (
    r" ID (?P<name>.{0,200}) \(serial (?P<serial>\d{1,20})\) CA [A-Z0-9-]{2,30} " rf"(?P<authority>{FINGERPRINT})"
)
ACCEPTED = re.compile(
    rf"(?:{TIME} \S+ sshd(?:-session)?\[\d+\]: )?"
    r"Accepted (?P<method>publickey|password|keyboard-interactive/pam|hostbased|gssapi-with-mic)"
    r" for (?P<account>[a-z_][a-z0-9_-]{0,31}) from (?P<address>[0-9A-Fa-f:.%a-z]{2,60}) port \d{1,5} ssh2"
    rf"(?:: [A-Z0-9-]{{2,30}} (?P<key>{FINGERPRINT})(?:{CERTIFICATE})?)?"
)


@dataclasses.dataclass(frozen=True, slots=True)
class SshdLogin:
    """One login that sshd accepted. `name`, `serial` and `authority` come from the certificate, if there was one."""

    method: str
    address: str
    key: str = ""
    name: str = ""
    serial: str = ""
    authority: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class LoginTrace:
    """The logins of one session since the log was last read, oldest first, and the position up to which it is read."""

    logins: tuple[SshdLogin, ...]
    position: str


def parse(output: str, accounts: dict[int, str]) -> dict[int, LoginTrace] | None:
    """Return what READ printed, for the sessions with these login accounts; None if the host has no such log."""
    if output.strip() == "none":
        return None
    logins: dict[int, list[SshdLogin]] = {}
    found: dict[int, LoginTrace] = {}
    for line in output.splitlines():
        what, _, rest = line.partition(" ")
        number, _, text = rest.partition(" ")
        if not number.isdecimal() or int(number) not in accounts:
            continue
        session_id = int(number)
        if what == "line" and (login := login_of(text, accounts[session_id])):
            logins.setdefault(session_id, []).append(login)
        elif what == "at" and POSITION.fullmatch(text):
            found[session_id] = LoginTrace(tuple(logins.get(session_id, ())), text)
    return found


def login_of(line: str, account: str) -> SshdLogin | None:
    """Return the login of `account` that a line of sshd's log reports; None if it is any other line."""
    match = ACCEPTED.fullmatch(line.rstrip())
    if match is None or match["account"] != account:
        return None
    try:
        address = str(ipaddress.ip_address(match["address"].partition("%")[0]))
    except ValueError:
        return None
    parts = (match["key"], match["name"], match["serial"], match["authority"])
    return SshdLogin(match["method"], address, *(part or "" for part in parts))
