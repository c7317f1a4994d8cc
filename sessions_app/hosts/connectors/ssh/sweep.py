"""Shell functions that remove what belongs to a user id outside of its home.

Files are removed in one pass over the directories in which everybody can write, without entering file systems that are
mounted below them. The pass goes on in the background when the step that started it ends. So a huge directory needs
some more tries but does not delay other work. The account is removed only after the pass. Files that were created or
changed after the pass began are not touched, so a new account with the same user id keeps its files. After that,
objects that are not files are removed, and what programs store under the account's name.
"""

from __future__ import annotations

# Needs HEAD of scripts.py. A directory that holds files of others cannot be deleted, so it is given to root.
SWEEP = r"""
sweeps() { # process: whether it still runs. A zombie does not.
  case "$(sed 's/^.*) //' "/proc/$1/stat" 2>/dev/null)" in '' | Z* | X*) return 1 ;; esac
}
swept_by() { # set `pid` to the process of a pass that an earlier try began. Fails if there is none.
  [ -s "$D/sweeping" ] || return 1
  read -r pid _began < "$D/sweeping"
  [ "$(began "$pid")" = "$_began" ] && sweeps "$pid"
}
sweep() { # uid account: remove its files from the directories in which everybody can write
  [ ! -e "$D/swept" ] || return 0
  own=
  if ! swept_by; then
    touch "$D/.sweeping" # this moment must lie before the check of the owner
    sleep 0.02 # file systems count time in steps of about 10 ms
    if [ -z "$(own_uid "${D##*/session-}" "$2")" ]; then return 0; fi
    _alone=
    # Mounts that others make meanwhile are not seen.
    if unshare --mount true 2>/dev/null; then _alone="unshare --mount"; fi
    $_alone setsid sh -c '
      uid=$1 notes=$2
      set --
      for place in /tmp /var/tmp /dev/shm /dev/mqueue /run /var/lock /var/mail /var/spool/mail /var/spool/cron \
        /var/spool/at /var/spool/atjobs /var/spool/atspool /var/spool/atd /etc/crontabs "/run/user/$uid"; do
        if [ -d "$place" ]; then set -- "$@" "$(readlink -f "$place")"; fi
      done
      many=$#
      set -- "$@" -mindepth 1 -xdev -uid "$uid" ! -cnewer "$notes/.sweeping"
      # A bind mount of the same file system is none to -xdev. Names there have a blank as 040 after a backslash, which
      # printf takes with one more 0.
      for mounted in $(awk "{print \$5}" /proc/self/mountinfo | sed "s/[\\\\]/&0/g" | sort -u); do
        below=no n=0
        for place; do
          n=$((n + 1))
          if [ "$n" -gt "$many" ]; then break; fi
          case "$mounted" in
            "$place") below=no; break ;;
            "$place"/*) below=yes ;;
          esac
        done
        if [ "$below" = yes ]; then
          name=$(printf %b "$mounted" | sed "s/[][*?\\\\]/\\\\&/g")
          set -- "$@" ! -path "$name" ! -path "$name/*"
        fi
      done
      find "$@" \( -delete -o -type d -execdir chown -h --from="$uid" 0:0 {} \; \)
      [ "$?" -le 1 ] || exit 1
      touch "$notes/swept" || exit 0' sh "$1" "$D" < /dev/null > /dev/null 2>&1 8>&- 9>&- &
    own=$! pid=$!
    write_note sweeping "$pid $(began "$pid")" || : # the disk may be full
  fi
  i=0
  while [ "$i" -lt 150 ] && sweeps "$pid"; do
    if [ "$i" -lt 20 ]; then sleep 0.02; else sleep 0.1; fi
    i=$((i + 1))
  done
  if [ -e "$D/swept" ]; then return 0; fi
  if [ -n "$own" ] && ! sweeps "$own" && wait "$own"; then return 0; fi
  echo "files of the account in /tmp, /run, spools and their like are still being removed" >&2
  exit 75
}
"""

