"""Shell functions that tell apart the processes of several sessions that have one account.

Activities with commands may open one account for several sessions at once. A process belongs to a session for certain
if it descends from a login of the session, or has the audit session or the systemd scope of such a login: a user
without root can change none of these. A login belongs to the session whose key or certificate sshd's log names for its
port. If the log names several sessions for a port, or another key, the login belongs to none, because every local user
can write lines into a syslog file but cannot take one away. The environment of a process says only what the process
wants. It counts where a process is ended with its own session, and never where a process is spared.
"""

from __future__ import annotations

from sessions_app.catalogue.connectors import Grant
from sessions_app.hosts.models import CertificateAuthority
from sessions_app.hosts.ssh.keys import read_public_key


def openers_of(grant: Grant) -> str:
    """Return what opens the grant's account for its user, as lines for the notes on the host.

    These are the fingerprints of the user's registered keys, and of our authorities, whose certificates name a session.
    """
    keys = [f"key {read_public_key(line).fingerprint}" for line in grant.public_keys]
    authorities = CertificateAuthority.objects.order_by("pk").values_list("fingerprint", flat=True)
    return "".join(f"{line}\n" for line in [*keys, *(f"authority {one}" for one in authorities)])


# Needs HEAD of scripts.py. log_file prints "journal", or the file into which the sshd of this very login writes, or the
# file into which syslog usually writes.
LOG = r"""
listener() {
  p=$$ found=
  while [ "${p:-0}" -gt 1 ]; do
    case "$(cat "/proc/$p/comm" 2>/dev/null)" in sshd*) found=$p ;; esac
    p=$(sed 's/^.*) //' "/proc/$p/stat" 2>/dev/null | cut -d' ' -f2)
  done
  echo "$found"
}
log_file() {
  l=$(listener)
  words=
  [ -z "$l" ] || words=$(tr '\0' ' ' < "/proc/$l/cmdline")
  f=$(printf '%s\n' "$words" | sed -n 's/.* -[A-Za-z46]*E *\(\/[^ ]*\).*/\1/p')
  if [ -z "$f" ] && printf '%s\n' "$words" | grep -qE ' -[A-Za-z46]*e( |$)'; then f=$(readlink "/proc/$l/fd/2" || :); fi
  if [ -n "$f" ]; then
    [ ! -f "$f" ] || echo "$f"
  elif [ -d /run/systemd/journal ] && command -v journalctl > /dev/null; then
    echo journal
  else
    for f in /var/log/auth.log /var/log/secure; do if [ -f "$f" ]; then echo "$f"; break; fi; done
  fi
}
"""

