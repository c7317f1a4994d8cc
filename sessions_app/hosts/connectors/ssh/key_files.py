"""Shell functions for the expiry date of an account and for its authorized_keys. They need HEAD of scripts.py."""

from __future__ import annotations

EXPIRY = r"""
day_after() { date -u -d "@$(( ($(date +%s) + $1) / 86400 * 86400 + 86400 ))" +%Y-%m-%d; }
moment_after() { date -d "@$(( $(date +%s) + $1 ))" +%Y%m%d%H%M%S; }
"""

# The files are written as the account itself and never as root, because the user may place a link in the home that
# leads root to another file. If something there makes the program hang, we wait no longer than KEYS_SECONDS.
KEYS = r"""
KEYS_SECONDS=8
REWRITE='set -eu
  umask 077
  cd "$1" 2>/dev/null || { [ -z "$3" ] && exit 0; chmod u+rwx "$1"; cd "$1"; }
  aside() { mv -f -- "$1" "$(mktemp -d "$1.aside-XXXXXX")/" && echo "$1 was $2: it is moved aside"; }
  if [ -e .ssh ] || [ -L .ssh ]; then
    if [ ! -d .ssh ]; then # sshd finds no keys there, so there is nothing to remove
      [ -n "$3" ] || exit 0
      aside .ssh "no directory"
    fi
  fi
  mkdir -p .ssh
  if [ ! -w .ssh ] || [ ! -x .ssh ] || [ ! -r .ssh ]; then chmod u+rwx .ssh || :; fi
  keys=.ssh/authorized_keys
  if [ -e "$keys" ] || [ -L "$keys" ]; then
    if [ ! -f "$keys" ]; then # sshd reads only plain files
      [ -n "$3" ] || exit 0
      aside "$keys" "no plain file"
    elif [ ! -r "$keys" ]; then
      chmod u+rw "$keys" || :
    fi
  elif [ -z "$3" ]; then
    exit 0
  fi
  new=$(mktemp .ssh/.sessionadmin-XXXXXX)
  if [ -f "$keys" ]; then grep -v " sessionadmin-session-$2\$" "$keys" > "$new" || [ $? = 1 ]; fi
  [ -z "$3" ] || printf "%s\n" "$3" >> "$new"
  mv -f "$new" "$keys"'
write_keys() { # session account: write the lines of standard input, unless another account has the name now
  _lines=$(cat)
  [ "$(id -u "$2" 2>/dev/null)" = "$(noted uid)" ] || return 0
  rm -f "$D/.wrote"
  unlimited
  # It runs in the background and writes its output to files. A process that waits for a file system which the user has
  # mounted cannot be killed.
  {
    _wrote=0
    timeout -s KILL "$KEYS_SECONDS" \
      setpriv --reuid "$(id -u "$2")" --regid "$(id -g "$2")" --init-groups --reset-env \
      sh -c "$REWRITE" sh "$(home_of "$2")" "$1" "$_lines" || _wrote=$?
    echo "$_wrote" > "$D/.wrote"
  } < /dev/null > "$D/.keys.said" 2>&1 8>&- 9>&- &
  _tries=0
  while [ ! -s "$D/.wrote" ] && [ "$_tries" -lt $((KEYS_SECONDS * 10 + 10)) ]; do
    if [ "$_tries" -lt 10 ]; then sleep 0.01; else sleep 0.1; fi
    _tries=$((_tries + 1))
  done
  _wrote=124
  if [ -s "$D/.wrote" ]; then _wrote=$(cat "$D/.wrote"); fi
  _said=$(tail -n 3 "$D/.keys.said" | tr '\n' ' ' | cut -c 1-300)
  [ "$_wrote" = 0 ] || { echo "the keys in ~$2/.ssh could not be written: ${_said:-it took too long}" >&2; return 75; }
  [ -z "$_said" ] || echo "in ~$2: $_said"
}
take_keys() { # session account: remove the keys, or say why not. They expire with the session anyway.
  if [ ! -e "$D/keys" ] || ! getent passwd "$2" > /dev/null; then return 0; fi
  write_keys "$1" "$2" < /dev/null 2>&1 || :
}
give_keys() { # session account seconds: write the keys with the end of the session
  [ -e "$D/keys" ] || return 0
  sed "s/@EXPIRY@/$(moment_after "$3")/" "$D/keys" | write_keys "$1" "$2"
}
"""
