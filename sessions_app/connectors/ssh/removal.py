"""The scripts that take away what scripts.py gave: the door first, then what is behind it, the notes last."""

from __future__ import annotations

from sessions_app.connectors.ssh.scripts import EXPIRY, HEAD, KEYS, PROCESSES

# session: what the host knows of it
NOTES = (
    HEAD
    + r"""
[ -d "$D" ] || exit 0
echo "kind=$(noted kind)"
echo "account=$(noted account)"
echo "commands=$(noted commands)"
if [ -e "$D/sudo" ]; then echo "sudo=yes"; fi
if [ -s "$D/groups" ]; then echo "groups=yes"; fi
"""
)

# session account: nobody logs in anew
BAR = (
    HEAD
    + EXPIRY
    + KEYS
    + r"""
if [ "$(noted kind)" = ephemeral ]; then
  if is_ours "$1" "$2"; then usermod --expiredate 1970-01-02 -- "$2"; fi
elif [ -e "$D/keys" ] && getent passwd "$2" > /dev/null; then
  write_keys "$1" "$2" < /dev/null
fi
"""
)

# session
TAKE_SUDO = (
    HEAD
    + r"""
rm -f "/etc/sudoers.d/sessionadmin-$1" "/etc/sudoers.d/sessionadmin-$1.new"
"""
)

# session account
LEAVE_GROUPS = (
    HEAD
    + r"""
getent passwd "$2" > /dev/null || exit 0
for g in $(noted groups); do
  if id -nG "$2" | tr ' ' '\n' | grep -qx "$g"; then gpasswd --delete "$2" "$g" > /dev/null; fi
done
"""
)

# session account
END_PROCESSES = (
    HEAD
    + PROCESSES
    + r"""
uid=$(noted uid)
if [ -z "$uid" ] && [ "$(noted kind)" = ephemeral ] && is_ours "$1" "$2"; then uid=$(uid_of "$2"); fi
[ -n "$uid" ] || exit 0
[ "$uid" -gt 0 ] || exit 16
end_all "$uid"
# A managed account's processes from before go on; they may have been frozen with nothing.
for p in $(mine "$uid"); do kill -CONT "$p" 2>/dev/null || :; done
"""
)

# session account keep-or-remove
REMOVE_ACCOUNT = (
    HEAD
    + r"""
[ "$(noted kind)" = ephemeral ] || exit 16
home=/home/$2
kept=$home.session-$1
uid=$(noted uid)
if is_ours "$1" "$2"; then
  uid=$(uid_of "$2")
  if command -v crontab > /dev/null; then crontab -r -u "$2" 2>/dev/null || :; fi
  rm -f "/var/lib/systemd/linger/$2" "/var/mail/$2"
fi
if [ -n "$uid" ]; then
  timeout 20 find /tmp /var/tmp /dev/shm -xdev -uid "$uid" -delete 2>/dev/null || :
  if [ -d "$home" ] && [ ! -L "$home" ] && [ "$(stat -c %u "$home")" = "$uid" ]; then
    if [ "$3" = keep ]; then
      [ ! -e "$kept" ] || exit 23
      mv "$home" "$kept"
    else
      rm -rf --one-file-system -- "$home"
    fi
  fi
fi
if [ "$3" = keep ] && [ -d "$kept" ]; then
  chown root:root "$kept"
  chmod 0700 "$kept"
fi
if is_ours "$1" "$2"; then userdel -- "$2"; fi
if is_ours "$1" "$2"; then exit 75; fi
"""
)

# session
FORGET = (
    HEAD
    + r"""
rm -rf -- "$D"
"""
)
