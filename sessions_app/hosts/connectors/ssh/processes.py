"""Shell functions that find the processes of an account, and end them.

A process belongs to the account if it has the account's user id (real, effective or saved), or if it is a process of
root that sudo started for the account. The latter are found by their parent processes, by their environment, and by the
login in which they began (loginuid, the systemd slice of the user). Also included is sshd's process for each login.

Never included are processes of other accounts, daemons of the system and processes of root that a daemon started,
processes that ran before the session and those that they start, and zombies.
"""

from __future__ import annotations

from sessions_app.hosts.connectors.ssh.log_source import LOG
from sessions_app.hosts.connectors.ssh.shared_account import SHARED

# Needs HEAD of scripts.py.
PROCESSES = (
    LOG
    + SHARED
    + r"""
account_processes() { # uid: print the account's processes
  # Until the file `before` exists, those that ran before the session are among them.
  _all=$(all_processes)
  {
    for _p in $(older); do echo "older $_p"; done
    printf '%s\n' "$_all" | servers
    {
      grep -lszx "SUDO_UID=$1" /proc/[0-9]*/environ | sed 's/^/sudo /'
      grep -lsx "$1" /proc/[0-9]*/loginuid | sed 's/^/inherited /'
      grep -ls "/user-$1\.slice/" /proc/[0-9]*/cgroup | sed 's/^/inherited /'
    } | sed 's#/proc/\([0-9]*\)/.*#\1#'
    printf '%s\n' "$_all" | sed 's/^/process /'
  } | awk -v u="$1" '
    $1 == "process" {
      parent[$2] = $3; leader[$2] = $4
      if ($5 == u || $6 == u || $7 == u) own[$2]
      else if ($5 == 0 && $6 == 0) root[$2]
      next
    }
    {is[$1, $2]}
    $1 == "daemon" {daemon[$2]}
    function of_login(p,  file, login) { # whether the process began in a login of another account
      file = "/proc/" p "/loginuid"
      login = ""
      getline login < file
      close(file)
      return login != "" && login != "4294967295" && login != u
    }
    function was_there(p,  n) { # whether the process, or one of its parents, ran before the session
      for (n = 0; p + 0 > 1 && n < 1000; n++) {
        if (("older", p) in is || ("older", leader[p]) in is) return 1
        if (("login", p) in is) return 0
        p = parent[p]
      }
      return 0
    }
    function is_sudos(p,  q, n) { # whether sudo started this process of root for the account
      for (q = p; q + 0 > 1 && n < 1000; n++) {
        if (q in own) return !of_login(p)
        if (!(q in root) || ("daemon", q) in is || ("login", q) in is) return 0 # somebody else leads it
        if (leader[q] in own && !of_login(p)) return 1
        if (("sudo", q) in is) return 1
        if (("inherited", q) in is && !passed_on) return 1
        q = parent[q]
      }
      return 0
    }
    END {
      # The session restarted a daemon, whose children inherit this.
      for (p in daemon) if (("inherited", p) in is) passed_on = 1
      for (p in own) if (!was_there(p)) {
        print p
        if (("login", parent[p]) in is && parent[p] in root) print parent[p]
      }
      for (p in root) if (is_sudos(p) && !was_there(p)) print p
    }' | sort -un
}
older() { # print the processes from before the session. One that is gone still counts for the processes that it led.
  [ -s "$D/before" ] || return 0
  while IFS=: read -r _pid _began; do
    case "$(began "$_pid")" in '' | "$_began") echo "$_pid" ;; esac
  done < "$D/before"
}
is_title_of_login() { # process: whether the title that sshd gave it says that it serves a login
  _title=
  { IFS= read -r _title < "/proc/$1/cmdline"; } 2>/dev/null || : # it has no end of a line
  case "$_title" in
    "sshd: "*"[listener]"*) return 1 ;;
    "sshd: "* | "sshd-session: "* | "sshd-auth: "*) return 0 ;;
  esac
  return 1
}
all_processes() { ps -eo pid=,ppid=,sid=,ruid=,euid=,suid=,comm=; }
servers() { # what all_processes printed, on standard input: print "login PROCESS" for the process of root that sshd has
  # for each login, and "daemon PROCESS" for the daemons of the system. Those work for everybody, whoever restarted one.
  # Only installed programs count.
  awk '$4 == 0 && $5 == 0 && $7 ~ /^(sshd|cron|crond|CRON|anacron|atd|systemd|dbus-daemon|rsyslogd)/ {print $1, $7}' |
    while read -r _pid _name; do
      case "$(readlink "/proc/$_pid/exe")" in /usr/* | /bin/* | /sbin/* | /lib/* | /lib64/*) ;; *) continue ;; esac
      if ! is_title_of_login "$_pid"; then
        echo "daemon $_pid"
      else
        case "$_name" in sshd*) echo "login $_pid" ;; esac
      fi
    done
}
logins() { # print the process of root that sshd has for each login
  all_processes | servers | sed -n 's/^login //p'
}
session_processes() { # uid: print the session's processes
  # After learn_owners those of other sessions are left out; with reach=own those that may be another session's too.
  account_processes "$1" | awk -v me=$$ -v before="$D/before" '
    BEGIN {while ((getline line < before) > 0) old[line]}
    $1 == 1 || $1 == me {next}
    {
      file = "/proc/" $1 "/stat"
      text = ""
      while ((getline line < file) > 0) text = text line # the name of a process may contain line breaks
      close(file)
      sub(/^.*\) /, "", text)
      # The fields from the state on. Threads may outlive the first thread, which is then a zombie.
      count = split(text, part, " ")
      if (count < 20 || (part[1] ~ /[ZX]/ && part[18] < 2) || ($1 ":" part[20]) in old) next
      print $1
    }' | spare_others
}
but_monitors() { # processes on standard input: print those that are not sshd's own processes of root
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
running_processes() { # uid: print those that are not stopped in all threads, with "moving" if one of these can act
  { session_processes "$1" | but_monitors | sed 's/$/ session/'; ps -eLo pid=,s=; } | awk '
    $2 == "session" {of_session[$1]; next}
    !($1 in of_session) || $2 ~ /[TtZX]/ {next}
    $2 == "D" {waits[$1]; next} # it waits for a device, and stops before it does anything else
    {moves[$1]}
    END {
      for (p in waits) if (!(p in moves)) print p
      for (p in moves) print p, "moving"
    }'
}
every() { # signal uid: send it to all its processes at once, so that none can start another before. May fail.
  [ "$2" -gt 0 ] || return 1
  unlimited
  timeout -s KILL 2 setpriv --reuid "$2" --regid "$2" --clear-groups \
    sh -c 'kill -s "$1" -- -1 2>/dev/null; exit 0' sh "$1" < /dev/null > /dev/null 2>&1
}
of_others() { # uid: print number and state of the processes with this user id that are not the session's
  { session_processes "$1" | sed 's/$/ session/'; ps -eo pid=,s=,ruid=,suid=; } | awk -v u="$1" '
    $2 == "session" {of_session[$1]; next}
    ($3 == u || $4 == u) && !($1 in of_session) {print $1, $2}'
}
has_all_to_itself() { [ ! -e "$D/before" ] && [ -z "${owners:-}" ]; } # whether the user id is the session's alone
stop_every() { # uid: stop all its processes. What is not the session's goes on at once, unless it was stopped before.
  if has_all_to_itself; then
    every STOP "$1"
    return
  fi
  _others=$(of_others "$1")
  # An earlier try may have been cut off.
  [ -e "$D/stood" ] || printf '%s\n' "$_others" | awk '$2 == "T" {print $1}' | put stood
  _go_on=$(printf '%s\n' "$_others" | awk '$2 != "T" {print $1}')
  _stopped=0
  every STOP "$1" || _stopped=1
  [ -z "$_go_on" ] || kill -CONT $_go_on 2>/dev/null || :
  _go_on=$(of_others "$1" | awk '$2 == "T" {print $1}' | grep -vxFf "$D/stood") || : # these began meanwhile
  [ -z "$_go_on" ] || kill -CONT $_go_on 2>/dev/null || :
  rm -f "$D/stood"
  return "$_stopped"
}
freezers() { # uid: print the files by which the systemd slice of the user is frozen, if there are any
  for _freezer in $(awk '$3 == "cgroup2" {print $2}' /proc/mounts); do
    _freezer=$_freezer/user.slice/user-$1.slice/cgroup.freeze
    [ ! -w "$_freezer" ] || echo "$_freezer"
  done
}
freeze_slice() { # uid: freeze the systemd slice of the user in one moment, with what sudo started in it
  for _freezer in $(freezers "$1"); do
    echo "$$ $(began $$)" > "$D/frozen" || : # first, because this script may be cut off
    trap "thaw_slice $1" EXIT
    trap 'exit 75' HUP INT TERM
    echo 1 > "$_freezer" || :
  done
}
thaw_slice() { # uid: let the slice go on, if freeze_slice froze it
  [ -e "$D/frozen" ] || return 0
  for _freezer in $(freezers "$1"); do echo 0 > "$_freezer" || :; done
  rm -f "$D/frozen"
}
thaw_left() { # uid: thaw the slice if a script that was cut off froze it
  [ -e "$D/frozen" ] || return 0
  read -r _pid _began < "$D/frozen" || :
  [ -n "${_pid:-}" ] && [ "$(began "$_pid")" = "${_began:-}" ] || thaw_slice "$1"
}
can_choose() { # uid: whether its processes can be held without a signal to those of other sessions, whose shells would
  # report their programs as stopped
  [ -n "${owners:-}" ] && [ -n "$(freezers "$1")" ]
}
stop_all() { # uid: stop the session's processes, until two looks in a row find none that acts. Fails after 40 rounds.
  i=0
  quiet_rounds=0
  signal_worked=no
  while [ "$i" -lt 40 ]; do
    if [ "$signal_worked" = no ]; then
      if { [ "$i" -lt 10 ] && can_choose "$1"; } || stop_every "$1"; then signal_worked=yes; fi
    fi
    freeze_slice "$1" # else a process of root that forks fast has another number each time that we look
    found=$(running_processes "$1")
    [ -z "$found" ] || kill -STOP $(echo "$found" | cut -d' ' -f1) 2>/dev/null || :
    thaw_slice "$1"
    case "$found" in
      *moving*)
        quiet_rounds=0
        signal_worked=no
        sleep 0.05
        ;;
      *) [ "$signal_worked" = no ] || quiet_rounds=$((quiet_rounds + 1)) ;;
    esac
    [ "$quiet_rounds" -lt 2 ] || return 0
    i=$((i + 1))
  done
  echo "still moving: $(echo "$found" | sed -n 's/ moving//p' | head -n 20 | paste -sd' ' -)" >&2
  return 75
}
end_all() { # uid: end the session's processes, until two looks in a row find none. Fails after 100 rounds.
  i=0
  quiet_rounds=0
  signal_worked=no
  while [ "$i" -lt 100 ]; do
    if has_all_to_itself; then
      signal_worked=no
      if every KILL "$1"; then signal_worked=yes; fi
    elif [ "$i" -lt 10 ] && can_choose "$1"; then
      signal_worked=yes
    elif [ $((i % 10)) = 0 ] && stop_every "$1"; then # stopped processes cannot start others, so none is missed
      signal_worked=yes
    fi
    freeze_slice "$1"
    left=$(session_processes "$1")
    if [ -z "$left" ]; then
      thaw_slice "$1"
      [ "$signal_worked" = no ] || quiet_rounds=$((quiet_rounds + 1))
      [ "$quiet_rounds" -lt 2 ] || return 0
    else
      quiet_rounds=0
      # The process of root closes the login properly by itself when its child is gone. Give it two seconds.
      if [ "$i" -lt 20 ]; then ends=$(echo "$left" | but_monitors); else ends=$left; fi
      [ -z "$ends" ] || kill -KILL $ends 2>/dev/null || :
      thaw_slice "$1"
      sleep 0.1
    fi
    i=$((i + 1))
  done
  echo "still running: $(echo "$left" | head -n 20 | paste -sd' ' -)" >&2
  return 75
}
"""
)
