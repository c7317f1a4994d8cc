"""When a schedule is due next, by the clock on its owner's wall. Pure."""

from __future__ import annotations

import calendar
import datetime as dt
import zoneinfo

from sessions_app.schedules.models import Every, Schedule


def next_time(schedule: Schedule, after: dt.datetime) -> dt.datetime:
    """Return the first time after `after` (in UTC) at which the schedule is due.

    A time that the clock skips in spring is as much later as the clock is put forward; of one that comes twice in
    autumn the first counts. A month without the day has it on its last.
    """
    zone = zoneinfo.ZoneInfo(schedule.zone)
    day = after.astimezone(zone).date() - dt.timedelta(days=1)  # an earlier day can never be missed by a shift
    while True:
        day = _next_day(schedule, day)
        found = dt.datetime.combine(day, schedule.at, zone).astimezone(dt.UTC)
        if found > after:
            return found


def _next_day(schedule: Schedule, after: dt.date) -> dt.date:
    day = after + dt.timedelta(days=1)
    if schedule.every == Every.WEEK:
        return day + dt.timedelta(days=(schedule.weekday - day.weekday()) % 7)
    if schedule.every == Every.MONTH:
        wanted = _in_month(day.year, day.month, schedule.month_day)
        if wanted < day:
            year, month = divmod(day.year * 12 + day.month, 12)
            wanted = _in_month(year, month + 1, schedule.month_day)
        return wanted
    return day


def _in_month(year: int, month: int, day: int) -> dt.date:
    return dt.date(year, month, min(day, calendar.monthrange(year, month)[1]))
