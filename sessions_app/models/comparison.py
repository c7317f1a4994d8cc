"""What a host was like before a session, and what was new there after it. A help for people, not a proof."""

from __future__ import annotations

from django.db import models

from sessions_app.models.privileged import PrivilegedSession


class HostComparison(models.Model):
    """The two looks at the host of one session, where its connection profile asks for them.

    `before` is kept here and not on the host, where it could be changed; it is emptied after the second look.
    """

    session = models.OneToOneField(PrivilegedSession, models.CASCADE, related_name="comparison")
    before = models.JSONField(default=dict)  # kind -> name -> value
    before_at = models.DateTimeField(null=True)
    news = models.JSONField(default=list)  # [what happened, kind, name, value]
    after_at = models.DateTimeField(null=True)  # none: not compared yet
    problem = models.CharField(max_length=300, blank=True)  # what was not compared, and why

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"Host of {self.session_id} before and after"
