"""What an SSH client's user name says: who, and which session. Pure.

The sign between them is illegal in the console's user names, and ssh, scp, sftp, ~/.ssh/config and shells let it pass
untouched (docs/decisions/0008-the-name-of-a-session-in-ssh.md).
"""

from __future__ import annotations

SEPARATOR = "="
LONGEST = 300  # characters; a user name has at most 150, a resource's 120


def split(name: str) -> tuple[str, str]:
    """The console's user name, and what names the session (nothing: the only open one): alice=web01."""
    user_name, _, wanted = name[:LONGEST].partition(SEPARATOR)
    return user_name, wanted.strip()


def join(user_name: str, wanted: str | int) -> str:
    """What to write before the @."""
    return f"{user_name}{SEPARATOR}{wanted}"
