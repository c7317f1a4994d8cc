"""Shell functions that find the processes of an account, and end them.

Those are its own, those that began in one of its logins (loginuid, the systemd slice of the user), those that sudo
started for it, and what any of its own started. Not those that were there before the session, and no zombies.
"""

from __future__ import annotations

# Needs HEAD of scripts.py.
PROCESSES = r"""
belong() { # uid
  {
    ps -eo pid=,ppid=,sid=,uid=,comm= | below "$1"
    {
      grep -lsE "^Uid:.*[[:space:]]$1([[:space:]]|\$)" /proc/[0-9]*/status || :
      grep -lsx "$1" /proc/[0-9]*/loginuid || :
      grep -ls "/user-$1\.slice/" /proc/[0-9]*/cgroup || :
      grep -lszx "SUDO_UID=$1" /proc/[0-9]*/environ || :
    } | cut -d/ -f3
  } | sort -un
}
below() { # uid; lines of ps: what its processes started, or what is in a session that one of them leads
  awk -v u="$1" '
    $4 == u {mine[$1]}
    {parent[$1] = $2; leader[$1] = $3; daemon[$1] = $5 ~ /^(sshd|cron|crond|atd|systemd)/ && $4 != u}
    END {
      do {
        more = 0
        for (p in parent) {
          if (p in mine || p + 0 <= 1 || daemon[p]) continue
          if (!(parent[p] in mine || leader[p] in mine)) continue
          file = "/proc/" p "/loginuid"
          login = ""
          getline login < file
          close(file)
          if (login != "" && login != "4294967295" && login != u) continue # in a login of another
          mine[p]
          more = 1
        }
      } while (more)
      for (p in mine) print p
    }'
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
