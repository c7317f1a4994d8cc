"""The page of one log entry, and the manifest that the entry of a download keeps."""

from __future__ import annotations

import json

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from activity import log, names
from activity.listing import moment
from activity.listing.file_names import attachment
from activity.models import LogEntry
from activity.reading import note_reading
from activity.tables import actor_cell, level_badge, message_text, outcome_badge, user_cell
from activity.times_in_text import with_local_times
from activity.verbs import Verb
from activity.verify_sessionadmin import MANIFEST_ENDING


@require_safe
def activity_entry(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one entry with everything that was kept of it."""
    entry = get_object_or_404(names.logged(LogEntry.objects.visible_to(request.user)), pk=pk)
    details: dict[str, object] = _details_of(entry)
    changes = details.pop("changes", None)
    if not (isinstance(changes, dict) and all(isinstance(change, dict) for change in changes.values())):
        changes, details = None, _details_of(entry)
    context = {
        "heading": entry.get_verb_display(),
        "number": entry.pk,
        "entry": entry,
        "at": moment(entry.at),
        "message": message_text(entry),
        "level": level_badge(entry),
        "outcome": outcome_badge(entry),
        "actor": actor_cell(entry),
        "user_name": user_cell(entry),
        "target_url": log.target_url(entry),
        "changes": [(field, change.get("old"), change.get("new")) for field, change in (changes or {}).items()],
        "details": [(key, _readable(value)) for key, value in details.items()],
        "has_manifest": entry.verb == Verb.EXPORTED and "manifest" in details,
    }
    response = render(request, "activity/log_entry.html", context)
    note_reading(request, response, Verb.LOG_READ, f"Read entry {entry.pk} of the activity log")
    return response


@require_safe
def export_manifest(request: HttpRequest, pk: int) -> HttpResponse:
    """Send the manifest of a download, which is kept in the entry of its end, as the file that belongs beside it."""
    entry = get_object_or_404(LogEntry.objects.visible_to(request.user), pk=pk, verb=Verb.EXPORTED)
    details = _details_of(entry)
    text, name = details.get("manifest"), details.get("file")
    if not (isinstance(text, str) and isinstance(name, str)):
        raise Http404("This download has no manifest: it was made before downloads had one.")
    headers = {"Content-Disposition": attachment(f"{name}{MANIFEST_ENDING}"), "Cache-Control": "no-store"}
    return HttpResponse(text, content_type="text/plain; charset=utf-8", headers=headers)


def _details_of(entry: LogEntry) -> dict[str, object]:
    """Return a copy of the details; of what another program wrote, which may be any JSON, under one name."""
    return dict(entry.details) if isinstance(entry.details, dict) else {"details": entry.details}


def _readable(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True)
    return with_local_times(text)
