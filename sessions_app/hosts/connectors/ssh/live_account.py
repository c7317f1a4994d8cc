"""Scripts for an open session: lock, unlock, cut, notify, and find who is logged on. See scripts.py for their rules."""

from __future__ import annotations

from sessions_app.hosts.connectors.ssh.account_lockout import LOCKOUT
from sessions_app.hosts.connectors.ssh.jobs import JOBS
from sessions_app.hosts.connectors.ssh.key_files import EXPIRY, KEYS
from sessions_app.hosts.connectors.ssh.processes import PROCESSES
from sessions_app.hosts.connectors.ssh.scripts import HEAD
from sessions_app.hosts.connectors.ssh.uids import UIDS
from sessions_app.hosts.connectors.ssh.watchdog import WATCHDOG

TELL = r"""
came_from() { # process: print the client port of its login, from its environment or that of a parent
  q=$1
  while [ "${q:-0}" -gt 1 ]; do
    from=$({ tr '\0' '\n' < "/proc/$q/environ"; } 2>/dev/null | sed -n 's/^SSH_CONNECTION=[^ ]* \([0-9]*\) .*/\1/p')
    [ -z "$from" ] || break
    q=$(stat_field "$q" 2)
  done
  echo "${from:-unknown}"
}
tell() { # uid ports: show the text of standard input on its terminals, except those of logins from these ports
  text=$(cat)
  [ -n "$text" ] || return 0
  pids=$(session_processes "$1" | paste -sd, -)
  [ -n "$pids" ] || return 0
  told=
  if [ "$2" != none ]; then
    for p in $(ps -o pid=,tty= -p "$pids" | awk '$2 != "?" {print $1}' | head -n 200); do
      case " $2 " in *" $(came_from "$p") "*) told="$told $(ps -o tty= -p "$p" || :)" ;; esac
    done
  fi
  n=0
  for t in $(ps -o tty= -p "$pids" | sort -u | grep -v '?' | head -n 500); do
    case " $told " in *" $t "*) continue ;; esac
    # All at the same time, because a terminal that takes no output would delay the others.
    printf '\r\n\a%s\r\n' "$text" | timeout -k 1 2 tee "/dev/$t" > /dev/null 2>&1 &
    n=$((n + 1))
    [ $((n % 50)) != 0 ] || wait
  done
  wait
}
relays() { # uid: print the processes of sshd, without root, that pass its output on to clients
  { session_processes "$1" | sed 's/$/ session/'; ps -eo pid=,ppid=,ruid=,comm=; } | awk '
    $2 == "session" {of_session[$1]; next}
    $4 ~ /^sshd/ {parent[$1] = $2; if ($3 == 0) root[$1]}
    END {for (p in parent) if (p in of_session && !(p in root) && parent[p] in root) print p}'
}
"""

# Arguments: session account ports-of-gateways. Standard input: the text for the terminals.
LOCK = (
    HEAD
    + EXPIRY
    + KEYS
    + PROCESSES
    + TELL
    + LOCKOUT
    + JOBS
    + UIDS
    + r"""
[ -e "$D/account" ] || exit 18
[ ! -e "$D/ended" ] || exit 24
uid=$(own_uid "$1" "$2")
[ -n "$uid" ] || exit 19
words=$(cat)
write_note locked
is_expired=yes
is_blocked=yes
if [ "$(noted kind)" = commands ]; then block_logins "$2" || is_blocked=no; fi
if [ "$(noted kind)" = ephemeral ] && is_ours "$1" "$2"; then
  usermod --expiredate 1970-01-02 -- "$2" || is_expired=no
fi
learn_owners
# The processes stop first, because a running program of the user could delay or undo what follows.
is_still=yes
stop_all "$uid" || is_still=no
hold_jobs "$uid" "$2"
rm -f "$D/.told"
{
  printf %s "$words" | tell "$uid" "$3" || :
  : > "$D/.told"
} < /dev/null > /dev/null 2>&1 8>&- 9>&- &
# The text reaches a client through a process of the user id, which must run for a moment. Wait for it for a second.
relays=$(relays "$uid")
if [ -n "$relays" ] && [ -n "$words" ]; then
  kill -CONT $relays 2>/dev/null || :
  i=0
  while [ "$i" -lt 10 ] && [ ! -e "$D/.told" ]; do
    sleep 0.1
    i=$((i + 1))
  done
  sleep 0.2
fi
is_still=yes
stop_all "$uid" || is_still=no # jobs and clients may have started something meanwhile
if [ -e "$D/keys" ] && ! write_keys "$1" "$2" < /dev/null && ! write_keys "$1" "$2" < /dev/null &&
  [ "$(noted kind)" = managed ]; then # the keys cannot be changed, so block all logins
  block_logins "$2" || is_blocked=no
fi
if [ -n "$owners" ]; then
  say_unclear "$uid" "$2" "stand still too"
  echo "${LIMIT}until Unlock nobody logs in to $2 anew, and none of its jobs begins," \
    "also not of $(others_in_words "$2")"
fi
[ "$is_expired" = yes ] || exit 75
[ "$is_still" = yes ] || exit 75
[ "$is_blocked" = yes ] || exit 25
"""
)

