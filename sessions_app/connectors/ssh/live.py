"""The scripts for a session that is going on: freeze, free, cut, tell, and see who is there. As in scripts.py."""

from __future__ import annotations

from sessions_app.connectors.ssh.guard import GUARD
from sessions_app.connectors.ssh.jobs import JOBS
from sessions_app.connectors.ssh.processes import PROCESSES
from sessions_app.connectors.ssh.scripts import EXPIRY, HEAD, KEYS
from sessions_app.connectors.ssh.shut import SHUT

TELL = r"""
came_from() { # process: the port that its login came from, by its environment or that of a parent
  q=$1
  while [ "${q:-0}" -gt 1 ]; do
    from=$({ tr '\0' '\n' < "/proc/$q/environ"; } 2>/dev/null | sed -n 's/^SSH_CONNECTION=[^ ]* \([0-9]*\) .*/\1/p')
    [ -z "$from" ] || break
    q=$({ sed 's/^.*) //' "/proc/$q/stat" | cut -d' ' -f2; } 2>/dev/null)
  done
  echo "${from:-unknown}"
}
tell() { # uid ports; title and message, from standard input, to its terminals but those that came from these ports
  text=$(cat)
  [ -n "$text" ] || return 0
  pids=$(mine "$1" | paste -sd, -)
  [ -n "$pids" ] || return 0
  told=
  for p in $(ps -o pid=,tty= -p "$pids" | awk '$2 != "?" {print $1}'); do
    case " $2 " in *" $(came_from "$p") "*) told="$told $(ps -o tty= -p "$p" || :)" ;; esac
  done
  for t in $(ps -o tty= -p "$pids" | sort -u | grep -v '?'); do
    case " $told " in *" $t "*) continue ;; esac
    printf '\r\n\a%s\r\n' "$text" | timeout 2 tee "/dev/$t" > /dev/null || :
  done
}
"""

# session account ports-of-gateways; what to say on standard input
LOCK = (
    HEAD
    + EXPIRY
    + KEYS
    + PROCESSES
    + TELL
    + SHUT
    + JOBS
    + r"""
[ -e "$D/account" ] || exit 18
[ ! -e "$D/ended" ] || exit 24
uid=$(noted uid)
[ -n "$uid" ] || exit 19
mark locked
is_shut=yes
if [ "$(noted kind)" = commands ]; then shut "$2" || is_shut=no; fi
[ "$(noted kind)" != ephemeral ] || usermod --expiredate 1970-01-02 -- "$2"
[ ! -e "$D/keys" ] || write_keys "$1" "$2" < /dev/null
hold_jobs "$uid" "$2"
tell "$uid" "$3"
sleep 0.3 # for the words to reach the terminals before what carries them stands still
i=0
while [ "$i" -lt 20 ]; do # parents first, so that no shell notices that its child stands still
  moving=
  for p in $(mine "$uid"); do
    if is_monitor "$p" || grep -qsE '^State:[[:space:]]*[Tt]' "/proc/$p/status"; then continue; fi
    moving="$moving $p"
    kill -STOP "$p" 2>/dev/null || :
  done
  if [ -z "$moving" ]; then
    [ "$is_shut" = yes ] || exit 25
    exit 0
  fi
  i=$((i + 1))
  sleep 0.1
done
echo "still moving:$moving" >&2
exit 75
"""
)

# session account seconds
UNLOCK = (
    HEAD
    + EXPIRY
    + KEYS
    + PROCESSES
    + SHUT
    + GUARD
    + JOBS
    + r"""
[ -e "$D/account" ] || exit 18
uid=$(noted uid)
[ -n "$uid" ] || exit 19
guard_move "$3"
[ "$(noted kind)" != ephemeral ] || usermod --expiredate "$(day_after "$3")" -- "$2"
give_keys "$@"
reopen "$2"
free_jobs "$uid" "$2"
rm -f "$D/locked" # before they go on: else a look (WHO) could stop one again
for p in $(mine "$uid" | sort -rn); do kill -CONT "$p" 2>/dev/null || :; done
"""
)

# session
DISCONNECT = (
    HEAD
    + PROCESSES
    + r"""
uid=$(noted uid)
[ -n "$uid" ] || exit 0
end_all "$uid"
"""
)

# session ports-of-gateways; what to say on standard input
NOTIFY = (
    HEAD
    + PROCESSES
    + TELL
    + r"""
uid=$(noted uid)
[ -z "$uid" ] || tell "$uid" "$2"
"""
)

# no argument: for each session on this host, whether its account is logged on, or that it ended the session; a guard
# that is gone begins anew, and what began under a lock, by whatever root's programs start, stands still
WHO = (
    HEAD.replace("session-$1", "session-none")
    + GUARD
    + PROCESSES
    + r"""
freeze_newer() { # uid
  for p in $(mine "$1"); do
    if is_monitor "$p"; then continue; fi
    kill -STOP "$p" 2>/dev/null || :
    [ -e "$D/locked" ] || kill -CONT "$p" 2>/dev/null || : # unlocked meanwhile
  done
}
here=$(who | cut -d' ' -f1 | sort -u)
all=$(ps -eo pid=,uid=,tty=,stat=,comm=)
echo "clock $(date +%s)"
for D in "$S"/session-*; do
  # After a reboot its guard is gone.
  if [ -s "$D/guard" ] && [ -s "$D/ends" ] && [ ! -e "$D/ended" ]; then (guard_start) || :; fi
  if [ -e "$D/ended" ]; then
    echo "${D##*/session-} ended"
    continue
  fi
  [ -s "$D/uid" ] || continue
  uid=$(noted uid)
  account=$(noted account)
  [ ! -e "$D/locked" ] || freeze_newer "$uid"
  at_terminal=no
  case " $(echo $here) " in *" $account "*) at_terminal=yes ;; esac
  found=no
  for p in $(echo "$all" | awk -v u="$uid" -v t="$at_terminal" \
    '$2 == u && $4 !~ /^Z/ && ($5 ~ /^sshd/ || (t == "yes" && $3 != "?")) {print $1}'); do
    started=$(sed 's/^.*) //' "/proc/$p/stat" 2>/dev/null | cut -d' ' -f20)
    if [ -s "$D/before" ] && grep -qx "$p:$started" "$D/before"; then continue; fi
    found=yes
  done
  echo "${D##*/session-} $found"
done
"""
)
