"""Pages of the activity floor. Knows nothing of sessions."""

from __future__ import annotations

import json

from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from activity.models import ListPreference
from activity.viewer import viewer

NARROWEST, WIDEST = 60, 800  # pixels
MOST_COLUMNS = 60
MOST_TABLES = 50


@require_POST
def save_columns(request: HttpRequest, table: str) -> HttpResponse:
    """Remember, for this person, which columns a list shows (form) or how wide they are (`widths`, JSON)."""
    person = viewer(request)
    mine = ListPreference.objects.filter(user_id=person.pk)
    preference = mine.filter(table=table).first()
    if preference is None:
        if mine.count() >= MOST_TABLES:
            return HttpResponseBadRequest("There are too many remembered lists. Nothing was saved.")
        preference, _ = ListPreference.objects.get_or_create(user_id=person.pk, table=table[:40])
    if "widths" in request.POST:
        widths = _read_widths(request.POST["widths"])
        if widths is None:
            return HttpResponseBadRequest("The column widths were not understood. Nothing was saved.")
        preference.widths = dict(list({**preference.widths, **widths}.items())[:MOST_COLUMNS])
        preference.save(update_fields=["widths"])
        return HttpResponse(status=204)
    if "reset" in request.POST:
        preference.delete()
    else:
        shown = set(request.POST.getlist("shown"))
        preference.hidden = [key[:40] for key in request.POST.getlist("all")[:MOST_COLUMNS] if key not in shown]
        preference.save(update_fields=["hidden"])
    there = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(
        there, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return redirect(there if is_ours else "home")


def _read_widths(text: str) -> dict[str, int] | None:
    """{column: pixels} from JSON, None when it is anything else."""
    try:
        widths = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(widths, dict) or len(widths) > MOST_COLUMNS:
        return None
    if not all(isinstance(width, int) and NARROWEST <= width <= WIDEST for width in widths.values()):
        return None
    return {key[:40]: width for key, width in widths.items()}
