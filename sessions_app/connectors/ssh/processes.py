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
mine() { # uid
  belong "$1" | awk -v me=$$ -v before="$D/before" '
    BEGIN {while ((getline line < before) > 0) old[line]}
    $1 == 1 || $1 == me {next}
    {
      file = "/proc/" $1 "/stat"
      text = ""
      while ((getline line < file) > 0) text = text line # a name may have several lines
      close(file)
      sub(/^.*\) /, "", text)
      count = split(text, part, " ") # from the state on; its threads may outlive the first one, a zombie
      if (count < 20 || (part[1] ~ /[ZX]/ && part[18] < 2) || ($1 ":" part[20]) in old) next
      print $1
    }'
}
but_monitors() { # pids; those that are not sshd's own processes of root
  awk '{
    file = "/proc/" $1 "/status"
    monitor = is_sshd = 0
    while ((getline line < file) > 0) {
      if (line ~ /^Name:[ \t]*sshd/) is_sshd = 1
      if (line ~ /^Uid:[ \t]0[ \t]0[ \t]/) monitor = is_sshd
    }
    close(file)
    if (!monitor) print $1
  }'
}
restless() { # uid: those of which a thread is not stopped, and "moving" for those that are about to do something
  { mine "$1" | but_monitors | sed 's/$/ mine/'; ps -eLo pid=,s=; } | awk '
    $2 == "mine" {mine[$1]; next}
    !($1 in mine) || $2 ~ /[TtZX]/ {next}
    $2 == "D" {waits[$1]; next} # it takes the signal before anything else
    {moves[$1]}
    END {
      for (p in waits) if (!(p in moves)) print p
      for (p in moves) print p, "moving"
    }'
}
every() { # signal uid: to all its processes in one moment, before one can start another; fails when it was kept from it
  [ "$2" -gt 0 ] || return 1
  unlimited
  timeout -s KILL 2 setpriv --reuid "$2" --regid "$2" --clear-groups \
    sh -c 'kill -s "$1" -- -1 2>/dev/null; exit 0' sh "$1" < /dev/null > /dev/null 2>&1
}
of_others() { # uid: processes with this user id that are not the session's: number and state
  { mine "$1" | sed 's/$/ mine/'; ps -eo pid=,s=,ruid=,suid=; } | awk -v u="$1" '
    $2 == "mine" {mine[$1]; next}
    ($3 == u || $4 == u) && !($1 in mine) {print $1, $2}'
}
stop_every() { # uid; what is not the session's goes on after a moment, unless it stood still before
  if [ ! -e "$D/before" ]; then
    every STOP "$1"
    return
  fi
  [ -e "$D/stood" ] || of_others "$1" | awk '$2 == "T" {print $1}' | put stood # an earlier try may have been cut off
  _go_on=$(of_others "$1" | awk '$2 != "T" {print $1}')
  _stopped=0
  every STOP "$1" || _stopped=1
  [ -z "$_go_on" ] || kill -CONT $_go_on 2>/dev/null || :
  _go_on=$(of_others "$1" | awk '$2 == "T" {print $1}' | grep -vxFf "$D/stood") || : # began meanwhile
  [ -z "$_go_on" ] || kill -CONT $_go_on 2>/dev/null || :
  rm -f "$D/stood"
  return "$_stopped"
}
stop_all() { # uid; until two looks in a row find nothing that moves
  i=0
  calm=0
  reached=no
  while [ "$i" -lt 40 ]; do
    if [ "$reached" = no ] && stop_every "$1"; then reached=yes; fi
    found=$(restless "$1")
    [ -z "$found" ] || kill -STOP $(echo "$found" | cut -d' ' -f1) 2>/dev/null || :
    case "$found" in
      *moving*)
        calm=0
        reached=no
        sleep 0.05
        ;;
      *) [ "$reached" = no ] || calm=$((calm + 1)) ;;
    esac
    [ "$calm" -lt 2 ] || return 0
    i=$((i + 1))
  done
  echo "still moving: $(echo "$found" | sed -n 's/ moving//p' | head -n 20 | paste -sd' ' -)" >&2
  return 75
}
end_all() { # uid; until two looks in a row find nothing
  i=0
  calm=0
  reached=no
  while [ "$i" -lt 100 ]; do
    if [ ! -e "$D/before" ]; then
      reached=no
      if every KILL "$1"; then reached=yes; fi
    elif [ $((i % 10)) = 0 ] && stop_every "$1"; then # once they stand still, none of them is missed
      reached=yes
    fi
    left=$(mine "$1")
    if [ -z "$left" ]; then
      [ "$reached" = no ] || calm=$((calm + 1))
      [ "$calm" -lt 2 ] || return 0
    else
      calm=0
      # A monitor closes the login properly by itself once its child is gone.
      if [ "$i" -lt 20 ]; then ends=$(echo "$left" | but_monitors); else ends=$left; fi
      [ -z "$ends" ] || kill -KILL $ends 2>/dev/null || :
      sleep 0.1
    fi
    i=$((i + 1))
  done
  echo "still running: $(echo "$left" | head -n 20 | paste -sd' ' -)" >&2
  return 75
}
"""
