"""Says what of a session's user id is still on a host after everything was taken away; takes nothing.

Files outside of the places that are swept may be the work that the session was for, so they stay, and people are told.
"""

from __future__ import annotations

import dataclasses

from activity.text import plain

PLACES = r"""
local_places() { # where local file systems are mounted, each once
  awk '
    {
      for (i = 7; i < NF && $i != "-"; i++);
      if ($(i + 1) !~ /^(ext[234]|xfs|btrfs|zfs|f2fs|jfs|reiserfs|bcachefs|nilfs2|tmpfs|overlay)$/) next
      if ($(i + 1) == "overlay" && $5 != "/") next # of a container; what is written there lies on another
      if ($4 == "/") {if (!($3 in whole)) whole[$3] = $5}
      else if (!(($3, $4) in part)) {part[$3, $4] = $5; of[$3, $4] = $3}
    }
    END {
      for (d in whole) print whole[d]
      for (p in part) if (!(of[p] in whole)) print part[p]
    }' /proc/self/mountinfo
}
"""

# Needs HEAD, PROCESSES, JOBS, KERNEL, UIDS and PLACES. A line for each thing, "what:which"; "cut:" when time ran out.
LEFT = r"""
search() { # uid seconds: its files, ended by NUL; fails when that takes longer
  uid=$1 seconds=$2
  idle=
  if command -v ionice > /dev/null; then idle="ionice -c 3"; fi
  set --
  for place in $(local_places); do set -- "$@" "$(printf %b "$place")"; done
  timeout "$seconds" nice -n 19 $idle find "$@" -xdev \( -path "$S" -o -path "/home/*.session-*" \) -prune -o \
    -uid "$uid" -print0 2>/dev/null || [ $? = 1 ]
}
uid=$(own_uid "$1" "$2")
[ -n "$uid" ] || exit 0
jobs=$(spooled "$uid" "$2")
running=$(mine "$uid" | tr '\n' ' ')
if [ -n "$jobs" ] || [ -n "$running" ]; then
  echo "came while the account was removed: ${jobs:+job $jobs }${running:+process $running}" >&2
  exit 75
fi
getent passwd | awk -F: -v u="$uid" '$3 == u {print "account:" $1}'
getent group | awk -F: -v u="$uid" '$3 == u {print "group:" $1}'
for file in /etc/subuid /etc/subgid; do
  [ ! -e "$file" ] || awk -F: -v u="$uid" -v a="$2" -v f="$file" '$1 == u || $1 == a {print "line:" f}' "$file"
done
of_ipc "$uid" | sed 's/^-m/shared memory:/; s/^-s/semaphores:/; s/^-q/message queue:/'
in_queues -uid "$uid" -print | sed 's#^[./]*\(dev/mqueue/\)*\(\./\)*#POSIX queue:#'
of_keys "$uid" | awk '{print "key:" $8, $9}'
[ "$3" -gt 0 ] || exit 0
search "$uid" "$3" > "$D/found" || echo "cut:$3"
tr '\n\0' '?\n' < "$D/found" | head -n 200 | sed 's/^/file:/'
"""

MOST_SAID = 10  # of one kind, in one line of the log


@dataclasses.dataclass(frozen=True, slots=True)
class Rest:
    """What is left, as words for the session's log, and whether the search for files was cut off."""

    things: tuple[str, ...]
    is_cut: bool

    def __str__(self) -> str:
        shown = ", ".join(self.things[:MOST_SAID])
        more = len(self.things) - MOST_SAID
        return f"{shown} and {more} more" if more > 0 else shown


def parse(output: str) -> Rest:
    """Read what the script LEFT said."""
    pairs = [line.split(":", 1) for line in output.splitlines() if ":" in line]
    things = tuple(plain(f"{kind} {what.strip()}", 200) for kind, what in pairs if kind != "cut")
    return Rest(things, any(kind == "cut" for kind, _ in pairs))
