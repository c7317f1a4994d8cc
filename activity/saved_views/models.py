"""A saved view, and what each person makes of it: their default of a list, or a link in their navigation."""

from __future__ import annotations

from typing import Self
from urllib.parse import parse_qsl, urlencode

from django.conf import settings
from django.contrib.auth.models import AbstractUser, AnonymousUser
from django.db import models
from django.utils import timezone

LONGEST_NAME, LONGEST_PATH, LONGEST_QUERY = 60, 200, 4000  # characters


class SavedViewQuerySet(models.QuerySet["SavedView"]):
    """Selections of saved views."""

    def visible_to(self, user: AbstractUser | AnonymousUser) -> Self:
        """Return the person's own views and those that somebody shares."""
        return self.filter(models.Q(owner_id=user.pk) | models.Q(is_shared=True))


class SavedView(models.Model):
    """The filters, the order and the columns of one list."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    name = models.CharField(max_length=LONGEST_NAME)
    path = models.CharField(max_length=LONGEST_PATH)  # of the list, such as /sessions/
    query = models.TextField(blank=True)  # filters and order, as in the address; never one page of the list
    table = models.CharField(max_length=40)  # the name of the table that has these columns
    nouns = models.CharField(max_length=60)  # what the list shows, for people: "sessions"
    hidden = models.JSONField(null=True)  # as in ListPreference, here and below
    widths = models.JSONField(default=dict)
    order = models.JSONField(default=list)
    is_shared = models.BooleanField(default=False)
    changed_at = models.DateTimeField(default=timezone.now)

    objects = SavedViewQuerySet.as_manager()

    class Meta:
        default_permissions = ("delete",)  # whoever has it may withdraw what others share: administrators
        constraints = [models.UniqueConstraint(fields=["owner", "name"], name="saved_view_name_once")]

    def __str__(self) -> str:
        return self.name

    @property
    def address(self) -> str:
        """Return the address of the list with this view."""
        return address_of(self.pk, self.path, self.query)

    @property
    def columns_key(self) -> str:
        """Return the name under which a ListPreference keeps how one person changed the columns of this view."""
        return f"view-{self.pk}"

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Return the parameters of the query."""
        return parse_qsl(self.query)


def address_of(pk: int, path: str, query: str) -> str:
    """Return the address of a list with a view."""
    return f"{path}?{urlencode({'view': pk})}{'&' if query else ''}{query}"


class ViewMark(models.Model):
    """What one person makes of a view that they see."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    view = models.ForeignKey(SavedView, models.CASCADE, related_name="marks")
    path = models.CharField(max_length=LONGEST_PATH)  # the view's, for the constraint below
    is_default = models.BooleanField(default=False)
    place = models.IntegerField(null=True)  # among the favourites of the person; none: it is no favourite

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["user", "view"], name="view_mark_once"),
            models.UniqueConstraint(
                fields=["user", "path"], condition=models.Q(is_default=True), name="view_default_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.view_id} for {self.user_id}"
