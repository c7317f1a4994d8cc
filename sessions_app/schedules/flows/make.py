"""Make the exports that are due. Any number of workers may do it at once; each export is made by one of them.

1. Take a schedule that is due, for some minutes, which are prolonged while the file is written.
2. Ask whether its owner may still have it. If not, the schedule stops.
3. Ask the list for the file as the owner would, which asks for their rights too, and keep it.
4. Say when it is due next. What fails is tried again, a few times.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import logging
import secrets
import zoneinfo
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.sessions.backends.base import SessionBase
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, QueryDict
from django.urls import Resolver404, resolve, reverse
from django.utils import timezone

from activity import log
from activity.limits import TooMany
from activity.listing import Download
from activity.models import Level
from activity.text import plain
from activity.verbs import Verb
from sessions_app.reports.every_report import REPORTS
from sessions_app.reports.periods import ReportPeriod, days_of
from sessions_app.schedules import files
from sessions_app.schedules.flows.stop import stop
from sessions_app.schedules.models import Schedule, ScheduledExport
from sessions_app.schedules.rights import refusal, role_key
from sessions_app.schedules.times import next_time

HELD_FOR = dt.timedelta(minutes=10)
RENEW_EVERY = dt.timedelta(minutes=1)
AGAIN_AFTER = dt.timedelta(minutes=10)
MOST_ATTEMPTS = 5

logger = logging.getLogger(__name__)


class NotMade(Exception):
    """An export could not be made now. The text is for its owner."""


class NoRight(Exception):
    """The owner may not have it. The text says why."""


class Taken(Exception):
    """Another worker makes the export, because this one was too slow; or the schedule was stopped or deleted."""


def make_due() -> int:
    """Make every export that is due. Return how many were made."""
    made = 0
    for pk in (
        Schedule.objects.running().filter(next_at__lte=timezone.now()).order_by("next_at").values_list("pk", flat=True)
    ):
        schedule = _take(pk)
        if schedule is not None:
            made += _make(schedule)
    return made


def _take(pk: int) -> Schedule | None:
    """Take the schedule for this worker. Return None when another one has it, or has made its export meanwhile."""
    now = timezone.now()
    free = Schedule.objects.running().filter(pk=pk, next_at__lte=now).exclude(held_until__gt=now)
    if not free.update(held_until=now + HELD_FOR):
        return None
    return Schedule.objects.select_related("owner", "view").filter(pk=pk, held_until=now + HELD_FOR).first()


def _mine(schedule: Schedule) -> QuerySet[Schedule]:
    """Select the schedule, unless this worker has it no more."""
    return Schedule.objects.filter(pk=schedule.pk, held_until=schedule.held_until)


def _make(schedule: Schedule) -> bool:
    if reason := refusal(schedule):
        stop(schedule, reason)
        return False
    try:
        _keep(schedule, _written(schedule))
    except NoRight as problem:
        stop(schedule, str(problem))
    except Taken:
        logger.warning("The export of schedule %s was given up: it was taken over, stopped or deleted", schedule.pk)
    except OSError as problem:
        logger.exception("The export of schedule %s was not written", schedule.pk)
        _note_failure(schedule, f"Its file could not be written: {problem.strerror or type(problem).__name__}.")
    except (NotMade, TooMany) as problem:
        _note_failure(schedule, plain(problem, 300))
    except Exception:
        # What is wrong with one export must keep no other from being made, mailed and removed.
        logger.exception("The export of schedule %s failed unexpectedly", schedule.pk)
        _note_failure(schedule, "It failed unexpectedly. The worker's own log says why.")
    else:
        return True
    return False


@dataclasses.dataclass(frozen=True, slots=True)
class _Written:
    """A file that was made."""

    stored_as: str
    size: int
    sha256: str
    file_name: str
    content_type: str
    made_as: str


def _written(schedule: Schedule) -> _Written:
    """Write the file. Raise NoRight, NotMade, TooMany, Taken or OSError."""
    owner = get_user_model().objects.get(pk=schedule.owner_id)  # without what this process knows of their rights

    def renew() -> None:
        until = timezone.now() + HELD_FOR
        if schedule.held_until is None or until - schedule.held_until > RENEW_EVERY:
            if not _mine(schedule).update(held_until=until):
                raise Taken
            schedule.held_until = until

    with timezone.override(zoneinfo.ZoneInfo(schedule.zone)):
        answer = _asked(schedule, owner)
        try:
            with contextlib.closing(answer.pieces) as pieces:
                name, size, digest = files.write(pieces, renew)
        finally:
            answer.give_back()  # close() would end a request, and with it the database connection of the worker
    return _Written(name, size, digest, answer.file_name, answer["Content-Type"], role_key(owner))


def _asked(schedule: Schedule, owner: object) -> Download:
    """Return the download of the list or report, as its owner gets it. Raise NoRight, NotMade or TooMany."""
    path, pairs = _address(schedule)
    request = HttpRequest()
    request.method, request.path, request.path_info = "GET", path, path
    asked = [*pairs, ("format", schedule.format), *([("zip", "1")] if schedule.is_archive else [])]
    request.GET = QueryDict(urlencode(asked))
    request.META = {"REQUEST_METHOD": "GET", "SERVER_NAME": "worker", "SERVER_PORT": "0", "REMOTE_ADDR": ""}
    request.user = owner  # type: ignore[assignment]  # a person, whom the middleware would have set
    request.session = SessionBase()  # an empty one, which is never stored; pages of errors look into it
    request.htmx = False  # type: ignore[attr-defined]  # by the middleware of django-htmx
    try:
        match = resolve(path)
        request.resolver_match = match
        answer = match.func(request, *match.args, **match.kwargs)
    except (PermissionDenied, Http404, Resolver404) as problem:
        raise NoRight("Its owner may not see this list any more.") from problem
    if isinstance(answer, Download):
        return answer
    raise NotMade("The list did not accept the saved view. Open the view, correct its filters and save it again.")


def _address(schedule: Schedule) -> tuple[str, list[tuple[str, str]]]:
    """Return the path of the list or report, and what is asked of it. Raise NoRight if it is gone.

    The days of a report are those before the day on which it was due, also when it is made later.
    """
    if schedule.report:
        path = reverse("report", args=[schedule.report])
        if not REPORTS[schedule.report].has_period:
            return path, []
        days = days_of(ReportPeriod(f"last-{schedule.every}"), timezone.localtime(schedule.next_at).date())
        since, until = days.first.isoformat(), days.last.isoformat()
        return path, [("period", ReportPeriod.CUSTOM), ("since", since), ("until", until)]
    if schedule.view is None:
        raise NoRight("Its saved view is gone.")
    return schedule.view.path, schedule.view.pairs


def _keep(schedule: Schedule, made: _Written) -> None:
    """Keep the file for the owner, and say when the schedule is due next. Raise Taken, which leaves no file."""
    try:
        with transaction.atomic():
            if not _mine(schedule).update(held_until=None, attempts=0, problem=""):
                raise Taken
            _note_made(Schedule.objects.select_related("owner").get(pk=schedule.pk), schedule.view_name, made)
    except BaseException:
        files.remove(made.stored_as)
        raise


def _note_made(schedule: Schedule, view_name: str, made: _Written) -> None:
    """Note the file of the view or report `view_name`; the schedule may have another one by now."""
    now = timezone.now()
    export = ScheduledExport.objects.create(
        schedule=schedule,
        token=secrets.token_urlsafe(32),
        stored_as=made.stored_as,
        file_name=made.file_name,
        content_type=made.content_type,
        size=made.size,
        sha256=made.sha256,
        made_as=made.made_as,
        made_at=now,
        expires_at=now + dt.timedelta(days=settings.EXPORTS_DAYS),
        mail_next_at=now,
    )
    Schedule.objects.filter(pk=schedule.pk).update(next_at=next_time(schedule, now))
    log.record(
        Verb.SCHEDULE_MADE,
        f"Made the scheduled export “{view_name}” for {schedule.owner.get_username()}",
        user=schedule.owner,
        target=schedule,
        details={"file": made.file_name, "size": made.size, "sha256": made.sha256, "export": export.pk},
    )


def _note_failure(schedule: Schedule, problem: str) -> None:
    """Try again later; after some attempts only at the next time of the schedule.

    Until then it stays due at the same time, by which a report has its days, and nobody takes it before the next try.
    """
    now, attempts = timezone.now(), schedule.attempts + 1
    values: dict[str, Any] = {"attempts": attempts, "held_until": now + AGAIN_AFTER}
    if attempts >= MOST_ATTEMPTS:
        values = {"attempts": 0, "held_until": None, "next_at": next_time(schedule, now)}
    with transaction.atomic():
        if not _mine(schedule).update(**values, problem=problem):
            return
        log.record(
            Verb.SCHEDULE_FAILED,
            f"The scheduled export “{schedule.view_name}” of {schedule.owner.get_username()} was not made: {problem}",
            user=schedule.owner,
            target=schedule,
            level=Level.WARNING,
        )
