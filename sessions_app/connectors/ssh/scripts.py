"""What runs on a host, as fixed shell scripts. Every value reaches them as an argument or on standard input.

Each may be repeated and each writes down what it is about to give before it gives it, in
/var/lib/sessionadmin/session-<number>/ (root only), so that taking away needs no memory but the host's own. Made for
POSIX sh with coreutils, util-linux and shadow. Exit codes above 9 are ours: see results.py.
"""

from __future__ import annotations

from sessions_app.connectors.ssh.guard import GUARD

HEAD = r"""
set -eu
umask 077
PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
export PATH LC_ALL
S=/var/lib/sessionadmin
D=$S/session-$1
put() { cat > "$D/.$1.new"; sync "$D/.$1.new"; mv "$D/.$1.new" "$D/$1"; }
noted() { [ ! -e "$D/$1" ] || cat "$D/$1"; }
mark() { printf '%s\n' "${2:-}" | put "$1"; }
home_of() { getent passwd "$1" | cut -d: -f6; }
uid_of() { getent passwd "$1" | cut -d: -f3; }
began() { sed 's/^.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; } # of a process, in ticks since the boot
claimed() { # account: whether another session's notes name it
  for _other in "$S"/session-*; do
    if [ "$_other" != "$D" ] && [ -e "$_other/account" ] && [ "$(cat "$_other/account")" = "$1" ]; then return 0; fi
  done
  return 1
}
forget_ended() { [ ! -e "$D/ended" ] || rm -rf -- "$D"; } # the host ended it by itself; this is a new beginning
is_ours() { # the account, when it is the one that this session made
  _uid=$(uid_of "$2") || return 1
  [ -n "$_uid" ] || return 1
  [ "$(noted uid)" != "$_uid" ] || return 0
  case "$(getent passwd "$2")" in *":sessionadmin session-$1:"*) return 0 ;; esac
  return 1
}
"""

# Processes of an account: its own, those that began in one of its logins (loginuid, the systemd slice of the user), and
# those that sudo started for it. Not those that were there before the session, and no zombies.
PROCESSES = r"""
belong() {
  {
    grep -lsE "^Uid:.*[[:space:]]$1([[:space:]]|\$)" /proc/[0-9]*/status || :
    grep -lsx "$1" /proc/[0-9]*/loginuid || :
    grep -ls "/user-$1\.slice/" /proc/[0-9]*/cgroup || :
    grep -lszx "SUDO_UID=$1" /proc/[0-9]*/environ || :
  } | cut -d/ -f3 | sort -un
}
is_monitor() { # sshd's own process for a login, which runs as root
  case "$(cat "/proc/$1/comm" 2>/dev/null)" in sshd*) ;; *) return 1 ;; esac
  grep -qsE '^Uid:[[:space:]]0[[:space:]]0[[:space:]]' "/proc/$1/status"
}
mine() {
  for p in $(belong "$1"); do
    if [ "$p" = 1 ] || [ "$p" = $$ ]; then continue; fi
    if grep -qsE '^State:[[:space:]]*[ZX]' "/proc/$p/status"; then continue; fi
    if [ -s "$D/before" ] && grep -qx "$p:$(began "$p")" "$D/before"; then continue; fi
    if [ -e "/proc/$p" ]; then echo "$p"; fi
  done
}
end_all() {
  i=0
  while [ "$i" -lt 100 ]; do
    if [ ! -e "$D/before" ] && [ "$i" -lt 50 ]; then # all of them in one moment, before one can start another
      setpriv --reuid "$1" --regid "$1" --clear-groups sh -c 'kill -KILL -1' 2>/dev/null || :
    fi
    left=
    for p in $(mine "$1"); do
      left="$left $p"
      # It closes the login properly by itself once its child is gone.
      if [ "$i" -lt 20 ] && is_monitor "$p"; then continue; fi
      kill -KILL "$p" 2>/dev/null || :
    done
    [ -n "$left" ] || return 0
    i=$((i + 1))
    sleep 0.1
  done
  echo "still running:$left" >&2
  return 75
}
"""

EXPIRY = r"""
day_after() { date -u -d "@$(( ($(date +%s) + $1) / 86400 * 86400 + 86400 ))" +%Y-%m-%d; }
moment_after() { date -d "@$(( $(date +%s) + $1 ))" +%Y%m%d%H%M%S; }
"""