# Arguments: session account seconds.
UNLOCK = (
    HEAD
    + EXPIRY
    + KEYS
    + PROCESSES
    + LOCKOUT
    + WATCHDOG
    + JOBS
    + UIDS
    + r"""
[ -e "$D/account" ] || exit 18
uid=$(own_uid "$1" "$2")
[ -n "$uid" ] || exit 19
watchdog_move "$3"
thaw_left "$uid"
if [ "$(noted kind)" = ephemeral ] && is_ours "$1" "$2"; then usermod --expiredate "$(day_after "$3")" -- "$2"; fi
give_keys "$@"
allow_logins "$2"
free_jobs "$uid" "$2"
rm -f "$D/locked" # first, because WHO stops what it finds running under a lock
owners= but=$(other_locked_sessions "$2" | sed 's/.*-//')
if [ -n "$but" ]; then # what may belong to a session that is still locked must not go on
  learn_owners
  reach=own
fi
for p in $(session_processes "$uid" | sort -rn); do kill -CONT "$p" 2>/dev/null || :; done
"""
)

# Arguments: session account.
DISCONNECT = (
    HEAD
    + PROCESSES
    + UIDS
    + r"""
say_held "$1" "$2"
uid=$(own_uid "$1" "$2")
[ -n "$uid" ] || exit 0
learn_owners
[ -z "$owners" ] || reach=own
end_all "$uid"
reach=all
say_unclear "$uid" "$2" "go on"
"""
)

# Arguments: session account ports-of-gateways. Standard input: the text for the terminals.
NOTIFY = (
    HEAD
    + PROCESSES
    + UIDS
    + TELL
    + r"""
uid=$(own_uid "$1" "$2")
learn_owners
[ -z "$uid" ] || tell "$uid" "$3"
"""
)

# Prints for each session on this host whether its account is logged on, or that the host has ended the session. It also
# starts watchdogs that are gone, and stops what has begun under a lock (root's programs may start something).
WHO = (
    HEAD.replace("session-$1", "session-none")
    + WATCHDOG
    + PROCESSES
    + UIDS
    + r"""
freeze_newer() { # uid: stop what began since the lock
  for p in $(running_processes "$1" | cut -d' ' -f1); do
    kill -STOP "$p" 2>/dev/null || :
    [ -e "$D/locked" ] || kill -CONT "$p" 2>/dev/null || : # Unlock came meanwhile
  done
}
here=$(who | cut -d' ' -f1 | sort -u)
all=$(ps -eo pid=,uid=,tty=,stat=,comm=)
echo "clock $(date +%s)"
for D in "$S"/session-*; do
  # A reboot has ended the watchdog.
  if [ -s "$D/watchdog" ] && [ -s "$D/ends" ] && [ ! -e "$D/ended" ]; then (watchdog_start) || :; fi
  if [ -e "$D/ended" ]; then
    echo "${D##*/session-} ended"
    continue
  fi
  [ -s "$D/uid" ] || continue
  account=$(noted account)
  uid=$(own_uid "${D##*/session-}" "$account")
  if [ -z "$uid" ]; then # another account has the user id now
    echo "${D##*/session-} no"
    continue
  fi
  learn_owners
  thaw_left "$uid"
  [ ! -e "$D/locked" ] || freeze_newer "$uid"
  others=$(of_other_sessions "$uid")
  at_terminal=no
  case " $(echo $here) " in *" $account "*) at_terminal=yes ;; esac
  found=no
  for p in $(echo "$all" | awk -v u="$uid" -v t="$at_terminal" \
    '$2 == u && $4 !~ /^Z/ && ($5 ~ /^sshd/ || (t == "yes" && $3 != "?")) {print $1}'); do
    case " $(echo $others) " in *" $p "*) continue ;; esac # it belongs to another session on the account
    started=$(began "$p")
    if [ -s "$D/before" ] && grep -qx "$p:$started" "$D/before"; then continue; fi
    found=yes
  done
  echo "${D##*/session-} $found"
done
"""
)
