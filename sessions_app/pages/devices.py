"""Name and forget a device of one's own, from the page of one's account or of a login."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from activity.viewer import viewer
from sessions_app.devices.flows.own_devices import forget_device, name_device
from sessions_app.devices.models import NAME_LENGTH, Device
from sessions_app.errors import Refused
from sessions_app.logins.models import LoginSession
from sessions_app.outcome import confirmation

MOST_SHOWN = 20  # on the page of one's account; those that were not used for longest are left out

get_or_post = require_http_methods(["GET", "HEAD", "POST"])


class DeviceForm(forms.Form):
    """The name of a device."""

    name = forms.CharField(
        max_length=NAME_LENGTH,
        required=False,
        widget=forms.TextInput(attrs={"placeholder": "work laptop", "autofocus": True, "autocomplete": "off"}),
        help_text="Whoever sees your logins can read it. Leave it empty to take the name away.",
    )


def own_devices(user_id: int) -> list[Device]:
    """Return the devices of a person, the last used first."""
    return list(Device.objects.filter(user_id=user_id).order_by("-last_seen_at", "-pk")[:MOST_SHOWN])


@get_or_post
def device_name(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask for the name (GET), and store it (POST)."""
    device = _own(request, pk)
    form = DeviceForm(
        request.POST if request.method == "POST" else None, initial={"name": device.name}, label_suffix=""
    )
    if form.is_valid():
        try:
            name_device(viewer(request), device, name=form.cleaned_data["name"])
        except Refused as refusal:
            form.add_error(refusal.field or None, refusal.message)
        else:
            messages.success(request, f"The device is called “{device}” now.")
            return redirect(_account())
    context = {"title": "Name a device", "heading": "Your account", "device": device, "form": form}
    return _question(request, "sessions_app/devices/device_name.html", context, status=422 if form.is_bound else 200)


@get_or_post
def device_forget(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a confirmation (GET), or forget the device (POST)."""
    device = _own(request, pk)
    form = forms.Form(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            forget_device(viewer(request), device)
        except Refused as refusal:
            messages.error(request, refusal.message)
        else:
            messages.success(request, f"Forgot the device “{device}”.")
        return redirect(_account())
    live = LoginSession.objects.live().filter(known_device=device.pk).count()
    context = {"title": "Forget a device", "heading": "Your account", "device": device, "form": form, "live": live}
    return _question(request, "sessions_app/devices/device_forget.html", context)


def _own(request: HttpRequest, pk: int) -> Device:
    return get_object_or_404(Device, pk=pk, user_id=viewer(request).pk)


def _account() -> str:
    return f"{reverse('account')}#devices"


def _question(request: HttpRequest, template: str, context: dict[str, object], status: int = 200) -> HttpResponse:
    return confirmation(request, template, {**context, "page_url": _account()}, status=status)
