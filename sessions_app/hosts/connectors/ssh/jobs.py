"""Shell functions for scheduled work of an account: jobs of at and cron, timers and services of systemd.

All jobs of an account that the session made belong to the session. Of an account that existed before, only new jobs do:
the old ones are copied into the notes (`jobs`) when the session begins. A lock moves jobs out of the spools (`held`),
and an unlock moves them back.
"""

from __future__ import annotations

# Needs HEAD of scripts.py. The spools are those of the Debian, Red Hat, SUSE and Alpine families; only root, at and
# cron write there, so names in them are theirs.
JOBS = r"""
AT_SPOOLS="/var/spool/cron/atjobs /var/spool/cron/atspool /var/spool/at /var/spool/at/spool /var/spool/atjobs
  /var/spool/atspool /var/spool/atd"
# Directories in which everybody may write.
WORLD_WRITABLE="/tmp /var/tmp /dev/shm"
CRON_SPOOLS="/var/spool/cron/crontabs /var/spool/cron/tabs /var/spool/cron /etc/crontabs"
spooled() { # uid account: print the paths of its jobs, one a line. A crontab may belong to root; then its name counts.
  for _spool in $AT_SPOOLS; do
    [ ! -d "$_spool" ] || find "$_spool/." ! -name . -prune ! -type d -uid "$1"
  done | sed 's#/\./#/#'
  for _spool in $CRON_SPOOLS; do
    [ ! -d "$_spool" ] || find "$_spool/." ! -name . -prune ! -type d \( -uid "$1" -o -name "$2" -uid 0 \)
  done | sed 's#/\./#/#'
}
is_crontab() {
  case "${1##*/}" in "$2") return 0 ;; esac
  return 1
}
note_jobs() { # uid account: note the jobs that exist before the session. Without a uid there are none.
  mkdir -p "$D/jobs"
  [ -n "$1" ] || return 0
  if linger "$2"; then write_note lingers; fi
  spooled "$1" "$2" | while IFS= read -r _job; do
    mkdir -p "$D/jobs${_job%/*}"
    cp -p "$_job" "$D/jobs$_job" 2>/dev/null || : # the job has just run and is gone
  done
}
gone() { [ ! -e "$1" ] && [ ! -L "$1" ]; }
is_older() { # path: whether this job existed before the session and has not changed
  [ -f "$1" ] && [ -f "$D/jobs$1" ] && [ "$(sha256sum < "$1")" = "$(sha256sum < "$D/jobs$1")" ]
}
restore_crontab() { # path account: put a crontab back as it was before the session
  if is_crontab "$1" "$2" && [ -f "$D/jobs$1" ]; then cp -p "$D/jobs$1" "$1"; fi
}
tell_cron() { # account: the crond of busybox reads only the crontabs that are named in this file
  [ ! -d /etc/crontabs ] || echo "$1" >> /etc/crontabs/cron.update
}
are_known() { # whether we know which jobs existed before. An older version did not note them.
  [ "$(noted kind)" = ephemeral ] || [ -d "$D/jobs" ]
}
tell_at() { # let atd look at its spool now; by itself it would look after an hour
  for _pid in $(cat /run/atd.pid /var/run/atd.pid 2>/dev/null | sort -u); do
    if [ "$(cat "/proc/$_pid/comm" 2>/dev/null)" = atd ]; then kill -HUP "$_pid" || :; fi
  done
}
hold_jobs() { # uid account: move its jobs out of the spools, so that none begins while the account is locked
  are_known || return 0
  spooled "$1" "$2" | while IFS= read -r _job; do
    if gone "$_job" || is_older "$_job"; then continue; fi
    mkdir -p "$D/held${_job%/*}"
    mv -f "$_job" "$D/held$_job" 2>/dev/null || gone "$_job" || exit 75
    restore_crontab "$_job" "$2"
  done
  tell_cron "$2"
}
free_jobs() { # uid account: move its jobs back, unless something is in their place. Jobs that are due run now.
  [ -d "$D/held" ] || return 0
  _still=$(other_locked_sessions "$2" | head -n 1)
  if [ -n "$_still" ]; then # the lock of another session on the account holds the jobs from now on
    find "$D/held" ! -type d | while IFS= read -r _held; do
      _job=${_held#"$D/held"}
      mkdir -p "$_still/held${_job%/*}"
      mv -f "$_held" "$_still/held$_job"
    done
    return 0
  fi
  find "$D/held" ! -type d | while IFS= read -r _held; do
    _job=${_held#"$D/held"}
    if [ -e "$_job" ] && ! is_older "$_job"; then continue; fi
    mv -f "$_held" "$_job"
  done
  tell_at
  tell_cron "$2"
}
take_jobs() { # uid account: remove the jobs that came during the session
  are_known || return 0
  spooled "$1" "$2" | while IFS= read -r _job; do
    if gone "$_job" || is_older "$_job"; then continue; fi
    if [ "$(noted kind)" != ephemeral ] && [ ! -e "$D/made" ] && is_crontab "$_job" "$2"; then
      # The administrator of the account may need what the crontab had become.
      cp -p "$_job" "$S/crontab-of-$2.session-${D##*/session-}"
      echo "the crontab of $2 had changed; $S/crontab-of-$2.session-${D##*/session-} is what it was"
    fi
    rm -f -- "$_job"
    restore_crontab "$_job" "$2"
  done
  tell_cron "$2"
}
take_units() { # uid account: stop services and timers that systemd was told to run as the account
  [ -d /run/systemd/system ] || return 0
  for _unit in $(grep -lsxE "User=($1|$2)" /run/systemd/transient/*.service | sed 's#.*/##'); do
    timeout 10 systemctl stop "${_unit%.service}.timer" "$_unit" 2>/dev/null || :
  done
}
linger() { # account: whether its own systemd goes on while nobody is logged in
  [ -e "/var/lib/systemd/linger/$1" ]
}
take_linger() { # uid account: let its own systemd end with the last login again
  if [ -e "$D/lingers" ] || ! linger "$2"; then return 0; fi
  rm -f "/var/lib/systemd/linger/$2"
  [ ! -d /run/systemd/system ] || timeout 10 systemctl stop "user@$1.service" 2>/dev/null || :
}
"""