# As the account itself, never as root: its home is its own, and a link there leads root wherever it points.
KEYS = r"""
as_account() {
  a=$1
  shift
  setpriv --reuid "$(id -u "$a")" --regid "$(id -g "$a")" --init-groups --reset-env "$@"
}
write_keys() { # session account lines-on-stdin
  as_account "$2" sh -c 'set -eu
    umask 077
    cd "$1"
    mkdir -p .ssh
    [ -e .ssh/authorized_keys ] || : > .ssh/authorized_keys
    { grep -v " sessionadmin-session-$2\$" .ssh/authorized_keys || [ $? = 1 ]; } > .ssh/.sessionadmin-$2
    cat >> .ssh/.sessionadmin-$2
    mv -f .ssh/.sessionadmin-$2 .ssh/authorized_keys' sh "$(home_of "$2")" "$1"
}
give_keys() { # session account seconds
  [ -e "$D/keys" ] || return 0
  sed "s/@EXPIRY@/$(moment_after "$3")/" "$D/keys" | write_keys "$1" "$2"
}
"""

# session account shell groups
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
mark kind ephemeral
mark account "$2"
"""
)

# session account shell groups seconds
CREATE = (
    HEAD
    + EXPIRY
    + r"""
if is_ours "$1" "$2"; then
  [ ! -e "$D/uid" ] || exit 0
  userdel -- "$2" # an earlier try was cut off in the middle
fi
if getent passwd "$2" > /dev/null; then exit 10; fi
set -- "$1" "$2" "$3" "$4" "$(day_after "$5")"
useradd --create-home --home-dir "/home/$2" --user-group --password '*' --comment "sessionadmin session-$1" \
  --expiredate "$5" --shell "$3" ${4:+--groups "$4"} -- "$2"
chmod 0700 "/home/$2"
mark uid "$(uid_of "$2")"
"""
)

# session account groups
CLAIM_MANAGED = (
    HEAD
    + PROCESSES
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
for g in $(echo "$3" | tr , ' '); do getent group "$g" > /dev/null || exit 12; done
mkdir -p "$D"
for p in $(belong "$uid"); do echo "$p:$(began "$p")"; done | put before
for g in $(echo "$3" | tr , ' '); do
  id -nG "$2" | tr ' ' '\n' | grep -qx "$g" || echo "$g"
done | put groups
mark uid "$uid"
mark kind managed
mark account "$2"
"""
)

# session account
CLAIM_COMMANDS = (
    HEAD
    + PROCESSES
    + r"""
forget_ended
[ ! -e "$D/account" ] || exit 0
[ "$2" != "${SUDO_USER:-}" ] || exit 16
mkdir -p "$D"
uid=$(uid_of "$2")
if [ -n "$uid" ]; then
  for p in $(belong "$uid"); do echo "$p:$(began "$p")"; done | put before
fi
mark kind commands
mark account "$2"
"""
)

# session seconds; the guard's program on standard input. Before anything is given.
SET_GUARD = (
    HEAD
    + GUARD
    + r"""
put guard
: >> "$D/turn"
guard_move "$2"
"""
)

# session; number of the command that is about to run
NOTE_COMMAND = (
    HEAD
    + r"""
mark commands "$2"
"""
)

# session account seconds: whose processes are watched from now on
NOTE_ACCOUNT = (
    HEAD
    + GUARD
    + r"""
guard_move "$3"
uid=$(uid_of "$2")
if [ -n "$uid" ] && [ "$uid" != 0 ]; then mark uid "$uid"; fi
"""
)

# session account
JOIN_GROUPS = (
    HEAD
    + r"""
for g in $(noted groups); do usermod --append --groups "$g" -- "$2"; done
"""
)

# session account; the rule on standard input
GIVE_SUDO = (
    HEAD
    + r"""
command -v visudo > /dev/null || exit 22
visudo -c -q || exit 21
put sudo
install -m 0440 "$D/sudo" "$D/.sudo.check"
visudo -c -q -f "$D/.sudo.check" || exit 20
f=/etc/sudoers.d/sessionadmin-$1
cp "$D/.sudo.check" "$f.new" # names with a dot are not read
chmod 0440 "$f.new"
sync "$f.new"
mv "$f.new" "$f"
visudo -c -q || { rm -f "$f"; exit 20; }
"""
)

# session account seconds; the lines on standard input
GIVE_KEYS = (
    HEAD
    + EXPIRY
    + KEYS
    + GUARD
    + r"""
guard_move "$3"
put keys
give_keys "$@"
"""
)

# session account seconds
EXTEND = (
    HEAD
    + EXPIRY
    + KEYS
    + GUARD
    + r"""
[ -e "$D/account" ] || exit 18
guard_move "$3"
[ ! -e "$D/locked" ] || exit 0 # unlocking sets it
[ "$(noted kind)" != ephemeral ] || usermod --expiredate "$(day_after "$3")" -- "$2"
give_keys "$@"
"""
)
