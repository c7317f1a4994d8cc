"""Searches a host for files that sessions left outside of the directories that are cleaned. Removes nothing.

The files may be the work that a session was for, so they stay, and people are told about them. On a large disk the
search takes long. User ids are never used again, so it can run after the sessions have ended, for many at once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

from django.conf import settings

from activity.text import plain
from sessions_app.catalogue.connectors import Grant
from sessions_app.catalogue.models import Resource
from sessions_app.hosts.connectors.ssh.credentials import credentials_for, host_of
from sessions_app.hosts.connectors.ssh.results import failure
from sessions_app.hosts.connectors.ssh.scripts import HEAD
from sessions_app.hosts.connectors.ssh.transport import connected
from sessions_app.hosts.search_models import HostSearch, LeftFiles
from sessions_app.privileged.models import PrivilegedSession

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
      for (d in whole) if (!said[whole[d]]++) print whole[d] # another may be mounted over it
      for (p in part) if (!(of[p] in whole) && !said[part[p]]++) print part[p]
    }' /proc/self/mountinfo
}
"""
# Arguments: "none", and the time limit in seconds. Standard input: the numbers of sessions.
# Prints "number:path" for the first files of each session, then "count number:how many", and "cut" if the time ran out.
# If another search is running on the host, it exits at once.
SEARCH = (
    HEAD
    + PLACES
    + r"""
[ -s "$S/uids" ] || exit 0
exec 9>> "$S/.searching"
flock -n 9 || { echo "another search is under way" >&2; exit 75; }
seconds=$2
known=$(awk 'FNR == NR {wanted[$1]; next} $2 in wanted && $1 ~ /^[0-9]+$/ && $1 >= 1000 {print $1, $2}' - "$S/uids")
[ -n "$known" ] || exit 0
idle=
if command -v ionice > /dev/null; then idle="ionice -c 3"; fi
set --
for place in $(local_places | sed 's/[\]/&0/g'); do set -- "$@" "$(printf %b "$place")"; done
[ $# -gt 0 ] || exit 0
set -- "$@" -xdev '(' -path "$S" -o -path "/home/*.session-*" ')' -prune -o '('
or=
for uid in $(echo "$known" | cut -d' ' -f1); do
  set -- "$@" $or -uid "$uid"
  or=-o
done
exec 3>&1
{
  timeout "$seconds" nice -n 19 $idle find "$@" ')' -print0 2>/dev/null || [ $? = 1 ] || echo cut >&3
} | nice -n 19 $idle xargs -0 -r -n 200 sh -c '
  line="
"
  for path; do
    shift
    case $path in
      *"$line"*) printf "%s %s\n" "$(stat -c %u -- "$path")" "$(printf %s "$path" | tr "\n" "?")" ;;
      *) set -- "$@" "$path" ;;
    esac
  done
  [ $# = 0 ] || stat -c "%u %n" -- "$@"' sh 2>/dev/null | awk -v known="$known" '
  BEGIN {
    many = split(known, words)
    for (i = 1; i < many; i += 2) session[words[i]] = words[i + 1]
  }
  $1 in session {
    number = session[$1]
    sub(/^[0-9]+ /, "")
    if (++count[number] <= 20) print number ":" substr($0, 1, 300)
  }
  END {for (number in count) print "count " number ":" count[number]}'
"""
)
MOST = 4 * 1024 * 1024  # bytes, enough for the first files of 200 sessions


@dataclasses.dataclass(frozen=True, slots=True)
class Findings:
    """The first paths and the number of files of each session that left some, and whether time ran out."""

    paths: Mapping[int, list[str]]
    counts: Mapping[int, int]
    is_incomplete: bool


def request_search(grant: Grant) -> None:
    """Store that the host is to be searched for files of the session when it is over."""
    is_ours = PrivilegedSession.objects.filter(pk=grant.session_id, resource=grant.resource_id).exists()
    if settings.HOST_SEARCH_SECONDS and is_ours:
        HostSearch.objects.get_or_create(resource_id=grant.resource_id)
        LeftFiles.objects.update_or_create(session_id=grant.session_id, defaults={"searched_at": None})


def search(resource: Resource, sessions: Iterable[int]) -> Findings:
    """Search all local file systems, for at most HOST_SEARCH_SECONDS. Raise TemporaryError or PermanentError."""
    numbers = "".join(f"{number}\n" for number in sessions)
    with connected(host_of(resource), credentials_for(resource), extra_connection=True) as remote:
        result = remote.script(SEARCH, "none", str(settings.HOST_SEARCH_SECONDS), given=numbers, most=MOST)
    if result.exit_code != 0:
        raise failure(result, resource.name, "")
    return parse(result.output)


def parse(output: str) -> Findings:
    """Return what SEARCH printed."""
    paths: dict[int, list[str]] = {}
    counts: dict[int, int] = {}
    for line in output.splitlines():
        number, _, rest = line.partition(":")
        if number.isdecimal():
            paths.setdefault(int(number), []).append(plain(rest, 300))
        elif (number := number.removeprefix("count ")).isdecimal() and rest.isdecimal():
            counts[int(number)] = int(rest)
    for one, found in paths.items():
        counts[one] = max(counts.get(one, 0), len(found))
    return Findings(paths, counts, "cut" in output.splitlines())
