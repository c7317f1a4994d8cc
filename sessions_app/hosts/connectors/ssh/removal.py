"""Scripts that remove what a session has on a host: first the right to log in, then everything else, at last its notes.

The console runs them (connector.py). If the console cannot reach the host in time, the host runs them by itself
(program()).
"""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterable

from sessions_app.hosts.connectors.ssh.account_lockout import LOCKOUT
from sessions_app.hosts.connectors.ssh.jobs import JOBS
from sessions_app.hosts.connectors.ssh.key_files import EXPIRY, KEYS
from sessions_app.hosts.connectors.ssh.left import LEFT
from sessions_app.hosts.connectors.ssh.processes import PROCESSES
from sessions_app.hosts.connectors.ssh.scripts import HEAD
from sessions_app.hosts.connectors.ssh.sweep import HOME, KERNEL, SWEEP
from sessions_app.hosts.connectors.ssh.uids import UIDS
from sessions_app.hosts.connectors.ssh.watchdog import PROGRAM, WATCHDOG

# Arguments: session account. The account is empty if the console does not know it. Prints what the notes on the host
# say about the session, and lets its watchdog wait for two minutes.
NOTES = (
    HEAD
    + WATCHDOG
    + PROCESSES
    + JOBS
    + UIDS
    + r"""
if [ ! -d "$D" ]; then
  watchdog_end
  # The notes are gone, but the list of user ids tells which account it was, so what it left can be found.
  for uid in $(given_to "$1" "$2"); do
    account=$(awk -v u="$uid" '$1 == u {print $3}' "$S/uids")
    if [ -n "$(other_holders "$uid" "$1" "$account")" ]; then continue; fi # another account has the user id now
    left=$(account_processes "$uid"; spooled "$uid" "$account"; find $WORLD_WRITABLE -maxdepth 1 -uid "$uid")
    if [ -z "$left" ]; then continue; fi
    mkdir "$D"
    write_console_note
    write_note kind ephemeral
    write_note uid "$uid"
    write_note account "$account"
    break
  done
  [ -d "$D" ] || exit 0
fi
if [ -n "$2" ] && [ -e "$D/account" ] && [ "$(noted account)" != "$2" ]; then exit 27; fi
watchdog_hold
echo "kind=$(noted kind)"
echo "account=$(noted account)"
echo "commands=$(noted commands)"
if [ -e "$D/sudo" ]; then echo "sudo=yes"; fi
if [ -s "$D/groups" ]; then echo "groups=yes"; fi
echo "ended=$(noted ended)"
echo "expiry=$(noted expiry)"
"""
)

# Arguments: session account. Prevents new logins.
PREVENT_LOGINS = (
    HEAD
    + EXPIRY
    + KEYS
    + r"""
if [ "$(noted kind)" = ephemeral ]; then
  if is_ours "$1" "$2"; then usermod --expiredate 1970-01-02 -- "$2"; fi
else
  take_keys "$1" "$2"
fi
"""
)

# Arguments: session.
TAKE_SUDO = (
    HEAD
    + r"""
rm -f "/etc/sudoers.d/sessionadmin-$1" "/etc/sudoers.d/sessionadmin-$1.new"
"""
)

# Arguments: session account.
LEAVE_GROUPS = (
    HEAD
    + r"""
[ "$(uid_of "$2")" = "$(noted uid)" ] || exit 0 # the account is gone, or another account has the name
for g in $(noted groups); do
  if id -nG "$2" | tr ' ' '\n' | grep -qx "$g"; then gpasswd --delete "$2" "$g" > /dev/null; fi
done
"""
)

# Arguments: session account. Processes are ended before the jobs are removed, and again after that, because a process
# could add a job, and a job could start a process or restore a key.
END_PROCESSES = (
    HEAD
    + KEYS
    + PROCESSES
    + JOBS
    + UIDS
    + r"""
say_held "$1" "$2"
uid=$(own_uid "$1" "$2")
[ -n "$uid" ] || exit 0
[ "$uid" -gt 0 ] || exit 16
thaw_left "$uid"
if [ "$(noted kind)" != ephemeral ]; then
  write_note ending || :
  learn_owners
  if [ -n "$owners" ]; then
    reach=own
    end_all "$uid"
    reach=all
    free_jobs "$uid" "$2"
    say_unclear "$uid" "$2" "go on"
    if [ -z "$(other_locked_sessions "$2")" ]; then # nobody else lets go on what stood still because it was unclear
      owners=
      for p in $(session_processes "$uid"); do kill -CONT "$p" 2>/dev/null || :; done
    fi
    echo "$(others_in_words "$2") has the account $2 too: what began outside of the logins of this session," \
      "and the jobs, stay until the last of them ends"
    exit 0
  fi
fi
end_all "$uid" || :
take_jobs "$uid" "$2"
take_linger "$uid" "$2"
if [ "$(noted kind)" = ephemeral ]; then take_units "$uid" "$2"; fi
end_all "$uid"
if [ "$(noted kind)" = managed ]; then take_keys "$1" "$2"; fi
# Processes of a managed account from before the session may have been stopped. Let them go on.
for p in $(session_processes "$uid"); do kill -CONT "$p" 2>/dev/null || :; done
"""
)

# Arguments: session account. Ends the session's lock of the account. This step is the last one, so that nobody can log
# in while the account still has rights of the session.
ALLOW_LOGINS = (
    HEAD
    + LOCKOUT
    + r"""
allow_logins "$2"
"""
)

