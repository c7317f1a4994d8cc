"""Finds the open sessions that a change ends, and makes sure that the person has agreed to their end.

The change is made in a transaction, and the sessions that it ends are counted. Unless the person has agreed to that
number, the transaction is rolled back and the person is asked. Which sessions end is not known here: the privileged
sessions say it when the console starts (`provide_open_sessions`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import models
from django.http import QueryDict

from activity.names import name_now
from activity.typed import typed

AGREED = "_agreed_to_end"  # the form field with the number of ending sessions that the person has agreed to
NAMED = 20  # this many sessions are listed by name; the others are counted


@dataclass(frozen=True, slots=True)
class OpenSessions:
    """The questions about open sessions that a change of the configuration asks."""

    all: Callable[[], models.QuerySet[Any]]
    ending: Callable[[], models.QuerySet[Any]]
    running_without_right: Callable[[], models.QuerySet[Any]]


_open_sessions: list[OpenSessions] = []


def provide_open_sessions(open_sessions: OpenSessions) -> None:
    """Set where the questions about open sessions are answered. wiring.py calls this once when the console starts."""
    _open_sessions[:] = [open_sessions]


@dataclass(frozen=True, slots=True)
class AffectedSessions:
    """The primary keys of the sessions that end, and of those that run on without a right, at one point in time."""

    ending: frozenset[int]
    running_on: frozenset[int]


class ChangeEndsSessions(Exception):
    """Rolls back a change that ends more sessions than the person has agreed to."""

    def __init__(self, ending: list[int], running_on: int) -> None:
        super().__init__(ending, running_on)
        self.ending, self.running_on = ending, running_on


def affected_sessions() -> AffectedSessions:
    """Return the open sessions without a right, by what happens to them."""
    (sessions,) = _open_sessions
    return AffectedSessions(
        frozenset(sessions.ending().values_list("pk", flat=True)),
        frozenset(sessions.running_without_right().values_list("pk", flat=True)),
    )


def require_agreement(before: AffectedSessions, sent: QueryDict) -> None:
    """Raise ChangeEndsSessions if more open sessions end since `before` than the person has agreed to in `sent`."""
    after = affected_sessions()
    ending = sorted(after.ending - before.ending)
    agreed = typed(sent, AGREED)
    if len(ending) > (int(agreed) if agreed.isascii() and agreed.isdigit() and len(agreed) < 10 else 0):
        raise ChangeEndsSessions(ending, len(after.running_on - before.running_on))


@contextmanager
def agreed_ends(sent: QueryDict) -> Iterator[None]:
    """Raise ChangeEndsSessions at the end of the block if it ends more sessions than `sent` agrees to."""
    before = affected_sessions()
    yield
    require_agreement(before, sent)


def question(change: ChangeEndsSessions, sent: QueryDict, skipped: Collection[str] = ()) -> dict[str, Any]:
    """Return the context of the template that asks.

    Its hidden fields repeat what was sent, so that agreeing sends it once more, except for the names in `skipped`.
    """
    count = len(change.ending)
    named = _open_sessions[0].all().filter(pk__in=change.ending[:NAMED]).annotate(user_now=name_now())
    left_out = {"csrfmiddlewaretoken", AGREED, *skipped}
    return {
        "title": f"This ends {count} open session{'' if count == 1 else 's'}",
        "count": count,
        "sessions": list(named.order_by("pk")),
        "more": max(count - NAMED, 0),
        "running_on": change.running_on,
        "agreed": AGREED,
        "sent": [(name, value) for name in sent if name not in left_out for value in sent.getlist(name)],
    }
