"""Shell functions that prevent logins to an account that existed before the session.

The administrator's commands open such an account in ways that differ, but the expiry date works for all of them. Its
old value is stored before it is changed, and restored exactly. Two sessions may lock the same account.
"""

from __future__ import annotations

# Needs HEAD of scripts.py. Days are counted from 1970, -1 is none, as chage(1) takes them.
LOCKOUT = r"""
LOCKOUT_DAY=1
expiry_of() { getent shadow "$1" | cut -d: -f8; }
expiry_before_locks() { # account: print the expiry that the lock of another session has noted. Fails if there is none.
  for _other in "$S"/session-*; do
    if [ "$_other" != "$D" ] && [ -s "$_other/expiry" ] && [ "$(cat "$_other/account")" = "$1" ]; then
      cat "$_other/expiry"
      return 0
    fi
  done
  return 1
}
block_logins() { # account: let it expire. Fails if a directory (LDAP) manages the account.
  exec 9> "$S/.lock"
  flock 9
  if [ ! -s "$D/expiry" ]; then
    _before=$(expiry_before_locks "$1") || _before=$(expiry_of "$1")
    write_note expiry "${_before:--1}"
    [ -s "$D/expiry" ] || exit 75
  fi
  _failed=0
  chage --expiredate "$LOCKOUT_DAY" -- "$1" || _failed=1
  exec 9>&-
  return "$_failed"
}
allow_logins() { # account: put its expiry back, unless another session is locked or somebody has changed it
  [ -s "$D/expiry" ] || return 0
  exec 9> "$S/.lock"
  flock 9
  if getent passwd "$1" > /dev/null && [ "$(expiry_of "$1")" = "$LOCKOUT_DAY" ] &&
    ! expiry_before_locks "$1" > /dev/null; then
    chage --expiredate "$(noted expiry)" -- "$1"
  fi
  rm -f "$D/expiry"
  exec 9>&-
}
"""
