"""User ids for the accounts that sessions make. Each is used once on a host and never again.

What an account leaves is found by its user id, and what is not found harms nobody, because no later account has this
id. `uids` in the host's notes has a line for each id (user id, session, account, identities of the console and of the
session) and is never removed. A user id is acted on only while the host's password database says that it belongs to the
session's account or to nobody: somebody may have given it to a person by hand.
"""

from __future__ import annotations

# Needs HEAD of scripts.py.
UIDS = r"""
given_to() { # session [account]: print its user ids, except those that another console gave
  [ ! -s "$S/uids" ] || awk -v s="$1" -v a="${2:-}" -v k="$K" '
    $2 == s && (a == "" || $3 == a) && (k == "" || $4 == "" || $4 == k || index($4, k ":") == 1) {print $1}' "$S/uids"
}
other_holders() { # uid session account: print the other accounts with this user id. Root may have renamed ours.
  # A directory may know an account and not list it.
  { getent passwd "$1" || :; getent passwd; } |
    awk -F: -v u="$1" -v c="sessionadmin session-$2" -v a="$3" '$3 == u && $1 != a && $5 != c {print $1}' | sort -u
}
take_group() { # session account: remove a group of ours whose account is gone
  _gid=$(getent group "$2" | cut -d: -f3)
  if [ -n "$_gid" ] && [ -z "$(uid_of "$2")" ] && given_to "$1" | grep -qx "$_gid"; then
    # A person with root may have given the group to another account.
    groupdel -- "$2" 2>/dev/null || echo "the group $2 is left: another account has it as its own"
  fi
}
own_uid() { # session account: print the user id of the session; nothing if another account has that id now
  if [ -e "$D/account" ] && [ "$(noted account)" != "$2" ]; then return 0; fi
  _uid=$(noted uid)
  if [ -z "$_uid" ] && [ "$(noted kind)" = ephemeral ] && is_ours "$1" "$2"; then _uid=$(uid_of "$2"); fi
  # A person with root may have changed it by hand to 0, or to the id of a system account.
  if [ -z "$_uid" ] || [ "$_uid" = 0 ]; then return 0; fi
  if [ "$(noted kind)" = ephemeral ] && [ "$_uid" -lt 1000 ]; then return 0; fi
  if [ -n "$(other_holders "$_uid" "$1" "$2")" ]; then return 0; fi
  echo "$_uid"
}
say_held() { # session account: say that its user id belongs to another account now and was not touched
  [ -s "$D/uid" ] || return 0
  _held=$(other_holders "$(noted uid)" "$1" "$2" | tr '\n' ' ')
  [ -z "$_held" ] || echo "the user id $(noted uid) of $2 belongs to ${_held% } now: nothing that has it was touched"
}
note_uid() { # uid session account: note the user id, safely on the disk before the account is made
  # A power cut may have left half a line. End that line first.
  [ -z "$(tail -c 1 "$S/uids" 2>/dev/null | tr -d '\n')" ] || echo >> "$S/uids"
  echo "$1 $2 $3${K:+ $K}" >> "$S/uids"
  sync "$S/uids"
}
is_inside() { # uid: whether the id is valid here and outside of the range in which useradd gives ids by itself
  for _map in /proc/self/uid_map /proc/self/gid_map; do
    awk -v u="$1" '$1 <= u && u < $1 + $3 {found = 1} END {exit !found}' "$_map" || return 1
  done
  # useradd(8) counts on from the highest number in its own range.
  [ -s /etc/login.defs ] || return 0
  awk -v u="$1" '$1 == "UID_MIN" {min = $2} $1 == "UID_MAX" {max = $2} END {exit min + 0 <= u && u <= max + 0}' \
    /etc/login.defs
}
is_free() { # uid: whether no account has the id, nothing runs under it, and no spool or shared directory has its files
  if getent passwd "$1" > /dev/null || getent group "$1" > /dev/null; then return 1; fi
  for _file in /etc/subuid /etc/subgid; do
    if [ -s "$_file" ] && awk -F: -v u="$1" '$2 <= u && u < $2 + $3 {found = 1} END {exit !found}' "$_file"; then
      return 1
    fi
  done
  if grep -qsE "^[UG]id:.*[[:space:]]$1([[:space:]]|\$)" /proc/[0-9]*/status; then return 1; fi
  [ -z "$(find /var/spool/cron /var/spool/at /var/spool/atjobs /var/spool/atspool /var/spool/atd /etc/crontabs \
    /var/mail /var/spool/mail /tmp /var/tmp /dev/shm /run /home -xdev -maxdepth 2 \( -uid "$1" -o -gid "$1" \) \
    2>/dev/null | head -n 1)" ]
}
next_uid() { # ranges, as 66000-99999,60578-61183: print the first id that was never given. Fails if there is none.
  for _range in $(echo "$1" | tr , ' '); do
    _uid=${_range%-*} _last=${_range#*-}
    if [ -s "$S/uids" ]; then
      _uid=$(awk -v a="$_uid" -v b="$_last" '$1 + 0 >= a && $1 + 0 <= b {a = $1 + 1} END {printf "%d", a}' "$S/uids")
    fi
    while [ "$_uid" -le "$_last" ] && is_inside "$_uid"; do
      if is_free "$_uid"; then
        echo "$_uid"
        return 0
      fi
      _uid=$((_uid + 1))
    done
  done
  return 1
}
"""
