"""Shell functions for the watchdog, by which a host ends a session without the console.

It is a small process of root on the host that waits until shortly after the end, and then does what the console would
have done (program() in removal.py). It waits by the host's uptime, so a wrong clock does no harm; only after a reboot
it uses the clock. Only its file `ends` says how long it waits, so the end is moved by writing that file. It is
recognized by its process number, its start time and its command line.
"""

from __future__ import annotations

# Needs HEAD of scripts.py. $1 is the session's number.
WATCHDOG = r"""
up() { read -r _uptime < /proc/uptime && echo "${_uptime%%.*}"; }
watchdog_until() { # seconds from now: set the end, rather a second too late than too early
  write_note ends "$(boot_id) $(( $(up) + 1 + $1 )) $(( $(date +%s) + 1 + $1 ))"
}
watchdog_left() {
  read -r _boot _up _clock < "$D/ends"
  if [ "$_boot" = "$(boot_id)" ]; then echo $((_up - $(up))); else echo $((_clock - $(date +%s))); fi
}
is_watchdog() { # process: whether it is the watchdog of this session, and not that of a container on this host
  [ "$(stat -c %u "/proc/$1" 2>/dev/null)" = 0 ] && [ "/proc/$1/root$S" -ef "$S" ] || return 1
  case "$(tr '\0' ' ' 2>/dev/null < "/proc/$1/cmdline")" in *"sh $D/watchdog ${D##*/session-} ") ;; *) return 1 ;; esac
}
watchdog_lives() {
  [ -s "$D/watchdog_process" ] || return 1
  read -r _pid _began < "$D/watchdog_process"
  [ "$(began "$_pid")" = "$_began" ] && is_watchdog "$_pid"
}
watchdog_came() {
  for _pause in 0.02 0.03 0.05 0.1 0.3 0.5 1 2; do
    sleep "$_pause"
    if watchdog_lives; then return 0; fi
  done
  return 1
}
watchdog_start() {
  if watchdog_lives; then return 0; fi
  # A service outlives every login, and systemctl lists it.
  if [ -d /run/systemd/system ] && command -v systemd-run > /dev/null; then
    if systemd-run --quiet --collect --unit="sessionadmin-watchdog-${D##*/session-}" \
      sh "$D/watchdog" "${D##*/session-}" < /dev/null > /dev/null 2>&1 8>&- 9>&- && watchdog_came; then return 0; fi
  fi
  env -i "PATH=$PATH" setsid sh "$D/watchdog" "${D##*/session-}" < /dev/null > /dev/null 2>&1 8>&- 9>&- &
  watchdog_came || { echo "the watchdog of the session did not start" >&2; exit 75; }
}
take_turn() { # wait while the watchdog is taking rights away: only one of us does that at a time
  [ -e "$D/turn" ] || return 0
  exec 8>> "$D/turn"
  flock -w 40 8 || { echo "the host itself is taking the rights away" >&2; exit 75; }
}
watchdog_move() { # seconds from now: move the end, unless the host has ended the session already
  [ -s "$D/watchdog" ] || return 0 # an older version gave this grant, without a watchdog
  take_turn
  [ ! -e "$D/ended" ] || exit 24
  watchdog_until "$1"
  watchdog_start
  exec 8>&-
}
watchdog_hold() { # let it wait while the console takes the rights away, and act if the console does not finish
  if [ ! -s "$D/ends" ] || [ -e "$D/ended" ]; then return 0; fi
  take_turn
  if [ "$(watchdog_left)" -lt 120 ]; then watchdog_until 120 || :; fi # go on if the disk is full
  exec 8>&-
}
watchdog_end() {
  for _file in $(grep -lszx "$D/watchdog" /proc/[0-9]*/cmdline); do
    _pid=${_file#/proc/}
    _pid=${_pid%/cmdline}
    if is_watchdog "$_pid"; then # its sleep(1) is in the same process group
      kill -TERM -- "-$_pid" 2>/dev/null || kill -TERM "$_pid" 2>/dev/null || :
    fi
  done
}
"""

# The program of the watchdog; @TAKE@ stands for the steps. Its children do not inherit the descriptors 7 and 8, whose
# locks say that the watchdog lives and that it works.
PROGRAM = r"""
number=$1
failed=
step() { # label command...: run one step, and remember its label if it fails
  label=$1
  shift
  timeout -k 5 60 "$@" 7>&- 8>&- < /dev/null > /dev/null 2>&1 || failed="$failed $label;"
}
said() { if command -v logger > /dev/null; then logger -t sessionadmin -- "$1" 7>&- 8>&- || :; fi; }
take() {
  account=$(noted account)
  kind=$(noted kind)
@TAKE@
  [ -z "$failed" ]
}
exec 7>> "$D/alive"
flock -n 7 || exit 0
me="$$ $(began $$)"
write_note watchdog_process "$me"
# If the notes were removed and written again, another watchdog belongs to them, and this one ends.
while [ -e "$D/account" ] && [ ! -e "$D/ended" ] && [ "$(noted watchdog_process)" = "$me" ]; do
  left=$(watchdog_left)
  if [ "$left" -gt 0 ]; then
    if [ "$left" -gt 60 ]; then left=60; fi
    sleep "$left" 7>&-
    continue
  fi
  exec 8>> "$D/turn"
  flock 8
  if [ "$(watchdog_left)" -le 0 ] && [ -e "$D/account" ]; then
    failed=
    if take; then
      write_note ended "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
      said "session $1 is over and the console did not come: everything of ${account} is taken away"
      exit 0
    fi
    said "session $1 is over and not everything of ${account} could be taken away:${failed} trying again"
    watchdog_until 30
  fi
  exec 8>&-
done
"""
