"""Whether the owner of a schedule may still have its exports. It is asked anew at making and at fetching."""

from __future__ import annotations

from django.contrib.auth import get_user_model

from activity.models import SavedView
from sessions_app.people.models import AccountLock
from sessions_app.reports.every_report import REPORTS
from sessions_app.roles import Person, is_administrator, sees_everything
from sessions_app.schedules.models import Schedule, ScheduledExport


def refusal(schedule: Schedule) -> str:
    """Return why the owner may not have exports of this schedule any more; an empty string if they may."""
    owner = get_user_model().objects.filter(pk=schedule.owner_id).first()  # as the database knows the person now
    if owner is None or not owner.is_active:
        return "The account of its owner is disabled."
    if AccountLock.objects.in_force().filter(user=owner).exists():
        return "The account of its owner is locked."
    if not sees_everything(owner):
        return "Its owner is neither an auditor nor an administrator any more."
    if schedule.report:
        return "" if schedule.report in REPORTS else "There is no such report any more."
    if schedule.view_id is None or not SavedView.objects.visible_to(owner).filter(pk=schedule.view_id).exists():
        return "Its saved view is gone, or is not shared with its owner any more."
    return ""


def role_key(owner: Person) -> str:
    """Return the key of ROLES by which the owner of a schedule sees lists and rows."""
    return "administrator" if is_administrator(owner) else "auditor"


def refusal_of_file(export: ScheduledExport) -> str:
    """Return why the owner of the schedule may not have this file, though the schedule goes on; empty if they may.

    Lists and their rows depend on the role. A file that was made for another one may hold what the owner sees no more.
    """
    owner = get_user_model()._default_manager.get(pk=export.schedule.owner_id)
    if export.made_as == role_key(owner):
        return ""
    if not export.made_as:
        return (
            "This file was made by an earlier version of the console. Choose Run now to have it made with your rights "
            "of now."
        )
    return "Your role was another one when this file was made. Choose Run now to have it made with your rights of now."
