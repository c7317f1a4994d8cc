"""Reports what of a session's user id is left on a host after the cleanup. Removes nothing.

Files outside of the directories that are cleaned are searched for later, by search.py.
"""

from __future__ import annotations

from activity.text import plain

# Needs HEAD, PROCESSES, JOBS, KERNEL and UIDS. A line for each thing, "what:which".
LEFT = r"""
uid=$(own_uid "$1" "$2")
[ -n "$uid" ] || exit 0
jobs=$(spooled "$uid" "$2")
running=$(session_processes "$uid" | tr '\n' ' ')
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
"""

MOST_SAID = 10  # how many of one kind a line of the log names


def parse(output: str) -> str:
    """Return what the script LEFT printed, in words for the session's log; an empty string if nothing is left."""
    pairs = [line.split(":", 1) for line in output.splitlines() if ":" in line]
    things = [plain(f"{kind} {what.strip()}", 200) for kind, what in pairs]
    more = len(things) - MOST_SAID
    return ", ".join(things[:MOST_SAID]) + (f" and {more} more" if more > 0 else "")