# Needs HEAD. Removes what is not in a directory: System V memory, semaphores and queues, POSIX queues and keys of the
# kernel. It also removes what programs of root store about an account under its name.
KERNEL = r"""
of_ipc() { # uid: print option of ipcrm and number of each object
  awk -v u="$1" 'FNR > 1 && $8 == u {print "-m", $2}' /proc/sysvipc/shm
  awk -v u="$1" 'FNR > 1 && $5 == u {print "-s", $2}' /proc/sysvipc/sem
  awk -v u="$1" 'FNR > 1 && $8 == u {print "-q", $2}' /proc/sysvipc/msg
}
of_keys() { # uid: print its keys, and its keyrings that are not empty. Only the user itself may see them.
  command -v setpriv > /dev/null || return 0
  setpriv --reuid "$1" --regid "$1" --clear-groups cat /proc/keys 2>/dev/null |
    awk -v u="$1" '$6 == u && !($8 == "keyring" && /: empty$/)'
}
in_queues() { # options of find(1): run it over the POSIX queues. Mount them for that if they are not mounted.
  if grep -qs '^[^ ]* /dev/mqueue ' /proc/mounts; then
    find /dev/mqueue/. -xdev "$@"
  else
    mkdir -p "$D/queues"
    unshare --mount sh -c 'mount -t mqueue none "$1" && cd "$1" && shift && find . -xdev "$@"' sh "$D/queues" "$@" \
      2>/dev/null || : # this kernel has no POSIX queues
  fi
}
take_kernel() { # uid: remove what it has in the kernel
  of_ipc "$1" | while read -r _kind _number; do ipcrm "$_kind" "$_number" 2>/dev/null || :; done
  in_queues -uid "$1" -delete
  if [ -n "$(of_keys "$1")" ] && command -v keyctl > /dev/null; then
    setpriv --reuid "$1" --regid "$1" --clear-groups keyctl clear @u || :
    setpriv --reuid "$1" --regid "$1" --clear-groups keyctl clear @us || :
  fi
  # Get_persistent would make a keyring that does not exist.
  if grep -qs "^ *$1: " /proc/key-users && command -v keyctl > /dev/null; then
    keyctl session - sh -c 'k=$(keyctl get_persistent @s "$1") && keyctl clear "$k"' sh "$1" > /dev/null 2>&1 || :
  fi
}
take_name() { # uid account: remove what programs of root keep about it
  if command -v faillock > /dev/null; then faillock --user "$2" --reset > /dev/null 2>&1 || :; fi
  # Some versions of lastlog need the name, so it must run while the account exists.
  if command -v lastlog > /dev/null; then lastlog --clear --user "$2" > /dev/null 2>&1 || :; fi
  if command -v lastlog2 > /dev/null; then lastlog2 --clear --user "$2" > /dev/null 2>&1 || :; fi
  for _place in /run/sudo/ts /var/run/sudo/ts /var/lib/sudo/ts /var/db/sudo/ts /var/lib/sudo/lectured \
    /var/db/sudo/lectured /run/faillock /var/run/faillock /var/lib/faillock /var/lib/systemd/linger /var/mail \
    /var/spool/mail /var/lib/AccountsService/users; do
    for _file in "$_place/$1" "$_place/$2"; do
      if [ -f "$_file" ] || [ -L "$_file" ]; then
        # A mailbox may belong to an earlier account of the same name.
        case "$(stat -c %u "$_file")" in 0 | "$1") rm -f -- "$_file" ;; esac
      fi
    done
  done
}
"""

# Needs HEAD. Works in a mount namespace of its own, so that the files of all that is mounted in the home stay. rm(1)
# does not notice a bind mount of the same file system.
HOME = r"""
take_home() { # path uid place: remove the home. If other people have files in it, keep these and move it to `place`.
  _alone=
  if unshare --mount true 2>/dev/null; then _alone="unshare --mount"; fi
  $_alone sh -c '
    set -eu
    mounted() { awk -v h="$1" "\$5 == h || index(\$5, h \"/\") == 1 {print \$5}" /proc/self/mountinfo; }
    mounted "$1" | sort -r | sed "s/[\\\\]/&0/g" | while IFS= read -r place; do
      umount -- "$(printf %b "$place")" || :
    done
    if [ -n "$(mounted "$1")" ]; then
      echo "something is mounted in $1 and cannot be unmounted" >&2
      exit 75
    fi
    if [ ! -d "$1" ] || [ -L "$1" ] || [ "$(stat -c %u "$1")" != "$2" ]; then exit 0; fi
    if [ -z "$(find "$1" -xdev ! -uid "$2" ! -uid 0 -print -quit)" ]; then
      rm -rf --one-file-system -- "$1"
      exit 0
    fi
    [ ! -e "$3" ] || exit 23
    # Only files of others are left now, and the directories above them.
    find "$1" -mindepth 1 -xdev \( -uid "$2" -o -uid 0 \) \( -delete -o -true \) 2> /dev/null || :
    find "$1" -xdev -type d -uid "$2" -exec chown -h 0:0 {} +
    mv -- "$1" "$3"
    echo "files of other people were in $1; they are in $3 now"' sh "$1" "$2" "$3"
}
"""
