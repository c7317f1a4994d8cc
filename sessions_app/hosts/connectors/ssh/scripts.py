"""The fixed shell scripts that run on a host. Every value is an argument, or comes on standard input.

Each script may be repeated. It stores what it will give before it gives it, in /var/lib/sessionadmin/session-<number>/
(for root only), so that the host itself knows what to take away. They are written for POSIX sh with coreutils,
util-linux and shadow. Notes and files of /proc are read by the shell itself: to start a program for each of them would
take most of the time. The comment behind the name of a shell function lists its arguments, and after a colon what it
does or prints. Exit codes 10 to 28 are ours (results.py); 75 means: try again.
"""

from __future__ import annotations

from sessions_app.hosts.connectors.ssh.jobs import JOBS
from sessions_app.hosts.connectors.ssh.key_files import EXPIRY, KEYS
from sessions_app.hosts.connectors.ssh.processes import PROCESSES
from sessions_app.hosts.connectors.ssh.uids import UIDS
from sessions_app.hosts.connectors.ssh.watchdog import WATCHDOG

HEAD = r"""
set -eu
umask 077
PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
export PATH LC_ALL
S=/var/lib/sessionadmin
D=$S/session-$1
put() { cat > "$D/.$1.new"; sync "$D/.$1.new"; mv "$D/.$1.new" "$D/$1"; }
noted() { # name: print this note, if there is one. The session may end at this moment.
  [ -e "$D/$1" ] || return 0
  { while IFS= read -r _noted || [ -n "$_noted" ]; do printf '%s\n' "$_noted"; done < "$D/$1"; } 2>/dev/null ||
    [ ! -e "$D/$1" ]
}
# $0 is "sessionadmin:CONSOLE:SESSION", the identities of the console and of the session. That of the session is missing
# where the console does not know the session. Where the host works alone, $0 is another name.
case "$0" in sessionadmin:*) K=${0#sessionadmin:} ;; *) K= ;; esac
is_of_caller() { # identity: whether the caller wrote it into the notes. An older version wrote none.
  case "$1" in '' | "$K" | "$K":*) return 0 ;; esac
  return 1
}
if [ -n "$K" ] && ! is_of_caller "$(noted console)"; then exit 27; fi
write_console_note() { [ -z "$K" ] || write_note console "$K"; }
write_note() { printf '%s\n' "${2:-}" | put "$1"; } # name [text]
home_of() { getent passwd "$1" | cut -d: -f6; }
uid_of() { getent passwd "$1" | cut -d: -f3; }
stat_field() { # process number: print this field of its /proc/PROCESS/stat, 1 being the state, if it runs
  _stat=
  # The name of a process may contain line breaks.
  { while IFS= read -r _part; do _stat=$_stat$_part; done < "/proc/$1/stat"; } 2>/dev/null || :
  set -- "$2" ${_stat##*) }
  [ "$#" -gt "$1" ] || return 0
  shift "$1"
  echo "$1"
}
began() { stat_field "$1" 20; } # process: its start, in ticks since the boot
boot_id() { { read -r _boot_id < /proc/sys/kernel/random/boot_id && echo "$_boot_id"; } 2>/dev/null || echo unknown; }
unlimited() { # lift the limit of processes, so that we can run something as a user who has very many
  prlimit --pid $$ --nproc=unlimited:unlimited 2>/dev/null || :
}
is_of_account() { # notes account: whether these notes are of a session that has the account
  _named=
  [ -e "$1/account" ] && { IFS= read -r _named < "$1/account"; } 2>/dev/null && [ "$_named" = "$2" ]
}
claimed() { # account: whether the notes of another session name the account
  for _other in "$S"/session-*; do
    if [ "$_other" != "$D" ] && is_of_account "$_other" "$1"; then return 0; fi
  done
  return 1
}
other_sessions() { # account: print the notes of other sessions that have the account and are not about to end
  for _other in "$S"/session-*; do
    if [ "$_other" = "$D" ] || [ -e "$_other/ended" ] || [ -e "$_other/ending" ]; then continue; fi
    if is_of_account "$_other" "$1"; then echo "$_other"; fi
  done
}
other_locked_sessions() { # account: print the notes of other sessions that have the account and are locked
  for _locked in $(other_sessions "$1"); do
    [ ! -e "$_locked/locked" ] || echo "$_locked"
  done
}
forget_ended() { [ ! -e "$D/ended" ] || rm -rf -- "$D"; } # remove notes of a grant that the host has ended by itself
is_ours() { # session account: whether this session made the account
  _uid=$(uid_of "$2") || return 1
  [ -n "$_uid" ] || return 1
  [ "$(noted uid)" != "$_uid" ] || return 0
  case "$(getent passwd "$2")" in *":sessionadmin session-$1:"*) return 0 ;; esac
  return 1
}
"""

# Arguments: session account shell groups.
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
write_console_note
write_note kind ephemeral
write_note account "$2"
"""
)

# Arguments: session account shell groups seconds ranges-of-user-ids.
CREATE = (
    HEAD
    + EXPIRY
    + UIDS
    + r"""
