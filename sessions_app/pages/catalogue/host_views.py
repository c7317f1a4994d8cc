"""Views with which administrators test the connection to a host, and confirm its host key."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_POST

from activity.typed import typed
from activity.viewer import viewer
from sessions_app.catalogue.models import Resource
from sessions_app.errors import Refused
from sessions_app.hosts.flows import host_key
from sessions_app.hosts.ssh.keys import LONGEST_KEY_LINE as LONGEST_KEY
from sessions_app.outcome import outcome
from sessions_app.pages.catalogue.tables import visible_resources
from sessions_app.roles import is_administrator


@require_POST
def host_check(request: HttpRequest, pk: int) -> HttpResponse:
    """Test the connection, show what works, and ask to confirm a host key that is not pinned."""
    resource = _resource(request, pk)
    try:
        report = host_key.check(viewer(request), resource)
    except Refused as error:
        return outcome(request, [("error", error.message)], resource.get_absolute_url())
    return render(request, "sessions_app/hosts/host_check.html", {"resource": resource, "report": report})


@require_POST
def host_key_confirm(request: HttpRequest, pk: int) -> HttpResponse:
    """Pin the key that the page showed."""
    resource = _resource(request, pk)
    key, instead_of = (typed(request.POST, name, LONGEST_KEY) for name in ("key", "instead_of"))
    try:
        fingerprint = host_key.confirm_host_key(viewer(request), resource, key=key, instead_of=instead_of)
    except Refused as error:
        return outcome(request, [("error", error.message)], resource.get_absolute_url())
    said = f"Confirmed the host key {fingerprint}. Test the connection once more."
    return outcome(request, [("success", said)], resource.get_absolute_url())


def _resource(request: HttpRequest, pk: int) -> Resource:
    found = get_object_or_404(visible_resources(viewer(request)), pk=pk)
    if not is_administrator(viewer(request)):
        raise PermissionDenied("Only administrators test hosts.")
    return found
