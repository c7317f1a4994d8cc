"""Compares a host before and after a session with root rights: who can log in, become root, or start programs.

Somebody who was root can hide changes from this, so it is a help but no proof. It also reports what others have changed
in the meantime.
"""

from __future__ import annotations

import re

from django.conf import settings
from django.utils import timezone

from activity.models import Level
from activity.text import plain
from sessions_app.catalogue.connectors import Grant, Say
from sessions_app.hosts.connectors.ssh.results import failure
from sessions_app.hosts.connectors.ssh.search import PLACES
from sessions_app.hosts.connectors.ssh.transport import Remote
from sessions_app.hosts.models import HostComparison
from sessions_app.privileged.models import LIVE, PrivilegedSession

# Argument: the time limit in seconds for the search for setuid files; 0 means no search. Prints a line for each thing:
# its kind, name and value, separated by tabs.
SNAPSHOT = (
    r"""
set -u
PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
export PATH LC_ALL
T=$(printf '\t')
"""
    + PLACES
    + r"""
contents() { # kind, then files and directories
  kind=$1
  shift
  for place; do
    shift
    if [ -e "$place" ] && { [ ! -L "$place" ] || [ -f "$place" ]; }; then set -- "$@" "$place"; fi
  done
  [ $# -gt 0 ] || return 0
  find "$@" -xdev -type f ! -name .SEQ -exec sha256sum {} + 2>/dev/null |
    sed "s/^\\\\*\\([0-9a-f]\\{16\\}\\)[0-9a-f]* [ *]\\(.*\\)/$kind$T\\2$T\\1/"
  find "$@" -xdev -type l -exec ls -ld {} + 2>/dev/null | sed -n "s/^.* \\(\\/.*\\) -> /$kind$T\\1${T}link to /p"
}
awk -F: -v t="$T" '{print "account" t $1 t "user id " $3 ", group " $4 ", " $7}' /etc/passwd
cut -d: -f1,2 /etc/shadow | while IFS=: read -r name secret; do
  case "$secret" in '' | '!'* | '*'*) value=${secret:-empty} ;; *) value=set ;; esac
  printf 'password\t%s\t%s %s\n' "$name" "$value" "$(printf %s "$name:$secret" | sha256sum | cut -c 1-16)"
done
awk -F: -v t="$T" '{print "group" t $1 t "group id " $3 ": " $4}' /etc/group
contents "sudo rule" /etc/sudoers /etc/sudoers.d /etc/doas.conf /etc/doas.d
contents "cron" /etc/crontab /etc/anacrontab /etc/cron.d /etc/cron.hourly /etc/cron.daily /etc/cron.weekly \
  /etc/cron.monthly /etc/periodic /etc/crontabs /var/spool/cron /var/spool/at /var/spool/atjobs /var/spool/atd
lib=/lib/systemd/system
if [ /lib -ef /usr/lib ]; then lib=; fi
contents "unit" /etc/systemd /run/systemd/system /run/systemd/transient /usr/local/lib/systemd /usr/lib/systemd/system \
  $lib /etc/init.d /etc/rc.local /etc/inittab /etc/local.d
contents "login setting" /etc/ssh/sshd_config /etc/ssh/sshd_config.d /etc/pam.d /etc/ld.so.preload /etc/nsswitch.conf \
  /etc/profile /etc/profile.d /etc/environment
cut -d: -f6 /etc/passwd | sort -u | while IFS= read -r home; do
  for file in "$home/.ssh/authorized_keys" "$home/.ssh/authorized_keys2"; do
    [ -f "$file" ] || continue
    awk -v t="$T" -v f="$file" '
      !/^[ \t]*(#|$)/ {
        for (i = 1; i < NF && $i !~ /^(ssh-|ecdsa-|sk-)/; i++);
        print "authorized key" t f ": " $i " ..." substr($(i + 1), length($(i + 1)) - 19) " " $(i + 2) t \
          (i > 1 ? $1 : "")
      }' "$file"
  done
done
if command -v ss > /dev/null; then
  ss -Hlntup | awk -v t="$T" '{
    program = ""
    if (match($0, /\(\("[^"]*"/)) program = substr($0, RSTART + 3, RLENGTH - 4)
    print "port" t $1 " " $5 t program
  }'
else
  netstat -lntu 2>/dev/null | awk -v t="$T" '/^(tcp|udp)/ {print "port" t $1 " " $4 t}'
fi
[ "$1" -gt 0 ] || { echo "cut"; exit 0; }
set -- "$1" $(local_places)
seconds=$1
shift
timeout "$seconds" nice -n 10 find "$@" -xdev -type f \( -perm -4000 -o -perm -2000 \) -exec sh -c '
  for file; do
    printf "setuid file\t%s\t%s %s\n" "$file" "$(stat -c "%A of %u:%g" "$file")" "$(sha256sum < "$file" | cut -c 1-16)"
  done' sh {} + 2>/dev/null
[ $? -le 1 ] || echo "cut"
"""
)
# The kinds, in the order of the report.
KINDS = (
    *("account", "password", "group", "sudo rule", "authorized key", "login setting"),
    *("setuid file", "cron", "unit", "port"),
)
MOST = 4 * 1024 * 1024  # bytes of the output
MOST_NEWS = 500
CUT = "Setuid files were not compared: the host has more files than could be searched in {seconds} s."
# What a session adds has the session's number in its name. So what open sessions have added is not reported as new.
NUMBER = re.compile(r"sessionadmin-(?:watchdog-|session-)?(\d+)(?:\.service|\.new)?$")

