"""The scripts for a session that is going on: freeze, free, cut, tell, and see who is there. As in scripts.py."""

from __future__ import annotations

from sessions_app.connectors.ssh.guard import GUARD
from sessions_app.connectors.ssh.scripts import EXPIRY, HEAD, KEYS, PROCESSES
from sessions_app.connectors.ssh.shut import SHUT

# session account; what to say on standard input
LOCK = (
    HEAD
    + EXPIRY
    + KEYS
    + PROCESSES
    + SHUT
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
tell "$uid"
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
    + r"""
[ -e "$D/account" ] || exit 18
uid=$(noted uid)
[ -n "$uid" ] || exit 19
guard_move "$3"
[ "$(noted kind)" != ephemeral ] || usermod --expiredate "$(day_after "$3")" -- "$2"
give_keys "$@"
reopen "$2"
for p in $(mine "$uid" | sort -rn); do kill -CONT "$p" 2>/dev/null || :; done
rm -f "$D/locked"
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

# session; what to say on standard input
NOTIFY = (
    HEAD
    + PROCESSES
    + r"""
uid=$(noted uid)
[ -z "$uid" ] || tell "$uid"
"""
)

# no argument: for each session on this host, whether its account is logged on, or that it
# ended the session; a guard that is gone begins anew
WHO = (
    HEAD.replace("session-$1", "session-none")
    + GUARD
    + r"""
here=$(who | cut -d' ' -f1 | sort -u)
all=$(ps -eo pid=,uid=,tty=,stat=,comm=)
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
