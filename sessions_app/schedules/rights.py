"""Whether the owner of a schedule may still have its exports. It is asked anew at making and at fetching."""

from __future__ import annotations

from django.contrib.auth import get_user_model

from activity.models import SavedView
from sessions_app.people.models import AccountLock
from sessions_app.roles import sees_everything
from sessions_app.schedules.models import Schedule


def refusal(schedule: Schedule) -> str:
    """Return why the owner may not have exports of this schedule any more; an empty string if they may."""
    owner = get_user_model().objects.filter(pk=schedule.owner_id).first()  # as the database knows the person now
    if owner is None or not owner.is_active:
        return "The account of its owner is disabled."
    if AccountLock.objects.in_force().filter(user=owner).exists():
        return "The account of its owner is locked."
    if not sees_everything(owner):
        return "Its owner is neither an auditor nor an administrator any more."
    if schedule.view_id is None or not SavedView.objects.visible_to(owner).filter(pk=schedule.view_id).exists():
        return "Its saved view is gone, or is not shared with its owner any more."
    return ""