State = dict[str, dict[str, str]]  # kind -> name -> value


def look_before(remote: Remote, grant: Grant, say: Say) -> None:
    """Store the state of the host once, before the session gets anything there.

    If the state cannot be read, log that; the session still starts. Raise TemporaryError if the connection breaks.
    """
    if not grant.compare_host or HostComparison.objects.filter(session=grant.session_id).exists():
        return
    state, problem = _look(remote, grant)
    HostComparison.objects.create(
        session_id=grant.session_id, before=state, before_at=timezone.now(), problem=problem[:300]
    )
    found = sum(len(names) for names in state.values())
    say(f"Looked at {grant.resource_name} before the session: {found} things. {problem}".strip(), Level.INFO)


def look_after(remote: Remote, grant: Grant, say: Say) -> None:
    """Store what has changed since look_before(), and log how much. Raise TemporaryError if the connection breaks."""
    row = HostComparison.objects.filter(session=grant.session_id, after_at=None).first()
    if row is None:
        return
    news, problem = compare_now(remote, grant, row)
    HostComparison.objects.filter(pk=row.pk, after_at=None).update(
        before={}, news=news[:MOST_NEWS], problem=problem[:300], after_at=timezone.now()
    )
    many = f"{len(news)} thing{'' if len(news) == 1 else 's'}"
    text = f"{many} that matter to security changed on {grant.resource_name} since before the session, whoever did it"
    say(f"{text}. {problem}".strip(), Level.WARNING if news else Level.INFO)


def compare_now(remote: Remote, grant: Grant, row: HostComparison) -> tuple[list[list[str]], str]:
    """Return what is new, changed or gone on the host since before the session, and what could not be compared."""
    state, problem = _look(remote, grant)
    problem = row.problem or problem
    before: State = row.before
    if not before or not state:
        return [], problem or "The host could not be checked."
    if problem:
        before, state = (
            {kind: names for kind, names in one.items() if kind != "setuid file"} for one in (before, state)
        )
    going_on = PrivilegedSession.objects.filter(resource=grant.resource_id, status__in=LIVE)
    sessions = dict(going_on.values_list("pk", "login_account"))
    news = [one for one in differences(before, state) if not _is_of(sessions, one)]
    return news, problem


def differences(before: State, after: State) -> list[list[str]]:
    """Return the differences of two states: for each "new", "changed" or "gone", its kind, name and value. Pure."""
    found = []
    for kind in KINDS:
        old, new = before.get(kind, {}), after.get(kind, {})
        for name in sorted(old.keys() | new.keys()):
            if old.get(name) != new.get(name):
                what = "new" if name not in old else "gone" if name not in new else "changed"
                found.append([what, kind, name, new.get(name, old.get(name, ""))])
    return found


def parse(output: str) -> tuple[State, bool]:
    """Return the state that SNAPSHOT printed, and whether its search ran out of time.

    The values of lines with the same kind and name are joined. Pure.
    """
    state: State = {}
    for line in output.splitlines():
        kind, _, rest = line.partition("\t")
        if kind in KINDS and rest:
            name, _, value = rest.partition("\t")
            names = state.setdefault(kind, {})
            names[plain(name, 300)] = " ".join(filter(None, (names.get(plain(name, 300), ""), plain(value, 200))))
    return state, "cut" in output.splitlines()


def _look(remote: Remote, grant: Grant) -> tuple[State, str]:
    seconds = settings.HOST_SEARCH_SECONDS
    result = remote.script(SNAPSHOT, str(seconds), most=MOST)
    if result.exit_code != 0:
        return {}, f"The host could not be checked: {failure(result, grant.resource_name, grant.login_account)}"
    state, is_incomplete = parse(result.output)
    return state, CUT.format(seconds=seconds) if is_incomplete else ""


def _is_of(sessions: dict[int, str], one: list[str]) -> bool:
    """Return whether the difference comes from a session that is still open."""
    _, kind, name, _ = one
    if kind in ("account", "password", "group"):
        return name in sessions.values()
    numbered = NUMBER.search(name) if kind in ("sudo rule", "unit", "authorized key") else None
    return numbered is not None and int(numbered[1]) in sessions
