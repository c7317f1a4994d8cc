"""The page on which people choose how the console shows itself to them, and which mails they get."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from activity.middleware import ZONES
from activity.viewer import viewer
from sessions_app.people.forms import PersonalSettingsForm
from sessions_app.people.personal import settings_of, write_cookies


@require_http_methods(["GET", "HEAD", "POST"])
def personal_settings(request: HttpRequest) -> HttpResponse:
    """Show a person's own settings, and save them for the next logins and for this browser."""
    chosen = settings_of(viewer(request))
    of_browser = request.COOKIES.get("timezone", "")
    form = PersonalSettingsForm(
        request.POST if request.method == "POST" else None,
        instance=chosen,
        of_browser=of_browser if of_browser in ZONES else "",
        label_suffix="",
    )
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, "Your settings were saved. Your other browsers take them over at their next login.")
        response: HttpResponse = redirect("settings")
        write_cookies(response, chosen)
        return response
    context = {"heading": "Settings", "form": form}
    return render(request, "sessions_app/pages/people/settings.html", context, status=422 if form.errors else 200)
