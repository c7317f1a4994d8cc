"""What a host last said of who is logged on: one look serves all its sessions and all workers."""

from __future__ import annotations

import datetime as dt
from typing import Self

from django.db import models
from django.db.models import F, Q

from sessions_app.models.access import Resource

# A look that has not ended by then died with its worker: longer than connecting and both steps may take.
GIVEN_UP = dt.timedelta(seconds=160)
CLOCK_IS_OFF = 60.0  # seconds from which on people are warned
MOST_BELIEVED = 86400.0  # seconds by which we let a host tell us that its clock is off


class HostWatchQuerySet(models.QuerySet["HostWatch"]):
    """What the logon monitor selects."""

    def to_be_looked_at(self, now: dt.datetime, interval: dt.timedelta) -> Self:
        """Hosts whose last look is older than `interval`, and at which nobody is looking. A last look in the future
        means that a clock was wrong."""
        is_over = Q(ended_at__gte=F("began_at")) | Q(began_at__lte=now - GIVEN_UP) | Q(began_at__gt=now + GIVEN_UP)
        is_old = Q(began_at__lte=now - interval) | Q(began_at__gt=now + interval)
        return self.filter(Q(began_at=None) | (is_over & is_old))

    def clock_off(self, resource_id: int) -> float:
        """Return by how many seconds the host's clock was ahead of ours at the last look, negative when it was behind.
        Zero when that is not known; at most a day."""
        found = self.filter(resource=resource_id).values_list("clock_off", flat=True).first() or 0.0
        return max(-MOST_BELIEVED, min(MOST_BELIEVED, found))

    def outdate(self, resource_id: int) -> None:
        """Somebody came or went since the last look: whoever asks next looks anew, and what a look that is under way
        finds does not count."""
        self.filter(resource=resource_id).update(began_at=None)


class HostWatch(models.Model):
    """The last look at a resource. `began_at` is set by whoever looks, by compare-and-swap, so one does."""

    resource = models.OneToOneField(Resource, models.CASCADE, related_name="watch")
    began_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)  # before began_at: a look is under way
    problem = models.CharField(max_length=300, blank=True)  # why the last look failed
    clock_off = models.FloatField(null=True)  # seconds that the host's clock is ahead of ours
    # Session number -> is_logged_on, through what (text, address, details), how far its host's log was read.
    found = models.JSONField(default=dict)

    objects = HostWatchQuerySet.as_manager()

    class Meta:
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"Last look at {self.resource}"

    @property
    def is_under_way(self) -> bool:
        """Whether somebody looks at this moment, or died of it, or should look: no answer that counts is there."""
        return self.began_at is None or self.ended_at is None or self.ended_at < self.began_at

    @property
    def has_wrong_clock(self) -> bool:
        """Whether the two clocks were a minute or more apart at the last look."""
        return self.clock_off is not None and abs(self.clock_off) >= CLOCK_IS_OFF


def clock_words(seconds: float) -> str:
    """Say by how much a host's clock differs from ours: “10 min ahead of the console's”."""
    minutes, rest = divmod(round(abs(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [f"{days} d" if days else "", f"{hours} h" if hours else "", f"{minutes} min" if minutes else ""]
    words = " ".join([part for part in parts if part][:2]) or f"{rest} s"
    return f"{words} {'ahead of' if seconds > 0 else 'behind'} the console's"