exec 9> "$S/.lock"
flock 9
if is_ours "$1" "$2"; then
  [ ! -e "$D/uid" ] || exit 0
  userdel -- "$2" # an earlier try was interrupted after it had made the account
fi
if getent passwd "$2" > /dev/null; then exit 10; fi
take_group "$1" "$2"
u=$(next_uid "$6") || exit 26
note_uid "$u" "$1" "$2"
groupadd --gid "$u" -- "$2"
# The account gets no range of subordinate ids, because useradd would give the same range again later.
useradd --create-home --home-dir "/home/$2" --uid "$u" --gid "$u" --no-log-init --key SUB_UID_COUNT=0 \
  --key SUB_GID_COUNT=0 --password '*' --comment "sessionadmin session-$1" --expiredate "$(day_after "$5")" \
  --shell "$3" ${4:+--groups "$4"} -- "$2"
chmod 0700 "/home/$2"
write_note uid "$u"
"""
)

# Arguments: session account groups.
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
write_console_note
for p in $(account_processes "$uid"); do echo "$p:$(began "$p")"; done | put before
note_jobs "$uid" "$2"
for g in $(echo "$3" | tr , ' '); do
  id -nG "$2" | tr ' ' '\n' | grep -qx "$g" || echo "$g"
done | put groups
write_note uid "$uid"
write_note kind managed
write_note account "$2"
"""
)

# Arguments: session account.
CLAIM_COMMANDS = (
    HEAD
    + PROCESSES
    + JOBS
    + r"""
forget_ended
[ ! -e "$D/account" ] || exit 0
[ "$2" != "${SUDO_USER:-}" ] || exit 16
mkdir -p "$D"
write_console_note
uid=$(uid_of "$2")
shared=$(other_sessions "$2" | head -n 1)
if [ -n "$shared" ] && [ -d "$shared/jobs" ]; then # what was there before the first of these sessions
  for file in before absent made lingers; do
    [ ! -e "$shared/$file" ] || cp -p "$shared/$file" "$D/$file"
  done
  cp -a "$shared/jobs" "$D/jobs"
else
  if [ -n "$uid" ]; then
    for p in $(account_processes "$uid"); do echo "$p:$(began "$p")"; done | put before
  else
    write_note absent
  fi
  note_jobs "$uid" "$2"
fi
write_note kind commands
write_note account "$2"
"""
)

# Arguments: session seconds. Standard input: the program of the watchdog. Runs before anything is given.
SET_WATCHDOG = (
    HEAD
    + WATCHDOG
    + r"""
put watchdog
: >> "$D/turn"
watchdog_move "$2"
"""
)

# Arguments: session, number of the command that runs next.
NOTE_COMMAND = (
    HEAD
    + r"""
write_note commands "$2"
"""
)

# Arguments: session account seconds. Note the user id, because the account may exist only now.
NOTE_ACCOUNT = (
    HEAD
    + WATCHDOG
    + r"""
watchdog_move "$3"
uid=$(uid_of "$2")
if [ -n "$uid" ] && [ "$uid" != 0 ]; then write_note uid "$uid"; fi
if [ -e "$D/absent" ] && grep -qs "^$2:" /etc/passwd; then write_note made; fi # by the commands, on this host
"""
)

# Arguments: session account.
JOIN_GROUPS = (
    HEAD
    + r"""
for g in $(noted groups); do usermod --append --groups "$g" -- "$2"; done
"""
)

# Arguments: session account. Standard input: the rule.
GIVE_SUDO = (
    HEAD
    + r"""
command -v visudo > /dev/null || exit 22
visudo -c -q || exit 21
put sudo
install -m 0440 "$D/sudo" "$D/.sudo.check"
visudo -c -q -f "$D/.sudo.check" || exit 20
f=/etc/sudoers.d/sessionadmin-$1
cp "$D/.sudo.check" "$f.new" # sudo does not read files with a dot in the name
chmod 0440 "$f.new"
sync "$f.new"
mv "$f.new" "$f"
visudo -c -q || { rm -f "$f"; exit 20; }
"""
)

# Arguments: session account seconds. Standard input: the lines.
GIVE_KEYS = (
    HEAD
    + EXPIRY
    + KEYS
    + WATCHDOG
    + r"""
watchdog_move "$3"
put keys
give_keys "$@"
"""
)

# Arguments: session account seconds.
EXTEND = (
    HEAD
    + EXPIRY
    + KEYS
    + WATCHDOG
    + r"""
[ -e "$D/account" ] || exit 18
[ "$(noted account)" = "$2" ] || exit 14
watchdog_move "$3"
[ ! -e "$D/locked" ] || exit 0 # Unlock will set the new end
if [ "$(noted kind)" = ephemeral ] && is_ours "$1" "$2"; then usermod --expiredate "$(day_after "$3")" -- "$2"; fi
give_keys "$@"
"""
)
