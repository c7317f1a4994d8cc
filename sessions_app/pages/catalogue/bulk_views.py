"""The page on which administrators add several resources at once from pasted lines."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from activity.viewer import viewer
from sessions_app.catalogue.bulk_resources import ManyResourcesForm
from sessions_app.outcome import outcome
from sessions_app.permission import administrator_refusal, role_of


@require_http_methods(["GET", "HEAD", "POST"])
def resources_add_many(request: HttpRequest) -> HttpResponse:
    """Show the form (GET), preview the resources, or add all of them in one transaction (POST)."""
    if refused := administrator_refusal(**role_of(viewer(request))):
        raise PermissionDenied(refused)
    form = ManyResourcesForm(request.POST if request.method == "POST" else None)
    if form.is_valid() and not form.is_preview:
        try:
            with transaction.atomic():
                for resource in form.resources:
                    resource.save()
        except IntegrityError:  # somebody else took one of the names at this moment
            form = ManyResourcesForm(request.POST)
            if form.is_valid():
                raise
        else:
            count = len(form.resources)
            said = f"Added {count} resource{'' if count == 1 else 's'}. Test the connection on the page of each host."
            return outcome(request, [("success", said)], reverse("resources"))
    context = {"title": "Add several resources", "form": form, "back": reverse("resources")}
    status = 422 if form.is_bound and form.errors else 200
    response = render(request, "sessions_app/pages/catalogue/resources_add_many.html", context, status=status)
    response["Cache-Control"] = "no-store"
    return response
