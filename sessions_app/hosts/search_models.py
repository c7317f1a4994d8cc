"""Which hosts are to be searched for files that sessions left there, and what was found.

One search serves all sessions that have ended on a host since the last one, and all workers.
"""

from __future__ import annotations

import datetime as dt
from typing import Self

from django.db import models
from django.db.models import Q

from sessions_app.catalogue.models import Resource
from sessions_app.privileged.models import PrivilegedSession

SEARCH_EVERY = dt.timedelta(minutes=10)  # at one host, at most
# A search that has not ended by then died with its worker: longer than connecting and the step may take.
GIVEN_UP = dt.timedelta(seconds=120)
SEARCH_AFTER = dt.timedelta(seconds=5)  # from the end of a session: more often end together
MOST_SESSIONS = 200  # of one search; the next one takes the rest


class LeftFilesQuerySet(models.QuerySet["LeftFiles"]):
    """Selections for a search."""

    def waiting(self, now: dt.datetime) -> Self:
        """Return sessions that are over and whose files nobody has searched for yet."""
        return self.filter(searched_at=None, session__ended_at__lte=now - SEARCH_AFTER)


class LeftFiles(models.Model):
    """Files of a session's user id outside of the directories that are cleaned, as its host reported them.

    Without a row nothing is to be searched for, or nothing was found.
    """

    session = models.OneToOneField(PrivilegedSession, models.CASCADE, related_name="left_files")
    searched_at = models.DateTimeField(null=True)
    found = models.JSONField(default=list)  # the first paths
    count = models.PositiveIntegerField(default=0)

    objects = LeftFilesQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        indexes = (models.Index(fields=["id"], condition=Q(searched_at=None), name="left_files_to_search"),)

    def __str__(self) -> str:
        return f"Files that session {self.session_id} left"

    def words(self, most: int) -> str:
        """Return the first `most` paths, and how many more there are."""
        shown = [f"file {path}" for path in self.found[:most]]
        more = self.count - len(shown)
        return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


class HostSearchQuerySet(models.QuerySet["HostSearch"]):
    """Selections of hosts to search."""

    def due(self, now: dt.datetime) -> Self:
        """Return hosts on which sessions wait for a search, and which may be searched again."""
        hosts = LeftFiles.objects.waiting(now).values("session__resource")
        return self.filter(_may_begin(now), resource__in=hosts)

    def claim(self, pk: int, now: dt.datetime) -> bool:
        """Reserve the search for two minutes. Return False if somebody else has it."""
        return bool(self.filter(_may_begin(now), pk=pk).update(began_at=now, next_at=now + GIVEN_UP))


def _may_begin(now: dt.datetime) -> Q:
    """Return a condition for searches that are due.

    A time far in the future counts as due, because a clock was wrong.
    """
    return Q(next_at=None) | Q(next_at__lte=now) | Q(next_at__gt=now + SEARCH_EVERY + GIVEN_UP)


class HostSearch(models.Model):
    """The latest search of a host.

    The worker that moves `next_at` by compare-and-swap searches. If it dies, another one searches when that time is
    reached.
    """

    resource = models.OneToOneField(Resource, models.CASCADE, related_name="search")
    began_at = models.DateTimeField(null=True)
    next_at = models.DateTimeField(null=True)  # not before
    problem = models.CharField(max_length=300, blank=True)  # why the latest search failed

    objects = HostSearchQuerySet.as_manager()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"Search of {self.resource}"
