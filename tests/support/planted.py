"""Everything that an account can leave on a host outside its home: plants each thing, and reads each place again."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from tests.support.waiting import wait_until

# Run as the account; $1 is its name.
PLANT = r"""
set -e
for d in /tmp /var/tmp /dev/shm; do
  mkdir "$d/$1"
  echo x > "$d/$1/file"
  ln -s /home "$d/$1/link"
done
echo "echo x >> /tmp/at-$1" | at now + 2 hours 2> /dev/null
echo "echo x >> /tmp/at-$1" | at now + 2 days 2> /dev/null
echo "* * * * * echo x >> /tmp/cron-$1" | crontab -
ipcmk -M 64 > /dev/null
ipcmk -S 1 > /dev/null
ipcmk -Q > /dev/null
keyctl add user secret "of $1" @u > /dev/null
tmux new-session -d sleep 4733
screen -dmS work sleep 4734
setsid nohup sleep 4731 > /dev/null 2>&1 &
sudo -n setsid nohup env -i sleep 4732 > /dev/null 2>&1 < /dev/null &
sleep 0.3
"""
# Run as root: what the system's own programs write about an account in its life.
BY_ROOT = r"""
set -e
mkdir -p /run/sudo/ts /var/lib/sudo/lectured /run/faillock /var/lib/systemd/linger /run/user
touch "/run/sudo/ts/$1" "/var/lib/sudo/lectured/$1" "/var/lib/systemd/linger/$1"
install -o "$1" /dev/null "/run/faillock/$1"
install -o "$1" /dev/null "/var/mail/$1"
install -d -o "$1" "/run/$1" "/run/user/$2" "/home/$1/mounted"
echo "$1:900000000:65536" | tee -a /etc/subuid >> /etc/subgid
lastlog --set --user "$1"
mkdir -p /run/satest-queues
mount -t mqueue none /run/satest-queues
setpriv --reuid "$2" --clear-groups sh -c ': > "/run/satest-queues/$1"' sh "$1"
umount /run/satest-queues
rmdir /run/satest-queues
"""
EMPTY = 'find "$1" -depth -type d -exec rmdir {} + && echo gone'  # a group of processes, and those below it
NAMES = ("/run/sudo/ts", "/var/lib/sudo/lectured", "/run/faillock", "/var/lib/systemd/linger", "/var/mail")
PLACES = ("/tmp", "/var/tmp", "/dev/shm", "/run", "/home", "/var/mail", "/var/spool/cron/atjobs", "/var/spool/cron")
LASTLOG_ENTRY = 292  # bytes; see utmp.h


def plant(run: Callable[[str], None], account: str, uid: int) -> None:
    """Let the account leave things in all places that left_of() checks. `run` runs a script as the account."""
    run(PLANT)
    shell(BY_ROOT, account, str(uid))


def left_of(account: str, uid: int) -> dict[str, list[str]]:
    """Return what the account has in each place, sorted. It is read in other ways than the product does it."""
    found = {f"files in {place}": lines("find", place, "-xdev", "-uid", str(uid)) for place in PLACES}
    found["names"] = [f"{place}/{account}" for place in NAMES if os.path.lexists(f"{place}/{account}")]
    found["crontab"] = lines("find", "/var/spool/cron", "-name", account)
    for kind, column in (("shm", 7), ("sem", 4), ("msg", 7)):  # of the owner; ipcs(1) cuts long names
        rows = [line.split() for line in Path(f"/proc/sysvipc/{kind}").read_text().splitlines()]
        found[kind] = [row[1] for row in rows if row[column] == str(uid)]
    found["queues"] = shell(
        "mkdir -p /run/satest-queues; unshare -m sh -c 'mount -t mqueue none /run/satest-queues; "
        'find /run/satest-queues -uid "$1"\' sh "$2"; rmdir /run/satest-queues',
        account,
        str(uid),
    )
    keys = lines("setpriv", "--reuid", str(uid), "--clear-groups", "cat", "/proc/keys")
    found["keys"] = [line for line in keys if line.split()[5] == str(uid) and " user " in line]
    found["processes"] = running(uid)
    found["login"] = [f"{account} logged in"] if last_login(uid) else []
    for path in ("/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow", "/etc/subuid", "/etc/subgid"):
        found[path] = [line for line in Path(path).read_text().splitlines() if line.startswith(f"{account}:")]
    return {place: sorted(what) for place, what in found.items()}


def forget_left_of(uid: int) -> None:
    """Remove whatever a failed test left of the account on this machine, and end its processes."""
    assert uid >= 1000
    shell(
        """
        pkill -KILL -U "$1"
        find /tmp /var/tmp /dev/shm /run -xdev -uid "$1" -delete
        find /run/sudo/ts /var/lib/sudo/lectured /var/lib/systemd/linger -name "satest*" -delete
        for kind in m s q; do
          ipcs -$kind | awk -v u="$1" '$3 == u {print $2}' | xargs -r -n 1 ipcrm -$kind
        done""",
        str(uid),
    )


def running(uid: int) -> list[str]:
    """Return state and command line of the account's processes, and of those that began in its logins."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            is_its_own = directory.stat().st_uid == uid or (directory / "loginuid").read_text() == str(uid)
            words = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            state = (directory / "stat").read_text().rpartition(")")[2].split()[0]
            if is_its_own and words and state not in "ZX":
                found.append(f"{state} {words}")
    return found


def last_login(uid: int) -> bool:
    with Path("/var/log/lastlog").open("rb") as handle:
        handle.seek(uid * LASTLOG_ENTRY)
        return bool(handle.read(LASTLOG_ENTRY).strip(b"\0"))


def shell(script: str, *arguments: str) -> list[str]:
    return lines("sh", "-c", script, "sh", *arguments)


def _is_empty(group: Path) -> bool:
    return shell(EMPTY, str(group)) == ["gone"]


def lines(*command: str) -> list[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.splitlines()


@contextlib.contextmanager
def user_systemd(uid: int, name: str) -> Iterator[bool]:
    """Run the account's own systemd, as logind would start it, with a timer that is due in an hour.

    Yield False if this machine cannot run one.
    """
    groups = [Path("/sys/fs/cgroup", one, name) for one in ("systemd", "unified", "")]
    groups = [one for one in groups if (one.parent / "cgroup.procs").exists()]
    start = r"""
      set -e
      install -d -m 0700 -o "$1" "/run/user/$1"
      mkdir -p /run/systemd
      mount -t tmpfs none /run/systemd
      mkdir /run/systemd/system
      for g in $3; do mkdir -p "$g"; echo $$ > "$g/cgroup.procs"; chown -R "$1" "$g"; done
      exec setpriv --reuid "$1" --regid "$1" --clear-groups env -i "HOME=/home/$2" PATH=/usr/bin:/bin \
        "XDG_RUNTIME_DIR=/run/user/$1" /lib/systemd/systemd --user"""
    words = ["unshare", "-m", "sh", "-c", start, "sh", str(uid), name, " ".join(map(str, groups))]
    manager = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    private = Path(f"/run/user/{uid}/systemd/private")
    try:
        wait_until(lambda: private.exists() or manager.poll() is not None, "the account's systemd answers")
        shell(
            'exec setpriv --reuid "$1" --regid "$1" --clear-groups env -i PATH=/usr/bin:/bin '
            '"XDG_RUNTIME_DIR=/run/user/$1" systemd-run --user --on-active=1h sleep 4735',
            str(uid),
        )
        yield manager.poll() is None
    finally:
        manager.kill()
        manager.wait(10)
        for group in groups:
            if group.exists():
                wait_until(partial(_is_empty, group), "it is empty")
