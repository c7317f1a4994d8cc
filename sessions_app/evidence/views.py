"""The page Evidence: how far the log is sealed, its newest checkpoint, its public keys, and what was found wrong."""

from __future__ import annotations

from pathlib import Path

from django.core.exceptions import PermissionDenied
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from activity import verify_sessionadmin
from activity.seal.models import SealFinding
from activity.viewer import viewer
from sessions_app.evidence import keys, publishing
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
    }
    return render(request, "sessions_app/evidence/evidence.html", context)


@require_safe
def verifier(request: HttpRequest) -> FileResponse:
    """Send the single file that checks exports and checkpoints without the console."""
    _require_reader(request)
    path = Path(verify_sessionadmin.__file__)
    return FileResponse(path.open("rb"), as_attachment=True, filename=path.name, content_type="text/x-python")


def _require_reader(request: HttpRequest) -> None:
    if not sees_everything(viewer(request)):
        raise PermissionDenied("Only administrators and auditors see the evidence of the log.")
