"""Whether somebody logs in from another country than usual.

The usual country of a person is where most of their last 20 logins with a known country came from; two or more can have
the same number. Until a person has three such logins, it is the one that HOME_COUNTRY names, if it names one. The
answer is kept with the login session, so that it says what was unusual then, and a list of millions finds the few.
"""

from __future__ import annotations

from collections import Counter

from django.conf import settings

from sessions_app.logins.models import LoginSession

LOOKED_BACK = 20  # logins; who moves to another country is at home there after half as many
FEWEST = 3  # logins that say where somebody usually is


def is_abroad(user_id: int, country_code: str, *, but: int | None = None) -> bool:
    """Return whether a login from this country (ISO 3166-1) is from another country than the user's usual one.

    It is not where one of both is unknown. `but` is the number of the login session that is asked about.
    """
    if not country_code:
        return False
    usual = usual_countries(user_id, but=but)
    return bool(usual) and country_code not in usual


def usual_countries(user_id: int, *, but: int | None = None) -> set[str]:
    """Return the codes of the countries that the user usually logs in from; none where that is not known."""
    earlier = LoginSession.objects.filter(user_id=user_id).exclude(country_code="")
    if but is not None:
        earlier = earlier.exclude(pk=but)
    counted = Counter(earlier.order_by("-pk").values_list("country_code", flat=True)[:LOOKED_BACK])
    if counted.total() < FEWEST:
        return {settings.HOME_COUNTRY} if settings.HOME_COUNTRY else set()
    most = max(counted.values())
    return {code for code, count in counted.items() if count == most}
