"""Lists what on a host belongs to sessions: notes, sudo rules, processes, files and accounts.

It does not know which of these sessions are open.
"""

from __future__ import annotations

from sessions_app.catalogue.connectors import Held
from sessions_app.catalogue.models import Resource
from sessions_app.hosts.connectors.ssh.credentials import credentials_for, host_of
from sessions_app.hosts.connectors.ssh.results import failure
from sessions_app.hosts.connectors.ssh.transport import connected
from sessions_app.hosts.connectors.ssh.uids import UIDS

LIST = (
    r"""
PATH=/usr/sbin:/usr/bin:/sbin:/bin; export PATH
S=/var/lib/sessionadmin
"""
    + UIDS
    + r"""
for d in "$S"/session-*; do
  [ -d "$d" ] || continue
  echo "${d##*/session-}:notes of the account $(cat "$d/account" 2>/dev/null)"
done
for f in /etc/sudoers.d/sessionadmin-*; do
  [ -e "$f" ] || continue
  n=${f##*/sessionadmin-}
  echo "${n%.new}:sudo rule $f"
done
for f in $(grep -lszxE '/var/lib/sessionadmin/session-[0-9]+/watchdog' /proc/[0-9]*/cmdline); do
  p=${f%/cmdline}
  [ "$(stat -c %u "$p" 2>/dev/null)" = 0 ] && [ "$p/root$S" -ef "$S" ] || continue
  { tr '\0' ' ' 2>/dev/null < "$f"; echo; } |
    sed -n "s#^[^ ]*sh /var/lib/sessionadmin/session-\([0-9]*\)/watchdog [0-9]* \$#\1:watchdog, process ${p#/proc/}#p"
done
if [ -s "$S/uids" ]; then # user ids that sessions were given, and what belongs to them
  {
    ps -eo uid=,pid= | sed 's/\([0-9]*\)$/process \1/'
    for place in /var/spool/cron /var/spool/at /var/spool/atjobs /var/spool/atspool /var/spool/atd /etc/crontabs; do
      [ ! -d "$place" ] || find "$place/." -maxdepth 2 ! -type d -exec stat -c '%u job %n' {} + | sed 's#/\./#/#'
    done
    find /tmp /var/tmp /dev/shm -maxdepth 1 -exec stat -c '%u file %n' {} +
  } 2>/dev/null | awk '
    FNR == NR {session[$1] = $2; next}
    $1 in session && !(($1, $2) in seen) {
      seen[$1, $2]
      print session[$1] ":" $2 " " $3 " of the user id " $1
    }' "$S/uids" - | while IFS= read -r line; do
      n=${line%%:*} u=${line##* }
      account=$(awk -v u="$u" '$1 == u {print $3; exit}' "$S/uids")
      who=$(other_holders "$u" "$n" "$account" | tr '\n' ' ')
      if [ -n "$who" ]; then
        echo "$n:the user id $u, which ${who% } has by now: what it has is left alone"
      else
        echo "$line"
      fi
    done | sort -u
fi
getent passwd | sed -n 's/^\([^:]*\):.*:sessionadmin session-\([0-9]*\):.*$/\2:account \1/p'
"""
)


def look(resource: Resource) -> list[Held]:
    """Return everything on the host that has a session's number. Raise TemporaryError or PermanentError."""
    with connected(host_of(resource), credentials_for(resource)) as remote:
        result = remote.script(LIST)
    if result.exit_code != 0:
        raise failure(result, resource.name, "")
    pairs = [line.split(":", 1) for line in result.output.splitlines() if ":" in line]
    return sorted(
        (Held(int(number), what) for number, what in pairs if number.isdecimal()),
        key=lambda held: (held.session_id, held.what),
    )