# Arguments: session account, and "keep" or "remove" for the home.
REMOVE_ACCOUNT = (
    HEAD
    + SWEEP
    + KERNEL
    + HOME
    + UIDS
    + r"""
[ "$(noted kind)" = ephemeral ] || exit 16
home=/home/$2
kept=$home.session-$1
uid=$(own_uid "$1" "$2")
if [ -n "$uid" ]; then
  take_name "$uid" "$2"
  sweep "$uid" "$2"
  take_kernel "$uid"
  if grep -qs " /run/user/$uid " /proc/mounts; then umount "/run/user/$uid" && rmdir "/run/user/$uid" || :; fi
  if [ "$3" != keep ]; then
    take_home "$home" "$uid" "$kept"
  elif [ -d "$home" ] && [ ! -L "$home" ] && [ "$(stat -c %u "$home")" = "$uid" ]; then
    [ ! -e "$kept" ] || exit 23
    # A mounted directory cannot be moved.
    while awk -v h="$home" '$5 == h {found = 1} END {exit !found}' /proc/self/mountinfo; do
      umount --lazy -- "$home" || break
    done
    mv "$home" "$kept"
  fi
fi
if [ "$3" = keep ] && [ -d "$kept" ]; then
  chown root:root "$kept"
  chmod 0700 "$kept"
fi
if is_ours "$1" "$2"; then
  # userdel refuses an account in use. With root's user id, set by hand, it would be in use for ever.
  if [ "$(uid_of "$2")" = "$uid" ]; then userdel -- "$2"; else userdel --force -- "$2"; fi
fi
if is_ours "$1" "$2"; then exit 75; fi
take_group "$1" "$2"
"""
)

# Arguments: session account. Cleans up after an account that the commands made and removed again, because a later
# account may get its user id.
REMOVE_ORPHAN = (
    HEAD
    + JOBS
    + SWEEP
    + KERNEL
    + UIDS
    + r"""
uid=$(own_uid "$1" "$2")
if [ ! -e "$D/made" ] || [ -z "$uid" ] || grep -qs "^$2:" /etc/passwd; then exit 0; fi
take_jobs "$uid" "$2"
take_name "$uid" "$2"
sweep "$uid" "$2"
# Ask again: the sweep took time, and another account may have the user id now.
[ -z "$(own_uid "$1" "$2")" ] || take_kernel "$uid"
"""
)

# Arguments: session account.
LOOK_FOR_MORE = HEAD + PROCESSES + JOBS + KERNEL + UIDS + LEFT

# Arguments: session.
FORGET = (
    HEAD
    + WATCHDOG
    + r"""
[ -d "$D" ] || exit 0
take_turn
watchdog_end
rm -rf -- "$D"
watchdog_end # a watchdog that was just starting. Without notes no other one starts.
"""
)


@dataclasses.dataclass(frozen=True, slots=True)
class RemovalStep:
    """One script that takes something away, and its name in the log. $1 is the session, and $2 the account."""

    label: str
    script: str


# They are run in this order. If one of them fails, the others are still tried.
STEPS = (
    RemovalStep("Prevent logins", PREVENT_LOGINS),
    RemovalStep("Remove the sudo rule", TAKE_SUDO),
    RemovalStep("End processes", END_PROCESSES),
    RemovalStep("Leave groups", LEAVE_GROUPS),
)


# How the watchdog removes an account that the session made.
REMOVE_ACCOUNT_LINES = r"""
if [ "$kind" = ephemeral ]; then
  {last}
  [ -z "$failed" ] || return 1
  left=$(timeout -k 5 60 {look} "$number" "$account" 7>&- 8>&- < /dev/null 2> /dev/null) ||
    failed="$failed Look for what is left;"
  [ -z "$left" ] || said "session $number left on this host: $(echo "$left" | tr '\n' ' ' | cut -c 1-800)"
fi
"""


def program(commands: Iterable[list[str]], *, keep_home: bool) -> str:
    """Return the program that the watchdog of a session runs on the host.

    It runs STEPS, then the post-session `commands`, and at last removes the account if the session made it.
    """
    session = ("sessionadmin", '"$number"', '"$account"')
    lines = [_line(step.label, "sh", "-c", shlex.quote(step.script), *session) for step in STEPS]
    lines.append('if [ "$kind" = commands ] && [ -n "$(noted commands)" ]; then :')
    for number, words in enumerate(commands, start=1):
        lines.append(_line(f"Post-session command {number}", shlex.join(words)))
    lines += ["fi", '[ -z "$failed" ] || return 1']
    lines.append(_line("Remove what is left of the account", "sh", "-c", shlex.quote(REMOVE_ORPHAN), *session))
    lines.append(_line("Let log in as before", "sh", "-c", shlex.quote(ALLOW_LOGINS), *session))
    # The console must not run these commands a second time.
    lines.append('rm -f "$D/commands"')
    home = "keep" if keep_home else "remove"
    last = _line("Remove the account", "sh", "-c", shlex.quote(REMOVE_ACCOUNT), *session, home)
    look = shlex.join(["sh", "-c", LOOK_FOR_MORE, "sessionadmin"])
    lines.append(REMOVE_ACCOUNT_LINES.format(last=last, look=look))
    return HEAD + WATCHDOG + PROGRAM.replace("@TAKE@", "\n".join(lines))


def _line(label: str, *words: str) -> str:
    return " ".join(["step", shlex.quote(label), *words])
