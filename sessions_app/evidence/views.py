"""The page Evidence: how far the log is sealed, its newest checkpoint, its public keys, and what was found wrong."""

from __future__ import annotations

from pathlib import Path

from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from activity import verify_sessionadmin
from activity.listing.file_names import attachment
from activity.seal.models import Checkpoint, SealFinding
from activity.viewer import viewer
from sessions_app.evidence import keys, publishing, timestamps
from sessions_app.evidence.models import Publication
from sessions_app.evidence.status import seal_status
from sessions_app.roles import sees_everything

MOST_FINDINGS = 50


@require_safe
def evidence(request: HttpRequest) -> HttpResponse:
    """Show what somebody needs to check the log, and whether the sealing works."""
    _require_reader(request)
    published = {one.place: one for one in Publication.objects.all()}
    context = {
        "heading": "Evidence",
        "seal": seal_status(),
        "keys": [(key, keys.vkey(key)) for key in keys.every_key()],
        "findings": SealFinding.objects.order_by("-pk")[:MOST_FINDINGS],
        "places": [(name, place, published.get(name)) for name, place, *_ in publishing.ways()],
        **_stamped(),
    }
    return render(request, "sessions_app/evidence/evidence.html", context)


@require_safe
def verifier(request: HttpRequest) -> FileResponse:
    """Send the single file that checks exports and checkpoints without the console."""
    _require_reader(request)
    path = Path(verify_sessionadmin.__file__)
    return FileResponse(path.open("rb"), as_attachment=True, filename=path.name, content_type="text/x-python")


def _stamped() -> dict[str, object]:
    """Return the newest checkpoint that has a time-stamp, and when that was made or why it cannot be read."""
    found = timestamps.newest()
    if found is None:
        return {"stamped": None}
    try:
        return {"stamped": found, "stamped_at": timestamps.time_of(found)}
    except timestamps.TimestampError as error:
        return {"stamped": found, "stamp_problem": str(error)}


@require_safe
def checkpoint(request: HttpRequest, size: int) -> HttpResponse:
    """Send a checkpoint as a file: what its time-stamp is about, byte for byte."""
    return _file(_checkpoint(request, size).note.encode(), f"checkpoint-{size}.txt", "text/plain")


@require_safe
def timestamp(request: HttpRequest, size: int) -> HttpResponse:
    """Send the time-stamp of a checkpoint, as the authority gave it."""
    stamp = bytes(_checkpoint(request, size).timestamp or b"")
    if not stamp:
        raise Http404("This checkpoint has no time-stamp.")
    return _file(stamp, f"checkpoint-{size}.tsr", "application/timestamp-reply")


def _checkpoint(request: HttpRequest, size: int) -> Checkpoint:
    _require_reader(request)
    found = Checkpoint.objects.filter(size=size).order_by("pk").first()
    if found is None:
        raise Http404("There is no checkpoint of so many entries.")
    return found


def _file(content: bytes, name: str, kind: str) -> HttpResponse:
    headers = {"Content-Disposition": attachment(name), "Cache-Control": "no-store"}
    return HttpResponse(content, content_type=kind, headers=headers)


def _require_reader(request: HttpRequest) -> None:
    if not sees_everything(viewer(request)):
        raise PermissionDenied("Only administrators and auditors see the evidence of the log.")