# Needs HEAD and PROCESSES. `owners` holds lines of these kinds, and is empty when the account is not shared:
#   shared                       always the first line
#   login PROCESS SESSION        sshd's process of root for a login that is open now; "?" when its session is not known
#   audit NUMBER SESSION         the audit session of a login
#   scope PATH SESSION           the systemd scope of a login
#   port NUMBER SESSION          the client's port of a login
SHARED = r"""
is_shared() { [ "$(noted kind)" != ephemeral ] && [ -n "$(other_sessions "$(noted account)")" ]; }
sessions_of_account() { # the notes of this session, and of the others that have its account
  echo "$D"
  other_sessions "$(noted account)"
}
log_since() { # file position: sshd's log from there on; fails when a part of that is gone
  case "$1 $2" in
    'journal j:'*)
      timeout 10 journalctl -q --no-pager -o cat --after-cursor="${2#j:}" \
        _UID=0 SYSLOG_IDENTIFIER=sshd + _UID=0 SYSLOG_IDENTIFIER=sshd-session
      ;;
    /*' f:'*)
      _inode=${2#f:}
      _from=${_inode#*:}
      _inode=${_inode%%:*}
      if [ "$(stat -L -c %i "$1")" = "$_inode" ]; then
        [ "$(stat -L -c %s "$1")" -ge "$_from" ] || return 1
        tail -c "+$((_from + 1))" "$1"
      elif [ "$(stat -L -c %i "$1.1" 2>/dev/null)" = "$_inode" ]; then # a new file was begun
        tail -c "+$((_from + 1))" "$1.1"
        cat "$1"
      else
        return 1
      fi
      ;;
    *) return 1 ;;
  esac
}
accepted_logins() { # what sshd accepted for the account since the first of these sessions began
  _file=$(noted log_file)
  _time='([A-Z][a-z][a-z] [ 0-9][0-9] [0-9:]{8}|[0-9]{4}-[0-9][0-9]-[0-9][0-9]T[0-9:.+Z-]+)'
  for _notes in $(sessions_of_account); do
    log_since "$_file" "$(cat "$_notes/log" 2>/dev/null)" || echo incomplete
  done | tr -d '\r' |
    grep -aE "^incomplete\$|^($_time [^ ]+ sshd(-session)?\[[0-9]+\]: )?Accepted [a-z/-]+ for $1 from [^ ]+ port "
}
ports_of_sessions() { # "port NUMBER SESSION" for each port that the log gives to one session alone
  _accepted=$(accepted_logins "$(noted account)") || return 0
  if printf '%s\n' "$_accepted" | grep -qx incomplete; then return 0; fi # the line that is gone may say otherwise
  {
    for _notes in $(sessions_of_account); do
      [ ! -e "$_notes/opens" ] || sed "s/^/opens ${_notes##*/session-} /" "$_notes/opens"
    done
    printf '%s\n' "$_accepted"
  } | awk '
    $1 == "opens" {opens[$2, $3, $4]; sessions[$2]; next}
    !match($0, / port [0-9]+ ssh2/) {next}
    {
      split(substr($0, RSTART), part, " ")
      owners = ""
      if ($(NF - 2) == "CA") { # a certificate: "ID user/session-7 (serial 123) CA ED25519 SHA256:..."
        number = $(NF - 5)
        sub(/^.*\/session-/, "", number)
        if ((number, "authority", $NF) in opens) owners = number
      } else {
        for (one in sessions) if ((one, "key", $NF) in opens) owners = owners (owners == "" ? "" : "?") one
      }
      if (owners == "") owners = "?"
      if (!(part[2] in owner)) owner[part[2]] = owners
      else if (owner[part[2]] != owners) owner[part[2]] = "?"
    }
    END {for (port in owner) if (owner[port] !~ /\?/) print "port", port, owner[port]}'
}
ports_of_logins() { # process and client port of each login that is open now
  for _login in $(logins); do
    for _socket in "/proc/$_login/fd/"*; do
      readlink "$_socket" 2>/dev/null | sed -n "s/^socket:\[\([0-9]*\)\]\$/socket \1 $_login/p"
    done
  done | awk '
    function decimal(text,  i, number) {
      for (i = 1; i <= length(text); i++) number = number * 16 + index("0123456789ABCDEF", substr(text, i, 1)) - 1
      return number
    }
    $1 == "socket" {login[$2] = $3; next}
    $10 in login {sub(/^.*:/, "", $3); print login[$10], decimal($3)}' - /proc/net/tcp /proc/net/tcp6 2>/dev/null
}
note_traces() { # a line "login PROCESS SESSION": what the processes of the login keep when the login is over
  _uid=$(noted uid)
  _parent=$(sed 's/^.*) //' "/proc/$2/stat" 2>/dev/null | cut -d' ' -f2)
  [ -n "$_parent" ] || return 0
  _traces=$S/session-$3/traces
  # The listener may have been started by hand in a login of somebody. What it has says nothing about its children.
  _audit=$(cat "/proc/$2/sessionid" 2>/dev/null)
  if [ "$(cat "/proc/$2/loginuid" 2>/dev/null)" = "$_uid" ] && [ "$_audit" != 4294967295 ] &&
    [ "$_audit" != "$(cat "/proc/$_parent/sessionid" 2>/dev/null)" ]; then
    note_trace "$_traces" "$(boot_id) audit $_audit"
  fi
  _scope=$(scope_of "$2" "$_uid")
  if [ -n "$_scope" ] && [ "$_scope" != "$(scope_of "$_parent" "$_uid")" ]; then
    note_trace "$_traces" "$(boot_id) scope $_scope"
  fi
}
note_trace() { # file line
  grep -sqxF "$2" "$1" || echo "$2" >> "$1" || :
}
scope_of() { # process uid
  sed -n "s#^[0-9]*:[^:]*:\(/.*/user-$2\.slice/session-[^/ ]*\.scope\)\$#\1#p" "/proc/$1/cgroup" 2>/dev/null | head -n 1
}
learn_owners() { # note which logins belong to which session. Call it before session_processes().
  owners=
  if ! is_shared; then return 0; fi
  _ports=$(ports_of_sessions)
  _logins=$({ printf '%s\n' "$_ports"; ports_of_logins; } | awk '
    $1 == "port" {owner[$2] = $3; next}
    NF == 2 {port[$1] = $2; many[$2]++}
    END {for (p in port) print "login", p, (port[p] in owner && many[port[p]] == 1 ? owner[port[p]] : "?")}')
  printf '%s\n' "$_logins" | while read -r _kind _process _session; do
    case "$_session" in '' | '?') ;; *) note_traces "$_kind" "$_process" "$_session" ;; esac
  done
  owners="shared
$_logins
$_ports
$(for _notes in $(sessions_of_account); do
    sed -n "s/^$(boot_id) \(.*\)\$/\1 ${_notes##*/session-}/p" "$_notes/traces" 2>/dev/null || :
  done)"
}
owned() { # processes on standard input: process, session or "?", and "surely" or "so-called" (by its environment, which
  # is read with "environment")
  {
    printf '%s\n' "$owners"
    ps -eo pid=,ppid= | sed 's/^/parent /'
    [ -z "${1:-}" ] || grep -sazoHE '^SSH_CONNECTION=[^ ]* [0-9]+ ' /proc/[0-9]*/environ | tr '\0' '\n' |
      sed -n 's#^/proc/\([0-9]*\)/environ:SSH_CONNECTION=[^ ]* \([0-9]*\) $#from \1 \2#p'
    sed 's/^/process /'
  } | awk '
    function claim(owner, key, session) {
      if (!(key in owner)) owner[key] = session
      else if (owner[key] != session) owner[key] = "?"
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
spare_others() { # processes on standard input: without those of other sessions; with reach=own this session's alone
  if [ -z "${owners:-}" ]; then
    cat
    return 0
  fi
  if [ "${reach:-all}" = own ]; then
    owned environment | awk -v me="${D##*/session-}" '$2 == me {print $1}'
  else
    owned | awk -v me="${D##*/session-}" '$2 == me || $3 != "surely" {print $1}'
  fi
}
of_other_sessions() { # uid: processes of the account that surely belong to another session
  [ -z "${owners:-}" ] || account_processes "$1" | owned |
    awk -v me="${D##*/session-}" '$3 == "surely" && $2 != me {print $1}'
}
unclear() { # uid: processes that may be this session's or another's
  [ -z "${owners:-}" ] || session_processes "$1" | owned environment |
    awk -v me="${D##*/session-}" '$2 != me {print $1}' | paste -sd' ' -
}
others_in_words() { # account
  _numbers=$(for _notes in $(other_sessions "$1"); do echo "${_notes##*/session-}"; done)
  echo "session $(printf '%s\n' "$_numbers" | paste -sd, - | sed 's/,/, /g')"
}
say_unclear() { # uid account, what becomes of them
  _unclear=$(unclear "$1")
  [ -z "$_unclear" ] ||
    echo "$(echo "$_unclear" | wc -w) processes of $2 may belong to $(others_in_words "$2"), which has the account" \
      "too; nothing tells them apart, and they $3: $(echo "$_unclear" | cut -d' ' -f1-10)"
}
"""
