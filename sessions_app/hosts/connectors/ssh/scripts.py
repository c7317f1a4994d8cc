"""The fixed shell scripts that run on a host. Every value is an argument, or comes on standard input.

Each script may be repeated. It stores what it will give before it gives it, in /var/lib/sessionadmin/session-<number>/
(for root only), so that the host itself knows what to take away. They are written for POSIX sh with coreutils,
util-linux and shadow. Exit codes above 9 are ours (results.py).
"""

from __future__ import annotations

from sessions_app.hosts.connectors.ssh.jobs import JOBS
from sessions_app.hosts.connectors.ssh.key_files import EXPIRY, KEYS
from sessions_app.hosts.connectors.ssh.processes import PROCESSES
from sessions_app.hosts.connectors.ssh.uids import UIDS
from sessions_app.hosts.connectors.ssh.watchdog import GUARD

HEAD = r"""
set -eu
umask 077
PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
export PATH LC_ALL
S=/var/lib/sessionadmin
D=$S/session-$1
put() { cat > "$D/.$1.new"; sync "$D/.$1.new"; mv "$D/.$1.new" "$D/$1"; }
noted() { [ ! -e "$D/$1" ] || cat "$D/$1"; }
# A console calls this "sessionadmin:<its mark>:<the session's>", or without the second for a session that it does not
# know; a host alone calls it otherwise.
case "$0" in sessionadmin:*) K=${0#sessionadmin:} ;; *) K= ;; esac
is_of_caller() { # mark in the notes; an older version wrote none
  case "$1" in '' | "$K" | "$K":*) return 0 ;; esac
  return 1
}
if [ -n "$K" ] && ! is_of_caller "$(noted console)"; then exit 27; fi
mark_console() { [ -z "$K" ] || mark console "$K"; }
mark() { printf '%s\n' "${2:-}" | put "$1"; }
home_of() { getent passwd "$1" | cut -d: -f6; }
uid_of() { getent passwd "$1" | cut -d: -f3; }
began() { sed 's/^.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; } # of a process, in ticks since the boot
unlimited() { # else nothing could run as a user with very many processes
  prlimit --pid $$ --nproc=unlimited:unlimited 2>/dev/null || :
}
claimed() { # account: whether another session's notes name it
  for _other in "$S"/session-*; do
    if [ "$_other" != "$D" ] && [ -e "$_other/account" ] && [ "$(cat "$_other/account")" = "$1" ]; then return 0; fi
  done
  return 1
}
beside() { # account: the notes of other sessions that have it too, and do not end
  for _other in "$S"/session-*; do
    if [ "$_other" != "$D" ] && [ ! -e "$_other/ended" ] && [ ! -e "$_other/ending" ] && [ -e "$_other/account" ] &&
      [ "$(cat "$_other/account")" = "$1" ]; then echo "$_other"; fi
  done
}
locked_beside() { # account: the notes of those of them that are locked
  for _locked in $(beside "$1"); do
    [ ! -e "$_locked/locked" ] || echo "$_locked"
  done
}
forget_ended() { [ ! -e "$D/ended" ] || rm -rf -- "$D"; } # the host ended it by itself; this is a new beginning
is_ours() { # the account, when it is the one that this session made
  _uid=$(uid_of "$2") || return 1
  [ -n "$_uid" ] || return 1
  [ "$(noted uid)" != "$_uid" ] || return 0
  case "$(getent passwd "$2")" in *":sessionadmin session-$1:"*) return 0 ;; esac
  return 1
}
"""

# session account shell groups
CLAIM_EPHEMERAL = (
    HEAD
    + r"""
mkdir -p "$S"
exec 9> "$S/.lock"
flock 9
forget_ended
if [ -e "$D/account" ]; then
  [ "$(noted account)" = "$2" ] || exit 14
  exit 0
fi
if claimed "$2"; then exit 17; fi
if getent passwd "$2" > /dev/null || getent group "$2" > /dev/null; then exit 10; fi
[ ! -e "/home/$2" ] || exit 11
[ -x "$3" ] || exit 13
for g in $(echo "$4" | tr , ' '); do getent group "$g" > /dev/null || exit 12; done
mkdir -p "$D"
mark_console
mark kind ephemeral
mark account "$2"
"""
)

# session account shell groups seconds user-ids
CREATE = (
    HEAD
    + EXPIRY
    + UIDS
    + r"""
exec 9> "$S/.lock"
flock 9
if is_ours "$1" "$2"; then
  [ ! -e "$D/uid" ] || exit 0
  userdel -- "$2" # an earlier try was cut off in the middle
fi
if getent passwd "$2" > /dev/null; then exit 10; fi
take_group "$1" "$2"
u=$(next_uid "$6") || exit 26
note_uid "$u" "$1" "$2"
groupadd --gid "$u" -- "$2"
# No range of subordinate ids: those would be given again.
useradd --create-home --home-dir "/home/$2" --uid "$u" --gid "$u" --no-log-init --key SUB_UID_COUNT=0 \
  --key SUB_GID_COUNT=0 --password '*' --comment "sessionadmin session-$1" --expiredate "$(day_after "$5")" \
  --shell "$3" ${4:+--groups "$4"} -- "$2"
chmod 0700 "/home/$2"
mark uid "$u"
"""
)

