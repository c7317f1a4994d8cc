"""Who may do what, and which of these rights nobody has used for some time.

Both read EverybodysRights once, and go through the people by name. So a page needs the rights of as many people as it
shows, and a file all, one person after the other.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser, Group
from django.db.models import QuerySet
from django.utils.safestring import SafeString

from activity.addresses import numbered
from activity.folding import fold
from activity.listing import Column, empty, link
from activity.listing.errors import BadListRequest
from activity.listing.keyset import Page
from activity.names import of_accounts
from activity.time_limits import statements_without_limit
from sessions_app.privileged.everybody import EverybodysRights, Pair
from sessions_app.privileged.try_it import names_of_tiers
from sessions_app.reports.last_uses import LastUses, last_uses, used_since
from sessions_app.reports.report import PAGE, TIME_WIDTH, Answer, Place, Question, Report, Row, Total, text_field, when

PEOPLE_AT_ONCE = 200
UNUSED_DAYS, MOST_DAYS = 90, 3650


@dataclasses.dataclass(frozen=True, slots=True)
class RightRow:
    """One right of one person, as a report shows it. `via` says by which groups the policy names the person."""

    user: AbstractUser
    pair: Pair
    obstacle: str
    approval: tuple[str, ...]
    via: str
    last_used: dt.datetime | None


class RightsAnswer(Answer):
    """The rights of active accounts, by the names of user, activity and host."""

    def __init__(self, question: Question, unused_since: dt.datetime | None = None) -> None:
        """With `unused_since`, answer with the rights that nobody has used since then."""
        self.question = question
        self._unused_since = unused_since
        self._filters = [
            (field, fold(question.text(field))) for field in ("resource", "activity", "policy") if question.text(field)
        ]

    @cached_property
    def _everybody(self) -> EverybodysRights:
        return EverybodysRights()

    @cached_property
    def _groups(self) -> dict[int | None, str]:
        return {None: "by name", **dict(Group.objects.values_list("pk", "name"))}

    @cached_property
    def _tiers(self) -> dict[int, tuple[str, ...]]:
        return names_of_tiers({policy.profile_id for policy in self._everybody.policies})

    def _people(self) -> QuerySet[Any]:
        """Return the active accounts that a policy may name, by name."""
        people = get_user_model()._default_manager.filter(is_active=True)
        if name := self.question.text("user"):
            people = people.filter(of_accounts(name, "pk"))
        return people.order_by("username")

    @cached_property
    def _ids(self) -> Sequence[int]:
        """Return the ids of the people who have any right, in their order."""
        holders = self._everybody.holders()
        return [pk for pk in self._people().values_list("pk", flat=True) if pk in holders]

    def _pairs(self, user_id: int) -> Sequence[Pair]:
        pairs = self._everybody.pairs(user_id)
        return [pair for pair in pairs if self._fits(pair)] if self._filters else pairs

    def _fits(self, pair: Pair) -> bool:
        names = {"resource": pair.resource.name, "activity": pair.activity.name, "policy": pair.policy.name}
        return all(asked in fold(names[field]) for field, asked in self._filters)

    @cached_property
    def _sizes(self) -> Sequence[int]:
        """Return for each person of _ids how many rows they have."""
        sizes = {user_id: self._size(user_id) for user_id in self._ids}
        if self._unused_since is not None:
            for user_id, used in used_since(self._unused_since):
                if user_id in sizes:
                    sizes[user_id] -= sum(1 for pair in self._pairs(user_id) if pair.key in used)
        return [sizes[user_id] for user_id in self._ids]

    def _size(self, user_id: int) -> int:
        return len(self._pairs(user_id)) if self._filters else self._everybody.count(user_id)

    def count(self) -> int:
        return sum(self._sizes)

    def totals(self) -> Sequence[Total]:
        people = sum(1 for size in self._sizes if size)
        return [
            ("People and applications", f"{people:,}"),
            ("Rights", f"{self.count():,}"),
            ("Most of one person", f"{max(self._sizes, default=0):,}"),
            ("Access policies in force", f"{len(self._everybody.policies):,}"),
        ]

    def page(self, place: Place) -> Page:
        """Return a page. Its cursor is the number of its first row."""
        whole = self.count()
        first = _first_row(place, whole)
        rows = list(self._rows(first, PAGE))
        end = first + len(rows)
        return Page(rows, str(first) if first else "", str(end) if end < whole else "")

    def rows(self) -> Iterator[RightRow]:
        with statements_without_limit("default"):
            yield from self._rows(0, None)

    def _rows(self, skip: int, most: int | None) -> Iterator[RightRow]:
        """Yield rows from the one with the number `skip` on, at most so many."""
        left = self.count() - skip if most is None else most
        wanted: list[tuple[int, int]] = []  # people, and how many of their rows are left out
        room = left
        for user_id, size in zip(self._ids, self._sizes, strict=True):
            if room <= 0:
                break
            if skip >= size:
                skip -= size
                continue
            wanted.append((user_id, skip))
            room, skip = room - (size - skip), 0
        yield from itertools.islice(self._rows_of(wanted), max(left, 0))

    def _rows_of(self, people: Sequence[tuple[int, int]]) -> Iterator[RightRow]:
        ids = [user_id for user_id, _ in people]
        users = get_user_model()._default_manager.filter(pk__in=ids) if len(ids) <= PAGE else self._people()
        wanted = dict(people)
        used = last_uses(ids)
        for user in users.order_by("username").iterator(chunk_size=PEOPLE_AT_ONCE):
            if user.pk in wanted:
                # By the id: somebody who was disabled since the ids were read must not move the dates to other people.
                uses = next((one for user_id, one in used if user_id == user.pk), {})
                yield from itertools.islice(self._rows_of_one(user, uses), wanted[user.pk], None)

    def _rows_of_one(self, user: AbstractUser, used: LastUses) -> Iterator[RightRow]:
        pairs = self._pairs(user.pk)
        if self._unused_since is not None:
            pairs = [pair for pair in pairs if _is_unused(used.get(pair.key), self._unused_since)]
        via: dict[int, str] = {}
        for right in self._everybody.rights(user, pairs):
            policy = right.pair.policy
            if policy.pk not in via:
                via[policy.pk] = ", ".join(
                    self._groups.get(one, "a deleted group") for one in self._everybody.via(user.pk, policy)
                )
            yield RightRow(
                user,
                right.pair,
                right.obstacle,
                self._tiers.get(policy.profile_id, ()),
                via[policy.pk],
                used.get(right.pair.key),
            )


def _is_unused(last_used: dt.datetime | None, since: dt.datetime) -> bool:
    return last_used is None or last_used < since


def _first_row(place: Place, whole: int) -> int:
    """Return the number of the first row of a page. Raise BadListRequest for what is no number of a row."""
    text = place.after or place.before
    if place.is_last and not text:
        return max((whole - 1) // PAGE * PAGE, 0)
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        raise BadListRequest(
            "The address names a page that this report does not have. Start again from its first page."
        )
    return int(text) if place.after else max(int(text) - PAGE, 0)


def _user_cell(row: RightRow) -> SafeString:
    return link(numbered("user", row.user.pk), row.user.get_username())


def _policy_cell(row: RightRow) -> SafeString:
    return link(row.pair.policy.get_absolute_url(), row.pair.policy)


def _asks(row: RightRow) -> str:
    """Return what a request needs beside the policy."""
    profile = row.pair.policy.profile
    asked = [
        *(f"approval by {tier}" for tier in row.approval),
        *(["notes"] if profile.notes_required else []),
        *(["a ticket"] if profile.ticket_required else []),
        *(["a second factor"] if profile.confirms else []),
    ]
    return ", ".join(asked)


USER = Column("user", "User", csv=lambda row: row.user.get_username(), cell=_user_cell, width=96)
ACTIVITY = Column("activity", "Activity", csv=lambda row: row.pair.activity.name, width=110)
HOST = Column("host", "Host", csv=lambda row: row.pair.resource.name, width=110)
POLICY = Column("policy", "By the policy", csv=lambda row: row.pair.policy.name, cell=_policy_cell, width=120)
VIA = Column("via", "Which names", "via", width=110)
ASKS = Column("asks", "Asks for", csv=_asks, width=200)
LAST_USED = Column(
    "last_used",
    "Last used",
    csv=lambda row: row.last_used,
    cell=lambda row: when(row.last_used) if row.last_used else "Never",
    width=TIME_WIDTH,
)
OBSTACLE = Column("obstacle", "In the way now", "obstacle", cell=lambda row: empty(row.obstacle), width=200)


def _right_fields() -> dict[str, forms.Field]:
    return {
        "user": text_field("User"),
        "resource": text_field("Host"),
        "activity": text_field("Activity"),
        "policy": text_field("Policy"),
    }


class Rights(Report):
    slug = "rights"
    title = "Who may do what"
    line = "Effective rights of every active account: which activity, on which host, by which policy, last used when."
    shows = (
        "Every activity on every host that an access policy gives to an active account now, by the policy that counts. "
        "“In the way now” says why a request would be refused at this moment, as “Try it” does; where it is empty, a "
        "request is accepted."
    )
    noun, nouns = "right", "rights"
    empty = "No access policy in force gives anything to an active account."
    has_period = False
    columns = (USER, ACTIVITY, HOST, POLICY, VIA, ASKS, LAST_USED, OBSTACLE)

    def fields(self) -> dict[str, forms.Field]:
        return _right_fields()

    def answer(self, question: Question) -> Answer:
        return RightsAnswer(question)

    def group(self, row: Row) -> tuple[object, str]:
        return row.user.pk, row.user.get_username()


class UnusedRights(Report):
    slug = "unused-rights"
    title = "Unused rights"
    line = "Rights that nobody has used for 90 days, or as many days as you choose: what could be taken away."
    shows = (
        "Every right of an active account for which no session of that person for that activity on that host began "
        "within the days that are asked for, or ever. The rights are those of the report “Who may do what”."
    )
    noun, nouns = "unused right", "unused rights"
    empty = "Every right was used within these days, or no access policy gives any."
    has_period = False
    columns = (USER, ACTIVITY, HOST, POLICY, VIA, LAST_USED)

    def fields(self) -> dict[str, forms.Field]:
        days = forms.IntegerField(
            label="Unused for days", required=False, min_value=1, max_value=MOST_DAYS, initial=UNUSED_DAYS
        )
        return {"days": days, **_right_fields()}

    def answer(self, question: Question) -> Answer:
        since = question.now - dt.timedelta(days=question.fields.get("days") or UNUSED_DAYS)
        return RightsAnswer(question, since)

    def group(self, row: Row) -> tuple[object, str]:
        return row.user.pk, row.user.get_username()
