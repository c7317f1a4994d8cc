"""Shell functions that tell apart the processes of several sessions that have one account.

Activities with commands may open one account for several sessions at once. A process belongs to a session for certain
if it descends from a login of the session, or has the audit session or the systemd scope of such a login: a user
without root can change none of these. A login belongs to the session whose key or certificate sshd's log names for its
port. If these are several sessions of one user, it belongs to each of them. If the log names sessions of several users
for a port, or another key, the login belongs to none, because every local user can write lines into a syslog file but
cannot take one away. The environment of a process says only what the process
wants. It counts where a process is ended with its own session, and never where a process is spared.
"""

from __future__ import annotations

from sessions_app.catalogue.connectors import Grant
from sessions_app.hosts.models import CertificateAuthority
from sessions_app.hosts.ssh.keys import read_public_key


def openers_of(grant: Grant) -> str:
    """Return what opens the grant's account for its user, as lines for the notes on the host.

    These are the fingerprints of the user's registered keys, and of our authorities, whose certificates name a session.
    The user is named too, because sessions of one user need not be told apart.
    """
    keys = [f"key {read_public_key(line).fingerprint}" for line in grant.public_keys]
    authorities = CertificateAuthority.objects.order_by("pk").values_list("fingerprint", flat=True)
    lines = [f"user {grant.user_name}", *keys, *(f"authority {one}" for one in authorities)]
    return "".join(f"{line}\n" for line in lines)