# session account groups
CLAIM_MANAGED = (
    HEAD
    + PROCESSES
    + JOBS
    + UIDS
    + r"""
mkdir -p "$S"
exec 9> "$S/.lock"
flock 9
forget_ended
if [ -e "$D/account" ]; then
  [ "$(noted account)" = "$2" ] || exit 14
  exit 0
fi
uid=$(uid_of "$2")
[ -n "$uid" ] || exit 15
[ "$uid" != 0 ] || exit 16
[ "$2" != "${SUDO_USER:-}" ] || exit 16
if claimed "$2"; then exit 17; fi
if [ -n "$(other_holders "$uid" "$1" "$2")" ]; then exit 28; fi
for g in $(echo "$3" | tr , ' '); do getent group "$g" > /dev/null || exit 12; done
mkdir -p "$D"
mark_console
for p in $(belong "$uid"); do echo "$p:$(began "$p")"; done | put before
note_jobs "$uid" "$2"
for g in $(echo "$3" | tr , ' '); do
  id -nG "$2" | tr ' ' '\n' | grep -qx "$g" || echo "$g"
done | put groups
mark uid "$uid"
mark kind managed
mark account "$2"
"""
)

# session account
CLAIM_COMMANDS = (
    HEAD
    + PROCESSES
    + JOBS
    + r"""
forget_ended
[ ! -e "$D/account" ] || exit 0
[ "$2" != "${SUDO_USER:-}" ] || exit 16
mkdir -p "$D"
mark_console
uid=$(uid_of "$2")
shared=$(beside "$2" | head -n 1)
if [ -n "$shared" ] && [ -d "$shared/jobs" ]; then # what was there before the first of them; the last takes the rest
  for file in before absent made lingers; do
    [ ! -e "$shared/$file" ] || cp -p "$shared/$file" "$D/$file"
  done
  cp -a "$shared/jobs" "$D/jobs"
else
  if [ -n "$uid" ]; then
    for p in $(belong "$uid"); do echo "$p:$(began "$p")"; done | put before
  else
    mark absent
  fi
  note_jobs "$uid" "$2"
fi
mark kind commands
mark account "$2"
"""
)

# session seconds; the guard's program on standard input. Before anything is given.
SET_GUARD = (
    HEAD
    + GUARD
    + r"""
put guard
: >> "$D/turn"
guard_move "$2"
"""
)

# session; number of the command that is about to run
NOTE_COMMAND = (
    HEAD
    + r"""
mark commands "$2"
"""
)

# session account seconds: whose processes are watched from now on
NOTE_ACCOUNT = (
    HEAD
    + GUARD
    + r"""
guard_move "$3"
uid=$(uid_of "$2")
if [ -n "$uid" ] && [ "$uid" != 0 ]; then mark uid "$uid"; fi
if [ -e "$D/absent" ] && grep -qs "^$2:" /etc/passwd; then mark made; fi # by the commands, in this host's own file
"""
)

# session account
JOIN_GROUPS = (
    HEAD
    + r"""
for g in $(noted groups); do usermod --append --groups "$g" -- "$2"; done
"""
)

# session account; the rule on standard input
GIVE_SUDO = (
    HEAD
    + r"""
command -v visudo > /dev/null || exit 22
visudo -c -q || exit 21
put sudo
install -m 0440 "$D/sudo" "$D/.sudo.check"
visudo -c -q -f "$D/.sudo.check" || exit 20
f=/etc/sudoers.d/sessionadmin-$1
cp "$D/.sudo.check" "$f.new" # names with a dot are not read
chmod 0440 "$f.new"
sync "$f.new"
mv "$f.new" "$f"
visudo -c -q || { rm -f "$f"; exit 20; }
"""
)

# session account seconds; the lines on standard input
GIVE_KEYS = (
    HEAD
    + EXPIRY
    + KEYS
    + GUARD
    + r"""
guard_move "$3"
put keys
give_keys "$@"
"""
)

# session account seconds
EXTEND = (
    HEAD
    + EXPIRY
    + KEYS
    + GUARD
    + r"""
[ -e "$D/account" ] || exit 18
[ "$(noted account)" = "$2" ] || exit 14
guard_move "$3"
[ ! -e "$D/locked" ] || exit 0 # unlocking sets it
if [ "$(noted kind)" = ephemeral ] && is_ours "$1" "$2"; then usermod --expiredate "$(day_after "$3")" -- "$2"; fi
give_keys "$@"
"""
)
