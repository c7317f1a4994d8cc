"""The terminals of the sample data: what two people typed and saw, as a gateway would have recorded it.

Each is played on a stage whose clock moves with the typing, so it is the same every time.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from django.conf import settings

from sessions_app.gateway.downstream import UNTIL_UNLOCKED
from sessions_app.gateway.models import ConnectionEnd, EntryPoint, GatewayConnection
from sessions_app.gateway.recording import Asciicast
from sessions_app.gateway.recordings import assemble, chunks
from sessions_app.gateway.recordings.models import Recording
from sessions_app.gateway.screen import Screen
from sessions_app.privileged.models import ControlKind
from sessions_app.sample.logins import home
from sessions_app.sample.story import Story

COLS, ROWS = 96, 26
GATEWAY = "gateway-of-the-sample"
GREEN, BLUE, RED, BOLD, PLAIN = "\x1b[1;32m", "\x1b[1;34m", "\x1b[1;31m", "\x1b[1m", "\x1b[0m"


class Stage:
    """A shell on a host with a person in front of it. Seconds are counted from the first prompt."""

    def __init__(self, story: Story) -> None:
        session = story.session
        self.now = 0.0
        self.cast = Asciicast(
            cols=COLS,
            rows=ROWS,
            started_at=story.connected_at.timestamp(),
            limit=settings.RECORDING_MAX_BYTES,
            term="xterm-256color",
            clock=lambda: self.now,
        )
        self._prompt = f"{GREEN}{session.login_account}@{session.resource_name}{PLAIN}:{BLUE}~{PLAIN}$ "
        self._screen = Screen()
        self.show(self._prompt)

    def show(self, text: str) -> None:
        """Add output of the host."""
        data = text.replace("\n", "\r\n").encode()
        self._screen.feed(data)
        self.cast.output(data)

    def wait(self, seconds: float) -> None:
        """Let `seconds` pass before whatever is added next."""
        self.now += seconds

    def type(self, text: str) -> None:
        """Add keys at the pace of a person, with their echo."""
        for number, key in enumerate(text):
            self.wait(0.05 + 0.03 * (number * 7 % 5))
            self.show(key)

    def run(self, command: str, *lines: str, after: float = 2.5, takes: float = 0.2) -> None:
        """Type a command after so many seconds, and show its output."""
        self.wait(after)
        self.type(command)
        self.wait(0.3)
        self.show("\n")
        self.wait(takes)
        self.show("".join(f"{line}\n" for line in lines) + self._prompt)

    def resize(self, cols: int, rows: int) -> None:
        """Change the size of the window."""
        self.wait(0.8)
        self.cast.resize(cols, rows)

    def leave(self, after: float = 3) -> None:
        """End the shell and the connection."""
        self.wait(after)
        self.type("exit")
        self.wait(0.2)
        self.show("\nlogout\n")

    def freeze(self, at: float, title: str, message: str) -> None:
        """Let an administrator lock the session."""
        self.now = max(self.now, at)
        self.cast.mark(f"Locked: {title}")
        self.cast.output(self._screen.freeze(title, message, UNTIL_UNLOCKED))

    def unfreeze(self, at: float) -> None:
        """Let an administrator unlock the session."""
        self.now = max(self.now, at)
        self.cast.output(self._screen.unfreeze())
        self.cast.mark("Unlocked")


def move_the_archive(stage: Stage, story: Story) -> None:
    """Play how somebody finds a full disk, moves files away and checks the result."""
    head = f"{BOLD}Filesystem      Size  Used Avail Use% Mounted on{PLAIN}"
    stage.run("df -h /var", head, f"/dev/vdb1       200G  197G  3.0G  {RED}99%{PLAIN} /var")
    stage.run(
        "sudo du -xh --max-depth=1 /var/lib/postgresql | sort -h | tail -3",
        "12G     /var/lib/postgresql/16",
        "171G    /var/lib/postgresql/archive",
        "183G    /var/lib/postgresql",
        takes=6,
    )
    stage.resize(120, 30)
    stage.run("sudo rsync -a --remove-source-files /var/lib/postgresql/archive/ /srv/archive/", takes=2300)
    stage.run("df -h /var", head, f"/dev/vdb1       200G   28G  172G  {GREEN}14%{PLAIN} /var", after=40)
    stage.leave()


def replace_the_certificate(stage: Stage, story: Story) -> None:
    """Play how somebody installs the wrong certificate, is locked, and then installs the right one."""
    target = "/etc/postgresql/16/main/server.crt"
    soon = f"{story.connected_at + dt.timedelta(days=6):%b %d 12:00:00 %Y} GMT"
    later = f"{story.connected_at + dt.timedelta(days=365):%b %d 12:00:00 %Y} GMT"
    look = f"sudo openssl x509 -noout -subject -enddate -in {target}"
    stage.run(look, "subject=CN = db-1.example.com", f"notAfter={soon}", takes=0.6)
    stage.run("ls certificates", "db-1.crt  web-1.crt", after=7)
    stage.resize(110, 30)
    stage.run(f"sudo install -o postgres -m 600 certificates/web-1.crt {target}", after=9)
    lock, unlock = (control for control in story.controls if control.kind in (ControlKind.LOCK, ControlKind.UNLOCK))
    stage.freeze(_seconds(story, lock.enforced_at), lock.title, lock.message)
    stage.unfreeze(_seconds(story, unlock.enforced_at))
    stage.run("", after=3)
    stage.run(look, f"{BOLD}subject=CN = web-1.example.com{PLAIN}", f"notAfter={later}", after=9)
    stage.run(f"sudo install -o postgres -m 600 certificates/db-1.crt {target}", after=8)
    stage.run("sudo systemctl reload postgresql", takes=1.4)
    stage.run(look, "subject=CN = db-1.example.com", f"notAfter={later}")
    stage.leave()


def keep_running(stories: Iterable[Story]) -> list[Recording]:
    """Save the connections and their recordings in the state in which a gateway leaves them.

    `finish` or a worker completes them.
    """
    return [_keep(story) for story in stories if story.terminal]


def finish(recordings: Iterable[Recording]) -> None:
    """Write the files of the recordings.

    Raise OSError, or the error of the storage; a worker then tries again.
    """
    for recording in recordings:
        assemble.close(recording.pk)


def _keep(story: Story) -> Recording:
    stage = Stage(story)
    if story.terminal is not None:
        story.terminal(stage, story)
    stage.cast.finish()
    data, _ = stage.cast.take()
    connection = GatewayConnection.objects.create(
        session=story.session,
        gateway=GATEWAY,
        entry_point=EntryPoint.BROWSER,
        address=home(story.session.user).address(1),
        started_at=story.connected_at,
        ended_at=story.disconnected_at,
        end_reason=ConnectionEnd.HOST,
        bytes_out=len(data),
    )
    recording = Recording.objects.create(
        session=story.session, connection=connection, width=COLS, height=ROWS, started_at=story.connected_at
    )
    chunks.append([chunks.Piece(recording.pk, 0, data)])
    chunks.written([recording.pk])
    return recording


def _seconds(story: Story, at: dt.datetime | None) -> float:
    return (at - story.connected_at).total_seconds() if at else 0.0