# Needs HEAD and PROCESSES. `owners` holds lines of these kinds, and is empty when the account is not shared. SESSIONS
# is a session, or with commas several of one user who may have used any of them:
#   shared                       always the first line
#   user SESSION NAME            the user of a session
#   login PROCESS SESSIONS       sshd's process of root for a login that is open now; "?" when its session is not known
#   audit NUMBER SESSIONS        the audit session of a login
#   scope PATH SESSIONS          the systemd scope of a login
#   port NUMBER SESSIONS         the client's port of a login
SHARED = r"""
LIMIT='limit: ' # before a line that says what does not reach, or reaches beside the session
LOG_SECONDS=5
# A function for awk: if two lists of sessions may own one thing, all of them own it when they are of one user.
JOINED='function joined(a, b,  part, one, count, i) {
  if (a == "?" || b == "?") return "?"
  count = split(b, part, ",")
  for (i = 1; i <= count; i++) {
    if (index("," a ",", "," part[i] ",")) continue
    split(a, one, ",")
    if (!(one[1] in user) || !(part[i] in user) || user[one[1]] != user[part[i]]) return "?"
    a = a "," part[i]
  }
  return a
}'
is_shared() { [ "$(noted kind)" != ephemeral ] && [ -n "$(other_sessions "$(noted account)")" ]; }
sessions_of_account() { # the notes of this session, and of the others that have its account
  echo "$D"
  other_sessions "$(noted account)"
}
log_since() { # file position: sshd's log from there on, "-- cursor: " and its end, and "-- read" if nothing is missing
  case "$1 $2" in
    'journal j:'*)
      timeout "$LOG_SECONDS" journalctl -q --no-pager -o cat --show-cursor --after-cursor="${2#j:}" \
        _UID=0 SYSLOG_IDENTIFIER=sshd + _UID=0 SYSLOG_IDENTIFIER=sshd-session || return 1
      ;;
    /*' f:'*)
      _inode=${2#f:}
      _from=${_inode#*:}
      _inode=${_inode%%:*}
      _before=
      set -- "$1" $(stat -L -c '%i %s' "$1" 2>/dev/null)
      [ $# = 3 ] || return 1
      if [ "$_inode" != "$2" ]; then # a new file was begun
        [ "$(stat -L -c %i "$1.1" 2>/dev/null)" = "$_inode" ] || return 1
        _before=$_from
        _from=0
      fi
      [ "$3" -ge "$_from" ] || return 1
      # The last line may not be whole yet.
      [ "$3" = 0 ] || [ -z "$(tail -c "+$3" "$1" | head -c 1 | tr -d '\n')" ] || return 1
      timeout "$LOG_SECONDS" sh -c '[ -z "$4" ] || tail -c "+$(($4 + 1))" "$1.1"
        tail -c "+$(($2 + 1))" "$1" | head -c "$3"' sh "$1" "$_from" $(($3 - _from)) "$_before" || return 1
      echo "-- cursor: f:$2:$3"
      ;;
    *) return 1 ;;
  esac
  echo "-- read"
}
read_log() { # set `accepted`: a line for each port and what opened it, since the first of these sessions began. It goes
  # on from where the last look ended, and fails if a part of the log is gone or cannot be read in time.
  _first=
  for _notes in $(sessions_of_account); do
    [ -s "$_notes/log" ] || return 1
    if [ -z "$_first" ] || [ "$_notes/log" -ot "$_first/log" ]; then _first=$_notes; fi
  done
  _at=$(sed -n '1s/^at //p' "$_first/accepted" 2>/dev/null || :)
  [ -n "$_at" ] || _at=$(cat "$_first/log" 2>/dev/null || :)
  _time='([A-Z][a-z][a-z] [ 0-9][0-9] [0-9:]{8}|[0-9]{4}-[0-9][0-9]-[0-9][0-9]T[0-9:.+Z-]+)'
  _line="($_time [^ ]+ sshd(-session)?\[[0-9]+\]: )?Accepted [a-z/-]+ for $(noted account) from [^ ]+ port "
  _new=$(log_since "$(cat "$_first/log_file" 2>/dev/null)" "$_at" | tr -d '\r' | grep -aE "^(-- |$_line)" |
    awk -v from="$_at" '
      {whole = 0}
      /^-- read$/ {whole = 1; next}
      /^-- cursor: / {cursor = ($3 ~ /^f:/ ? "" : "j:") $3; next}
      !match($0, / port [0-9]+ ssh2/) {next}
      {
        split(substr($0, RSTART), part, " ")
        if ($(NF - 2) == "CA") { # a certificate: "ID user/session-7 (serial 123) CA ED25519 SHA256:..."
          number = $(NF - 5)
          sub(/^.*\/session-/, "", number)
          print part[2], "authority", $NF, number
        } else print part[2], "key", $NF
      }
      END {if (whole) print "at", (cursor == "" ? from : cursor)}')
  _position=$(printf '%s\n' "$_new" | tail -n 1)
  case "$_position" in 'at '*) ;; *) return 1 ;; esac
  accepted=$({ sed 1d "$_first/accepted" 2>/dev/null || :; printf '%s\n' "$_new" | sed '$d'; } | sort -u)
  if [ "$_position" != "at $_at" ]; then # another script may do the same at this moment
    { printf '%s\n' "$_position" "$accepted" > "$_first/.accepted.$$" &&
      mv "$_first/.accepted.$$" "$_first/accepted"; } 2>/dev/null || rm -f "$_first/.accepted.$$"
  fi
}
openers() { # "opens SESSION WHAT VALUE" for each line in the notes of the sessions
  for _notes in $(sessions_of_account); do
    sed "s/^/opens ${_notes##*/session-} /" "$_notes/opens" 2>/dev/null || :
  done
}
ports_of_sessions() { # "port NUMBER SESSIONS" for each port that the log gives to the sessions of one user alone
  {
    openers
    printf '%s\n' "$accepted"
  } | awk "$JOINED"'
    $1 == "opens" && $3 == "user" {user[$2] = $4; next}
    $1 == "opens" {opens[$2, $3, $4]; sessions[$2]; next}
    NF < 3 {next}
    {
      owners = "?"
      if ($2 == "authority") {
        if (($4, $2, $3) in opens) owners = $4
      } else {
        found = 0
        for (one in sessions) if ((one, $2, $3) in opens) owners = found++ ? joined(owners, one) : one
      }
      if ($1 in owner) owner[$1] = joined(owner[$1], owners)
      else owner[$1] = owners
    }
    END {for (port in owner) if (owner[port] != "?") print "port", port, owner[port]}'
}
ports_of_logins() { # process and client port of each login that is open now
  for _login in $(logins); do
    ls -l "/proc/$_login/fd/" 2>/dev/null | sed -n "s/^.* -> socket:\[\([0-9]*\)\]\$/socket \1 $_login/p"
  done | awk '
    function decimal(text,  i, number) {
      for (i = 1; i <= length(text); i++) number = number * 16 + index("0123456789ABCDEF", substr(text, i, 1)) - 1
      return number
    }
    $1 == "socket" {login[$2] = $3; next}
    $10 in login {sub(/^.*:/, "", $3); print login[$10], decimal($3)}' - /proc/net/tcp /proc/net/tcp6 2>/dev/null
}
note_traces() { # a line "login PROCESS SESSIONS": what the processes of the login keep when the login is over
  _uid=$(noted uid)
  _parent=$(stat_field "$2" 2)
  [ -n "$_parent" ] || return 0
  # The listener may have been started by hand in a login of somebody. What it has says nothing about its children.
  _audit=$(cat "/proc/$2/sessionid" 2>/dev/null) || _audit=4294967295 # no audit in the kernel, or the login is over
  if [ "$(cat "/proc/$2/loginuid" 2>/dev/null)" = "$_uid" ] && [ "$_audit" != 4294967295 ] &&
    [ "$_audit" != "$(cat "/proc/$_parent/sessionid" 2>/dev/null)" ]; then
    note_trace "$3" "$(boot_id) audit $_audit"
  fi
  _scope=$(scope_of "$2" "$_uid")
  if [ -n "$_scope" ] && [ "$_scope" != "$(scope_of "$_parent" "$_uid")" ]; then
    note_trace "$3" "$(boot_id) scope $_scope"
  fi
}
note_trace() { # sessions line
  for _one in $(echo "$1" | tr , ' '); do
    _traces=$S/session-$_one/traces
    { grep -sqxF "$2" "$_traces" || echo "$2" >> "$_traces"; } 2>/dev/null || :
  done
}
scope_of() { # process uid
  sed -n "s#^[0-9]*:[^:]*:\(/.*/user-$2\.slice/session-[^/ ]*\.scope\)\$#\1#p" "/proc/$1/cgroup" 2>/dev/null | head -n 1
}
learn_owners() { # note which logins belong to which session. Call it before session_processes().
  owners=
  if ! is_shared; then return 0; fi
  # What took long once in this script is not tried again.
  _ports=
  _began=$(cut -d. -f1 /proc/uptime)
  if [ -z "${is_slow_log:-}" ] && read_log; then _ports=$(ports_of_sessions); fi
  [ $(($(cut -d. -f1 /proc/uptime) - _began)) -lt "$LOG_SECONDS" ] || is_slow_log=yes
  _logins=$({ printf '%s\n' "$_ports"; ports_of_logins; } | awk '
    $1 == "port" {owner[$2] = $3; next}
    NF == 2 {port[$1] = $2; many[$2]++}
    END {for (p in port) print "login", p, (port[p] in owner && many[port[p]] == 1 ? owner[port[p]] : "?")}')
  printf '%s\n' "$_logins" | while read -r _kind _process _session; do
    case "$_session" in '' | '?') ;; *) note_traces "$_kind" "$_process" "$_session" ;; esac
  done
  owners="shared
$(openers | sed -n 's/^opens \([0-9]*\) user /user \1 /p')
$_logins
$_ports
$(for _notes in $(sessions_of_account); do
    sed -n "s/^$(boot_id) \(.*\)\$/\1 ${_notes##*/session-}/p" "$_notes/traces" 2>/dev/null || :
  done)"
}
owned() { # processes on standard input: process, sessions or "?", and "surely" or "so-called" (by its environment,
  # which is read with "environment")
  _given=$(cat) # all of them first, because one that began after the look below would have no parent in it
  {
    printf '%s\n' "$owners"
    ps -eo pid=,ppid= | sed 's/^/parent /'
    [ -z "${1:-}" ] || grep -sazoHE '^SSH_CONNECTION=[^ ]* [0-9]+ ' /proc/[0-9]*/environ | tr '\0' '\n' |
      sed -n 's#^/proc/\([0-9]*\)/environ:SSH_CONNECTION=[^ ]* \([0-9]*\) $#from \1 \2#p'
    printf '%s\n' "$_given" | sed -n 's/^ *[0-9]/process &/p'
  } | awk "$JOINED"'
    function claim(owner, key, sessions) {
      if (key in owner) owner[key] = joined(owner[key], sessions)
      else owner[key] = sessions
    }
    function first_line(file,  text) {
      text = ""
      getline text < file
      close(file)
      return text
    }
    function scope(p,  file, text, found) {
      file = "/proc/" p "/cgroup"
      found = ""
      while ((getline text < file) > 0) {
        sub(/^[0-9]*:[^:]*:/, "", text)
        if (text in of_scope) found = text
      }
      close(file)
      return found
    }
    function surely(p,  q, n, audit, path) {
      for (q = p; q + 0 > 1 && n < 1000; n++) {
        if (q in of_login) return of_login[q]
        q = parent[q]
      }
      audit = first_line("/proc/" p "/sessionid")
      if (audit in of_audit) return of_audit[audit]
      path = scope(p)
      return path == "" ? "?" : of_scope[path]
    }
    $1 == "user" {user[$2] = $3; next}
    $1 == "login" {of_login[$2] = $3; next}
    $1 == "audit" {claim(of_audit, $2, $3); next}
    $1 == "scope" {claim(of_scope, $2, $3); next}
    $1 == "port" {of_port[$2] = $3; next}
    $1 == "parent" {parent[$2] = $3; next}
    $1 == "from" {from[$2] = $3; next}
    $1 == "process" {
      session = surely($2)
      if (session != "?") print $2, session, "surely"
      else if ($2 in from && from[$2] in of_port) print $2, of_port[from[$2]], "so-called"
      else print $2, "?", "-"
    }'
}
# Put before programs of awk that read what owned prints. `but` are sessions whose processes are not meant.
MEANT='function is_of(sessions, wanted) {
  return index("," sessions ",", "," wanted ",")
}
function is_of_any(sessions, wanted,  part, count, i) {
  count = split(wanted, part, " ")
  for (i = 1; i <= count; i++) if (is_of(sessions, part[i])) return 1
  return 0
}'
spare_others() { # processes on standard input: without those of other sessions; with reach=own this session's alone
  if [ -z "${owners:-}" ]; then
    cat
    return 0
  fi
  if [ "${reach:-all}" = own ]; then
    owned environment |
      awk -v me="${D##*/session-}" -v but="${but:-}" "$MEANT"'is_of($2, me) && !is_of_any($2, but) {print $1}'
  else
    owned | awk -v me="${D##*/session-}" "$MEANT"'is_of($2, me) || $3 != "surely" {print $1}'
  fi
}
of_other_sessions() { # uid: processes of the account that surely belong to another session
  [ -z "${owners:-}" ] || account_processes "$1" | owned |
    awk -v me="${D##*/session-}" "$MEANT"'$3 == "surely" && !is_of($2, me) {print $1}'
}
unclear() { # uid: processes that may be this session's or another's
  [ -z "${owners:-}" ] || session_processes "$1" | owned environment |
    awk -v me="${D##*/session-}" "$MEANT"'!is_of($2, me) {print $1}' | paste -sd' ' -
}
others_in_words() { # account
  _numbers=$(for _notes in $(other_sessions "$1"); do echo "${_notes##*/session-}"; done)
  echo "session $(printf '%s\n' "$_numbers" | paste -sd, - | sed 's/,/, /g')"
}
say_unclear() { # uid account, what becomes of them
  _unclear=$(unclear "$1")
  [ -z "$_unclear" ] ||
    echo "$LIMIT$(echo "$_unclear" | wc -w) processes of $2 may belong to $(others_in_words "$2"), which has the" \
      "account too; nothing tells them apart, and they $3: $(echo "$_unclear" | cut -d' ' -f1-10)"
}
"""
