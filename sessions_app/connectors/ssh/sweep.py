"""Removes what an account has in the directories that everybody writes to, before its uid goes to somebody else.

One pass over all of them, below which it does not leave the file system. It goes on by itself when the step that began
it is over, so a huge directory costs a few tries and holds up nothing; the account is gone only after it.
"""

from __future__ import annotations

# Needs HEAD of scripts.py. What holds files of others cannot be deleted: it becomes root's.
SWEEP = r"""
since() { sed 's/^.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }
sweeps() { # pid: until it is gone, or waited for
  case "$(sed 's/^.*) //' "/proc/$1/stat" 2>/dev/null)" in '' | Z* | X*) return 1 ;; esac
}
swept_by() { # the pass that an earlier try began
  [ -s "$D/sweeping" ] || return 1
  read -r pid _since < "$D/sweeping"
  [ "$(since "$pid")" = "$_since" ] && sweeps "$pid"
}
sweep() { # uid
  [ ! -e "$D/swept" ] || return 0
  own=
  if ! swept_by; then
    setsid sh -c '
      find /tmp /var/tmp /dev/shm -xdev -uid "$1" \( -delete -o -type d -execdir chown -h 0:0 {} \; \)
      [ "$?" -le 1 ] || exit 1
      touch "$2/swept" || exit 0' sh "$1" "$D" < /dev/null > /dev/null 2>&1 8>&- 9>&- &
    own=$! pid=$!
    mark sweeping "$pid $(since "$pid")" || : # a full disk
  fi
  i=0
  while [ "$i" -lt 150 ] && sweeps "$pid"; do
    if [ "$i" -lt 20 ]; then sleep 0.02; else sleep 0.1; fi
    i=$((i + 1))
  done
  if [ -e "$D/swept" ]; then return 0; fi
  if [ -n "$own" ] && ! sweeps "$own" && wait "$own"; then return 0; fi
  echo "files of the account in /tmp, /var/tmp and /dev/shm are still being removed" >&2
  exit 75
}
"""
