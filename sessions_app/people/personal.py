"""What a person has chosen for themselves: time zone, theme, density, first page, mails.

Pages read it from cookies, which are written at each login and when the choice is saved, so that no page asks the
database for it. Mails ask the row.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Iterable

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpResponseBase
from django.utils import timezone

from sessions_app.people.models import PersonalSettings

ONE_YEAR = 365 * 86400
# Each cookie, and the field whose value it has. JavaScript reads and writes those of theme and density.
COOKIES = {"zone": "zone", "theme": "theme", "density": "density"}


def settings_of(person: AbstractBaseUser) -> PersonalSettings:
    """Return what the person has chosen, or what holds for who never chose, as a row that is not saved."""
    return PersonalSettings.objects.filter(user_id=person.pk).first() or PersonalSettings(user_id=person.pk)


def write_cookies(response: HttpResponseBase, chosen: PersonalSettings) -> None:
    """Make this browser show pages as the person has chosen.

    Who never chose keeps the theme and the density of the browser, but no time zone that somebody else has chosen here.
    """
    is_saved = not chosen._state.adding
    for name, field in COOKIES.items():
        if value := getattr(chosen, field):
            secure = settings.SESSION_COOKIE_SECURE
            response.set_cookie(name, value, max_age=ONE_YEAR, secure=secure, httponly=name == "zone", samesite="Lax")
        elif is_saved or name == "zone":
            response.delete_cookie(name, samesite="Lax")


def settings_by_person(people: Iterable[AbstractBaseUser]) -> dict[int, PersonalSettings]:
    """Return what these people have chosen, by the number of their account, with one query."""
    found = PersonalSettings.objects.filter(user_id__in=[person.pk for person in people])
    return {chosen.user_id: chosen for chosen in found}


def zone_for_mail(chosen: PersonalSettings | None) -> dt.tzinfo:
    """Return the zone in which mails name times: the person's if they chose one, else that of the installation."""
    if chosen is not None and chosen.zone:
        return zoneinfo.ZoneInfo(chosen.zone)
    return timezone.get_default_timezone()
