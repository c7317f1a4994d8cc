"""Read an SSH client's user name, which says who comes and for which session. Pure.

The separator is not allowed in the console's user names, and ssh, scp, sftp, ~/.ssh/config and shells leave it
unchanged (docs/decisions/0008-the-name-of-a-session-in-ssh.md).
"""

from __future__ import annotations

SEPARATOR = "="
LONGEST_USER_NAME = 300  # characters; a user name has at most 150, a resource's 120


def split(name: str) -> tuple[str, str]:
    """Return the console's user name and the name of the session, for example from alice=web01.

    The second is empty when the client names none, which means the only open session.
    """
    user_name, _, wanted = name[:LONGEST_USER_NAME].partition(SEPARATOR)
    return user_name, wanted.strip()


def join(user_name: str, wanted: str | int) -> str:
    """Return what to write before the @."""
    return f"{user_name}{SEPARATOR}{wanted}"
