"""What the log's filters ask of the objects that entries are about. The app that has them says at start who answers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from django.db.models import Q


@dataclasses.dataclass(frozen=True, slots=True)
class Related:
    """Conditions for entries, and the address that suggests names of hosts."""

    of_hosts: Callable[[str, bool], Q]  # a name, and whether it is the whole name or a part of one
    with_recording: Callable[[], Q]
    host_names_url: object  # lazy: it gets ?host=... and answers with options for a datalist


_provided: list[Related] = []


def provide_related(related: Related) -> None:
    """Set who answers. The app that has hosts and recordings calls this once at start."""
    _provided[:] = [related]


def related() -> Related | None:
    """Return who answers; None where no app has hosts."""
    return _provided[0] if _provided else None
